// @ts-check
// What the pointer does in the picture. A stroke is on the screen at once, and one edit when it ends.

import { NEAR, allowed, inside, isPlaced, objectFor, pixel, pointAt, put, ring, send, twice } from "./drawing.js";
import * as masks from "./masks.js";
import { complain, labelsThere, setDrawing, settled } from "./model.js";
import { addObject } from "./objects.js";
import * as skeleton from "./skeleton.js";
import { isMap, say, session, set, slotOf, state } from "./store.js";
import * as view from "./view.js";

const stage = /** @type {HTMLElement} */ (document.getElementById("stage"));

/** @typedef {{x: number, y: number}} Place */

/** @type {{id: number, slot: number, at: Place, before: Uint16Array, erase: boolean} | null} */
let stroking = null;
/** @type {{places: Place[], released: boolean} | null} A stroke whose object is being made. */
let pending = null;
/** @type {Place[]} */
let corners = [];
/** @type {Place | null} */
let pointer = null;
/** @type {{x: number, y: number} | null} */
let panning = null;
/** @type {{id: number, at: Place} | null} */
let dragging = null;
/** @type {Place | null} Where the last stroke ended. */
let last = null;
/** @type {Promise<void>} Points that are being placed. */
let placing = Promise.resolve();
let spaceHeld = false;
let spaceUsed = false;

/** @param {boolean} held */
export function holdSpace(held) {
  if (held && !spaceHeld) spaceUsed = false;
  spaceHeld = held;
  cursor();
}

/** @returns {boolean} Whether the space bar was used to move the picture since it was pressed. */
export const usedSpace = () => spaceUsed;

/** @param {PointerEvent} event */
async function down(event) {
  if (!state.session || event.target instanceof HTMLButtonElement) return;
  stage.focus({ preventScroll: true });
  const at = view.placeOf(event);
  if (event.button === 1 || spaceHeld || state.tool === "pan") {
    spaceUsed = spaceHeld;
    panning = { x: event.clientX, y: event.clientY };
    stage.setPointerCapture(event.pointerId);
    event.preventDefault();
    return;
  }
  if (session().read_only) {
    say("Another process edits this session: you can look, but not change it.", true);
    return;
  }
  const erase = event.button === 2 || state.tool === "eraser";
  if (event.button !== 0 && !erase) return;
  if (state.tool === "select") return pick(at);
  if (state.tool === "point") return downPoint(event, at);
  if (state.tool === "skeleton") {
    if (skeleton.begin(at)) stage.setPointerCapture(event.pointerId);
    return;
  }
  if (state.tool === "polygon" && !erase) return corner(at);
  stage.setPointerCapture(event.pointerId);
  const own = { places: [at], released: false };
  pending = own;
  set({ saving: state.saving + 1 }); // also while its object is made
  let sent;
  try {
    await labelsThere();
    const id = await objectFor(true);
    if (pending === own) pending = null;
    if (id === undefined) return;
    sent = begin(event, own, id, erase);
  } finally {
    set({ saving: state.saving - 1 });
  }
  await sent;
}

/**
 * Draw with an object that is there; what was drawn already while it was made comes first.
 * @param {PointerEvent} event @param {{places: Place[], released: boolean}} own
 * @param {number} id @param {boolean} erase @returns {Promise<void> | undefined}
 */
function begin(event, own, id, erase) {
  const slot = slotOf(id);
  const at = own.places[0];
  view.drawLabels();
  if (state.tool === "fill" && !erase) return fill(at, id, slot);
  stroking = { id, slot, at: pixel(at), before: view.map.ids.slice(), erase };
  view.setBusy(true);
  setDrawing(true);
  dab(event.shiftKey && last ? last : pixel(at), pixel(at));
  for (const place of own.places) dab(stroking.at, pixel(place));
  return own.released ? finish() : undefined;
}

/** @param {Place} from @param {Place} to */
function dab(from, to) {
  if (!stroking) return;
  const { slot, erase } = stroking;
  const may = allowed(slot, erase);
  view.redraw(masks.stroke(view.map, from, to, state.radius, erase ? 0 : slot, may));
  stroking.at = to;
}

/** @param {PointerEvent} event */
function move(event) {
  if (!state.session) return;
  if (panning) {
    view.panBy(event.clientX - panning.x, event.clientY - panning.y);
    panning = { x: event.clientX, y: event.clientY };
    return;
  }
  pointer = view.placeOf(event);
  if (pending && !pending.released) pending.places.push(pointer);
  if (stroking) {
    const samples = event.getCoalescedEvents?.() ?? [];
    for (const sample of samples.length ? samples : [event]) {
      const to = pixel(view.placeOf(sample));
      if (to.x !== stroking.at.x || to.y !== stroking.at.y) dab(stroking.at, to);
    }
  }
  if (dragging) dragging.at = pointer;
  skeleton.stretch(pointer);
  view.drawOver();
}

async function up() {
  panning = null;
  if (pending) pending.released = true;
  if (dragging) {
    const { id, at } = dragging;
    dragging = null;
    await put(id, at);
  }
  await finish();
  await skeleton.end();
}

/** Send the stroke that has ended: this one alone, as the next may be under way. */
async function finish() {
  if (!stroking) return;
  const { id, slot, at, before } = stroking;
  stroking = null;
  last = at;
  await send(id, slot, before);
}

