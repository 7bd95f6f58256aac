// @ts-check
// The page: it wires keys and buttons to actions, and draws what has changed.

import { ask, listen } from "./api.js";
import * as dialogs from "./dialogs.js";
import { byId, input } from "./elements.js";
import { icon } from "./icons.js";
import { BINDINGS, actionOf, keyOf, nameOf } from "./keys.js";
import * as model from "./model.js";
import * as panels from "./panels.js";
import { play } from "./playing.js";
import { next, spoken, timeOf } from "./spans.js";
import { chosen, say, session, set, state, watch } from "./store.js";
import * as timeline from "./timeline.js";
import * as tools from "./tools.js";
import * as view from "./view.js";

const TOOLS = ["select", "brush", "eraser", "polygon", "fill", "point", "pan"];
const OFTEN = 600; // milliseconds between readings of the timeline during a run

/** @type {Record<string, () => unknown>} */
const actions = {
  back: () => model.goTo(state.frame - 1),
  on: () => model.goTo(state.frame + 1),
  back10: () => model.goTo(state.frame - 10),
  on10: () => model.goTo(state.frame + 10),
  first: () => model.goTo(0),
  last: () => model.goTo(session().frames - 1),
  labelBefore: () => toLabel(-1),
  labelAfter: () => toLabel(1),
  checkBefore: () => model.goToCheck(-1),
  checkAfter: () => model.goToCheck(1),
  jump: () => input("frame-number").select(),
  play: () => set({ playing: !state.playing }),
  swap: () => set({ tool: state.tool === "brush" ? "eraser" : "brush" }),
  smaller: () => tools.resize(1 / 1.2),
  larger: () => tools.resize(1.2),
  close: tools.close,
  cancel: tools.cancel,
  add: () => model.addObject(/** @type {HTMLSelectElement} */ (byId("add-kind")).value),
  nextObject: () => {
    const things = session().objects;
    const k = things.findIndex((o) => o.id === state.object);
    if (things.length) set({ object: things[(k + 1) % things.length].id });
  },
  rename: panels.rename,
  lock: () => {
    const one = chosen();
    return one && model.edit("PATCH", `objects/${one.id}`, { locked: !one.locked });
  },
  deleteObject: () => {
    const one = chosen();
    if (one) say(`${one.name} is removed, with its labels; undo brings it back.`);
    return one && model.edit("DELETE", `objects/${one.id}`);
  },
  remove: model.removeLabel,
  copy: model.copyBefore,
  keep: model.keep,
  absent: () => model.mark("absent"),
  occluded: () => model.mark("occluded"),
  undo: () => model.step("undo"),
  redo: () => model.step("redo"),
  propagate: () => model.propagate(),
  forward: () => model.propagate(true),
  stop: () => state.job && ask("DELETE", `jobs/${state.job.id}`),
  accept: model.accept,
  acceptAll: () => model.review(0, state.frame, "reviewed"),
  reopen: () => model.review(state.frame, state.frame, "none"),
  export: dialogs.exporting,
  import: dialogs.importing,
  larger_: () => view.zoomBy(1.25),
  smaller_: () => view.zoomBy(1 / 1.25),
  fit: view.fit,
  actual: view.actualSize,
  hide: () => set({ hidden: !state.hidden }),
  onion: () => set({ onion: !state.onion }),
  help: dialogs.help,
  open: () => dialogs.open(),
  demo: () => dialogs.opening({ demo: true }),
};
for (const tool of TOOLS) actions[tool] = () => set({ tool });
for (let k = 0; k < 9; k++) {
  actions[`object${k + 1}`] = () => session().objects[k] && set({ object: session().objects[k].id });
}

/** What needs no session. */
const ALWAYS = ["help", "open", "demo"];

/** @param {string} name */
async function act(name) {
  if (!state.session && !ALWAYS.includes(name)) return;
  try {
    await actions[name]?.();
  } catch (error) {
    model.complain(error);
  }
}

/** @param {1 | -1} way */
function toLabel(way) {
  const frame = next(model.labelled(), state.frame, way);
  if (frame === undefined) say(way > 0 ? "The object has no later label." : "The object has no earlier label.");
  else model.goTo(frame);
}

/** @param {KeyboardEvent} event */
function keyDown(event) {
  const at = event.target;
  const typing = at instanceof HTMLInputElement && at.type !== "range" && at.type !== "checkbox" && at.type !== "color";
  if (typing || at instanceof HTMLSelectElement || event.defaultPrevented) return;
  const name = nameOf(event);
  if (event.key === " " && !(at instanceof HTMLButtonElement)) {
    event.preventDefault();
    if (!event.repeat) tools.holdSpace(true);
    return;
  }
  if (name === "Enter" && at instanceof HTMLButtonElement) return;
  // Tab goes through the page as anywhere, but in the picture, where it goes through the objects.
  if (name === "Tab" && at !== byId("stage")) return;
  if (name === "s") {
    byId("layers").classList.add("bare");
    return;
  }
  const does = actionOf(name);
  if (!does) return;
  event.preventDefault();
  act(does);
}

/** @param {KeyboardEvent} event */
function keyUp(event) {
  if (event.key === "s" || event.key === "S") byId("layers").classList.remove("bare");
  if (event.key !== " ") return;
  const at = event.target;
  const field = at instanceof HTMLInputElement || at instanceof HTMLSelectElement || at instanceof HTMLButtonElement;
  tools.holdSpace(false);
  if (!field && !tools.usedSpace()) act("play");
}

