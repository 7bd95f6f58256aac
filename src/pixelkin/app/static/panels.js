// @ts-check
// What to check, and what is known of the frame in view and of the chosen object in it.

import { byId, element, input } from "./elements.js";
import { goTo } from "./model.js";
import { isCut, note } from "./reviewing.js";
import { chosen, session, set, shownOf, state } from "./store.js";

const ORIGINS = /** @type {Record<string, string>} */ ({
  label: "labelled", reviewed: "accepted", result: "propagated", stale: "stale: labels have changed since",
  none: "nothing yet",
});
const STATES = /** @type {Record<string, string>} */ ({ present: "", absent: ", gone", occluded: ", hidden" });

/** Draw the list of frames that ask for a look: those with a flag first. */
export function drawChecks() {
  const names = new Map(session().objects.map((o) => [o.id, o.name]));
  const flagged = state.timeline?.flagged ?? [];
  const rows = flagged.map((one) => drawCheck(one.frame, "", "flag", one.note || "flagged", () => goTo(one.frame)));
  for (const check of state.checks.slice(0, 8)) {
    const go = () => {
      set({ object: check.object });
      goTo(check.frame);
    };
    rows.push(drawCheck(check.frame, names.get(check.object) ?? "", check.confidence.toFixed(2), check.why, go));
  }
  byId("checks").replaceChildren(...rows);
  byId("no-checks").hidden = rows.length > 0;
}

/** @param {number} frame @param {string} name @param {string} sure @param {string} why @param {() => void} go */
function drawCheck(frame, name, sure, why, go) {
  const button = element(
    "button",
    { type: "button", className: `check ${sure === "flag" ? "flagged" : ""}`, "aria-current": frame === state.frame, onclick: go },
    element("span", {}, `frame ${frame} `, element("i", {}, name)),
    element("span", { className: "sure" }, sure),
    element("small", {}, why),
  );
  return element("li", {}, button);
}

/** Draw what is known of the frame in view. */
export function drawFrameInfo() {
  drawFrameState();
  const thing = chosen();
  const own = thing && shownOf(thing.id);
  byId("object-here").hidden = !thing;
  if (!thing) return;
  byId("this-object").textContent = `${thing.name} here`;
  const known = own ? ORIGINS[own.origin] + (own.origin === "none" ? "" : STATES[own.state]) : "…";
  byId("object-facts").textContent = own?.origin === "result" ? `${known}, confidence ${own.confidence.toFixed(2)}` : known;
  press("absent", own?.origin === "label" && own.state === "absent");
  press("occluded", own?.origin === "label" && own.state === "occluded");
}

function drawFrameState() {
  const name = state.labels?.frame === state.frame ? state.labels.name : null;
  byId("this-frame").textContent = `Frame ${state.frame}`;
  const reviewed = state.labels?.reviewed ?? false;
  const cut = isCut(state.frame);
  const lines = [reviewed ? "accepted: nothing that is computed changes it" : "not accepted yet"];
  if (name !== null) lines.unshift(`image ${name}`);
  if (state.timeline?.contested.includes(state.frame)) lines.push("a later correction would change it");
  if (cut) lines.push("a new shot begins: nothing is carried into it");
  byId("frame-facts").replaceChildren(...lines.map((line) => element("p", {}, line)));
  byId("accept").hidden = reviewed;
  byId("reopen").hidden = !reviewed;
  const flagged = state.timeline?.flagged.find((f) => f.frame === state.frame);
  press("flag", flagged !== undefined);
  press("cut", cut);
  /** @type {HTMLButtonElement} */ (byId("cut")).disabled = state.frame === 0;
  const field = input("note");
  if (document.activeElement === field) return; // somebody writes there
  byId("note-row").hidden = flagged === undefined;
  field.value = flagged?.note ?? "";
}

/** @param {string} id Of a button. @param {boolean} pressed */
function press(id, pressed) {
  byId(id).setAttribute("aria-pressed", String(pressed));
}

/** Begin to listen. */
export function start() {
  const field = input("note");
  let frame = 0; // that is noted of
  field.addEventListener("focus", () => (frame = state.frame));
  field.addEventListener("change", () => void note(frame, field.value.trim()));
  field.addEventListener("blur", () => state.session && drawFrameState());
  field.addEventListener("keydown", (event) => {
    if (event.key === "Escape") field.value = state.timeline?.flagged.find((f) => f.frame === frame)?.note ?? "";
    if (event.key === "Escape" || event.key === "Enter") byId("stage").focus({ preventScroll: true });
  });
}
