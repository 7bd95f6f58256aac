// @ts-check
// The skeleton: lines between points, drawn from one to the other in the picture, or chosen in a dialog.

import { dialog } from "./dialogs.js";
import { pointAt, twice } from "./drawing.js";
import { byId, element } from "./elements.js";
import { connect } from "./objects.js";
import { isMap, say, set, shownOf, state } from "./store.js";

/** @typedef {{x: number, y: number}} Place */

/** @type {{from: number, at: Place} | null} A line that is being drawn. */
let drawn = null;

/** @param {Place} at @returns {boolean} Whether a line begins there. */
export function begin(at) {
  const from = pointAt(at);
  if (from === undefined) say("Drag from one point to another: a line connects them. Points are placed with Point.");
  else {
    drawn = { from, at };
    set({ object: from });
  }
  return from !== undefined;
}

/** @param {Place} at Where the line ends now. */
export function stretch(at) {
  if (drawn) drawn.at = at;
}

/** Connect the points, where the line ends at one. */
export async function end() {
  if (!drawn) return;
  const { from, at } = drawn;
  drawn = null;
  const to = pointAt(at);
  if (to === from) return;
  if (to === undefined) say("No point is there: a line connects two points.");
  else await connect(from, to);
}

/** Draw no line. */
export function giveUp() {
  drawn = null;
}

/** @param {CanvasRenderingContext2D} c */
export function sketch(c) {
  const own = drawn && shownOf(drawn.from);
  if (!drawn || own?.x === undefined || own.y === undefined) return;
  c.beginPath();
  c.moveTo(own.x + 0.5, own.y + 0.5);
  c.lineTo(drawn.at.x, drawn.at.y);
  twice(c);
}

/** @param {string} id @returns {HTMLSelectElement} */
function list(id) {
  return /** @type {HTMLSelectElement} */ (byId(id));
}

/** Let somebody choose which points are connected. */
export function open() {
  draw();
  dialog("skeleton").showModal();
}

/** Show the lines there are, and the points that may have more. */
export function draw() {
  const points = state.session?.objects.filter((o) => !isMap(o)) ?? [];
  byId("lines").hidden = points.length < 2;
  if (!dialog("skeleton").open && byId("lines").hidden) return;
  const name = (/** @type {number} */ id) => points.find((o) => o.id === id)?.name ?? "";
  const rows = (state.session?.skeleton ?? []).map(([a, b]) =>
    element("li", {}, element("span", {}, `${name(a)} – ${name(b)}`),
      element("button", { type: "button", "aria-label": `take back the line ${name(a)} – ${name(b)}`, onclick: () => takeBack(a, b) }, "Take back")),
  );
  byId("line-list").replaceChildren(...rows);
  byId("no-lines").hidden = rows.length > 0;
  for (const id of ["line-from", "line-to"]) {
    const before = list(id).value;
    list(id).replaceChildren(...points.map((o) => element("option", { value: String(o.id) }, o.name)));
    list(id).value = before;
    if (list(id).selectedIndex < 0) list(id).selectedIndex = id === "line-from" ? 0 : Math.min(1, points.length - 1);
  }
}

/** @param {number} a @param {number} b */
async function takeBack(a, b) {
  const button = document.activeElement;
  await connect(a, b, false);
  if (document.activeElement === button || document.activeElement === document.body) byId("line-add").focus();
}

async function add() {
  const [a, b] = [Number(list("line-from").value), Number(list("line-to").value)];
  const note = byId("line-note");
  note.textContent = a === b ? "A line connects two different points." : "";
  if (a === b) return;
  const done = await connect(a, b, true);
  if (done === false) note.textContent = "They are connected already.";
  if (done && list("line-from").value === String(a)) list("line-from").value = String(b); // chains are drawn on
}

/** Begin to listen. */
export function start() {
  byId("line-add").addEventListener("click", () => void add());
}
