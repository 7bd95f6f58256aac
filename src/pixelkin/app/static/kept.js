// @ts-check
// What the browser keeps for the next time: settings, and as these want it, the look and the frames.

import { framesOf, keeper, lookOf, settingsOf } from "./settings.js";
import { set, state, watch } from "./store.js";

const kept = keeper(() => localStorage);
const LOOK = /** @type {const} */ (["radius", "opacity", "outlines", "onion", "numbers", "protect"]);
const SOON = 400; // milliseconds

/** Take over what was kept, and keep what changes. */
export function start() {
  const settings = settingsOf(kept.read("settings"));
  const look = settings.keepLook ? lookOf(kept.read("look")) : {};
  set({ settings, radius: settings.radius, opacity: settings.opacity / 100, ...look });
  addEventListener("storage", (event) => {
    if (event.key === "pixelkin.settings") set({ settings: settingsOf(kept.read("settings")) }); // of another window
  });
  watch([...LOOK, "settings"], () => later("look", keepLook));
  watch(["frame"], () => later("frame", keepFrame));
}

/** @param {Partial<import("./settings.js").Settings>} changes @returns {boolean} Whether they are kept. */
export function change(changes) {
  const settings = settingsOf({ ...state.settings, ...changes });
  set({ settings });
  return kept.write("settings", settings);
}

/** @param {string} fingerprint Of a video. @param {number} frames It has. @returns {number} Where it was left. */
export function lastFrame(fingerprint, frames) {
  if (!state.settings.keepFrame) return 0;
  const found = framesOf(kept.read("frames")).find(([video]) => video === fingerprint)?.[1] ?? 0;
  return 0 <= found && found < frames ? found : 0;
}

/** @type {Map<string, number>} */
const waiting = new Map();

/** @param {string} what @param {() => void} act Once, when changes have come to an end. */
function later(what, act) {
  clearTimeout(waiting.get(what));
  waiting.set(what, window.setTimeout(act, SOON));
}

function keepLook() {
  if (state.settings.keepLook) kept.write("look", Object.fromEntries(LOOK.map((name) => [name, state[name]])));
}

function keepFrame() {
  const video = state.session?.fingerprint;
  if (video && state.settings.keepFrame) kept.write("frames", framesOf(kept.read("frames"), video, state.frame));
}
