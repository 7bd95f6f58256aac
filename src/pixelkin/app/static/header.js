// @ts-check
// The line at the top, and what is said over the picture.

import { byId } from "./elements.js";
import { spoken } from "./spans.js";
import { say, state } from "./store.js";

/** What is open, and whether all of it is saved. */
export function drawHeader() {
  const open = state.session !== null;
  document.body.classList.toggle("empty", !open);
  for (const one of document.querySelectorAll("[data-needs]")) /** @type {HTMLButtonElement} */ (one).disabled = !open;
  if (!state.session) return;
  const { name, width, height, frames, read_only } = state.session;
  const saved = read_only ? "opened to look at" : state.saving ? "saving …" : "saved";
  byId("session-name").textContent = name;
  byId("session-facts").textContent = `${width}×${height} · ${frames} frames · ${saved}`;
  document.title = `${name} – pixelkin`;
}

/** How far the run is. */
export function drawJob() {
  const job = state.job;
  const runs = job?.state === "running";
  byId("stop").hidden = !runs;
  byId("propagate").hidden = runs;
  byId("job").hidden = !runs;
  if (!job || !runs) return;
  const bar = /** @type {HTMLProgressElement} */ (byId("job-bar"));
  if (job.total) [bar.max, bar.value] = [job.total, job.done];
  else bar.removeAttribute("value");
  const left = job.seconds_left === null ? "" : ` · ${spoken(job.seconds_left)} left`;
  byId("job-text").textContent = job.total ? `Propagating ${job.done}/${job.total}${left}` : "Propagating …";
}

/** How far the video is read that is opened for the first time. */
export function drawReading() {
  const reading = state.reading;
  byId("reading").hidden = !reading;
  if (!reading) return;
  const bar = /** @type {HTMLProgressElement} */ (byId("reading-bar"));
  const { done, total, seconds_left } = reading;
  if (total > done) [bar.max, bar.value] = [total, done];
  else bar.removeAttribute("value"); // nobody knows how many there are
  const left = total > done ? `/${total} frames · ${spoken(seconds_left)} left` : " frames";
  byId("reading-text").textContent = `Reading the video: ${done}${left}`;
}

const SHOWN = 8000; // milliseconds that a message lies over the picture
let hiding = 0;

/** What was said last. */
export function drawMessage() {
  clearTimeout(hiding);
  if (state.message && !state.stays) hiding = window.setTimeout(() => say(""), SHOWN);
  const line = byId("message");
  line.textContent = state.message;
  line.classList.toggle("wrong", state.wrong);
  line.hidden = !state.message;
}
