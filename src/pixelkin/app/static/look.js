// @ts-check
// The tool that is chosen, and how labels are drawn: what the page shows of both, and its controls.

import { TOOLS } from "./actions.js";
import { byId, input } from "./elements.js";
import { set, state } from "./store.js";
import * as tools from "./tools.js";

/** Controls that are on or off, by what they say. */
const SWITCHES = /** @type {const} */ ({
  outlines: "outlines", onion: "onion", protect: "protect", hide: "hidden", numbers: "numbers",
});

const SCHEMES = { auto: "light dark", light: "light", dark: "dark" };

/** Show the tool, and what is set. */
export function drawTools() {
  for (const tool of TOOLS) byId(`tool-${tool}`).setAttribute("aria-pressed", String(state.tool === tool));
  input("radius").value = String(state.radius);
  byId("radius-text").textContent = `${state.radius} px`;
  const opacity = Math.round(100 * state.opacity);
  input("opacity").value = String(opacity);
  byId("opacity-text").textContent = `${opacity} %`;
  for (const [id, name] of Object.entries(SWITCHES)) input(id).checked = state[name];
  tools.cursor();
}

/** Take light or dark. */
export function drawTheme() {
  document.documentElement.style.colorScheme = SCHEMES[state.settings.theme];
}

/** Begin to listen. */
export function start() {
  input("radius").addEventListener("input", () => set({ radius: Number(input("radius").value) }));
  input("opacity").addEventListener("input", () => set({ opacity: Number(input("opacity").value) / 100 }));
  for (const [id, name] of Object.entries(SWITCHES)) {
    input(id).addEventListener("change", () => set({ [name]: input(id).checked }));
  }
}
