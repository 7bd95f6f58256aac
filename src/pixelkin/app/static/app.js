// @ts-check
// The page: what is drawn when something has changed, and who listens.

import { listen } from "./api.js";
import * as dialogs from "./dialogs.js";
import { byId, input } from "./elements.js";
import * as header from "./header.js";
import { connected, heard } from "./hearing.js";
import { icon } from "./icons.js";
import * as keyboard from "./keyboard.js";
import * as kept from "./kept.js";
import * as look from "./look.js";
import * as model from "./model.js";
import * as list from "./objectlist.js";
import * as overlay from "./overlay.js";
import * as panels from "./panels.js";
import { play } from "./playing.js";
import * as settings from "./settingsdialog.js";
import * as skeleton from "./skeleton.js";
import { timeOf } from "./spans.js";
import { session, set, state, watch } from "./store.js";
import * as timeline from "./timeline.js";
import * as tools from "./tools.js";
import * as view from "./view.js";

/** @param {() => void} draw What needs a session. @returns {() => void} */
function open(draw) {
  return () => void (state.session && draw());
}

function fitVideo() {
  const { width, height, folder, fingerprint } = session();
  const print = `${folder} ${fingerprint} ${width}x${height}`;
  if (byId("layers").dataset.video === print) return;
  byId("layers").dataset.video = print;
  view.fitVideo();
  timeline.fitTimeline();
  view.drawFrame();
}

function drawNumber() {
  const number = input("frame-number");
  if (document.activeElement !== number) number.value = String(state.frame); // nobody types there
  byId("time").textContent = [`/ ${session().frames - 1}`, timeOf(state.frame, session().fps)].filter(Boolean).join(" · ");
}

function watchAll() {
  watch(["session", "saving"], header.drawHeader);
  watch(["job"], header.drawJob);
  watch(["reading"], header.drawReading);
  watch(["message"], header.drawMessage);
  watch(["session"], open(fitVideo));
  watch(["frame"], view.drawFrame);
  watch(["session", "frame"], open(drawNumber));
  watch(["labels"], view.loadLabels);
  watch(["session", "opacity", "outlines", "hidden", "object", "onion", "numbers", "settings"], view.drawLabels);
  watch(["onion", "object", "frame", "timeline"], () => void overlay.readOnion().catch(model.complain));
  watch(["session", "labels", "object"], list.drawObjects);
  watch(["session"], list.drawKinds);
  watch(["session"], skeleton.draw);
  watch(["session", "checks", "frame", "timeline"], open(panels.drawChecks));
  watch(["session", "labels", "object", "timeline", "frame"], open(panels.drawFrameInfo));
  watch(["session", "timeline", "labels", "object", "range", "settings"], timeline.draw);
  watch(["frame", "object"], timeline.follow);
  watch(["tool", "radius", "opacity", "outlines", "onion", "protect", "hidden", "numbers"], look.drawTools);
  watch(["settings"], look.drawTheme);
  watch(["settings"], keyboard.labelButtons);
  watch(["settings"], settings.draw);
  watch(["playing"], () => void play());
}

function listenToNumber() {
  const number = input("frame-number");
  number.addEventListener("keydown", (event) => {
    if (event.key === "Enter") model.goTo(Number(number.value));
    if (event.key === "Enter" || event.key === "Escape") byId("stage").focus();
  });
  number.addEventListener("change", () => model.goTo(Number(number.value)));
  number.addEventListener("blur", () => (number.value = String(state.frame)));
}

byId("play").replaceChildren(icon("play"));
watchAll();
kept.start();
for (const part of [keyboard, look, overlay, tools, timeline, dialogs, settings, skeleton, list, panels]) part.start();
listenToNumber();
look.drawTools();
look.drawTheme();
header.drawHeader();
listen(heard, connected);
model.readAll().then(() => {
  set({ frame: state.frame });
  byId("stage").focus({ preventScroll: true });
  document.body.dataset.ready = "yes";
}, model.complain);
