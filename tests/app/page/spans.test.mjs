// Places and frames of the timeline, keys, and colours.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PALETTE, colourOf, inkOn, packed, parts } from "../../../src/pixelkin/app/static/colours.js";
import { BINDINGS, actionOf, nameOf, spokenKey } from "../../../src/pixelkin/app/static/keys.js";
import * as spans from "../../../src/pixelkin/app/static/spans.js";

test("each frame is found where it is drawn", () => {
  for (const frames of [1, 7, 100, 5000]) {
    let span = spans.whole(frames, 80, 900);
    for (const factor of [1, 0.5, 0.1, 3, 0.01]) {
      span = spans.zoomed(span, 300, factor);
      assert.ok(span.first >= 0 && span.first + span.shown <= frames + 1e-9);
      for (let f = Math.ceil(span.first); f + 1 <= span.first + span.shown; f++) {
        const middle = (spans.placeOf(span, f) + spans.placeOf(span, f + 1)) / 2;
        assert.equal(spans.frameAt(span, middle), f);
      }
    }
  }
});

test("what lies under the pointer stays there", () => {
  const span = spans.zoomed(spans.whole(1000, 80, 900), 500, 0.2);
  const again = spans.zoomed(span, 430, 0.7);
  const before = span.first + ((430 - 80) * span.shown) / 900;
  assert.ok(Math.abs(spans.placeOf(again, before) - 430) < 1e-6);
});

test("places outside are the first and the last frame", () => {
  const span = spans.whole(10, 80, 900);
  assert.equal(spans.frameAt(span, -50), 0);
  assert.equal(spans.frameAt(span, 5000), 9);
});

test("a frame is brought in sight", () => {
  const span = spans.zoomed(spans.whole(1000, 0, 100), 0, 0.05);
  for (const f of [0, 51, 500, 999]) {
    const shown = spans.showing(span, f);
    assert.ok(shown.first <= f && f + 1 <= shown.first + shown.shown + 1e-9);
  }
});

test("the next frames, and words", () => {
  assert.equal(spans.next([2, 5, 9], 5, 1), 9);
  assert.equal(spans.next([2, 5, 9], 5, -1), 2);
  assert.equal(spans.next([2, 5, 9], 9, 1), undefined);
  assert.ok(spans.within([[1, 3], [7, 7]], 7) && !spans.within([[1, 3], [7, 7]], 5));
  assert.deepEqual([...spans.bytes("AP8Q")], [0, 255, 16]);
  assert.equal(spans.spoken(12.4), "12 s");
  assert.equal(spans.spoken(600), "10 min");
  assert.equal(spans.timeOf(42, 25), "1.68 s");
  assert.equal(spans.timeOf(42, null), "");
});

const press = (key, more = {}) =>
  nameOf({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more });

test("keys have actions, each its own", () => {
  assert.equal(actionOf(press("ArrowLeft")), "back");
  assert.equal(actionOf(press("ArrowLeft", { shiftKey: true })), "back10");
  assert.equal(actionOf(press("ArrowLeft", { altKey: true })), undefined); // the browser's
  assert.equal(actionOf(press("b")), "brush");
  assert.equal(actionOf(press("A", { shiftKey: true })), "acceptAll");
  assert.equal(actionOf(press("z", { ctrlKey: true })), "undo");
  assert.equal(actionOf(press("Z", { ctrlKey: true, shiftKey: true })), "redo");
  assert.equal(actionOf(press("z", { metaKey: true })), "undo");
  assert.equal(actionOf(press("?", { shiftKey: true })), "help");
  assert.equal(actionOf(press("ü", { code: "BracketLeft" })), "smaller");
  assert.equal(actionOf(press("+", { shiftKey: true })), "larger_");
  const all = BINDINGS.flatMap((b) => b.keys);
  assert.equal(new Set(all).size, all.length);
  for (const key of all) assert.ok(spokenKey(key));
});

test("colours", () => {
  assert.equal(new Set(PALETTE).size, 20);
  assert.equal(colourOf({ id: 1, colour: [1, 2, 255] }), "#0102ff");
  assert.deepEqual(parts("#0102ff"), [1, 2, 255]);
  assert.equal(packed("#0102ff"), 0xffff0201);
  assert.equal(colourOf({ id: 22, colour: null }), PALETTE[1]);
  assert.equal(colourOf({ id: 0, colour: null }), PALETTE[19]);
  const light = (hex) => parts(hex).reduce((sum, c, k) => sum + [0.2126, 0.7152, 0.0722][k] * (c / 255) ** 2.2, 0);
  for (const hex of PALETTE) {
    const [a, b] = [light(hex), light(inkOn(hex))].toSorted();
    assert.ok((b + 0.05) / (a + 0.05) > 4.5, hex);
  }
});
