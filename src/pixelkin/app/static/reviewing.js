// @ts-check
// What is said of whole frames: that they are right, want a look, or begin a shot.

import { get } from "./api.js";
import { byId } from "./elements.js";
import { edit, editAsIs, goTo, settled, timelineNow } from "./model.js";
import { next } from "./spans.js";
import { say, set, state } from "./store.js";

/** @param {1 | -1} way Go to the next frame to check, or to the one before, in the order of frames. */
export function goToCheck(way) {
  const flagged = state.timeline?.flagged.map((f) => f.frame) ?? [];
  const frames = [...flagged, ...state.checks.map((c) => c.frame)].sort((a, b) => a - b);
  const frame = next(frames, state.frame, way);
  if (frame === undefined) {
    say(frames.length ? "No more frames to check in this direction." : "There is nothing to check yet: propagate first.");
    return;
  }
  const check = state.checks.find((c) => c.frame === frame);
  if (check) set({ object: check.object });
  goTo(frame);
}

/** @param {number} first @param {number} last @param {"reviewed" | "unreviewed"} kind */
export async function review(first, last, kind) {
  return edit("POST", "review", { first, last, state: kind });
}

/** Accept the frame in view, and go on to the most doubtful one that is left. */
export async function accept() {
  const frame = state.frame;
  if (!(await review(frame, frame, "reviewed"))) return;
  say(`Frame ${frame} is accepted: nothing that is computed changes it.`);
  const check = (await get("suggest?k=1"))[0];
  if (check && state.frame === frame) {
    set({ object: check.object });
    goTo(check.frame);
  }
}

/** Take back that the frame in view is accepted. A flag stays. */
export async function reopen() {
  const frame = state.frame;
  if (state.labels?.frame === frame && !state.labels.reviewed) return say(`Frame ${frame} is not accepted.`);
  if (await review(frame, frame, "unreviewed")) say(`Frame ${frame} is not accepted any more: it takes new results.`);
}

/** Flag the frame in view, and let somebody note why; or take the flag back. */
export async function flag() {
  const frame = state.frame;
  let flagged = false;
  const answer = await editAsIs(async () => {
    flagged = (await timelineNow()).flagged.some((f) => f.frame === frame);
    return ["POST", "review", { first: frame, last: frame, state: flagged ? "unflagged" : "flagged" }];
  });
  if (!answer) return;
  await settled();
  if (flagged) say(`Frame ${frame} has no flag any more.`);
  else if (state.frame === frame) byId("note").focus();
}

/** @param {number} frame @param {string} text What is noted of a flagged frame. */
export async function note(frame, text) {
  const known = state.timeline?.flagged.find((f) => f.frame === frame);
  if (!known || known.note === text) return;
  await edit("POST", "review", { first: frame, last: frame, state: "flagged", note: text });
}

/** Say that a new shot begins with the frame in view, or that none does. */
export async function cut() {
  const frame = state.frame;
  if (!frame) return say("The first shot begins with frame 0 in any case.");
  let there = false;
  const answer = await editAsIs(async () => {
    there = !(await timelineNow()).cuts.includes(frame);
    return ["PUT", `cuts/${frame}`, { cut: there }];
  });
  if (!answer) return;
  say(
    there
      ? `A new shot begins with frame ${frame}: nothing is carried over from frame ${frame - 1}. Propagate again.`
      : `No shot begins with frame ${frame}: labels are carried on. Propagate again.`,
  );
}

/** @param {number} frame @returns {boolean} Whether a shot begins with it, but for the first one. */
export function isCut(frame) {
  return state.timeline?.cuts.includes(frame) ?? false;
}
