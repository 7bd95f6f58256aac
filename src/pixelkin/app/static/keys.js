// @ts-check
// The keys: one table, from which the page acts and the help is made, and the keys that somebody gives instead.

/**
 * @typedef {Object} Binding
 * @property {string} does Name of the action.
 * @property {string[]} keys "Shift+ArrowLeft": modifiers in the order Ctrl, Alt, Shift, then the key.
 * @property {string} about What it does, in words.
 * @property {string} group
 */

/** @type {Binding[]} */
export const BINDINGS = [
  bind("Move", "back", "one frame back", "ArrowLeft"),
  bind("Move", "on", "one frame on", "ArrowRight"),
  bind("Move", "back10", "a big jump back", "Shift+ArrowLeft"),
  bind("Move", "on10", "a big jump on", "Shift+ArrowRight"),
  bind("Move", "first", "first frame", "Home"),
  bind("Move", "last", "last frame", "End"),
  bind("Move", "labelBefore", "previous label of the object", "ArrowUp"),
  bind("Move", "labelAfter", "next label of the object", "ArrowDown"),
  bind("Move", "checkBefore", "previous frame to check, or with a flag", ","),
  bind("Move", "checkAfter", "next frame to check, or with a flag", "."),
  bind("Move", "jump", "type a frame number", "j"),
  bind("Move", "play", "play or pause (hold and drag: move the picture)", " "),
  bind("Tools", "select", "select", "v"),
  bind("Tools", "brush", "brush", "b"),
  bind("Tools", "eraser", "eraser (or the right button)", "e"),
  bind("Tools", "polygon", "polygon", "p"),
  bind("Tools", "fill", "fill", "f"),
  bind("Tools", "point", "point", "k"),
  bind("Tools", "skeleton", "skeleton: draw lines between points, or take them back", "w"),
  bind("Tools", "pan", "move the picture", "h"),
  bind("Tools", "swap", "brush or eraser, in turn", "x"),
  bind("Tools", "smaller", "smaller brush", "["),
  bind("Tools", "larger", "larger brush", "]"),
  bind("Tools", "close", "close the polygon", "Enter"),
  bind("Tools", "cancel", "cancel what was begun", "Escape"),
  bind("Objects", "add", "new object", "n"),
  bind("Objects", "nextObject", "next object", "Tab"),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => bind("Objects", `object${n}`, `object number ${n}`, `${n}`)),
  bind("Objects", "moveUp", "move the object up in the list", "Alt+ArrowUp"),
  bind("Objects", "moveDown", "move the object down in the list", "Alt+ArrowDown"),
  bind("Objects", "rename", "rename the object", "F2"),
  bind("Objects", "recolour", "choose a colour of the object", "Shift+C"),
  bind("Objects", "hideObject", "hide or show the object", "i"),
  bind("Objects", "lock", "lock or unlock the object", "l"),
  bind("Objects", "deleteObject", "remove the object with its labels", "Shift+Delete"),
  bind("Labels", "remove", "delete the label of this frame", "Delete"),
  bind("Labels", "copy", "copy the label of the frame before", "c"),
  bind("Labels", "keep", "make the result shown a label", "g"),
  bind("Labels", "absent", "the object is gone from here on", "o"),
  bind("Labels", "occluded", "the object is hidden here", "q"),
  bind("Labels", "visible", "the object is seen here", "Shift+Q"),
  bind("Labels", "undo", "undo", "Ctrl+z"),
  bind("Labels", "redo", "redo", "Ctrl+Shift+Z", "Ctrl+y"),
  bind("Results", "propagate", "propagate what is missing or stale", "r"),
  bind("Results", "forward", "propagate from here on only", "Shift+R"),
  bind("Results", "accept", "accept the frame, go to the next to check", "a"),
  bind("Results", "acceptAll", "accept all frames up to here", "Shift+A"),
  bind("Results", "reopen", "take acceptance back; a flag stays", "u"),
  bind("Results", "flag", "flag the frame for a later look, or take the flag back", "m"),
  bind("Results", "cut", "a new shot begins here, or does not", "d"),
  bind("Results", "export", "export", "Ctrl+e"),
  bind("Results", "import", "import", "Ctrl+i"),
  bind("See", "larger_", "zoom in", "+", "="),
  bind("See", "smaller_", "zoom out", "-"),
  bind("See", "fit", "fit the picture", "0"),
  bind("See", "actual", "actual size", "z"),
  bind("See", "bare", "see the bare frame while held", "s"),
  bind("See", "hide", "hide or show labels", "Shift+H"),
  bind("See", "onion", "outlines of the labels before and after", "t"),
  bind("See", "settings", "settings", "Ctrl+,"),
  bind("See", "help", "this table", "Shift+?", "?"),
];

/** @param {string} group @param {string} does @param {string} about @param {...string} keys @returns {Binding} */
function bind(group, does, about, ...keys) {
  return { group, does, about, keys };
}

/**
 * What a key is called in the table.
 * @param {{key: string, code?: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean, shiftKey: boolean}} event
 */