function drawHeader() {
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

function drawJob() {
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

function drawMessage() {
  const line = byId("message");
  line.textContent = state.message;
  line.classList.toggle("wrong", state.wrong);
  line.hidden = !state.message;
}

function drawTools() {
  for (const tool of TOOLS) byId(`tool-${tool}`).setAttribute("aria-pressed", String(state.tool === tool));
  input("radius").value = String(state.radius);
  byId("radius-text").textContent = `${state.radius} px`;
  input("opacity").value = String(Math.round(100 * state.opacity));
  input("outlines").checked = state.outlines;
  input("onion").checked = state.onion;
  input("protect").checked = state.protect;
  input("hide").checked = state.hidden;
  tools.cursor();
}

let soon = 0;
/** Read the timeline, not more often than somebody can see. @param {boolean} now */
function readLater(now) {
  if (soon && !now) return;
  clearTimeout(soon);
  soon = window.setTimeout(async () => {
    soon = 0;
    await Promise.all([model.readTimeline(), model.readChecks()]).catch(model.complain);
  }, now ? 0 : OFTEN);
}

/** @param {any} event */
function heard(event) {
  if (event.event === "opened") model.readAll().catch(model.complain);
  if (!state.session) return;
  if (event.event === "revision" && event.revision > session().revision && !state.saving) {
    model.readAll().catch(model.complain);
  }
  if (event.event === "frames") {
    model.forget(event.frames);
    readLater(false);
  }
  if (event.event === "progress" && event.job.kind === "propagate") set({ job: event.job });
  if (event.event !== "job") return;
  if (event.job.kind === "export") {
    if (event.job.state !== "running") dialogs.exported(event.job);
    return;
  }
  set({ job: event.job });
  if (event.job.state === "running") return;
  readLater(true);
  if (event.job.error) say(`Propagating stopped: ${event.job.error}.`, true);
  else say(event.job.state === "stopped" ? "Stopped: what is computed is kept." : "");
}

let away = false;
/** @param {boolean} there */
function connected(there) {
  if (!there && !away) say("The server does not answer; is pixelkin app still running? Your labels are kept.", true);
  if (there && away) model.readAll().then(() => say("The server is back."), model.complain);
  away = !there;
}

function start() {
  for (const one of document.querySelectorAll("[data-act]")) {
    const button = /** @type {HTMLButtonElement} */ (one);
    const does = button.dataset.act ?? "";
    const key = keyOf(does);
    if (button.dataset.icon) button.prepend(icon(button.dataset.icon));
    if (key && button.dataset.key !== "no") {
      const shown = document.createElement("kbd");
      shown.textContent = key;
      button.append(shown);
    }
    if (key) button.setAttribute("aria-keyshortcuts", key);
    button.addEventListener("click", () => act(does));
  }
  input("radius").addEventListener("input", () => set({ radius: Number(input("radius").value) }));
  input("opacity").addEventListener("input", () => set({ opacity: Number(input("opacity").value) / 100 }));
  input("outlines").addEventListener("change", () => set({ outlines: input("outlines").checked }));
  input("onion").addEventListener("change", () => set({ onion: input("onion").checked }));
  input("protect").addEventListener("change", () => set({ protect: input("protect").checked }));
  input("hide").addEventListener("change", () => set({ hidden: input("hide").checked }));
  const number = input("frame-number");
  number.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key === "Enter") model.goTo(Number(number.value));
    if (event.key === "Enter" || event.key === "Escape") byId("stage").focus();
  });
  number.addEventListener("change", () => model.goTo(Number(number.value)));
  number.addEventListener("blur", () => (number.value = String(state.frame)));
  document.addEventListener("keydown", keyDown);
  document.addEventListener("keyup", keyUp);
  byId("play").replaceChildren(icon("play"));

  watch(["session", "saving"], drawHeader);
  watch(["session"], () => {
    if (!state.session) return;
    const { width, height } = state.session;
    const print = `${state.session.folder} ${state.session.fingerprint} ${width}x${height}`;
    if (byId("layers").dataset.video === print) return;
    byId("layers").dataset.video = print;
    view.fitVideo();
    timeline.fitTimeline();
    view.drawFrame();
  });
  watch(["frame"], () => {
    view.drawFrame();
    byId("time").textContent = state.session ? `/ ${session().frames - 1}  ${timeOf(state.frame, session().fps)}` : "";
  });
  watch(["labels"], view.loadLabels);
  watch(["session", "opacity", "outlines", "hidden", "object", "onion"], view.drawLabels);
  watch(["onion", "object", "frame", "timeline"], () => void view.readOnion().catch(model.complain));
  watch(["session", "labels", "object"], panels.drawObjects);
  watch(["session", "checks", "frame"], () => state.session && panels.drawChecks());
  watch(["session", "labels", "object", "timeline", "frame"], () => state.session && panels.drawFrameInfo());
  watch(["session", "timeline", "labels", "object", "range"], timeline.draw);
  watch(["frame", "object"], timeline.follow);
  watch(["job"], drawJob);
  watch(["message"], drawMessage);
  watch(["tool", "radius", "opacity", "outlines", "onion", "protect", "hidden"], drawTools);
  watch(["playing"], () => void play());
  tools.start();
  timeline.start();
  dialogs.start();
  drawTools();
  drawHeader();
  listen(heard, connected);
  model.readAll().then(() => {
    set({ frame: state.frame });
    byId("stage").focus({ preventScroll: true });
    document.body.dataset.ready = "yes";
  }, model.complain);
}

// All that can be done has a key or a button.
for (const { does } of BINDINGS) {
  if (!(does in actions) && does !== "bare") throw new Error(`nothing does ${does}`);
}
start();
