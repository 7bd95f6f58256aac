// @ts-check
// The timeline: a row an object, with confidence, labels, what is stale, reviewed, absent, and cuts.

import { colourOf } from "./colours.js";
import { byId } from "./elements.js";
import { goTo } from "./model.js";
import { choose } from "./objects.js";
import * as spans from "./spans.js";
import { session, set, shownOf, state } from "./store.js";

const LEFT = 116;
const TOP = 24;
const ROW = 30;
const NONE = 255;

const box = byId("timeline");
const canvas = /** @type {HTMLCanvasElement} */ (byId("rows"));
const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

let span = spans.whole(1, LEFT, 100);
let scrolled = 0;
/** @type {"no" | "scrub" | "range"} */
let dragged = "no";
let rangeFrom = 0;

/** Show all frames of another video. */
export function fitTimeline() {
  span = spans.whole(session().frames, LEFT, width());
  scrolled = 0;
  draw();
}

function width() {
  return Math.max(10, box.clientWidth - LEFT - 14);
}

/** Have the frame in view in sight, and the chosen object. */
export function follow() {
  span = spans.showing(span, state.frame);
  const row = state.session?.objects.findIndex((o) => o.id === state.object) ?? -1;
  const room = box.clientHeight - TOP;
  if (row >= 0) scrolled = Math.min(row * ROW, Math.max(scrolled, (row + 1) * ROW - room));
  draw();
}

/** Draw it. */
export function draw() {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [box.clientWidth, box.clientHeight];
  if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
    canvas.width = Math.round(w * ratio);
    canvas.height = Math.round(h * ratio);
  }
  span = { ...span, left: LEFT, width: width() };
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, w, h);
  tell();
  if (!state.session) return;
  const ink = getComputedStyle(box);
  const text = ink.color;
  const faint = ink.getPropertyValue("--line");
  const things = session().objects;
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.save();
  context.beginPath();
  context.rect(0, TOP, w, h - TOP);
  context.clip();
  things.forEach((thing, k) => {
    const y = TOP + k * ROW - scrolled;
    if (y + ROW < TOP || y > h) return;
    if (thing.id === state.object) {
      context.fillStyle = ink.getPropertyValue("--chosen");
      context.fillRect(0, y, w, ROW);
    }
    context.fillStyle = text;
    context.fillText(shortened(`${k + 1}  ${thing.name}`, LEFT - 32), 24, y + ROW / 2);
    context.fillStyle = colourOf(thing);
    context.fillRect(8, y + ROW / 2 - 5, 10, 10);
    context.strokeStyle = faint;
    context.lineWidth = 1;
    context.strokeRect(8.5, y + ROW / 2 - 4.5, 9, 9);
    const row = state.timeline?.objects.find((r) => r.id === thing.id);
    if (row) drawRow(row, y, colourOf(thing), text, faint);
  });
  context.restore();
  drawRuler(text, faint, h);
}

/** @param {string} name @param {number} most */
function shortened(name, most) {
  if (context.measureText(name).width <= most) return name;
  let end = name.length;
  while (end > 1 && context.measureText(`${name.slice(0, end)}…`).width > most) end--;
  return `${name.slice(0, end)}…`;
}

/**
 * @param {import("./store.js").Row} row @param {number} y @param {string} colour
 * @param {string} text @param {string} faint
 */
