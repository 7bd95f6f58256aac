// @ts-check
// What the tools have in common: whose pixels may change, objects for them, and edits of what is drawn.

import * as masks from "./masks.js";
import { edit, setDrawing } from "./model.js";
import { addObject, added } from "./objects.js";
import { chosen, isMap, say, session, set, shownOf, state } from "./store.js";
import * as view from "./view.js";

export const NEAR = 9; // pixels of the screen

/** @typedef {{x: number, y: number}} Place */

/** @param {Place} place @returns {Place} The pixel at a place. */
export function pixel(place) {
  return { x: Math.floor(place.x), y: Math.floor(place.y) };
}

/** @param {Place} at */
export function inside(at) {
  return at.x >= 0 && at.y >= 0 && at.x < view.map.width && at.y < view.map.height;
}

/** Which pixels a stroke of an object may take. @param {number} slot @param {boolean} erase @returns {masks.May} */
export function allowed(slot, erase) {
  if (erase) return (id) => id === slot;
  const things = session().objects;
  const free = [true, ...things.map((t) => !t.locked && !state.protect)];
  free[slot] = true;
  return (id) => free[id];
}

/** The chosen object, of a kind that a tool is for; a new one where there is none. @param {boolean} map */
export async function objectFor(map) {
  await added();
  let thing = chosen();
  if (!thing || isMap(thing) !== map) {
    thing = session().objects.find((o) => isMap(o) === map && !o.locked && (map || !isPlaced(o.id)));
    if (thing) set({ object: thing.id });
  }
  if (thing) {
    if (!thing.locked) return thing.id;
    say(`${thing.name} is locked: press L to unlock it.`, true);
    return undefined;
  }
  return addObject(map ? "mask" : "keypoint");
}

/** @param {number} id */
export function isPlaced(id) {
  const own = shownOf(id);
  return own?.origin === "label" && own.x !== undefined;
}

/** Send what was drawn; nothing, where it changed nothing. @param {number} id @param {number} slot @param {Uint16Array} before */
export async function send(id, slot, before) {
  view.setBusy(false);
  setDrawing(false);
  const { ids } = view.map;
  let same = true;
  for (let k = 0; same && k < ids.length; k++) same = (ids[k] === slot) === (before[k] === slot);
  if (same) return;
  const path = `labels/${state.frame}/${id}`;
  const source = ["result", "stale", "reviewed"].includes(shownOf(id)?.origin ?? "") ? "corrected" : "drawn";
  if (masks.has(view.map, slot)) {
    const isFirst = state.timeline?.objects.every((row) => !row.labels.length);
    await edit("PUT", path, { counts: masks.encode(view.map, slot), source }, state.frame);
    if (isFirst) say("Paint until it is right; then Propagate carries it through the video.");
  } else if (shownOf(id)?.origin === "label") {
    await edit("DELETE", path, {}, state.frame);
    say("Nothing is left of this label: it is deleted. Press O to say that the object is gone from here on.");
  } else {
    await edit("PUT", path, { state: "occluded" }, state.frame);
    say("Nothing is left of the object in this frame: it is marked as hidden here. Press O if it is gone.");
  }
}

/** @param {Place} at @returns {number | undefined} The point there. */
export function pointAt(at) {
  const near = NEAR / view.zoom.scale;
  return state.labels?.labels.find(
    (l) => l.x !== undefined && l.y !== undefined && Math.hypot(l.x + 0.5 - at.x, l.y + 0.5 - at.y) < near,
  )?.object;
}

/** Place a point; one that is hidden stays so. @param {number} id @param {Place} at */
export function put(id, at) {
  const x = Math.min(view.map.width - 1, Math.max(0, at.x - 0.5));
  const y = Math.min(view.map.height - 1, Math.max(0, at.y - 0.5));
  const own = shownOf(id);
  const hidden = own?.origin === "label" && own.state === "occluded" && own.x !== undefined;
  return edit("PUT", `labels/${state.frame}/${id}`, { x, y, state: hidden ? "occluded" : "present" }, state.frame);
}

/** @param {CanvasRenderingContext2D} c @param {Place} at @param {number} radius */
export function ring(c, at, radius) {
  c.beginPath();
  c.arc(at.x, at.y, radius, 0, 2 * Math.PI);
  twice(c);
}

/** A line that is seen on any ground. @param {CanvasRenderingContext2D} c */
export function twice(c) {
  const unit = 1 / view.zoom.scale;
  c.lineWidth = 3 * unit;
  c.strokeStyle = "rgb(0 0 0 / 0.6)";
  c.stroke();
  c.lineWidth = 1.2 * unit;
  c.strokeStyle = "white";
  c.stroke();
}
