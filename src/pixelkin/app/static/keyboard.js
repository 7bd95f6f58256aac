// @ts-check
// Keys that are pressed, and the keys that buttons show.

import { act } from "./actions.js";
import { byId } from "./elements.js";
import { icon } from "./icons.js";
import { actionOf, bindingsWith, keyOf, nameOf } from "./keys.js";
import { state } from "./store.js";
import * as tools from "./tools.js";

/** The key that shows the bare frame while it is held. @type {string | null} */
let bare = null;
/** Whether Tab goes on through the page, rather than through the objects. */
let leaving = false;

const STEERS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown"];

/** @param {EventTarget | null} at @param {string} key @returns {boolean} Whether the element there wants the key itself. */
function wants(at, key) {
  if (at instanceof HTMLSelectElement || at instanceof HTMLTextAreaElement) return true;
  if (at instanceof HTMLButtonElement) return key === " " || key === "Enter";
  if (!(at instanceof HTMLInputElement)) return false;
  if (at.type === "range") return STEERS.includes(key);
  if (at.type === "checkbox" || at.type === "color") return key === " " || key === "Enter";
  return true;
}

/** @param {KeyboardEvent} event */
function down(event) {
  const at = event.target;
  if (event.defaultPrevented || wants(at, event.key)) return;
  if (event.key === " ") {
    event.preventDefault();
    if (!event.repeat) tools.holdSpace(true);
    return;
  }
  // Tab goes through the page as anywhere, but in the picture, where it goes through the objects; Escape lets it go on.
  if (event.key === "Tab" && (at !== byId("stage") || leaving || (state.session?.objects.length ?? 0) < 2)) return;
  leaving = event.key === "Escape";
  const does = actionOf(nameOf(event), bindingsWith(state.settings.keys));
  if (!does) return;
  event.preventDefault();
  if (does === "bare") {
    bare = event.code;
    byId("layers").classList.add("bare");
  } else act(does);
}

/** @param {KeyboardEvent} event */
function up(event) {
  if (bare !== null && event.code === bare) {
    bare = null;
    byId("layers").classList.remove("bare");
  }
  if (event.key !== " ") return;
  tools.holdSpace(false);
  const does = actionOf(nameOf(event), bindingsWith(state.settings.keys));
  if (does && does !== "bare" && !wants(event.target, " ") && !tools.usedSpace()) act(does);
}

/** Write on buttons which keys they have. */
export function labelButtons() {
  const bindings = bindingsWith(state.settings.keys);
  for (const button of document.querySelectorAll("[data-act]")) {
    const { act: does = "", key: shown } = /** @type {HTMLElement} */ (button).dataset;
    const key = keyOf(does, bindings);
    const about = bindings.find((b) => b.does === does)?.about;
    if (about) /** @type {HTMLElement} */ (button).title = key ? `${about} (${key})` : about;
    if (key) button.setAttribute("aria-keyshortcuts", key);
    else button.removeAttribute("aria-keyshortcuts");
    if (shown !== "no") write(button, key);
  }
  for (const label of document.querySelectorAll("[data-key-of]")) {
    write(label, keyOf(/** @type {HTMLElement} */ (label).dataset.keyOf ?? "", bindings));
  }
  byId("stage").setAttribute("aria-description", `Tab chooses the next object; Escape, then Tab, leaves the picture. ${keyOf("help", bindings)}: all keys.`);
}

/** @param {Element} element @param {string} key */
function write(element, key) {
  element.querySelector("kbd")?.remove();
  if (!key) return;
  const shown = document.createElement("kbd");
  shown.textContent = key;
  element.append(shown);
}

/** Keys go to the picture after a click, as the pointer is no place where one types. @param {MouseEvent} event */
function clicked(event) {
  const at = /** @type {HTMLElement} */ (event.target);
  if (!event.detail || at.closest("dialog, #welcome")) return; // of a key, not of the pointer
  if (at.closest("input:not([type=checkbox], [type=range]), select")) return;
  if (at.closest("button, label, #objects, [type=checkbox], [type=range]")) byId("stage").focus({ preventScroll: true });
}

/** Begin to listen. */
export function start() {
  for (const one of document.querySelectorAll("[data-act]")) {
    const button = /** @type {HTMLButtonElement} */ (one);
    if (button.dataset.icon) button.prepend(icon(button.dataset.icon));
    button.addEventListener("click", () => act(button.dataset.act ?? ""));
  }
  labelButtons();
  document.addEventListener("keydown", down);
  document.addEventListener("keyup", up);
  document.addEventListener("click", clicked, { capture: true });
  byId("stage").addEventListener("blur", () => (leaving = false));
}
