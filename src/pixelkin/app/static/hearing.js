// @ts-check
// What the server tells without being asked: edits of other windows, results, and how far a run is.

import * as dialogs from "./dialogs.js";
import * as model from "./model.js";
import { say, session, set, state } from "./store.js";

const OFTEN = 600; // milliseconds between readings of the timeline during a run

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
export function heard(event) {
  if (event.event === "reading") set({ reading: event });
  if (event.event === "read") set({ reading: null });
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
  else if (event.job.state === "stopped") say("Stopped: what is computed is kept.");
  else say("Propagated. Look at the frames under “Check these first”, correct what is wrong, or export.");
}

let away = false;
/** @param {boolean} there */
export function connected(there) {
  if (!there) set({ reading: null });
  if (!there && !away) say("The server does not answer; is pixelkin app still running? Your labels are kept.", true);
  if (there && away) model.readAll().then(() => say("The server is back."), model.complain);
  away = !there;
}