function drawRow(row, y, colour, text, faint) {
  const bottom = y + ROW - 3;
  const height = ROW - 10;
  context.fillStyle = faint;
  context.fillRect(span.left, bottom, span.width, 1);
  context.save();
  context.beginPath();
  context.rect(span.left - 6, y, span.width + 12, ROW);
  context.clip();
  context.fillStyle = colour;
  const each = span.width / span.shown;
  const first = Math.max(0, Math.floor(span.first));
  const end = Math.min(span.frames, Math.ceil(span.first + span.shown));
  const gone = new Uint8Array(span.frames);
  for (const [from, to] of row.absent) gone.fill(1, from, to + 1);
  const step = Math.max(1, Math.floor(1 / each)); // several frames a pixel: the least sure is shown
  for (let frame = first; frame < end; frame += step) {
    let sure = NONE;
    for (let k = frame; k < Math.min(end, frame + step); k++) if (!gone[k]) sure = Math.min(sure, row.confidence[k]);
    if (sure === NONE) continue;
    const share = sure / 254;
    context.globalAlpha = 0.35 + 0.65 * share;
    const high = Math.max(2, share * height);
    context.fillRect(spans.placeOf(span, frame), bottom - high, Math.max(1, each * step - (each > 4 ? 1 : 0)), high);
  }
  context.globalAlpha = 1;
  for (const [from, to] of row.absent) gap(from, to, bottom, faint);
  for (const [from, to] of row.stale) hatch(from, to, y + 5, bottom, text);
  for (const [frame, kind] of row.labels) mark(frame, kind, y + 8, text);
  context.restore();
}

/** A stretch without the object. @param {number} from @param {number} to @param {number} y @param {string} colour */
function gap(from, to, y, colour) {
  context.strokeStyle = colour;
  context.setLineDash([3, 3]);
  context.lineWidth = 2;
  context.beginPath();
  context.moveTo(spans.placeOf(span, from), y - 8);
  context.lineTo(spans.placeOf(span, to + 1), y - 8);
  context.stroke();
  context.setLineDash([]);
}

/** @param {number} from @param {number} to @param {number} top @param {number} bottom @param {string} colour */
function hatch(from, to, top, bottom, colour) {
  const [left, right] = [spans.placeOf(span, from), spans.placeOf(span, to + 1)];
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  context.strokeStyle = colour;
  context.globalAlpha = 0.7;
  context.lineWidth = 1;
  context.beginPath();
  const start = Math.max(left, span.left) - (bottom - top);
  for (let x = start; x < Math.min(right, span.left + span.width); x += 6) {
    context.moveTo(x, bottom);
    context.lineTo(x + (bottom - top) / 2, top);
  }
  context.stroke();
  context.restore();
}

/** A label: a diamond; a ring where the object is gone, half a diamond where it is hidden. @param {number} frame @param {string} kind @param {number} y @param {string} colour */
function mark(frame, kind, y, colour) {
  const x = spans.placeOf(span, frame) + Math.min(5, span.width / span.shown / 2);
  context.fillStyle = context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.beginPath();
  if (kind === "absent") {
    context.arc(x, y, 4, 0, 2 * Math.PI);
    context.stroke();
    return;
  }
  context.moveTo(x, y - 5);
  context.lineTo(x + 5, y);
  context.lineTo(x, y + 5);
  context.lineTo(x - 5, y);
  context.closePath();
  if (kind === "occluded") context.stroke();
  else context.fill();
}

