// Run lengths, strokes, polygons and fills, against forms that try every pixel.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as masks from "../../../src/pixelkin/app/static/masks.js";

/** Numbers that look random and are the same each time. */
function random(seed) {
  let state = seed;
  return () => ((state = (state * 1103515245 + 12345) % 2147483648) / 2147483648);
}

function noise(width, height, seed, numbers = 2) {
  const draw = random(seed);
  const map = masks.grid(width, height);
  map.ids.forEach((_, k) => (map.ids[k] = Math.floor(draw() * numbers)));
  return map;
}

test("run lengths are COCO's", () => {
  const map = masks.grid(2, 2);
  map.ids.set([0, 1, 1, 1]);
  assert.deepEqual(masks.encode(map, 1), [1, 3]);
  map.ids.set([1, 0, 0, 0]);
  assert.deepEqual(masks.encode(map, 1), [0, 1, 3]);
  assert.deepEqual(masks.encode(masks.grid(3, 2), 1), [6]);
});

test("run lengths are read as they are written, also into a map with others", () => {
  for (let seed = 1; seed < 40; seed++) {
    const map = noise(1 + (seed % 7), 1 + (seed % 5), seed, 4);
    const again = masks.grid(map.width, map.height);
    for (const id of [1, 2, 3]) masks.decode(again, masks.encode(map, id), id);
    assert.deepEqual(again.ids, map.ids);
  }
});

test("a stroke is what lies within its radius of its line", () => {
  for (let seed = 1; seed < 30; seed++) {
    const draw = random(seed);
    const map = noise(40, 30, seed);
    const before = map.ids.slice();
    const place = () => ({ x: Math.floor(draw() * 50) - 5, y: Math.floor(draw() * 40) - 5 });
    const [from, to, radius] = [place(), place(), Math.floor(draw() * 9)];
    const box = masks.stroke(map, from, to, radius, 7, (id) => id !== 1);
    for (let y = 0; y < 30; y++) {
      for (let x = 0; x < 40; x++) {
        let near = Infinity; // to the line, in many small steps
        for (let k = 0; k <= 2000; k++) {
          const s = k / 2000;
          const [lx, ly] = [from.x + s * (to.x - from.x), from.y + s * (to.y - from.y)];
          near = Math.min(near, (x - lx) ** 2 + (y - ly) ** 2);
        }
        const most = radius * radius + radius;
        if (Math.abs(near - most) < 0.05) continue; // on the rim, where small steps are not exact
        const k = y * 40 + x;
        assert.equal(map.ids[k], near < most && before[k] !== 1 ? 7 : before[k]);
        if (map.ids[k] === 7) {
          assert.ok(box.left <= x && x < box.right && box.top <= y && y < box.bottom);
        }
      }
    }
  }
});

test("a polygon has the pixels whose centres lie in it", () => {
  for (let seed = 1; seed < 60; seed++) {
    const draw = random(seed);
    const map = masks.grid(24, 20);
    const corners = Array.from({ length: 3 + (seed % 6) }, () => ({ x: draw() * 30 - 3, y: draw() * 26 - 3 }));
    masks.polygon(map, corners, 1, () => true);
    for (let y = 0; y < 20; y++) {
      for (let x = 0; x < 24; x++) {
        let inside = false; // rays to the left, counted
        corners.forEach((a, k) => {
          const b = corners[(k + 1) % corners.length];
          const [cx, cy] = [x + 0.5, y + 0.5];
          if (a.y > cy !== b.y > cy && cx > ((b.x - a.x) * (cy - a.y)) / (b.y - a.y) + a.x) inside = !inside;
        });
        assert.equal(map.ids[y * 24 + x] === 1, inside, `seed ${seed}: ${x}, ${y}`);
      }
    }
  }
});

test("a fill is what is connected by sides", () => {
  for (let seed = 1; seed < 60; seed++) {
    const map = noise(15, 11, seed);
    const [x, y] = [seed % 15, (seed * 3) % 11];
    const old = map.ids[y * 15 + x];
    const reached = new Set([y * 15 + x]);
    for (const at of reached) {
      const [ax, ay] = [at % 15, Math.floor(at / 15)];
      for (const [bx, by] of [[ax - 1, ay], [ax + 1, ay], [ax, ay - 1], [ax, ay + 1]]) {
        if (bx >= 0 && by >= 0 && bx < 15 && by < 11 && map.ids[by * 15 + bx] === old) reached.add(by * 15 + bx);
      }
    }
    const before = map.ids.slice();
    masks.fill(map, x, y, 9, () => true);
    map.ids.forEach((id, k) => assert.equal(id, reached.has(k) ? 9 : before[k]));
  }
});

test("the middle of a mask is in it", () => {
  for (let seed = 1; seed < 60; seed++) {
    const map = noise(9, 7, seed, 3);
    const found = masks.middle(masks.encode(map, 1), 7);
    assert.equal(map.ids[found.y * 9 + found.x], 1, `seed ${seed}`);
  }
  assert.equal(masks.middle(masks.encode(masks.grid(5, 5), 1), 5), null);
  const square = masks.grid(20, 10);
  for (let y = 2; y < 7; y++) for (let x = 10; x < 17; x++) square.ids[y * 20 + x] = 1;
  assert.deepEqual(masks.middle(masks.encode(square, 1), 10), { x: 13, y: 4 });
  square.ids.fill(1);
  assert.deepEqual(masks.middle(masks.encode(square, 1), 10), { x: 9, y: 5 });
});

test("a fill respects what may not be changed", () => {
  const map = noise(8, 8, 3);
  const before = map.ids.slice();
  masks.fill(map, 0, 0, 9, () => false);
  assert.deepEqual(map.ids, before);
});

test("rims and outlines are pixels beside others", () => {
  const map = masks.grid(9, 9);
  for (let y = 2; y < 7; y++) for (let x = 2; x < 7; x++) map.ids[y * 9 + x] = 1;
  assert.equal(masks.rim(map, 1).length, 16);
  const into = new Uint32Array(81);
  masks.paint(map, { left: 0, top: 0, right: 9, bottom: 9 }, Uint32Array.of(0, 5), true, into);
  assert.equal(into.filter((c) => c === 5).length, 16);
  masks.paint(map, { left: 0, top: 0, right: 9, bottom: 9 }, Uint32Array.of(0, 5), false, into);
  assert.equal(into.filter((c) => c === 5).length, 25);
});
