// What is kept between visits, and keys of one's own: whatever is in the storage.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as keys from "../../../src/pixelkin/app/static/keys.js";
import { atFirst, framesOf, keeper, lookOf, settingsOf } from "../../../src/pixelkin/app/static/settings.js";

const ODD = [
  null, undefined, 0, "", "dark", [], [1], {}, { theme: "pink", radius: "5", keys: [] }, { radius: 0, opacity: 1e9, step: 2.5 },
  { keys: { brush: "b", nonsense: ["q"], constructor: ["q"], eraser: [1], fill: [""] } }, { radius: NaN, keepFrame: 1 },
];

test("what cannot be is as at first", () => {
  for (const told of ODD) {
    assert.deepEqual(settingsOf(told), atFirst(), JSON.stringify(told));
    assert.deepEqual(lookOf(told), {});
    assert.deepEqual(framesOf(told), []);
  }
});

test("what was set is read as it was", () => {
  const set = { ...atFirst(), theme: "dark", radius: 200, opacity: 5, step: 25, point: 9, keepLook: true, keepFrame: false, keys: { brush: ["w"], skeleton: [] } };
  assert.deepEqual(settingsOf(JSON.parse(JSON.stringify(set))), set);
  const look = { radius: 3, opacity: 0.4, outlines: true, onion: false, numbers: false, protect: true };
  assert.deepEqual(lookOf({ ...look, more: 1 }), look);
  assert.deepEqual(lookOf({ radius: 201, opacity: 0 }), {});
});

test("a browser that keeps nothing, or nonsense", () => {
  const none = keeper(() => {
    throw new Error("forbidden");
  });
  assert.equal(none.read("settings"), null);
  assert.equal(none.write("settings", {}), false);
  const kept = new Map([["pixelkin.settings", "{not json"]]);
  const some = keeper(() => ({ getItem: (k) => kept.get(k) ?? null, setItem: (k, v) => void kept.set(k, v) }));
  assert.equal(some.read("settings"), null);
  assert.equal(some.write("settings", { a: 1 }), true);
  assert.deepEqual(some.read("settings"), { a: 1 });
  const full = keeper(() => ({ getItem: () => null, setItem: () => { throw new DOMException("full", "QuotaExceededError"); } }));
  assert.equal(full.write("look", {}), false);
});

test("where videos were left, of the last fifty", () => {
  let found = framesOf(null);
  for (let k = 0; k < 60; k++) found = framesOf(found, `video ${k}`, k);
  assert.equal(found.length, 50);
  assert.deepEqual(framesOf(found, "video 20", 7).at(-1), ["video 20", 7]);
  assert.equal(framesOf(found, "video 20", 7).length, 50);
});

/** No key has two commands. */
function distinct(own) {
  const all = keys.bindingsWith(own).flatMap((b) => b.keys);
  assert.equal(new Set(all).size, all.length);
  return own;
}

test("a key of one's own is taken from who had it", () => {
  const bindings = (own) => (name) => keys.actionOf(name, keys.bindingsWith(own));
  let own = distinct(keys.withKey({}, "brush", "e"));
  assert.equal(bindings(own)("e"), "brush");
  assert.equal(bindings(own)("b"), undefined);
  assert.deepEqual(own, { brush: ["e"], eraser: [] });
  assert.equal(keys.keyOf("eraser", keys.bindingsWith(own)), "");
  own = distinct(keys.withKey(own, "eraser", "b"));
  assert.deepEqual(own, { brush: ["e"], eraser: ["b"] });
  own = distinct(keys.withKey(own, "flag", "Ctrl+y")); // redo had two
  assert.deepEqual(own.redo, ["Ctrl+Shift+Z"]);
  own = distinct(keys.withFirstKeys(own, "brush"));
  assert.deepEqual(own.brush, undefined);
  assert.deepEqual(own.eraser, []);
  own = distinct(keys.withFirstKeys(own, "eraser"));
  own = distinct(keys.withFirstKeys(own, "redo"));
  assert.deepEqual(own, { flag: [] });
  assert.deepEqual(keys.withFirstKeys(own, "flag"), {});
  assert.deepEqual(keys.withKey({}, "brush", "b"), {});
});

test("every command can have another key, and its own again", () => {
  let own = {};
  keys.BINDINGS.forEach((b, k) => (own = distinct(keys.withKey(own, b.does, `Ctrl+Alt+F${k}`))));
  assert.equal(Object.keys(own).length, keys.BINDINGS.length);
  keys.BINDINGS.forEach((b, k) => assert.equal(keys.actionOf(`Ctrl+Alt+F${k}`, keys.bindingsWith(own)), b.does));
  assert.deepEqual(keys.ownKeys(JSON.parse(JSON.stringify(own))), own);
  for (const b of keys.BINDINGS) own = distinct(keys.withFirstKeys(own, b.does));
  assert.deepEqual(own, {});
});

test("kept keys that two commands have are of one", () => {
  distinct(keys.ownKeys({ brush: ["e"] })); // eraser's, which is not kept
  distinct(keys.ownKeys({ fill: ["f", "f"] }));
  distinct(keys.ownKeys({ brush: ["q"], fill: ["q", "q"] }));
  assert.equal(keys.actionOf("e", keys.bindingsWith(keys.ownKeys({ brush: ["e"] }))), "brush");
});

test("keys that are none, or the browser's", () => {
  for (const name of ["Shift+Shift", "Control", "Ctrl+Control", "Alt+Alt", "CapsLock"]) assert.ok(keys.isModifier(name), name);
  for (const name of ["a", "Shift+A", "Alt+ArrowUp", "Delete"]) assert.ok(!keys.isModifier(name) && !keys.isBrowsers(name), name);
  assert.ok(keys.isBrowsers("Ctrl+w") && keys.isBrowsers("Alt+ArrowLeft"));
  for (const b of keys.BINDINGS) for (const key of b.keys) assert.ok(!keys.isBrowsers(key), key);
});
