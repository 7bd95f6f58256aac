// @ts-check
// The list of objects: chosen, renamed, coloured, dragged to other places.

import { colourOf, parts } from "./colours.js";
import { byId, element, input } from "./elements.js";
import { icon } from "./icons.js";
import { edit } from "./model.js";
import { KINDS, choose, chooseBeside, kindThatFits, kindWord, moveTo, toggle } from "./objects.js";
import { chosen, say, shownOf, state } from "./store.js";

/** The object that is dragged. @type {number | null} */
let dragged = null;
let renaming = false;

/** Draw the list. */
export function drawObjects() {
  if (renaming || dragged !== null) return; // drawn when that has ended
  const list = byId("objects");
  const things = state.session?.objects ?? [];
  list.replaceChildren(...things.map(drawObject));
  byId("no-objects").hidden = things.length > 0;
  const row = list.querySelector("[aria-selected=true]");
  if (row) list.setAttribute("aria-activedescendant", row.id);
  else list.removeAttribute("aria-activedescendant");
  row?.scrollIntoView({ block: "nearest" });
  drawActs();
}

/** Show what the buttons under the list do to the chosen object. */
function drawActs() {
  const thing = chosen();
  byId("object-acts").hidden = !thing;
  drawParent(thing);
  if (!thing) return;
  for (const [id, picture, word] of [
    ["hide-object", thing.hidden ? "hidden" : "eye", thing.hidden ? "show" : "hide"],
    ["lock-object", thing.locked ? "lock" : "open", thing.locked ? "unlock" : "lock"],
  ]) {
    byId(id).replaceChildren(icon(picture));
    byId(id).setAttribute("aria-label", `${word} ${thing.name}`);
  }
}

/** Show what the chosen object is a part of, and what it could be. @param {import("./store.js").Thing} [thing] */
function drawParent(thing) {
  const field = input("parent");
  if (document.activeElement === field && Number(field.dataset.id) === thing?.id) return; // somebody writes there
  byId("parent-row").hidden = !thing || thing.kind === "mask";
  field.value = thing?.parent ?? "";
  field.dataset.id = String(thing?.id ?? "");
  const names = new Set(state.session?.objects.map((o) => (o.kind === "mask" ? o.name : o.parent)));
  byId("parents").replaceChildren(...[...names].flatMap((name) => (name ? [element("option", { value: name })] : [])));
}

/** Say what an object is a part of, as it is written in the field. */
async function setParent() {
  const field = input("parent");
  const thing = state.session?.objects.find((o) => o.id === Number(field.dataset.id));
  const parent = field.value.trim() || null;
  if (!thing || parent === thing.parent) return;
  if (!(await edit("PATCH", `objects/${thing.id}`, { parent }))) return;
  say(parent ? `${thing.name} is a part of ${parent}.` : `${thing.name} is a part of nothing any more.`);
}

/** @param {import("./store.js").Thing} thing @param {number} k */
function drawObject(thing, k) {
  const own = shownOf(thing.id);
  const sure = own && own.origin !== "none" ? own.confidence.toFixed(2) : "";
  const signs = `${thing.hidden ? ", not drawn" : ""}${thing.locked ? ", locked" : ""}`;
  const colour = element("input", {
    type: "color", value: colourOf(thing), className: "swatch", tabIndex: -1,
    "aria-label": `colour of ${thing.name}`,
    onchange: (/** @type {any} */ e) => edit("PATCH", `objects/${thing.id}`, { colour: parts(e.target.value) }),
  });
  return element(
    "li",
    {
      role: "option", id: `object-${thing.id}`, "aria-selected": thing.id === state.object, "data-id": thing.id, draggable: true,
      "aria-label": `${thing.name}, ${kindWord(thing)}${sure && `, confidence ${sure}`}${signs}`,
      onclick: () => choose(thing.id),
      ondblclick: () => rename(),
      ondragstart: (/** @type {DragEvent} */ e) => {
        dragged = thing.id;
        e.dataTransfer?.setData("text/plain", thing.name);
      },
    },
    colour,
    element("b", {}, String(k + 1)),
    element("span", { className: "name", title: thing.name }, thing.name),
    element("span", { className: "kind" }, thing.name.startsWith(kindWord(thing)) ? "" : kindWord(thing)),
    element("span", { className: "sure" }, sure),
    sign(thing, "hidden", thing.hidden ? "hidden" : "eye", thing.hidden ? "show" : "hide"),
    sign(thing, "locked", thing.locked ? "lock" : "open", thing.locked ? "unlock" : "lock"),
  );
}

