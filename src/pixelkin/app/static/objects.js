// @ts-check
// What is done to objects: added, chosen, moved in their list, changed, removed, and connected.

import { byId } from "./elements.js";
import { edit, editAsIs, readObjects, sessionNow } from "./model.js";
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
 * @param {string} wished @param {import("./store.js").Thing[]} [things] That are there.
 * @returns {string}
 */
export function kindThatFits(wished, things = state.session?.objects ?? []) {
  const family = FAMILIES.find((f) => f.includes(wished)) ?? [];
  return things.map(kindWord).find((word) => family.includes(word)) ?? wished;
}

/** @type {Promise<unknown>} */
let adding = Promise.resolve();
/** The object that was added last. @type {number | null} */
let newest = null;

/** Wait for the objects that are being added. @returns {Promise<unknown>} */
export const added = () => adding;

/** Add an object, and choose it unless another one is chosen meanwhile. @param {string} [kind] @returns {Promise<number | undefined>} */
export function addObject(kind = "mask") {
  const result = add(kind, state.object);
  adding = result.catch(() => {});
  return result;
}

/** @param {string} kind @param {number | null} before The object that is chosen. */
async function add(kind, before) {
  const answer = await editAsIs(async () => {
    const things = (await sessionNow()).objects;
    const fits = kindThatFits(kind, things);
    const word = fits === "mask" ? "object" : fits;
    const names = new Set(things.map((o) => o.name));
    let number = things.length + 1;
    while (names.has(`${word} ${number}`)) number++;
    return ["POST", "objects", { name: `${word} ${number}`, kind: fits }];
  });
  if (!answer) return undefined;
  await readObjects();
  if ([null, before, newest].includes(state.object)) set({ object: answer.id });
  newest = answer.id;
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

/**
 * Move an object in the list.
 * @param {number | null} id @param {(order: number[]) => number} place Where, from 0, by the order that is there.
 */
export async function moveTo(id, place) {
  await editAsIs(async () => {
    const order = (await sessionNow()).objects.map((o) => o.id);
    const now = id === null ? -1 : order.indexOf(id);
    const there = Math.min(order.length - 1, Math.max(0, place(order)));
    return now >= 0 && now !== there ? ["PATCH", `objects/${id}`, { position: there }] : undefined;
  });
}

/** Move the chosen object by one place. @param {1 | -1} way */
export async function move(way) {
  const id = state.object;
  if (id !== null) await moveTo(id, (order) => order.indexOf(id) + way);
}

/** Change something of an object to its contrary. @param {"hidden" | "locked"} what @param {number | null} [id] Left out: of the chosen one. */
export async function toggle(what, id = state.object) {
  if (id === null) return;
  await editAsIs(async () => {
    const one = (await sessionNow()).objects.find((o) => o.id === id);
    return one && ["PATCH", `objects/${id}`, { [what]: !one[what] }];
  });
}

/** Remove the chosen object. */
export async function remove() {
  const one = chosen();
  if (one && (await edit("DELETE", `objects/${one.id}`))) say(`${one.name} is removed, with its labels; undo brings it back.`);
}

/**
 * Draw a line of the skeleton between two points, or take it back.
 * @param {number} a @param {number} b @param {boolean} [wanted] Whether there is to be one; left out: if there is none.
 * @returns {Promise<boolean | undefined>} Whether it was not so before; undefined where it was refused.
 */
export async function connect(a, b, wanted) {
  let there = !wanted;
  const answer = await editAsIs(async () => {
    there = (await sessionNow()).skeleton.some((pair) => pair.includes(a) && pair.includes(b));
    return there === wanted ? undefined : [there ? "DELETE" : "POST", "skeleton", { a, b }];
  });
  if (there === wanted) return false;
  if (!answer) return undefined;
  const [first, last] = [a, b].map((id) => session().objects.find((o) => o.id === id)?.name ?? "");
  say(there ? `No line connects ${first} and ${last} any more.` : `A line connects ${first} and ${last}.`);
  return true;
}
