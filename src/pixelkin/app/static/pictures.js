// @ts-check
// Frames of the video as bitmaps: those around the one in view are fetched ahead, some are kept.

const KEPT = 60;
const AROUND = 8;

/** @type {Map<number, ImageBitmap>} The last used at the end. */
const bitmaps = new Map();
/** @type {Map<number, {promise: Promise<ImageBitmap>, abort: AbortController}>} */
const coming = new Map();
let fingerprint = "";

/** @param {string} print Of the video; all others' frames are dropped. */
export function ofVideo(print) {
  if (print === fingerprint) return;
  fingerprint = print;
  for (const one of coming.values()) one.abort.abort();
  for (const bitmap of bitmaps.values()) bitmap.close();
  coming.clear();
  bitmaps.clear();
}

/** @param {number} frame @returns {ImageBitmap | undefined} If it is there already. */
export function at(frame) {
  const found = bitmaps.get(frame);
  if (found) {
    bitmaps.delete(frame);
    bitmaps.set(frame, found);
  }
  return found;
}

/** @param {number} frame @returns {Promise<ImageBitmap>} */
export function fetched(frame) {
  const found = at(frame);
  if (found) return Promise.resolve(found);
  const known = coming.get(frame);
  if (known) return known.promise;
  const abort = new AbortController();
  const promise = read(`/api/frames/${frame}.jpg?v=${fingerprint}`, abort.signal).then(
    (bitmap) => {
      coming.delete(frame);
      bitmaps.set(frame, bitmap);
      for (const [old, picture] of bitmaps) {
        if (bitmaps.size <= KEPT) break;
        bitmaps.delete(old);
        picture.close();
      }
      return bitmap;
    },
    (error) => {
      coming.delete(frame);
      throw error;
    },
  );
  coming.set(frame, { promise, abort });
  return promise;
}

/** @param {number} frame @param {AbortSignal} signal @returns {Promise<ImageBitmap>} In full size. */
export function full(frame, signal) {
  return read(`/api/frames/${frame}.jpg?full=true&v=${fingerprint}`, signal);
}

/** @param {string} url @param {AbortSignal} signal */
async function read(url, signal) {
  const answer = await fetch(url, { signal });
  if (!answer.ok) {
    const told = await answer.json().catch(() => ({ error: "a frame could not be read" }));
    throw new Error(told.error);
  }
  return createImageBitmap(await answer.blob());
}

/**
 * Fetch what will be wanted next; what was to come and is far by now is dropped.
 * @param {number} frame In view. @param {number} count Frames of the video. @param {number[]} others
 */
export function ahead(frame, count, others) {
  for (const [other, one] of coming) {
    if (Math.abs(other - frame) > AROUND && !others.includes(other)) {
      one.abort.abort();
      coming.delete(other);
    }
  }
  const wanted = [];
  for (let k = 1; k <= AROUND; k++) wanted.push(frame + k, frame - k);
  for (const other of [...wanted, ...others]) {
    if (other >= 0 && other < count && !bitmaps.has(other)) fetched(other).catch(() => {});
  }
}