/** @param {import("./store.js").Thing} thing @param {"hidden" | "locked"} what @param {string} picture @param {string} word */
function sign(thing, what, picture, word) {
  return element(
    "button",
    {
      type: "button", className: `sign ${thing[what] ? "set" : ""}`, title: `${word} ${thing.name}`,
      "aria-label": `${word} ${thing.name}`, tabIndex: -1,
      onclick: (/** @type {Event} */ e) => {
        e.stopPropagation();
        toggle(what, thing.id);
      },
    },
    icon(picture),
  );
}

/** Write another name of the chosen object. */
export function rename() {
  const thing = chosen();
  const row = byId("objects").querySelector("[aria-selected=true] .name");
  if (!thing || !row || renaming) return;
  const field = /** @type {HTMLInputElement} */ (
    element("input", { value: thing.name, className: "rename", maxLength: 200, "aria-label": "name of the object" })
  );
  renaming = true;
  const end = (/** @type {boolean} */ keep) => {
    if (!renaming) return;
    renaming = false;
    const name = field.value.trim();
    if (keep && name && name !== thing.name) edit("PATCH", `objects/${thing.id}`, { name });
    drawObjects();
  };
  field.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key !== "Enter" && e.key !== "Escape") return;
    end(e.key === "Enter");
    byId("stage").focus({ preventScroll: true });
  });
  field.addEventListener("blur", () => end(true));
  for (const what of ["click", "dblclick", "dragstart"]) field.addEventListener(what, (e) => e.stopPropagation());
  row.closest("li")?.removeAttribute("draggable");
  row.replaceChildren(field);
  field.select();
}

/** Let somebody choose a colour of the chosen object. */
export function recolour() {
  const swatch = /** @type {HTMLInputElement | null} */ (byId("objects").querySelector("[aria-selected=true] .swatch"));
  swatch?.showPicker();
}

/** Offer the kinds that go with those there are. */
export function drawKinds() {
  const list = /** @type {HTMLSelectElement} */ (byId("add-kind"));
  for (const option of list.options) option.disabled = kindThatFits(option.value) !== option.value;
  list.value = kindThatFits(list.value);
  byId("kind-hint").textContent = `${list.value}: ${KINDS[list.value].about}`;
}

/** @param {DragEvent} event @returns {{row: HTMLElement, after: boolean} | null} Where what is dragged would go. */
function target(event) {
  const row = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest("#objects li"));
  if (!row || dragged === null) return null;
  const box = row.getBoundingClientRect();
  return { row, after: event.clientY > box.top + box.height / 2 };
}

/** @param {DragEvent} event */
function over(event) {
  const there = target(event);
  if (!there) return;
  event.preventDefault();
  unmark();
  there.row.classList.add(there.after ? "after" : "before");
}

function unmark() {
  for (const row of byId("objects").children) row.classList.remove("after", "before");
}

/** @param {DragEvent} event */
async function drop(event) {
  const there = target(event);
  const id = dragged;
  dragged = null;
  if (!there || id === null) return;
  event.preventDefault();
  unmark();
  const beside = Number(there.row.dataset.id);
  await moveTo(id, (order) => {
    const place = order.filter((o) => o !== id).indexOf(beside);
    return place < 0 ? order.indexOf(id) : place + (there.after ? 1 : 0);
  });
  drawObjects();
}

/** @param {KeyboardEvent} event In the list, the arrows choose. */
function keyDown(event) {
  const way = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!way || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  event.stopPropagation();
  chooseBeside(way > 0 ? 1 : -1, false);
}

/** Begin to listen. */
export function start() {
  const list = byId("objects");
  list.addEventListener("dragover", over);
  list.addEventListener("drop", (event) => void drop(event));
  list.addEventListener("dragend", () => {
    dragged = null;
    unmark();
    drawObjects();
  });
  list.addEventListener("keydown", keyDown);
  byId("add-kind").addEventListener("change", drawKinds);
  const parent = input("parent");
  parent.addEventListener("change", () => void setParent());
  parent.addEventListener("blur", drawActs);
  parent.addEventListener("keydown", (event) => {
    if (event.key === "Escape") parent.value = chosen()?.parent ?? "";
    if (event.key === "Escape" || event.key === "Enter") byId("stage").focus({ preventScroll: true });
  });
}
