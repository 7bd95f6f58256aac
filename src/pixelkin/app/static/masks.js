// @ts-check
// Maps of numbers, a Uint16 a pixel in rows: drawing into them, and run lengths as COCO has them.
// Nothing here knows of the page, or reads pixels from a canvas, which would not be exact.

/**
 * @typedef {Object} Grid A map of numbers; 0 is the background.
 * @property {number} width
 * @property {number} height
 * @property {Uint16Array} ids Row after row.
 */

/** @typedef {{left: number, top: number, right: number, bottom: number}} Box Right and bottom are outside. */

/** @typedef {(id: number) => boolean} May Whether a pixel of this number may be changed. */

/** @param {number} width @param {number} height @returns {Grid} */
export function grid(width, height) {
  return { width, height, ids: new Uint16Array(width * height) };
}

/** @returns {Box} One that holds nothing. */
export function nothing() {
  return { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
}

/** @param {Box} box @returns {boolean} */
export function isEmpty(box) {
  return box.left >= box.right || box.top >= box.bottom;
}

/** @param {Box} a @param {Box} b @returns {Box} The smallest box around both. */
export function around(a, b) {
  return {
    left: Math.min(a.left, b.left),
    top: Math.min(a.top, b.top),
    right: Math.max(a.right, b.right),
    bottom: Math.max(a.bottom, b.bottom),
  };
}

/**
 * Run lengths down the columns, of the pixels that are not of a number first.
 * @param {Grid} map @param {number} id @returns {number[]}
 */
export function encode(map, id) {
  const { width, height, ids } = map;
  const counts = [];
  let run = 0;
  let inside = false;
  for (let x = 0; x < width; x++) {
    for (let y = 0, at = x; y < height; y++, at += width) {
      if ((ids[at] === id) !== inside) {
        counts.push(run);
        run = 0;
        inside = !inside;
      }
      run++;
    }
  }
  counts.push(run);
  return counts;
}

/**
 * Give the pixels of run lengths a number.
 * @param {Grid} map @param {number[]} counts @param {number} id
 */
export function decode(map, counts, id) {
  const { width, height, ids } = map;
  let at = 0;
  for (let k = 0; k < counts.length; k++) {
    const end = at + counts[k];
    if (k % 2) {
      let x = Math.floor(at / height);
      let y = at - x * height;
      for (; at < end; at++) {
        ids[y * width + x] = id;
        if (++y === height) {
          y = 0;
          x++;
        }
      }
    }
    at = end;
  }
}

/**
 * Everything within a radius of the line between two pixels: a stroke of a round brush.
 * @param {Grid} map
 * @param {{x: number, y: number}} from Whole pixels.
 * @param {{x: number, y: number}} to
 * @param {number} radius In pixels; 0 is one pixel.
 * @param {number} id What they become.
 * @param {May} may
 * @returns {Box} What may have changed.
 */
export function stroke(map, from, to, radius, id, may) {
  const { width, height, ids } = map;
  const box = {
    left: Math.max(0, Math.min(from.x, to.x) - radius),
    top: Math.max(0, Math.min(from.y, to.y) - radius),
    right: Math.min(width, Math.max(from.x, to.x) + radius + 1),
    bottom: Math.min(height, Math.max(from.y, to.y) + radius + 1),
  };
  const dx = to.x - from.x;
  const dy = to.y - from.y;
  const length = dx * dx + dy * dy;
  const most = radius * radius + radius; // as round as discs of whole pixels are
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      const px = x - from.x;
      const py = y - from.y;
      const share = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      const ex = px - share * dx;
      const ey = py - share * dy;
      const at = y * width + x;
      if (ex * ex + ey * ey <= most && may(ids[at])) ids[at] = id;
    }
  }
  return box;
}

/**
 * The pixels whose centres are within an odd number of sides' crossings.
 * @param {Grid} map
 * @param {{x: number, y: number}[]} corners Of pixels: (0, 0) is the top left one of the first.
 * @param {number} id @param {May} may @returns {Box}
 */
