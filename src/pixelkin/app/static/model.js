// @ts-check
// What the page reads of the session, and the edits that it sends, one after the other.

import { Refused, ask, get } from "./api.js";
import { lastFrame } from "./kept.js";
import { bytes } from "./spans.js";
import { say, session, set, state } from "./store.js";

const KEPT = 200; // frames whose labels are kept

/** @type {Map<number, import("./store.js").FrameLabels>} */
const known = new Map();

/** @type {Promise<void>} */
let queue = Promise.resolve();

/** Edits that are on their way: what is read meanwhile may lack them. */
let sending = 0;

/** Edits that were answered, and how many of them what is shown, and the timeline, know of. */
const answered = { edits: 0, shown: 0, timeline: 0 };

/** @type {AbortController | null} */
let reading = null;

/** @param {unknown} error */
export function complain(error) {
  if (error instanceof Error && error.name === "AbortError") return;
  say(error instanceof Error ? error.message : String(error), true);
}

/** Read all anew: after opening, or when somebody else has changed something. */
export async function readAll() {
  const found = await get("session");
  if (!found.open) {
    set({ session: null, timeline: null, labels: null });
    return;
  }
  const other = state.session?.fingerprint !== found.fingerprint || state.session?.folder !== found.folder;
  if (other) set({ frame: lastFrame(found.fingerprint, found.frames), range: null, job: null, labels: null });
  const running = found.jobs.find((/** @type {any} */ j) => j.state === "running");
  if (running) set({ job: running });
  await readEdited();
}

/** Read what may be other after edits; objects and labels change at once, as they belong together. */
async function readEdited() {
  const frame = state.frame;
  const { edits } = answered;
  const [found, labels] = await Promise.all([get("session"), get(`labels/${frame}`)]);
  if (sending || edits !== answered.edits) return; // read again after those that came meanwhile
  answered.shown = edits;
  known.clear();
  known.set(frame, labels);
  const still = found.objects.some((/** @type {any} */ o) => o.id === state.object);
  set({ session: found, object: still ? state.object : (found.objects[0]?.id ?? null) });
  if (state.frame === frame) set({ labels });
  else await readLabels();
  await Promise.all([readTimeline(), readChecks()]);
}

/** Read the objects alone, as a stroke waits for them. */
export async function readObjects() {
  for (let edits; edits !== answered.edits; ) {
    edits = answered.edits;
    const found = await get("session");
    if (edits === answered.edits) set({ session: found });
  }
}

/** @returns {Promise<import("./store.js").Session>} The session after all edits that were answered. */
export async function sessionNow() {
  return answered.shown === answered.edits ? session() : get("session");
}

/** @param {number} frame @returns {Promise<import("./store.js").FrameLabels>} Its labels after all edits that were answered. */
export async function labelsNow(frame) {
  return answered.shown === answered.edits && state.labels?.frame === frame ? state.labels : get(`labels/${frame}`);
}

/** @returns {Promise<import("./store.js").Timeline>} The timeline after all edits that were answered. */
export async function timelineNow() {
  return answered.timeline === answered.edits && state.timeline ? state.timeline : get("timeline");
}

/** @type {Promise<void>} */
let arriving = Promise.resolve();

/** Read the labels of the frame in view. */
export function readLabels() {
  arriving = readThem();
  return arriving;
}

/** Wait for the labels of the frame in view: a stroke goes on from them. */
export async function labelsThere() {
  while (state.labels?.frame !== state.frame) await arriving.catch(() => readLabels());
}

/** @param {number} frame @param {AbortSignal} [signal] */
async function readOf(frame, signal) {
  const read = await get(`labels/${frame}`, signal);
  if (read.revision !== session().revision) known.clear();
  known.set(frame, read);
  if (known.size > KEPT) known.delete(/** @type {number} */ (known.keys().next().value));
  return read;
}

/** Have the labels of a frame at hand, so that they are there when it is shown.
 * @param {number} frame
 */
export async function prepare(frame) {
  if (!known.has(frame)) await readOf(frame);
}

async function readThem() {
  const frame = state.frame;
  const found = known.get(frame);
  reading?.abort();
  if (found) {
    set({ labels: found });
    return;
  }
  reading = new AbortController();
  const read = await readOf(frame, reading.signal);
  const newer = sending && state.labels?.frame === frame; // on the screen already
  if (state.frame === frame && !newer) set({ labels: read });
}

let asked = 0;
let shown = 0;
/** Read what is known of all frames. */
export async function readTimeline() {
  const [mine, { edits }] = [++asked, answered];
  const read = await get("timeline");
  if (mine < shown) return; // a later one came first
  shown = mine;
  answered.timeline = edits;
  for (const row of read.objects) row.confidence = bytes(row.confidence);
  set({ timeline: read });
}

