// @ts-check
// What keys and buttons do, by name.

import { ask } from "./api.js";
import * as dialogs from "./dialogs.js";
import { input } from "./elements.js";
import { BINDINGS } from "./keys.js";
import * as marking from "./marking.js";
import * as model from "./model.js";
import * as objects from "./objects.js";
import * as list from "./objectlist.js";
import * as reviewing from "./reviewing.js";
import * as settings from "./settingsdialog.js";
import * as skeleton from "./skeleton.js";
import { next } from "./spans.js";
import { say, session, set, state } from "./store.js";
import * as tools from "./tools.js";
import * as view from "./view.js";

export const TOOLS = ["select", "brush", "eraser", "polygon", "fill", "point", "skeleton", "pan"];

/** @type {Record<string, () => unknown>} */
const actions = {
  back: () => model.goTo(state.frame - 1),
  on: () => model.goTo(state.frame + 1),
  back10: () => model.goTo(state.frame - state.settings.step),
  on10: () => model.goTo(state.frame + state.settings.step),
  first: () => model.goTo(0),
  last: () => model.goTo(session().frames - 1),
  labelBefore: () => toLabel(-1),
  labelAfter: () => toLabel(1),
  checkBefore: () => reviewing.goToCheck(-1),
  checkAfter: () => reviewing.goToCheck(1),
  jump: () => input("frame-number").select(),
  play: () => set({ playing: !state.playing }),
  swap: () => set({ tool: state.tool === "brush" ? "eraser" : "brush" }),
  smaller: () => tools.resize(1 / 1.2),
  larger: () => tools.resize(1.2),
  close: tools.close,
  cancel: tools.cancel,
  add: objects.addAndTake,
  nextObject: () => objects.chooseBeside(1, true),
  moveUp: () => objects.move(-1),
  moveDown: () => objects.move(1),
  rename: list.rename,
  recolour: list.recolour,
  hideObject: () => objects.toggle("hidden"),
  lock: () => objects.toggle("locked"),
  deleteObject: objects.remove,
  lines: skeleton.open,
  remove: marking.removeLabel,
  copy: marking.copyBefore,
  keep: marking.keep,
  absent: () => marking.mark("absent"),
  occluded: () => marking.mark("occluded"),
  visible: marking.unhide,
  undo: () => model.step("undo"),
  redo: () => model.step("redo"),
  propagate: () => model.propagate(),
  forward: () => model.propagate(true),
  stop: () => state.job && ask("DELETE", `jobs/${state.job.id}`),
  accept: reviewing.accept,
  acceptAll: () => reviewing.review(0, state.frame, "reviewed"),
  reopen: reviewing.reopen,
  flag: reviewing.flag,
  cut: reviewing.cut,
  export: dialogs.exporting,
  import: dialogs.importing,
  larger_: () => view.zoomBy(1.25),
  smaller_: () => view.zoomBy(1 / 1.25),
  fit: view.fit,
  actual: view.actualSize,
  hide: () => set({ hidden: !state.hidden }),
  onion: () => set({ onion: !state.onion }),
  settings: settings.open,
  help: dialogs.help,
  open: () => dialogs.open(),
  demo: () => dialogs.opening({ demo: true }),
};
for (const tool of TOOLS) actions[tool] = () => set({ tool });
for (let k = 0; k < 9; k++) {
  actions[`object${k + 1}`] = () => session().objects[k] && objects.choose(session().objects[k].id);
}

/** What needs no session. */
const ALWAYS = ["help", "open", "demo", "settings"];

// All that can be done has a key or a button.
for (const { does } of BINDINGS) {
  if (!(does in actions) && does !== "bare") throw new Error(`nothing does ${does}`);
}

/** @param {string} name */
export async function act(name) {
  if (!state.session && !ALWAYS.includes(name)) return;
  try {
    await actions[name]?.();
  } catch (error) {
    model.complain(error);
  }
}

/** @param {1 | -1} way */
function toLabel(way) {
  const frame = next(marking.labelled(), state.frame, way);
  if (frame === undefined) say(way > 0 ? "The object has no later label." : "The object has no earlier label.");
  else model.goTo(frame);
}