export function nameOf(event) {
  const brackets = /** @type {Record<string, string>} */ ({ BracketLeft: "[", BracketRight: "]" });
  const key = brackets[event.code ?? ""] ?? event.key;
  const plain = key.length > 1 || event.ctrlKey || event.metaKey;
  const letter = key.length === 1 && !event.shiftKey ? key.toLowerCase() : key;
  const upper = event.shiftKey && /^[a-z]$/.test(letter) ? letter.toUpperCase() : letter;
  const shift = event.shiftKey && (plain || /^[A-Z?]$/.test(upper)) ? "Shift+" : "";
  const ctrl = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  return `${ctrl}${event.altKey ? "Alt+" : ""}${shift}${upper}`;
}

/**
 * The action of a key, by a table.
 * @param {string} name @param {Binding[]} bindings @returns {string | undefined}
 */
export function actionOf(name, bindings = BINDINGS) {
  return bindings.find((b) => b.keys.includes(name))?.does;
}

const SHOWN = /** @type {Record<string, string>} */ ({
  ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", " ": "Space", Escape: "Esc",
  Delete: "Del",
});

/** @param {string} name @returns {string} As the help has it. */
export function spokenKey(name) {
  const words = name === "+" ? ["+"] : name.split("+");
  const key = words.pop() ?? "";
  const shown = SHOWN[key] ?? (key.length === 1 ? key.toUpperCase() : key);
  if (key === "?") return "?";
  return [...words, shown].join("+");
}

/**
 * The first key of an action, as buttons have it.
 * @param {string} does @param {Binding[]} bindings @returns {string} Nothing where it has none.
 */
export function keyOf(does, bindings = BINDINGS) {
  const key = bindings.find((b) => b.does === does)?.keys[0];
  return key ? spokenKey(key) : "";
}

/** @typedef {Record<string, string[]>} Own Keys that somebody gave, by action; all others are as the table has them. */

/** @param {Own} own @returns {Binding[]} The table with them. */
export function bindingsWith(own) {
  return BINDINGS.map((b) => (own[b.does] ? { ...b, keys: own[b.does] } : b));
}

/**
 * Give an action a key, which no other one has then.
 * @param {Own} own @param {string} does @param {string} key @returns {Own}
 */
export function withKey(own, does, key) {
  const found = bindingsWith(own).map((b) => {
    if (b.does === does) return { ...b, keys: [key] };
    return b.keys.includes(key) ? { ...b, keys: b.keys.filter((k) => k !== key) } : b;
  });
  return differing(found);
}

/**
 * Give an action its first keys again, which no other one has then.
 * @param {Own} own @param {string} does @returns {Own}
 */
export function withFirstKeys(own, does) {
  const first = BINDINGS.find((b) => b.does === does)?.keys ?? [];
  const found = bindingsWith(own).map((b) =>
    b.does === does ? { ...b, keys: first } : { ...b, keys: b.keys.filter((k) => !first.includes(k)) },
  );
  return differing(found);
}

/** @param {Binding[]} bindings @returns {Own} What is other in them than in the table. */
function differing(bindings) {
  const own = /** @type {Own} */ ({});
  BINDINGS.forEach((b, k) => {
    if (bindings[k].keys.join(" ") !== b.keys.join(" ")) own[b.does] = bindings[k].keys;
  });
  return own;
}

/** @param {any} told Anything. @returns {Own} What of it are keys of actions, none of them twice. */
export function ownKeys(told) {
  if (typeof told !== "object" || told === null) return {};
  let own = /** @type {Own} */ ({});
  for (const { does } of BINDINGS) {
    const keys = Object.hasOwn(told, does) ? told[does] : undefined;
    if (!Array.isArray(keys) || keys.some((k) => typeof k !== "string" || !k)) continue;
    own[does] = [...new Set(keys)];
  }
  const taken = new Set();
  for (const { does, keys } of bindingsWith(own).toSorted((a, b) => Number(b.does in own) - Number(a.does in own))) {
    const free = keys.filter((k) => !taken.has(k));
    free.forEach((k) => taken.add(k));
    if (free.length < keys.length) own = { ...own, [does]: free };
  }
  return own;
}

/** What browsers do not give away, or somebody needs. */
const BROWSERS = [
  "Ctrl+w", "Ctrl+t", "Ctrl+n", "Ctrl+r", "Ctrl+Shift+W", "Ctrl+Shift+T", "Ctrl+Shift+N", "Ctrl+Tab", "F5", "F11", "F12",
  "Alt+ArrowLeft", "Alt+ArrowRight", "Alt+F4", "Shift+Tab",
];

/** @param {string} name @returns {boolean} Whether the page does not get this key, or must not take it. */
export function isBrowsers(name) {
  return BROWSERS.includes(name);
}

/** @param {string} name @returns {boolean} Whether it is no key, but what is held beside one. */
export function isModifier(name) {
  return /(^|\+)(Control|Shift|Alt|AltGraph|Meta|CapsLock|Dead|Unidentified|Process)$/.test(name);
}
