// @ts-check
// What is said of the chosen object in the frame in view, but for what is drawn.

import { get } from "./api.js";
import { edit } from "./model.js";
import { chosen, isMap, say, shownOf, state } from "./store.js";

/** @returns {number[]} The frames of the chosen object's labels. */
export function labelled() {
  const row = state.timeline?.objects.find((r) => r.id === state.object);
  return row ? row.labels.map(([frame]) => frame) : [];
}

/** The state of the chosen object in the frame in view. @param {"absent" | "occluded"} kind */
export async function mark(kind) {
  const one = chosen();
  if (!one) return say("There is no object yet: paint one, or add one.");
  const own = shownOf(one.id);
  const again = own?.origin === "label" && own.state === kind;
  const path = `labels/${state.frame}/${one.id}`;
  if (again && kind === "occluded" && (own?.counts || own?.x !== undefined)) {
    await edit("PUT", path, { ...placeIn(own), state: "present" }, state.frame);
  } else if (again) await edit("DELETE", path, {}, state.frame);
  else if (kind === "occluded" && own && own.origin !== "label" && !isMap(one) && hasPlace(own)) {
    await edit("PUT", path, { ...placeIn(own), state: kind }, state.frame); // where it is taken to be
  } else await edit("PUT", path, { state: kind }, state.frame);
}

/** The chosen object is seen in the frame in view, whatever was said or found. */
export async function unhide() {
  const one = chosen();
  const own = one && shownOf(one.id);
  if (!one || !own) return;
  const path = `labels/${state.frame}/${one.id}`;
  if (own.state === "present" && own.origin !== "none") say(`${one.name} is seen here already.`);
  else if (hasPlace(own)) await edit("PUT", path, { ...placeIn(own), state: "present" }, state.frame);
  else if (own.origin === "label") await edit("DELETE", path, {}, state.frame);
  else say(`Nothing is known of where ${one.name} is: ${isMap(one) ? "paint it" : "place it with Point"}.`);
}

/** Make the result that is shown a label of the chosen object. */
export async function keep() {
  const own = state.object === null ? undefined : shownOf(state.object);
  if (!own || own.origin === "none" || own.origin === "label" || !hasPlace(own)) {
    say("There is no result of this object here that could become a label.");
    return;
  }
  await edit("PUT", `labels/${state.frame}/${own.object}`, { ...placeIn(own), source: "accepted" }, state.frame);
}

/** Copy the label of the frame before. */
export async function copyBefore() {
  const frame = state.frame;
  if (!frame || state.object === null) return;
  const before = await get(`labels/${frame - 1}`);
  const own = before.labels.find((/** @type {any} */ l) => l.object === state.object);
  if (!own || !hasPlace(own)) say("The frame before shows nothing of this object.");
  else await edit("PUT", `labels/${frame}/${own.object}`, { ...placeIn(own), state: own.state }, frame);
}

/** Delete the label of the chosen object in the frame in view. */
export async function removeLabel() {
  const own = state.object === null ? undefined : shownOf(state.object);
  if (own?.origin !== "label") say("This object has no label here.");
  else await edit("DELETE", `labels/${state.frame}/${own.object}`, {}, state.frame);
}

/** @param {import("./store.js").Shown} own */
function hasPlace(own) {
  return own.counts !== undefined || own.x !== undefined;
}

/** @param {import("./store.js").Shown} own */
function placeIn(own) {
  return own.counts ? { counts: own.counts } : { x: own.x, y: own.y };
}
