// @ts-check
// What is drawn over the labels: points and their skeleton, numbers of objects, outlines of other frames.

import { get } from "./api.js";
import { colourOf, inkOn } from "./colours.js";
import * as masks from "./masks.js";
import { next } from "./spans.js";
import { chosen, isMap, session, shownOf, state } from "./store.js";
import * as view from "./view.js";

/** @typedef {CanvasRenderingContext2D} Context */
/** @typedef {{x: number, y: number, hidden: boolean}} Spot Where a point is drawn. */

/** @type {number[][][]} Outlines of the labels before and after. */
let onion = [];
let onionOf = "";

/** @param {Context} c */
function draw(c) {
  if (state.hidden) return;
  if (state.onion) drawOnion(c);
  const spots = spotsThere();
  drawSkeleton(c, spots);
  drawPoints(c, spots);
  if (state.numbers) drawNumbers(c, spots);
}

/** @returns {Map<number, Spot>} By object. */
function spotsThere() {
  const things = new Map(session().objects.map((t) => [t.id, t]));
  const there = new Map();
  for (const one of state.labels?.labels ?? []) {
    const thing = things.get(one.object);
    if (thing && !isMap(thing) && !thing.hidden && one.x !== undefined && one.y !== undefined) {
      there.set(thing.id, { x: one.x + 0.5, y: one.y + 0.5, hidden: one.state === "occluded" });
    }
  }
  return there;
}

/** Lines that are seen on any ground; those to hidden points are dashed. @param {Context} c @param {Map<number, Spot>} spots */
function drawSkeleton(c, spots) {
  const unit = 1 / view.zoom.scale;
  for (const [a, b] of session().skeleton) {
    const [from, to] = [spots.get(a), spots.get(b)];
    if (!from || !to) continue;
    c.setLineDash(from.hidden || to.hidden ? [5 * unit, 4 * unit] : []);
    c.beginPath();
    c.moveTo(from.x, from.y);
    c.lineTo(to.x, to.y);
    c.lineWidth = 4 * unit;
    c.strokeStyle = "rgb(0 0 0 / 0.7)";
    c.stroke();
    c.lineWidth = 2 * unit;
    c.strokeStyle = "white";
    c.stroke();
  }
  c.setLineDash([]);
}

/** @param {Context} c @param {Map<number, Spot>} spots */
function drawPoints(c, spots) {
  const unit = 1 / view.zoom.scale;
  for (const thing of session().objects) {
    const spot = spots.get(thing.id);
    if (!spot) continue;
    const colour = colourOf(thing);
    c.beginPath();
    c.arc(spot.x, spot.y, (state.settings.point + (thing.id === state.object ? 2 : 0)) * unit, 0, 2 * Math.PI);
    c.fillStyle = colour;
    if (!spot.hidden) c.fill();
    c.lineWidth = 3.5 * unit;
    c.strokeStyle = "black";
    c.stroke();
    c.lineWidth = 1.5 * unit;
    c.strokeStyle = spot.hidden ? colour : "white";
    c.stroke();
  }
}

/** The number that an object has in the list, on its mask or beside its point. @param {Context} c @param {Map<number, Spot>} spots */
function drawNumbers(c, spots) {
  const ratio = window.devicePixelRatio || 1;
  const { scale, x: left, y: top } = view.zoom;
  c.save();
  c.setTransform(ratio, 0, 0, ratio, 0, 0); // text has the size of the screen
  c.font = "600 11px system-ui, sans-serif";
  c.textAlign = "center";
  c.textBaseline = "middle";
  session().objects.forEach((thing, k) => {
    const spot = spots.get(thing.id);
    const inside = thing.hidden ? null : middleOf(thing.id);
    const at = spot ?? inside;
    if (!at) return;
    const beside = spot ? state.settings.point + 9 : 0;
    const [x, y] = [Math.round(left + at.x * scale + beside), Math.round(top + at.y * scale - beside)];
    const colour = colourOf(thing);
    const wide = Math.max(15, c.measureText(String(k + 1)).width + 7);
    c.beginPath();
    c.roundRect(x - wide / 2, y - 7.5, wide, 15, 4);
    c.fillStyle = colour;
    c.fill();
    c.lineWidth = thing.id === state.object ? 2 : 1;
    c.fillStyle = c.strokeStyle = inkOn(colour);
    c.stroke();
    c.fillText(String(k + 1), x, y + 0.5);
  });
  c.restore();
}

/** @type {WeakMap<number[], {x: number, y: number} | null>} By run lengths. */
const middles = new WeakMap();

/** @param {number} id Of a mask. @returns {{x: number, y: number} | null} */
function middleOf(id) {
  const counts = shownOf(id)?.counts;
  if (!counts) return null;
  if (!middles.has(counts)) middles.set(counts, masks.middle(counts, view.map.height));
  const pixel = middles.get(counts);
  return pixel ? { x: pixel.x + 0.5, y: pixel.y + 0.5 } : null;
}

/** Fetch the outlines of the chosen object's labels before and after. */
export async function readOnion() {
  const thing = chosen();
  if (!state.onion || !thing || !isMap(thing)) return;
  const row = state.timeline?.objects.find((r) => r.id === thing.id);
  const frames = (row?.labels ?? []).map(([f]) => f);
  const around = [next(frames, state.frame, -1), next(frames, state.frame, 1)];
  const wanted = JSON.stringify([thing.id, around, session().revision]);
  if (wanted === onionOf) return;
  onionOf = wanted;
  const found = [];
  for (const frame of around) {
    if (frame === undefined) continue;
    const read = await get(`labels/${frame}`);
    const own = read.labels.find((/** @type {any} */ l) => l.object === thing.id);
    if (!own?.counts) continue;
    const other = masks.grid(view.map.width, view.map.height);
    masks.decode(other, own.counts, 1);
    found.push(masks.rim(other, 1));
  }
  if (wanted === onionOf) onion = found;
  view.drawOver();
}

/** @param {Context} c */
function drawOnion(c) {
  onion.forEach((rim, k) => {
    c.fillStyle = k ? "rgb(0 230 255 / 0.9)" : "rgb(255 255 255 / 0.9)";
    for (const [x, y] of rim) c.fillRect(x + 0.2, y + 0.2, 0.6, 0.6);
  });
}

/** Begin to draw. */
export function start() {
  view.paintOver(draw);
}
