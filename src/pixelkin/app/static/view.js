// @ts-check
// The picture: frame, labels and what is being drawn, three canvases over each other, zoomed alike.

import { colourOf, packed } from "./colours.js";
import * as masks from "./masks.js";
import { complain } from "./model.js";
import * as pictures from "./pictures.js";
import { session, slotOf, state } from "./store.js";

const stage = /** @type {HTMLElement} */ (document.getElementById("stage"));
const layers = /** @type {HTMLElement} */ (document.getElementById("layers"));
const frameCanvas = /** @type {HTMLCanvasElement} */ (document.getElementById("frame"));
const labelCanvas = /** @type {HTMLCanvasElement} */ (document.getElementById("labels"));
const overCanvas = /** @type {HTMLCanvasElement} */ (document.getElementById("over"));
const frameContext = context(frameCanvas);
const labelContext = context(labelCanvas);
const overContext = context(overCanvas);

const REST = 150; // milliseconds after which a zoomed frame is fetched in full

/** The map in view: what is drawn into it is on the screen at once. @type {masks.Grid} */
export let map = masks.grid(1, 1);

/** Zoom, and where the picture's left top corner lies in the stage. */
export const zoom = { scale: 1, x: 0, y: 0, fitted: true };

/** What others draw over the labels, in this order. @type {((c: CanvasRenderingContext2D) => void)[]} */
const painters = [];

/** @param {(c: CanvasRenderingContext2D) => void} draw In pixels of the video, over the labels. */
export function paintOver(draw) {
  painters.push(draw);
}

let busy = false;
let colours = new Uint32Array(1);
/** @type {AbortController} */
let inFull = new AbortController();
let shownFrame = -1;

/** @param {HTMLCanvasElement} canvas */
function context(canvas) {
  const found = canvas.getContext("2d");
  if (!found) throw new Error("this browser has no canvas");
  return found;
}

/** @param {boolean} now Whether a stroke is being drawn: then the map is left alone. */
export function setBusy(now) {
  busy = now;
}

/** Take the size of another video. */
export function fitVideo() {
  const { width, height, fingerprint } = session();
  pictures.ofVideo(fingerprint);
  map = masks.grid(width, height);
  labelCanvas.width = width;
  labelCanvas.height = height;
  for (const canvas of [frameCanvas, labelCanvas]) {
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  shownFrame = -1;
  fit();
}

/** Show the whole picture, as large as there is room. */
export function fit() {
  if (!state.session) return;
  const { width, height } = session();
  const room = stage.getBoundingClientRect();
  const margin = 12;
  const scale = Math.min((room.width - 2 * margin) / width, (room.height - 2 * margin) / height);
  zoom.scale = Math.max(0.01, scale);
  zoom.x = (room.width - width * zoom.scale) / 2;
  zoom.y = (room.height - height * zoom.scale) / 2;
  zoom.fitted = true;
  place();
}

/** @param {number} factor @param {number} [x] In the stage: what lies there stays. @param {number} [y] */
export function zoomBy(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
  const scale = Math.min(40, Math.max(0.05, zoom.scale * factor));
  zoom.x = x - ((x - zoom.x) * scale) / zoom.scale;
  zoom.y = y - ((y - zoom.y) * scale) / zoom.scale;
  zoom.scale = scale;
  zoom.fitted = false;
  place();
}

/** Show each pixel of the video as one. */
export function actualSize() {
  zoomBy(1 / zoom.scale);
}

/** @param {number} dx @param {number} dy In pixels of the screen. */
export function panBy(dx, dy) {
  zoom.x += dx;
  zoom.y += dy;
  zoom.fitted = false;
  place();
}

function place() {
  layers.style.transform = `translate(${zoom.x}px, ${zoom.y}px) scale(${zoom.scale})`;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(stage.clientWidth * ratio), Math.round(stage.clientHeight * ratio)];
  if (overCanvas.width !== width || overCanvas.height !== height) {
    overCanvas.width = width;
    overCanvas.height = height;
  }
  drawOver();
  wantFull();
}

