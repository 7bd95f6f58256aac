// @ts-check
// What opens over the page: help, opening, export, import.

import { ask, get } from "./api.js";
import { byId, element, input } from "./elements.js";
import { bindingsWith, spokenKey } from "./keys.js";
import { complain, readAll } from "./model.js";
import { say, session, set, state } from "./store.js";

/** @param {string} id @returns {HTMLDialogElement} */
export function dialog(id) {
  return /** @type {HTMLDialogElement} */ (byId(id));
}

/** @param {string[]} keys @returns {HTMLElement[]} */
export function keyCaps(keys) {
  return [...new Set(keys.map(spokenKey))].map((k) => element("kbd", {}, k));
}

/** Show all keys. */
export function help() {
  const bindings = bindingsWith(state.settings.keys);
  const groups = [...new Set(bindings.map((b) => b.group))];
  byId("key-table").replaceChildren(
    ...groups.map((group) =>
      element(
        "section",
        {},
        element("h3", {}, group),
        element(
          "dl",
          {},
          ...bindings.filter((b) => b.group === group).flatMap((b) => [
            element("dt", {}, ...(b.keys.length ? keyCaps(b.keys) : ["none"])),
            element("dd", {}, b.about),
          ]),
        ),
      ),
    ),
  );
  dialog("help").showModal();
}

/** Let somebody choose a video or a session. @param {string} [folder] */
export async function open(folder = "") {
  try {
    const found = await get(`files?folder=${encodeURIComponent(folder)}`);
    const rows = found.entries.map((/** @type {any} */ entry) =>
      element("li", {}, element("button", { type: "button", className: "file", onclick: () => (entry.kind === "folder" ? open(entry.path) : openPath(entry.path)) },
        element("span", {}, entry.name), element("small", {}, entry.kind))),
    );
    if (found.images > 1) {
      const own = element("button", { type: "button", className: "file", onclick: () => openPath(found.path) },
        element("span", {}, `These ${found.images} images as a video`), element("small", {}, "frames"));
      rows.unshift(element("li", {}, own));
    }
    if (found.parent !== null) {
      rows.unshift(element("li", {}, element("button", { type: "button", className: "file", onclick: () => open(found.parent) }, "..")));
    }
    byId("open-folder").textContent = found.path === "." ? "the starting folder" : found.path;
    byId("files").replaceChildren(...rows);
    byId("no-files").hidden = rows.length > 0;
    if (!dialog("open").open) dialog("open").showModal();
  } catch (error) {
    complain(error);
  }
}

/** @param {string} path */
function openPath(path) {
  return opening({ path });
}

/** @param {any} body */
export async function opening(body) {
  dialog("open").close();
  say("Opening: a video that is opened for the first time is read once.", false, true);
  try {
    await ask("POST", "open", body);
    await readAll();
    byId("stage").focus({ preventScroll: true });
    say("");
  } catch (error) {
    complain(error);
  }
}

/** Let somebody choose a format, and write it. */
export function exporting() {
  const list = /** @type {HTMLSelectElement} */ (byId("export-format"));
  const maps = session().objects.some((o) => o.kind === "mask" || o.kind === "parts");
  const points = session().objects.some((o) => o.kind === "keypoints" || o.kind === "points");
  const before = list.value || "coco";
  list.replaceChildren(
    ...session()
      .formats.filter((f) => (maps && f.masks) || (points && f.points) || (!maps && !points))
      .map((f) => element("option", { value: f.name }, `${f.about} (${f.name})`)),
  );
  list.value = before;
  if (!list.value) list.selectedIndex = 0;
  const left = state.timeline?.to_compute ?? 0;
  byId("export-note").textContent = left
    ? `${left} frames are not computed, or stale: propagate first to have them as well.`
    : "Labels and results of all frames.";
  dialog("export").showModal();
}

/** @param {import("./store.js").Job} job An export that has ended. */
export function exported(job) {
  if (job.state !== "done") {
    if (job.error) say(job.error, true);
    return;
  }
  const link = element("a", { href: `/api/exports/${encodeURIComponent(job.result.name)}`, download: job.result.name });
  document.body.append(link);
  link.click();
  link.remove();
  say([`Saved: ${job.result.name}.`, ...job.result.lost].join(" "));
}

/** Let somebody choose a file of labels. */
export function importing() {
  dialog("import").showModal();
}

async function save() {
  dialog("export").close();
  const format = /** @type {HTMLSelectElement} */ (byId("export-format")).value;
  try {
    await ask("POST", "jobs", { kind: "export", format });
    say("Writing the file …", false, true);
  } catch (error) {
    complain(error);
  }
}

async function take() {
  const file = input("import-file").files?.[0];
  if (!file) {
    say("Choose a file of labels first.", true);
    return;
  }
  dialog("import").close();
  const here = input("import-here").checked ? `&frame=${state.frame}` : "";
  const query = `name=${encodeURIComponent(file.name)}&base_revision=${session().revision}${here}`;
  say(`Reading ${file.name} …`, false, true);
  try {
    const told = await ask("POST", `import?${query}`, file);
    await readAll();
    const frames = told.frames.length;
    say(`${file.name}: labels of ${frames} ${frames === 1 ? "frame" : "frames"}.`);
    set({ frame: state.frame });
  } catch (error) {
    complain(error);
  }
}

/** Begin to listen. */
export function start() {
  for (const one of document.querySelectorAll("dialog")) {
    one.addEventListener("keydown", (e) => e.stopPropagation());
    for (const button of one.querySelectorAll("[data-close]")) button.addEventListener("click", () => one.close());
  }
  byId("export-save").addEventListener("click", save);
  byId("import-take").addEventListener("click", take);
}
