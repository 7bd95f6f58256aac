// @ts-check
// What the page knows, in one place; who draws something of it is told when it changes.

import { atFirst } from "./settings.js";

/**
 * @typedef {{id: number, name: string, kind: string, parent: string | null, colour: number[] | null,
 *   locked: boolean, hidden: boolean, position: number}} Thing An object of the session.
 * @typedef {{object: number, state: string, origin: string, confidence: number, counts?: number[],
 *   x?: number, y?: number}} Shown What is known of an object in a frame.
 * @typedef {{frame: number, name: string | null, revision: number, reviewed: boolean, note: string | null,
 *   labels: Shown[]}} FrameLabels
 * @typedef {{name: string, about: string, masks: boolean, points: boolean}} FileFormat
 * @typedef {{id: number, kind: string, state: string, done: number, total: number,
 *   seconds_left: number | null, error: string | null, result: any}} Job
 * @typedef {{open: boolean, name: string, folder: string, width: number, height: number,
 *   frames: number, fps: number | null, fingerprint: string, read_only: boolean, revision: number,
 *   objects: Thing[], skeleton: number[][], formats: FileFormat[], jobs: Job[], root: string}} Session
 * @typedef {{id: number, labels: [number, string][], confidence: Uint8Array, stale: number[][],
 *   missing: number[][], unreached: number[][], absent: number[][]}} Row
 * @typedef {{objects: Row[], reviewed: number[][], flagged: {frame: number, note: string}[],
 *   contested: number[], cuts: number[], to_compute: number}} Timeline
 * @typedef {{frame: number, object: number, confidence: number, why: string}} Check
 */

/**
 * @typedef {Object} State
 * @property {Session | null} session
 * @property {Timeline | null} timeline
 * @property {Check[]} checks
 * @property {number} frame The one in view.
 * @property {FrameLabels | null} labels Of the frame in view.
 * @property {number | null} object The chosen one.
 * @property {string} tool
 * @property {number} radius Of the brush.
 * @property {boolean} protect Whether strokes leave other objects alone.
 * @property {number} opacity Of labels, in [0, 1].
 * @property {boolean} outlines Whether only rims are drawn.
 * @property {boolean} hidden Whether labels are not drawn.
 * @property {boolean} onion Whether outlines of the labels before and after are drawn.
 * @property {boolean} numbers Whether objects have their numbers in the picture.
 * @property {boolean} playing
 * @property {Job | null} job That runs, or ran last.
 * @property {{done: number, total: number, seconds_left: number} | null} reading How far a video is read that is opened.
 * @property {number} saving Edits that are on their way.
 * @property {string} message
 * @property {boolean} wrong Whether the message tells of a failure.
 * @property {boolean} stays Whether it stays until another comes.
 * @property {[number, number] | null} range Chosen frames.
 * @property {import("./settings.js").Settings} settings
 */

/** @type {State} */
export const state = {
  session: null, timeline: null, checks: [], frame: 0, labels: null, object: null, tool: "brush",
  radius: 12, protect: false, opacity: 0.55, outlines: false, hidden: false, onion: false, numbers: true,
  playing: false, job: null, reading: null, saving: 0, message: "", wrong: false, stays: false, range: null, settings: atFirst(),
};

/** @type {{keys: (keyof State)[], act: () => void}[]} */
const watchers = [];

/** @type {Set<() => void>} */
const due = new Set();

/** @param {(keyof State)[]} keys @param {() => void} act Called soon after any of them has changed. */
export function watch(keys, act) {
  watchers.push({ keys, act });
}

/** @param {Partial<State>} changes */
export function set(changes) {
  const keys = /** @type {(keyof State)[]} */ (Object.keys(changes));
  Object.assign(state, changes);
  for (const { keys: wanted, act } of watchers) {
    if (!wanted.some((k) => keys.includes(k))) continue;
    if (!due.size) queueMicrotask(flush);
    due.add(act);
  }
}

function flush() {
  const acts = [...due];
  due.clear();
  for (const act of acts) act();
}

/** @returns {Session} The open session, which must be there. */
export function session() {
  if (!state.session) throw new Error("no session is open");
  return state.session;
}

/** @returns {Thing | undefined} The chosen object. */
export function chosen() {
  return state.session?.objects.find((o) => o.id === state.object);
}

/** @param {Thing} thing @returns {boolean} Whether it has pixels of a map. */
export function isMap(thing) {
  return thing.kind === "mask" || thing.kind === "parts";
}

/** @param {number} id @returns {number} Its number in maps, from 1: ids may be larger than 16 bits. */
export function slotOf(id) {
  return (state.session?.objects.findIndex((o) => o.id === id) ?? -1) + 1;
}

/** @param {number} id @returns {Shown | undefined} What is known of an object in the frame in view. */
export function shownOf(id) {
  return state.labels?.labels.find((l) => l.object === id);
}

/**
 * @param {string} message @param {boolean} [wrong] Whether something went wrong.
 * @param {boolean} [stays] Whether it stays until something else is said, as what went wrong does.
 */
export function say(message, wrong = false, stays = wrong) {
  set({ message, wrong, stays });
}