new ResizeObserver(() => (zoom.fitted ? fit() : place())).observe(stage);

/** @param {{clientX: number, clientY: number}} event @returns {{x: number, y: number}} In the video's pixels. */
export function placeOf(event) {
  const room = stage.getBoundingClientRect();
  return {
    x: (event.clientX - room.left - zoom.x) / zoom.scale,
    y: (event.clientY - room.top - zoom.y) / zoom.scale,
  };
}

/** Show the frame in view. */
export async function drawFrame() {
  if (!state.session) return;
  const frame = state.frame;
  stage.classList.toggle("waiting", shownFrame !== frame);
  try {
    const bitmap = await pictures.fetched(frame);
    if (state.frame !== frame) return;
    drawBitmap(bitmap);
    shownFrame = frame;
    stage.dataset.frame = String(frame);
    stage.classList.remove("waiting");
    const near = state.checks.slice(0, 2).map((c) => c.frame);
    pictures.ahead(frame, session().frames, near);
    wantFull();
  } catch (error) {
    complain(error);
  }
}

/** @param {ImageBitmap} bitmap */
function drawBitmap(bitmap) {
  if (frameCanvas.width !== bitmap.width || frameCanvas.height !== bitmap.height) {
    frameCanvas.width = bitmap.width;
    frameCanvas.height = bitmap.height;
  }
  frameContext.drawImage(bitmap, 0, 0);
}

/** A picture that was reduced is fetched in full where it is looked at closely. */
function wantFull() {
  inFull.abort();
  inFull = new AbortController();
  const { signal } = inFull;
  if (!state.session || zoom.scale * session().width <= frameCanvas.width * 1.01) return;
  if (frameCanvas.width >= session().width) return;
  const frame = state.frame;
  setTimeout(async () => {
    if (signal.aborted) return;
    try {
      const bitmap = await pictures.full(frame, signal);
      if (state.frame === frame && !signal.aborted) drawBitmap(bitmap);
      bitmap.close();
    } catch (error) {
      complain(error);
    }
  }, REST);
}

/** Take over what is known of the frame in view. */
export function loadLabels() {
  if (busy || !state.session) return;
  if (map.width !== session().width || map.height !== session().height) return;
  map.ids.fill(0);
  for (const one of state.labels?.labels ?? []) {
    if (one.counts) masks.decode(map, one.counts, slotOf(one.object));
  }
  drawLabels();
}

/** Draw all labels. */
export function drawLabels() {
  if (!state.session) return;
  const things = session().objects;
  colours = new Uint32Array(things.length + 1);
  things.forEach((thing, k) => (colours[k + 1] = thing.hidden ? 0 : packed(colourOf(thing))));
  labelCanvas.style.opacity = String(state.outlines ? 1 : state.opacity);
  labelCanvas.hidden = state.hidden;
  redraw({ left: 0, top: 0, right: map.width, bottom: map.height });
  drawOver();
}

/** @param {masks.Box} box Of the map, which has changed there. */
export function redraw(box) {
  const grown = {
    left: Math.max(0, box.left - 1), top: Math.max(0, box.top - 1),
    right: Math.min(map.width, box.right + 1), bottom: Math.min(map.height, box.bottom + 1),
  };
  if (masks.isEmpty(grown)) return;
  const image = labelContext.createImageData(grown.right - grown.left, grown.bottom - grown.top);
  masks.paint(map, grown, colours, state.outlines, new Uint32Array(image.data.buffer));
  labelContext.putImageData(image, grown.left, grown.top);
}

/** Draw what lies over the labels. */
export function drawOver() {
  const ratio = window.devicePixelRatio || 1;
  overContext.setTransform(1, 0, 0, 1, 0, 0);
  overContext.clearRect(0, 0, overCanvas.width, overCanvas.height);
  if (!state.session) return;
  const s = zoom.scale * ratio;
  overContext.setTransform(s, 0, 0, s, zoom.x * ratio, zoom.y * ratio);
  for (const paint of painters) paint(overContext);
}
