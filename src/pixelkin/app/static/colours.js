// @ts-check
// Colours of objects: twenty that are easily told apart.

/** Trubetskoy's twenty simple, distinct colours. */
export const PALETTE = [
  "#e6194b", "#3cb44b", "#ffe119", "#4363d8", "#f58231", "#42d4f4", "#f032e6", "#bfef45",
  "#fabed4", "#469990", "#dcbeff", "#9a6324", "#fffac8", "#800000", "#aaffc3", "#808000",
  "#ffd8b1", "#000075", "#a9a9a9", "#ffffff",
];

/**
 * The colour of an object: its own, or one by its id, which it keeps wherever it is listed.
 * @param {{id: number, colour: number[] | null}} object @returns {string} "#rrggbb"
 */
export function colourOf(object) {
  if (object.colour === null) return PALETTE[(object.id + PALETTE.length - 1) % PALETTE.length];
  return "#" + object.colour.map((c) => c.toString(16).padStart(2, "0")).join("");
}

/** @param {string} hex "#rrggbb" @returns {[number, number, number]} */
export function parts(hex) {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** @param {string} hex "#rrggbb" @returns {string} Black or white, whichever is read better on it. */
export function inkOn(hex) {
  const linear = parts(hex).map((c) => (c <= 10 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return light > 0.179 ? "#000000" : "#ffffff";
}

/** @param {string} hex "#rrggbb" @returns {number} As a canvas has it: little-endian RGBA, opaque. */
export function packed(hex) {
  const [r, g, b] = parts(hex);
  return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
