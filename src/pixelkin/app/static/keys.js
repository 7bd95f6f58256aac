// @ts-check
// The keys: one table, from which the page acts and the help is made.

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
  bind("Move", "back10", "ten frames back", "Shift+ArrowLeft"),
  bind("Move", "on10", "ten frames on", "Shift+ArrowRight"),
  bind("Move", "first", "first frame", "Home"),
  bind("Move", "last", "last frame", "End"),
  bind("Move", "labelBefore", "previous label of the object", "ArrowUp"),
  bind("Move", "labelAfter", "next label of the object", "ArrowDown"),
  bind("Move", "checkBefore", "previous frame to check", ","),
  bind("Move", "checkAfter", "next frame to check", "."),
  bind("Move", "jump", "type a frame number", "j"),
  bind("Move", "play", "play or pause (hold and drag: move the picture)", " "),
  bind("Tools", "select", "select", "v"),
  bind("Tools", "brush", "brush", "b"),
  bind("Tools", "eraser", "eraser (or the right button)", "e"),
  bind("Tools", "polygon", "polygon", "p"),
  bind("Tools", "fill", "fill", "f"),
  bind("Tools", "point", "point", "k"),
  bind("Tools", "pan", "move the picture", "h"),
  bind("Tools", "swap", "brush or eraser, in turn", "x"),
  bind("Tools", "smaller", "smaller brush", "["),
  bind("Tools", "larger", "larger brush", "]"),
  bind("Tools", "close", "close the polygon", "Enter"),
  bind("Tools", "cancel", "cancel what was begun", "Escape"),
  bind("Objects", "add", "new object", "n"),
  bind("Objects", "nextObject", "next object", "Tab"),
  ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => bind("Objects", `object${n}`, `object number ${n}`, `${n}`)),
  bind("Objects", "rename", "rename the object", "F2"),
  bind("Objects", "lock", "lock or unlock the object", "l"),
  bind("Labels", "remove", "delete the label of this frame", "Delete"),
  bind("Labels", "copy", "copy the label of the frame before", "c"),
  bind("Labels", "keep", "make the result shown a label", "g"),
  bind("Labels", "absent", "the object is gone from here on", "o"),
  bind("Labels", "occluded", "the object is hidden here", "q"),
  bind("Labels", "undo", "undo", "Ctrl+z"),
  bind("Labels", "redo", "redo", "Ctrl+Shift+Z", "Ctrl+y"),
  bind("Results", "propagate", "propagate what is missing or stale", "r"),
  bind("Results", "forward", "propagate from here on only", "Shift+R"),
  bind("Results", "accept", "accept the frame, go to the next to check", "a"),
  bind("Results", "acceptAll", "accept all frames up to here", "Shift+A"),
  bind("Results", "reopen", "take acceptance back", "u"),
  bind("Results", "export", "export", "Ctrl+e"),
  bind("Results", "import", "import", "Ctrl+i"),
  bind("See", "larger_", "zoom in", "+", "="),
  bind("See", "smaller_", "zoom out", "-"),
  bind("See", "fit", "fit the picture", "0"),
  bind("See", "actual", "actual size", "z"),
  bind("See", "bare", "see the bare frame while held", "s"),
  bind("See", "hide", "hide or show labels", "Shift+H"),
  bind("See", "onion", "outlines of the labels before and after", "t"),
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

/** @param {string} does @returns {string} The first key of an action, as buttons have it. */
export function keyOf(does) {
  const found = BINDINGS.find((b) => b.does === does);
  return found ? spokenKey(found.keys[0]) : "";
}