/** @param {Place} at @param {number} id @param {number} slot */
async function fill(at, id, slot) {
  const { x, y } = pixel(at);
  if (!inside({ x, y })) return;
  const before = view.map.ids.slice();
  view.redraw(masks.fill(view.map, x, y, slot, allowed(slot, false)));
  await send(id, slot, before);
}

/** @param {Place} at */
async function corner(at) {
  const near = NEAR / view.zoom.scale;
  if (corners.length > 2 && Math.hypot(at.x - corners[0].x, at.y - corners[0].y) < near) return close();
  corners.push(at);
  view.drawOver();
}

/** Close the polygon. */
export async function close() {
  if (corners.length < 3) {
    if (corners.length) say("A polygon has three corners at least.");
    return;
  }
  const drawn = corners;
  corners = []; // closed once, by a double click as well
  await labelsThere();
  const id = await objectFor(true);
  if (id === undefined) {
    corners = drawn;
    return;
  }
  const slot = slotOf(id);
  view.drawLabels();
  const before = view.map.ids.slice();
  view.redraw(masks.polygon(view.map, drawn, slot, allowed(slot, false)));
  view.drawOver();
  await send(id, slot, before);
}

/** Give up what was begun. */
export function cancel() {
  corners = [];
  dragging = null;
  skeleton.giveUp();
  if (stroking) {
    view.map.ids.set(stroking.before);
    stroking = null;
    view.setBusy(false);
    setDrawing(false);
  }
  view.loadLabels();
  set({ range: null });
}

/** Choose what lies at a place. @param {Place} at */
function pick(at) {
  const point = pointAt(at);
  if (point !== undefined) {
    set({ object: point });
    return;
  }
  const { x, y } = pixel(at);
  const slot = inside({ x, y }) ? view.map.ids[y * view.map.width + x] : 0;
  if (slot) set({ object: session().objects[slot - 1].id });
}

/** @param {PointerEvent} event @param {Place} at */
function downPoint(event, at) {
  const there = pointAt(at);
  if (there !== undefined) {
    set({ object: there });
    dragging = { id: there, at };
    stage.setPointerCapture(event.pointerId);
    return;
  }
  if (!inside(at)) return;
  set({ saving: state.saving + 1 }); // each click knows what those before it did
  placing = placing.then(() => place(at)).catch(complain).finally(() => set({ saving: state.saving - 1 }));
}

/** @param {Place} at Place the chosen point there, or one more. */
async function place(at) {
  await settled();
  const id = isFirstFrame() ? await addObject("keypoint") : await objectFor(false);
  if (id === undefined || !(await put(id, at))) return;
  const free = session().objects.find((o) => !isMap(o) && !o.locked && o.id !== id && !isPlaced(o.id));
  if (free && state.object === id) set({ object: free.id });
}

/** Whether points are labelled here and nowhere else, all of them: a click adds one more then. */
function isFirstFrame() {
  const points = session().objects.filter((o) => !isMap(o));
  const rows = state.timeline?.objects.filter((r) => points.some((o) => o.id === r.id)) ?? [];
  return points.every((o) => isPlaced(o.id)) && rows.every((r) => r.labels.every(([frame]) => frame === state.frame));
}

/** @param {CanvasRenderingContext2D} c */
function sketch(c) {
  const unit = 1 / view.zoom.scale;
  if (dragging) ring(c, dragging.at, 7 * unit);
  skeleton.sketch(c);
  if (corners.length) {
    c.beginPath();
    corners.forEach((p, k) => (k ? c.lineTo(p.x, p.y) : c.moveTo(p.x, p.y)));
    if (pointer) c.lineTo(pointer.x, pointer.y);
    twice(c);
    for (const p of corners) ring(c, p, 3 * unit);
  }
  if (pointer && ["brush", "eraser"].includes(state.tool) && !spaceHeld) {
    const { x, y } = pixel(pointer);
    ring(c, { x: x + 0.5, y: y + 0.5 }, state.radius + 0.5);
  }
}

/** @param {number} factor */
export function resize(factor) {
  const grown = Math.round(state.radius * factor);
  const step = factor > 1 ? Math.max(state.radius + 1, grown) : Math.min(state.radius - 1, grown);
  set({ radius: Math.min(200, Math.max(1, step)) });
  view.drawOver();
}

/** The pointer's form. */
export function cursor() {
  const moves = spaceHeld || state.tool === "pan";
  stage.style.cursor = moves ? "grab" : state.tool === "select" ? "default" : "crosshair";
}

/** Begin to listen. */
export function start() {
  view.paintOver(sketch);
  stage.addEventListener("pointerdown", (e) => void down(e).catch(complain));
  stage.addEventListener("pointermove", move);
  stage.addEventListener("pointerup", () => void up().catch(complain));
  stage.addEventListener("pointercancel", cancel);
  stage.addEventListener("pointerleave", () => {
    if (!stroking) pointer = null;
    view.drawOver();
  });
  stage.addEventListener("dblclick", () => void (state.tool === "polygon" && close().catch(complain)));
  stage.addEventListener("contextmenu", (e) => e.preventDefault());
  stage.addEventListener(
    "wheel",
    (e) => {
      e.preventDefault();
      if (e.shiftKey) resize((e.deltaY || e.deltaX) < 0 ? 1.15 : 1 / 1.15);
      else if (e.ctrlKey || e.metaKey) {
        const room = stage.getBoundingClientRect();
        view.zoomBy(Math.exp(-e.deltaY / 300), e.clientX - room.left, e.clientY - room.top);
      } else view.panBy(-e.deltaX, -e.deltaY);
    },
    { passive: false },
  );
}