export function polygon(map, corners, id, may) {
  const { width, height, ids } = map;
  const ys = corners.map((c) => c.y);
  const top = Math.max(0, Math.floor(Math.min(...ys)));
  const bottom = Math.min(height, Math.ceil(Math.max(...ys)));
  const box = nothing();
  for (let y = top; y < bottom; y++) {
    const centre = y + 0.5;
    const crossings = [];
    for (let k = 0; k < corners.length; k++) {
      const a = corners[k];
      const b = corners[(k + 1) % corners.length];
      if (a.y <= centre !== b.y <= centre) {
        crossings.push(a.x + ((centre - a.y) / (b.y - a.y)) * (b.x - a.x));
      }
    }
    crossings.sort((p, q) => p - q);
    for (let k = 0; k + 1 < crossings.length; k += 2) {
      const first = Math.max(0, Math.ceil(crossings[k] - 0.5));
      const end = Math.min(width, Math.ceil(crossings[k + 1] - 0.5));
      for (let x = first; x < end; x++) if (may(ids[y * width + x])) ids[y * width + x] = id;
      if (first < end) Object.assign(box, around(box, { left: first, top: y, right: end, bottom: y + 1 }));
    }
  }
  return box;
}

/**
 * The pixels of one number that are connected with one of them, by their sides.
 * @param {Grid} map @param {number} x @param {number} y @param {number} id @param {May} may
 * @returns {Box}
 */
export function fill(map, x, y, id, may) {
  const { width, height, ids } = map;
  const box = nothing();
  const old = ids[y * width + x];
  if (old === id || !may(old)) return box;
  const waiting = [[x, y]];
  while (waiting.length) {
    const [sx, sy] = /** @type {number[]} */ (waiting.pop());
    const row = sy * width;
    if (ids[row + sx] !== old) continue;
    let first = sx;
    while (first > 0 && ids[row + first - 1] === old) first--;
    let end = sx;
    while (end < width && ids[row + end] === old) ids[row + end++] = id;
    ids.fill(id, row + first, row + end);
    Object.assign(box, around(box, { left: first, top: sy, right: end, bottom: sy + 1 }));
    for (const ny of [sy - 1, sy + 1]) {
      if (ny < 0 || ny >= height) continue;
      for (let nx = first; nx < end; nx++) {
        const at = ny * width + nx;
        if (ids[at] === old && (nx === first || ids[at - 1] !== old)) waiting.push([nx, ny]);
      }
    }
  }
  return box;
}

/**
 * The pixels of a box as a canvas takes them.
 * @param {Grid} map @param {Box} box
 * @param {Uint32Array} colours By number, as little-endian RGBA; 0 draws nothing.
 * @param {boolean} outlines Whether only the rims are drawn.
 * @param {Uint32Array} into As many as the box has pixels.
 */
export function paint(map, box, colours, outlines, into) {
  const { width, height, ids } = map;
  let k = 0;
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++, k++) {
      const at = y * width + x;
      const id = ids[at];
      const inner =
        outlines && id &&
        x > 0 && y > 0 && x + 1 < width && y + 1 < height &&
        ids[at - 1] === id && ids[at + 1] === id && ids[at - width] === id && ids[at + width] === id;
      into[k] = inner ? 0 : colours[id];
    }
  }
}

/**
 * A place inside of a mask, near to its middle: of the column there, the middle of its longest run.
 * @param {number[]} counts Run lengths. @param {number} height Of the frame.
 * @returns {{x: number, y: number} | null} A pixel; null of an empty mask.
 */
export function middle(counts, height) {
  /** @type {{x: number, y: number, length: number}[]} */
  const runs = []; // each within its column
  let [at, pixels, sum] = [0, 0, 0];
  counts.forEach((count, k) => {
    for (let start = at; k % 2 && start < at + count; ) {
      const x = Math.floor(start / height);
      const end = Math.min(at + count, (x + 1) * height);
      runs.push({ x, y: start - x * height, length: end - start });
      pixels += end - start;
      sum += x * (end - start);
      start = end;
    }
    at += count;
  });
  if (!runs.length) return null;
  const wanted = sum / pixels;
  const best = runs.reduce((a, b) => {
    const [da, db] = [Math.abs(a.x - wanted), Math.abs(b.x - wanted)];
    return db < da || (db === da && b.length > a.length) ? b : a;
  });
  return { x: best.x, y: best.y + Math.floor(best.length / 2) };
}

/** @param {Grid} map @param {number} id @returns {boolean} Whether any pixel is of this number. */
export function has(map, id) {
  return map.ids.includes(id);
}

/**
 * Pixels of a number with a neighbour of another: [x, y] each.
 * @param {Grid} map @param {number} id @returns {number[][]}
 */
export function rim(map, id) {
  const { width, height, ids } = map;
  const found = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (ids[at] !== id) continue;
      const inner =
        x > 0 && y > 0 && x + 1 < width && y + 1 < height &&
        ids[at - 1] === id && ids[at + 1] === id && ids[at - width] === id && ids[at + width] === id;
      if (!inner) found.push([x, y]);
    }
  }
  return found;
}
