// @ts-check
// The arithmetic of the timeline: places and frames, ranges of frames, and what to call a time.

/**
 * @typedef {Object} Span What a timeline shows.
 * @property {number} left Where its first pixel lies.
 * @property {number} width Of its frames in pixels.
 * @property {number} frames Of the video.
 * @property {number} first The frame at its left end; may lie between two.
 * @property {number} shown How many frames it shows.
 */

/** @param {number} frames @param {number} left @param {number} width @returns {Span} All frames. */
export function whole(frames, left, width) {
  return { left, width, frames, first: 0, shown: frames };
}

/** @param {Span} span @param {number} frame @returns {number} Where a frame begins. */
export function placeOf(span, frame) {
  return span.left + ((frame - span.first) * span.width) / span.shown;
}

/** @param {Span} span @param {number} x @returns {number} The frame at a place: the nearest there is. */
export function frameAt(span, x) {
  const frame = Math.floor(span.first + ((x - span.left) * span.shown) / span.width);
  return Math.min(span.frames - 1, Math.max(0, frame));
}

/**
 * Show more or fewer frames; the one at a place stays there.
 * @param {Span} span @param {number} x @param {number} factor Above 1 for more. @returns {Span}
 */
export function zoomed(span, x, factor) {
  const shown = Math.min(span.frames, Math.max(Math.min(8, span.frames), span.shown * factor));
  const at = (x - span.left) / span.width;
  return moved({ ...span, shown, first: span.first + at * (span.shown - shown) }, 0);
}

/** @param {Span} span @param {number} by Frames. @returns {Span} */
export function moved(span, by) {
  const first = Math.min(span.frames - span.shown, Math.max(0, span.first + by));
  return { ...span, first };
}

/** @param {Span} span @param {number} frame @returns {Span} So that a frame is in sight. */
export function showing(span, frame) {
  if (frame < span.first) return moved(span, frame - span.first);
  if (frame + 1 > span.first + span.shown) return moved(span, frame + 1 - span.first - span.shown);
  return span;
}

/** @param {string} text @returns {Uint8Array} The bytes of base64. */
export function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/** @param {number[][]} ranges [first, last] each, ascending. @param {number} frame @returns {boolean} */
export function within(ranges, frame) {
  return ranges.some(([first, last]) => first <= frame && frame <= last);
}

/**
 * The next of some frames, or the one before.
 * @param {number[]} frames Ascending. @param {number} from @param {1 | -1} way
 * @returns {number | undefined}
 */
export function next(frames, from, way) {
  return way > 0 ? frames.find((f) => f > from) : frames.findLast((f) => f < from);
}

/** @param {number} seconds @returns {string} "12 s", "3 min", "2 h". */
export function spoken(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** @param {number} frame @param {number | null} fps @returns {string} "1.68 s"; nothing without a rate. */
export function timeOf(frame, fps) {
  return fps ? `${(frame / fps).toFixed(2)} s` : "";
}