/** @param {string} text @param {string} faint @param {number} h */
function drawRuler(text, faint, h) {
  const line = state.timeline;
  context.save();
  context.beginPath();
  context.rect(span.left - 1, 0, span.width + 2, h);
  context.clip();
  context.fillStyle = text;
  if (state.range) {
    const [from, to] = state.range;
    const left = spans.placeOf(span, from);
    context.globalAlpha = 0.15;
    context.fillRect(left, 0, spans.placeOf(span, to + 1) - left, h);
    context.globalAlpha = 1;
  }
  const every = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000].find((n) => (n * span.width) / span.shown > 56) ?? 50000;
  context.font = "11px system-ui, sans-serif";
  for (let f = Math.ceil(span.first / every) * every; f < span.first + span.shown && f < span.frames; f += every) {
    const x = spans.placeOf(span, f);
    context.fillStyle = faint;
    context.fillRect(x, 0, 1, TOP);
    context.fillStyle = text;
    context.fillText(String(f), x + 3, 7);
  }
  for (const [from, to] of line?.reviewed ?? []) {
    const [left, right] = [spans.placeOf(span, from), spans.placeOf(span, to + 1)];
    context.fillStyle = "#1a8f4a";
    context.fillRect(left, TOP - 6, Math.max(2, right - left), 4);
  }
  for (const frame of line?.contested ?? []) hatch(frame, frame, TOP - 8, TOP, text);
  context.fillStyle = getComputedStyle(box).getPropertyValue("--flag");
  for (const { frame } of line?.flagged ?? []) {
    const x = spans.placeOf(span, frame);
    context.beginPath();
    context.moveTo(x, TOP - 12);
    context.lineTo(x + 8, TOP - 8);
    context.lineTo(x, TOP - 4);
    context.fill();
  }
  context.strokeStyle = text;
  context.setLineDash([4, 3]);
  for (const frame of line?.cuts ?? []) {
    const x = Math.round(spans.placeOf(span, frame)) + 0.5;
    context.beginPath();
    context.moveTo(x, TOP - 4);
    context.lineTo(x, h);
    context.stroke();
  }
  context.setLineDash([]);
  const x = spans.placeOf(span, state.frame + 0.5);
  context.fillStyle = "#2f6fed";
  context.fillRect(x - 1, 0, 2, h);
  context.beginPath();
  context.moveTo(x - 5, 0);
  context.lineTo(x + 5, 0);
  context.lineTo(x, 7);
  context.fill();
  context.restore();
}

/** What a screen reader says of the playhead. */
function tell() {
  if (!state.session) return;
  box.setAttribute("aria-valuemax", String(session().frames - 1));
  box.setAttribute("aria-valuenow", String(state.frame));
  const thing = session().objects.find((o) => o.id === state.object);
  const own = thing && shownOf(thing.id);
  const sure = own && own.origin !== "none" ? `, ${thing.name} ${own.confidence.toFixed(2)}` : "";
  const reviewed = state.labels?.reviewed ? "reviewed" : "not reviewed";
  box.setAttribute("aria-valuetext", `frame ${state.frame}${sure}, ${reviewed}`);
}

/** Begin to listen. */
export function start() {
  new ResizeObserver(draw).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  box.addEventListener("pointerdown", (event) => {
    if (!state.session || event.button) return;
    const room = box.getBoundingClientRect();
    const [x, y] = [event.clientX - room.left, event.clientY - room.top];
    const row = Math.floor((y - TOP + scrolled) / ROW);
    const thing = y > TOP ? session().objects[row] : undefined;
    if (thing) choose(thing.id);
    if (x < LEFT - 6) return;
    box.setPointerCapture(event.pointerId);
    const frame = spans.frameAt(span, x);
    dragged = event.shiftKey ? "range" : "scrub";
    rangeFrom = frame;
    if (event.shiftKey) set({ range: [frame, frame] });
    else goTo(frame);
  });
  box.addEventListener("pointermove", (event) => {
    if (dragged === "no") return;
    const frame = spans.frameAt(span, event.clientX - box.getBoundingClientRect().left);
    if (dragged === "range") set({ range: [Math.min(rangeFrom, frame), Math.max(rangeFrom, frame)] });
    else goTo(frame);
  });
  box.addEventListener("pointerup", () => {
    if (dragged === "range" && state.range?.[0] === state.range?.[1]) set({ range: null });
    dragged = "no";
  });
  box.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      const x = event.clientX - box.getBoundingClientRect().left;
      const most = Math.max(0, (state.session?.objects.length ?? 0) * ROW + TOP - box.clientHeight);
      if (event.ctrlKey || x > LEFT) {
        if (event.shiftKey || event.deltaX) span = spans.moved(span, ((event.deltaX || event.deltaY) * span.shown) / span.width);
        else span = spans.zoomed(span, x, Math.exp(event.deltaY / 300));
      } else scrolled = Math.min(most, Math.max(0, scrolled + event.deltaY));
      draw();
    },
    { passive: false },
  );
}
