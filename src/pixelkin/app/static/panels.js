// @ts-check
// The lists at the side: objects, what to check, and what is known of the frame in view.

import { colourOf, parts } from "./colours.js";
import { byId, element, input } from "./elements.js";
import { icon } from "./icons.js";
import { edit, goTo } from "./model.js";
import { session, set, shownOf, state } from "./store.js";

const KINDS = /** @type {Record<string, string>} */ ({ mask: "mask", parts: "part", keypoints: "keypoint", points: "point" });
const ORIGINS = /** @type {Record<string, string>} */ ({
  label: "labelled", reviewed: "reviewed", result: "propagated", stale: "stale: labels have changed since",
  none: "nothing yet",
});

/** Draw the list of objects. */
export function drawObjects() {
  const list = byId("objects");
  const focused = list.contains(document.activeElement);
  const things = state.session?.objects ?? [];
  list.replaceChildren(...things.map(drawObject));
  byId("no-objects").hidden = things.length > 0;
  if (focused) list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
}

/** @param {import("./store.js").Thing} thing @param {number} k */
function drawObject(thing, k) {
  const own = shownOf(thing.id);
  const sure = own && own.origin !== "none" ? own.confidence.toFixed(2) : "";
  const colour = element("input", {
    type: "color", value: colourOf(thing, k), className: "swatch", tabIndex: -1,
    "aria-label": `colour of ${thing.name}`,
    onchange: (/** @type {any} */ e) => edit("PATCH", `objects/${thing.id}`, { colour: parts(e.target.value) }),
  });
  const row = element(
    "li",
    {
      role: "option", "aria-selected": thing.id === state.object, "data-id": thing.id,
      "aria-label": `${thing.name}, ${KINDS[thing.kind]}${sure && `, confidence ${sure}`}`,
      onclick: () => set({ object: thing.id }),
      ondblclick: () => rename(),
    },
    colour,
    element("b", {}, String(k + 1)),
    element("span", { className: "name" }, thing.name),
    element("span", { className: "kind" }, KINDS[thing.kind]),
    element("span", { className: "sure" }, sure),
    toggle(thing, "hidden", thing.hidden ? "hidden" : "eye", thing.hidden ? "show" : "hide"),
    toggle(thing, "locked", thing.locked ? "lock" : "open", thing.locked ? "unlock" : "lock"),
  );
  return row;
}

/** @param {import("./store.js").Thing} thing @param {"hidden" | "locked"} what @param {string} sign @param {string} word */
function toggle(thing, what, sign, word) {
  return element(
    "button",
    {
      type: "button", className: `sign ${thing[what] ? "set" : ""}`, title: `${word} ${thing.name}`,
      "aria-label": `${word} ${thing.name}`, tabIndex: -1,
      onclick: (/** @type {Event} */ e) => {
        e.stopPropagation();
        edit("PATCH", `objects/${thing.id}`, { [what]: !thing[what] });
      },
    },
    icon(sign),
  );
}

/** Write another name of the chosen object. */
export function rename() {
  const thing = state.session?.objects.find((o) => o.id === state.object);
  const row = byId("objects").querySelector("[aria-selected=true] .name");
  if (!thing || !row) return;
  const field = /** @type {HTMLInputElement} */ (
    element("input", { value: thing.name, className: "rename", maxLength: 200, "aria-label": "name of the object" })
  );
  let done = false;
  const end = (/** @type {boolean} */ keep) => {
    if (done) return;
    done = true;
    const name = field.value.trim();
    if (keep && name && name !== thing.name) edit("PATCH", `objects/${thing.id}`, { name });
    else drawObjects();
  };
  field.addEventListener("keydown", (e) => {
    e.stopPropagation();
    if (e.key === "Enter" || e.key === "Escape") end(e.key === "Enter");
  });
  field.addEventListener("blur", () => end(true));
  field.addEventListener("click", (e) => e.stopPropagation());
  row.replaceChildren(field);
  field.select();
}

/** Draw the list of frames that ask for a look. */
export function drawChecks() {
  const list = byId("checks");
  const names = new Map(session().objects.map((o) => [o.id, o.name]));
  list.replaceChildren(
    ...state.checks.slice(0, 8).map((check) =>
      element(
        "li",
        {},
        element(
          "button",
          {
            type: "button", className: "check", "aria-current": check.frame === state.frame,
            onclick: () => {
              set({ object: check.object });
              goTo(check.frame);
            },
          },
          element("span", {}, `frame ${check.frame} `, element("i", {}, names.get(check.object) ?? "")),
          element("span", { className: "sure" }, check.confidence.toFixed(2)),
          element("small", {}, check.why),
        ),
      ),
    ),
  );
  byId("no-checks").hidden = state.checks.length > 0;
}

/** Draw what is known of the frame in view. */
export function drawFrameInfo() {
  byId("this-frame").textContent = `Frame ${state.frame}`;
  const thing = session().objects.find((o) => o.id === state.object);
  const own = thing && shownOf(thing.id);
  const lines = [];
  if (thing && own) {
    const where = own.state === "present" ? "" : own.state === "absent" ? ", not in the frame" : ", hidden";
    const unknown = own.origin === "none";
    lines.push(`${thing.name}: ${ORIGINS[own.origin]}${unknown ? "" : where}${own.origin === "result" ? ` (${own.confidence.toFixed(2)})` : ""}`);
  }
  lines.push(state.labels?.reviewed ? "reviewed: results no longer change it" : "not reviewed");
  if (state.labels?.note !== null && state.labels) lines.push(`flagged${state.labels.note && `: ${state.labels.note}`}`);
  if (state.timeline?.contested.includes(state.frame)) lines.push("a later correction would change it");
  byId("frame-facts").replaceChildren(...lines.map((line) => element("p", {}, line)));
  byId("accept").hidden = state.labels?.reviewed ?? false;
  byId("reopen").hidden = !(state.labels?.reviewed ?? false);
  const number = input("frame-number");
  if (document.activeElement !== number) number.value = String(state.frame); // nobody types there
}
