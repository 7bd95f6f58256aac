// @ts-check
// The dialog of settings: looks and habits, and a key of one's own for each command.

import { dialog, keyCaps } from "./dialogs.js";
import { byId, element, input } from "./elements.js";
import { change } from "./kept.js";
import { actionOf, bindingsWith, isBrowsers, isModifier, nameOf, spokenKey, withFirstKeys, withKey } from "./keys.js";
import { LIMITS, atFirst } from "./settings.js";
import { set, state } from "./store.js";

const NUMBERS = /** @type {(keyof typeof LIMITS)[]} */ (Object.keys(LIMITS));
const CHECKS = /** @type {const} */ (["keepLook", "keepFrame"]);

/** The command that waits for its key. @type {string | null} */
let waiting = null;
/** A key that another command has. @type {{does: string, key: string} | null} */
let wished = null;
/** What is told of a key, beside its command. */
let told = "";

/** Let somebody set things. */
export function open() {
  waiting = wished = null;
  told = "";
  dialog("settings").showModal();
  draw();
}

/** Show what is set. */
export function draw() {
  if (!dialog("settings").open) return;
  const { settings } = state;
  /** @type {HTMLSelectElement} */ (byId("set-theme")).value = settings.theme;
  for (const name of NUMBERS) input(`set-${name}`).value = String(settings[name]);
  for (const name of CHECKS) input(`set-${name}`).checked = settings[name];
  drawKeys();
}

function drawKeys() {
  const bindings = bindingsWith(state.settings.keys);
  const groups = [...new Set(bindings.map((b) => b.group))];
  const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset.does;
  byId("own-keys").replaceChildren(
    ...groups.flatMap((group) => [
      element("h3", {}, group),
      ...bindings.filter((b) => b.group === group).map(drawKey),
    ]),
  );
  /** @type {HTMLButtonElement} */ (byId("reset-keys")).disabled = !Object.keys(state.settings.keys).length;
  if (focused) focus(focused);
  byId("own-keys").querySelector(".told")?.scrollIntoView({ block: "nearest" });
}

/** @param {import("./keys.js").Binding} binding */
function drawKey({ does, about, keys }) {
  const named = keys.map(spokenKey).join(" or ") || "no key";
  const own = does in state.settings.keys;
  const set = element(
    "button",
    {
      type: "button", className: "key", "data-does": does, "aria-label": `${about}: ${waiting === does ? "press a key" : named}`,
      onclick: () => wait(waiting === does ? null : does),
    },
    ...(waiting === does ? ["press a key …"] : keys.length ? keyCaps(keys) : ["none"]),
  );
  const reset = element("button", { type: "button", className: "reset", "aria-label": `reset the key of: ${about}`, onclick: () => resetOne(does) }, "Reset");
  const row = element("div", { className: `own-key ${own ? "own" : ""}` }, element("span", {}, about), ...(own ? [reset] : []), set);
  if ((waiting === does || wished?.does === does) && told) row.append(drawTold());
  return row;
}

/** What is told of a key, and what can be done about it. */
function drawTold() {
  const row = element("p", { className: "told", role: "alert" }, told, " ");
  if (!wished) return row;
  const { does, key } = wished;
  const take = element("button", { type: "button", id: "take-key", onclick: () => give(does, key) }, "Take it from there");
  const leave = element("button", { type: "button", onclick: () => wait(null, does) }, "Leave it");
  row.append(take, " ", leave);
  return row;
}

/** @param {string | null} does Wait for its key; null for none. @param {string} [at] Where the focus goes. */
function wait(does, at) {
  waiting = does;
  wished = null;
  told = does ? "Escape leaves it as it is." : "";
  drawKeys();
  const there = at ?? does;
  if (there) focus(there);
}

/** @param {string} does */
function focus(does) {
  /** @type {HTMLElement | null} */ (byId("own-keys").querySelector(`[data-does="${does}"]`))?.focus();
}

/** @param {KeyboardEvent} event */
function keyDown(event) {
  if (!waiting) return;
  const name = nameOf(event);
  if (isModifier(name)) return;
  event.preventDefault();
  event.stopPropagation();
  const does = waiting;
  if (event.key === "Escape") return wait(null, does);
  const bindings = bindingsWith(state.settings.keys);
  const holder = bindings.find((b) => b.does === actionOf(name, bindings));
  if (isBrowsers(name)) {
    told = `${spokenKey(name)} is the browser's: press another key.`;
    return drawKeys();
  }
  if (!holder || holder.does === does) return give(does, name);
  waiting = null;
  wished = { does, key: name };
  told = `${spokenKey(name)} is the key of “${holder.about}”.`;
  drawKeys();
  byId("take-key").focus();
}

/** @param {string} does @param {string} key */
function give(does, key) {
  waiting = wished = null;
  told = "";
  keep({ keys: withKey(state.settings.keys, does, key) });
  drawKeys();
  focus(does);
}

/** @param {string} does */
function resetOne(does) {
  waiting = wished = null;
  keep({ keys: withFirstKeys(state.settings.keys, does) });
  drawKeys();
  focus(does);
}

/** @param {Partial<import("./settings.js").Settings>} changes */
function keep(changes) {
  byId("not-kept").hidden = change(changes);
}

/** @param {(typeof NUMBERS)[number]} name */
function setNumber(name) {
  const field = input(`set-${name}`);
  const [least, most] = LIMITS[name];
  const value = Math.round(Number(field.value));
  if (!field.value || !(least <= value && value <= most)) {
    field.value = String(state.settings[name]);
    return;
  }
  keep({ [name]: value });
  if (name === "radius") set({ radius: value });
  if (name === "opacity") set({ opacity: value / 100 });
}

/** Begin to listen. */
export function start() {
  const theme = /** @type {HTMLSelectElement} */ (byId("set-theme"));
  theme.addEventListener("change", () => keep({ theme: /** @type {any} */ (theme.value) }));
  for (const name of NUMBERS) {
    [input(`set-${name}`).min, input(`set-${name}`).max] = LIMITS[name].map(String);
    input(`set-${name}`).addEventListener("change", () => setNumber(name));
  }
  for (const name of CHECKS) {
    input(`set-${name}`).addEventListener("change", () => keep({ [name]: input(`set-${name}`).checked }));
  }
  byId("own-keys").addEventListener("keydown", keyDown);
  byId("own-keys").addEventListener("focusout", () => setTimeout(() => {
    if (waiting && !byId("own-keys").contains(document.activeElement)) wait(null);
  }));
  byId("reset-keys").addEventListener("click", () => keep({ keys: {} }));
  byId("reset-settings").addEventListener("click", () => {
    keep({ ...atFirst(), keys: state.settings.keys });
    set({ radius: state.settings.radius, opacity: state.settings.opacity / 100 });
  });
}
