// @ts-check
// What is said of the chosen object in the frame in view, but for what is drawn.

import { editAsIs, labelsNow } from "./model.js";
import { chosen, isMap, say, state } from "./store.js";

/** @returns {number[]} The frames of the chosen object's labels. */
export function labelled() {
  const row = state.timeline?.objects.find((r) => r.id === state.object);
  return row ? row.labels.map(([frame]) => frame) : [];
}

/**
 * Change what is said of an object in a frame by what is known of it, edits that are on their way included.
 * @param {number} frame @param {number | null} id
 * @param {(own: import("./store.js").Shown | undefined) => Record<string, any> | null | void} wanted What is to be
 *   said of it; null for nothing any more, undefined where all stays.
 * @param {number} [other] The frame that it is known of, where that is another one.
 */
async function change(frame, id, wanted, other = frame) {
  await editAsIs(async () => {
    const label = wanted((await labelsNow(other)).labels.find((l) => l.object === id));
    if (label === undefined) return undefined;
    return label === null ? ["DELETE", `labels/${frame}/${id}`] : ["PUT", `labels/${frame}/${id}`, label];
  }, frame);
}

/** The state of the chosen object in the frame in view. @param {"absent" | "occluded"} kind */
export async function mark(kind) {
  const one = chosen();
  if (!one) return say("There is no object yet: paint one, or add one.");
  await change(state.frame, one.id, (own) => {
    if (own?.origin === "label" && own.state === kind) {
      return kind === "occluded" && hasPlace(own) ? { ...placeIn(own), state: "present" } : null;
    }
    const found = kind === "occluded" && own && own.origin !== "label" && !isMap(one) && hasPlace(own);
    return { ...(found ? placeIn(own) : {}), state: kind }; // where it is taken to be
  });
}

/** The chosen object is seen in the frame in view, whatever was said or found. */
export async function unhide() {
  const one = chosen();
  if (!one) return;
  await change(state.frame, one.id, (own) => {
    if (own?.state === "present" && own.origin !== "none") return say(`${one.name} is seen here already.`);
    if (own && hasPlace(own)) return { ...placeIn(own), state: "present" };
    if (own?.origin === "label") return null;
    return say(`Nothing is known of where ${one.name} is: ${isMap(one) ? "paint it" : "place it with Point"}.`);
  });
}

/** Make the result that is shown a label of the chosen object. */
export async function keep() {
  await change(state.frame, state.object, (own) => {
    if (own && !["none", "label"].includes(own.origin) && hasPlace(own)) return { ...placeIn(own), source: "accepted" };
    return say("There is no result of this object here that could become a label.");
  });
}

/** Copy the label of the frame before. */
export async function copyBefore() {
  const { frame, object } = state;
  if (!frame || object === null) return;
  await change(frame, object, (own) => {
    if (own && hasPlace(own)) return { ...placeIn(own), state: own.state };
    return say("The frame before shows nothing of this object.");
  }, frame - 1);
}

/** Delete the label of the chosen object in the frame in view. */
export async function removeLabel() {
  await change(state.frame, state.object, (own) => (own?.origin === "label" ? null : say("This object has no label here.")));
}

/** @param {import("./store.js").Shown} own */
function hasPlace(own) {
  return own.counts !== undefined || own.x !== undefined;
}

/** @param {import("./store.js").Shown} own */
function placeIn(own) {
  return own.counts ? { counts: own.counts } : { x: own.x, y: own.y };
}