/** Read which frames ask for a look. */
export async function readChecks() {
  set({ checks: await get("suggest?k=12") });
}

/** @param {number[]} frames Whose results are others by now. */
export function forget(frames) {
  for (const frame of frames) known.delete(frame);
  if (frames.includes(state.frame) && !drawing) readLabels().catch(complain);
}

let drawing = false;

/** @param {boolean} now Whether a stroke is being drawn: results that come then are not shown yet. */
export function setDrawing(now) {
  drawing = now;
}

/** @param {number} frame Go there, to the nearest there is; not while a stroke is drawn, which is of this frame. */
export function goTo(frame) {
  if (!state.session || !Number.isFinite(frame) || drawing) return;
  const there = Math.min(state.session.frames - 1, Math.max(0, Math.round(frame)));
  if (there === state.frame) return;
  set({ frame: there, labels: known.get(there) ?? null });
  readLabels().catch(complain);
}

/** @typedef {[method: string, path: string, body?: Record<string, any>]} Change */

/**
 * Send a change, after those before it. What the session is then is read again.
 * @param {string} method @param {string} path @param {Record<string, any>} [body]
 * @param {number} [frame] The one frame whose labels it is based on.
 * @returns {Promise<any>} The answer; undefined where it was refused.
 */
export function edit(method, path, body, frame) {
  return editAsIs(() => [method, path, body], frame);
}

/**
 * Send a change that depends on what is there: what it is, is found out when those before it are answered.
 * @param {() => Change | undefined | Promise<Change | undefined>} change Gives none where nothing is to be changed.
 * @param {number} [frame] The one frame whose labels it is based on.
 * @returns {Promise<any>} The answer; undefined where it was refused, or none was wanted.
 */
export function editAsIs(change, frame) {
  const before = frame === undefined ? undefined : (known.get(frame) ?? state.labels);
  const run = async () => {
    try {
      const wanted = await change();
      if (!wanted) return undefined;
      const [method, path, body] = wanted;
      const send = () => ask(method, path, { ...body, base_revision: session().revision });
      let answer;
      try {
        answer = await send();
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 409) throw error;
        if (frame === undefined || before === undefined || !(await sameAs(before, frame))) throw error;
        answer = await send(); // somebody changed another frame
      }
      session().revision = answer.revision;
      return answer;
    } catch (error) {
      if (error instanceof Refused && error.status === 409) {
        say("Another window changed this meanwhile. Your last change was not made; this is what is there now.", true);
      } else {
        complain(error);
      }
      return undefined;
    } finally {
      sending--;
      answered.edits++;
      set({ saving: state.saving - 1 });
    }
  };
  sending++;
  set({ saving: state.saving + 1 });
  const result = queue.then(run);
  queue = result.then(settle, settle);
  return result;
}

/** Wait until all edits are made, and what follows from them is read. @returns {Promise<void>} */
export async function settled() {
  for (let last; last !== queue; await last) last = queue;
}

/** After the last edit of a row, what follows from them is read. */
async function settle() {
  if (sending) return;
  await readEdited().catch(complain);
}

/**
 * Whether the labels of a frame are what they were; the session's revision is the latest then.
 * @param {import("./store.js").FrameLabels | null} before @param {number} frame
 */
async function sameAs(before, frame) {
  const now = await get(`labels/${frame}`);
  const told = (/** @type {any} */ l) => JSON.stringify(l?.labels.filter((/** @type {any} */ s) => s.origin === "label"));
  session().revision = now.revision;
  return told(before) === told(now);
}

/** @param {boolean} forward Whether only frames after the one in view are wanted. */
export async function propagate(forward = false) {
  await queue;
  if (state.job?.state === "running") return;
  const here = state.frame;
  const range = state.range;
  const body = /** @type {any} */ ({ kind: "propagate", near: here });
  if (range) [body.first, body.last] = range;
  else if (forward) [body.first, body.last] = [here, session().frames - 1];
  try {
    set({ job: await ask("POST", "jobs", body) });
    say("");
  } catch (error) {
    complain(error);
  }
}

/** Take back, or do again. @param {"undo" | "redo"} way */
export async function step(way) {
  const answer = await edit("POST", way);
  if (!answer) return;
  if (answer.what) say(way === "undo" ? `Undone: ${answer.what}.` : `Done again: ${answer.what}.`);
  else say(way === "undo" ? "There is nothing to undo." : "There is nothing to redo.");
}
