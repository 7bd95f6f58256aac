// @ts-check
// Playing the video: each frame in turn with its labels, none before the one before it was seen.

import { byId } from "./elements.js";
import { icon } from "./icons.js";
import { complain, goTo, prepare } from "./model.js";
import { session, set, state } from "./store.js";

/** Show each frame in turn, none before the one before it was seen. */
export async function play() {
  byId("play").replaceChildren(icon(state.playing ? "pause" : "play"));
  byId("play").setAttribute("aria-label", state.playing ? "pause" : "play");
  const pause = 1000 / (state.session?.fps ?? 15);
  while (state.playing && state.session) {
    const begun = performance.now();
    if (state.frame + 1 >= session().frames) {
      set({ playing: false });
      return;
    }
    const next = state.frame + 1;
    try {
      await prepare(next);
    } catch (error) {
      set({ playing: false });
      complain(error);
      return;
    }
    if (!state.playing) return;
    goTo(next);
    while (byId("stage").dataset.frame !== String(state.frame)) await sleep(10);
    await sleep(Math.max(0, pause - (performance.now() - begun)));
  }
}

/** @param {number} time Milliseconds. */
function sleep(time) {
  return new Promise((done) => setTimeout(done, time));
}
