// @ts-check
// What somebody set, kept by the browser. Anything that is kept wrongly is as at first.

import { ownKeys } from "./keys.js";

/**
 * @typedef {Object} Settings
 * @property {"auto" | "light" | "dark"} theme
 * @property {number} radius Of the brush at the start, in pixels.
 * @property {number} opacity Of labels at the start, in percent.
 * @property {number} step Frames of a big jump.
 * @property {number} point Radius of points on the screen, in pixels.
 * @property {boolean} keepLook Whether brush and look are as they were last.
 * @property {boolean} keepFrame Whether a video is shown where it was left.
 * @property {import("./keys.js").Own} keys
 */

/** @typedef {{radius?: number, opacity?: number, outlines?: boolean, onion?: boolean, numbers?: boolean, protect?: boolean}} Look */

/** What may be set, from its least to its most. */
export const LIMITS = /** @type {Record<"radius" | "opacity" | "step" | "point", [number, number]>} */ ({
  radius: [1, 200], opacity: [5, 100], step: [2, 1000], point: [2, 20],
});

const THEMES = ["auto", "light", "dark"];
const VIDEOS = 50; // whose frames are kept

/** @returns {Settings} As at first. */
export function atFirst() {
  return { theme: "auto", radius: 12, opacity: 55, step: 10, point: 5, keepLook: false, keepFrame: true, keys: {} };
}

/** @param {any} told Anything. @returns {Settings} What of it can be. */
export function settingsOf(told) {
  const found = atFirst();
  if (typeof told !== "object" || told === null) return found;
  if (THEMES.includes(told.theme)) found.theme = told.theme;
  for (const name of /** @type {(keyof typeof LIMITS)[]} */ (Object.keys(LIMITS))) {
    const [least, most] = LIMITS[name];
    if (Number.isInteger(told[name]) && least <= told[name] && told[name] <= most) found[name] = told[name];
  }
  for (const name of /** @type {const} */ (["keepLook", "keepFrame"])) {
    if (typeof told[name] === "boolean") found[name] = told[name];
  }
  found.keys = ownKeys(told.keys);
  return found;
}

/** @param {any} told Anything. @returns {Look} What of it can be. */
export function lookOf(told) {
  const found = /** @type {any} */ ({});
  for (const name of ["outlines", "onion", "numbers", "protect"]) {
    if (typeof told?.[name] === "boolean") found[name] = told[name];
  }
  for (const [name, least, most] of /** @type {const} */ ([["radius", 1, 200], ["opacity", 0.05, 1]])) {
    const value = told?.[name];
    if (Number.isFinite(value) && least <= value && value <= most) found[name] = value;
  }
  return found;
}

/**
 * Where videos were left, by their fingerprint, the last used at the end.
 * @param {any} told Anything. @param {string} [video] @param {number} [frame] It is left at.
 * @returns {[string, number][]}
 */
export function framesOf(told, video, frame) {
  const fits = (/** @type {any} */ one) => Array.isArray(one) && typeof one[0] === "string" && Number.isInteger(one[1]);
  const found = Array.isArray(told) ? told.filter(fits) : [];
  if (video === undefined || frame === undefined) return found;
  return [...found.filter(([other]) => other !== video), /** @type {[string, number]} */ ([video, frame])].slice(-VIDEOS);
}

/**
 * Values that a browser keeps, where it keeps any: it may forbid that, or be full.
 * @param {() => Pick<Storage, "getItem" | "setItem">} storage
 */
export function keeper(storage) {
  return {
    /** @param {string} name @returns {any} Null where there is nothing that can be read. */
    read(name) {
      try {
        return JSON.parse(storage().getItem(`pixelkin.${name}`) ?? "null");
      } catch {
        return null;
      }
    },
    /** @param {string} name @param {any} value @returns {boolean} Whether it is kept. */
    write(name, value) {
      try {
        storage().setItem(`pixelkin.${name}`, JSON.stringify(value));
        return true;
      } catch {
        return false;
      }
    },
  };
}
