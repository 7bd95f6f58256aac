// @ts-check
// What is done to objects: added, chosen, moved in their list, changed, removed, and connected.

import { get } from "./api.js";
import { byId } from "./elements.js";
import { edit, settled } from "./model.js";
import { chosen, isMap, say, session, set, state } from "./store.js";

/** Kinds by the word that people have for one object, and what it is. */
export const KINDS = /** @type {Record<string, {kind: string, about: string}>} */ ({
  mask: { kind: "mask", about: "the pixels of a thing" },
  part: { kind: "parts", about: "pixels of a part, beside other parts" },
  keypoint: { kind: "keypoints", about: "a joint; lines may connect it with others" },
  point: { kind: "points", about: "any place that is to be followed" },
});

const FAMILIES = [["mask", "part"], ["keypoint", "point"]];

/** @param {import("./store.js").Thing} thing @returns {string} "mask", "part", "keypoint" or "point". */
export function kindWord(thing) {
  return Object.keys(KINDS).find((word) => KINDS[word].kind === thing.kind) ?? thing.kind;
}

/**
 * The kind of a new object: a video has masks or parts, and keypoints or points.
 * @param {string} wished @returns {string}
 */
export function kindThatFits(wished) {
  const family = FAMILIES.find((f) => f.includes(wished)) ?? [];
  const there = state.session?.objects.map(kindWord).find((word) => family.includes(word));
  return there ?? wished;
}

/** Add an object, and choose it. @param {string} [kind] @returns {Promise<number | undefined>} */
export async function addObject(kind = "mask") {
  const fits = kindThatFits(kind);
  const word = fits === "mask" ? "object" : fits;
  const names = new Set(session().objects.map((o) => o.name));
  let number = session().objects.length + 1;
  while (names.has(`${word} ${number}`)) number++;
  const answer = await edit("POST", "objects", { name: `${word} ${number}`, kind: fits });
  if (!answer) return undefined;
  set({ session: await get("session"), object: answer.id });
  return answer.id;
}

/** Add an object of the kind that is chosen beside the button, and have a tool for it. */
export async function addAndTake() {
  const kind = /** @type {HTMLSelectElement} */ (byId("add-kind")).value;
  takeToolFor(FAMILIES[0].includes(kind));
  await addObject(kind);
}

/** Choose an object, and a tool that is for its kind. @param {number} id */
export function choose(id) {
  const thing = session().objects.find((o) => o.id === id);
  if (!thing) return;
  set({ object: id });
  takeToolFor(isMap(thing));
}

/** @param {boolean} map Whether it is for pixels, rather than for points. */
function takeToolFor(map) {
  if (map && state.tool === "point") set({ tool: "brush" });
  if (!map && ["brush", "eraser", "polygon", "fill"].includes(state.tool)) set({ tool: "point" });
}

/** Choose the next object of the list, or the one before. @param {1 | -1} way @param {boolean} round */
export function chooseBeside(way, round) {
  const things = session().objects;
  const k = things.findIndex((o) => o.id === state.object) + way;
  const there = round ? things[(k + things.length) % things.length] : things[k];
  if (there) choose(there.id);
}

/** Move an object in the list. @param {number} id @param {number} place From 0. */
export async function moveTo(id, place) {
  const now = session().objects.findIndex((o) => o.id === id);
  const there = Math.min(session().objects.length - 1, Math.max(0, place));
  if (now >= 0 && now !== there) await edit("PATCH", `objects/${id}`, { position: there });
}

/** Move the chosen object by one place. @param {1 | -1} way */
export async function move(way) {
  if (state.object !== null) await moveTo(state.object, session().objects.findIndex((o) => o.id === state.object) + way);
}

/** Change something of the chosen object to its contrary. @param {"hidden" | "locked"} what */
export async function toggle(what) {
  const one = chosen();
  if (one) await edit("PATCH", `objects/${one.id}`, { [what]: !one[what] });
}

/** Remove the chosen object. */
export async function remove() {
  const one = chosen();
  if (one && (await edit("DELETE", `objects/${one.id}`))) say(`${one.name} is removed, with its labels; undo brings it back.`);
}

/** Draw a line of the skeleton between two points, or take it back. @param {number} a @param {number} b */
export async function connect(a, b) {
  await settled(); // what lines there are
  const there = session().skeleton.some((pair) => pair.includes(a) && pair.includes(b));
  const [first, last] = [a, b].map((id) => session().objects.find((o) => o.id === id)?.name ?? "");
  if (!(await edit(there ? "DELETE" : "POST", "skeleton", { a, b }))) return;
  say(there ? `No line connects ${first} and ${last} any more.` : `A line connects ${first} and ${last}.`);
}
