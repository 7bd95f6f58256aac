"""From a video to masks that others read, with a hand and with keys alone."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_seen import SIZE, Seen, disc, truth

from pixelkin.ops import rle
from pixelkin.video import numbering
from pixelkin.video.writer import VideoWriter

Look = Callable[..., Seen]
COUNT = """() => { window.clicks = 0;
  for (const t of ['pointerdown']) addEventListener(t, () => window.clicks++, true); }"""

READING = """() => { window.read = []; const text = document.getElementById('reading-text');
  new MutationObserver(() => { const bar = document.getElementById('reading-bar');
    window.read.push([text.textContent, bar.value / bar.max]); })
  .observe(text, { childList: true }); }"""


def exported(path: Path) -> dict[int, Any]:
    """The first mask of each image of a COCO file, read by COCO's own code where it is there."""
    try:
        from pycocotools.coco import COCO
    except ImportError:
        found = json.loads(path.read_text())
        return {a["image_id"]: rle.decode(a["segmentation"]) for a in found["annotations"]}
    coco = COCO(str(path))
    return {a["image_id"]: coco.annToMask(a).astype(bool) for a in coco.dataset["annotations"]}


def iou(a: Any, b: Any) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_from_a_video_to_coco_in_five_clicks(look: Look, clip: Path, tmp_path: Path) -> None:
    seen = look(clip)
    page = seen.page
    page.keyboard.press("]")  # 12 px to 14
    page.evaluate(COUNT)
    rows = range(44, 49, 2)
    seen.stroke(*[(x, y) for y in rows for x in (26, 29)])
    seen.saved()
    page.click("#propagate")
    page.wait_for_selector("#stop", state="visible")
    page.wait_for_selector("#propagate", state="visible", timeout=120_000)
    page.click("text=Export…")
    with page.expect_download() as download:
        page.click("#export-save")
    assert page.evaluate("() => window.clicks") == 4
    download.value.save_as(tmp_path / "out.json")
    found = exported(tmp_path / "out.json")
    assert len(found) == 10
    first = found[min(found)]
    assert iou(first, truth(0)) > 0.7
    np.testing.assert_array_equal(first, seen.mask(0))
    assert np.mean([iou(m, truth(k)) for k, m in enumerate(found.values())]) > 0.6


def test_a_mistake_is_corrected_in_less_than_five_clicks(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.press("]")
    seen.stroke((26, 44), (29, 48))
    seen.saved()
    seen.propagate()
    before = [seen.mask(t) for t in range(10)]
    seen.press("a")  # frame 0
    seen.saved()
    seen.go(5)
    seen.page.evaluate(COUNT)
    seen.stroke((100, 80), (110, 82))
    seen.saved()
    seen.propagate()
    assert seen.page.evaluate("() => window.clicks") == 2
    after = [seen.mask(t) for t in range(10)]
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(after[5], before[5] | disc((100, 80), (110, 82), 14))
    assert any((a != b).any() for a, b in zip(before[1:5], after[1:5], strict=True))


def test_keys_alone(look: Look, clip: Path, tmp_path: Path) -> None:
    """From labels of a file to an export, without the pointer."""
    mask = tmp_path / "first.npz"
    from pixelkin.formats.registry import save_annotations
    from pixelkin.types import Annotations, Labels

    save_annotations(mask, Annotations.of({0: Labels.from_mask(truth(0).astype(np.int32))}, "x"))
    seen = look(clip)
    page = seen.page
    seen.press("Control+i")
    page.locator("#import-file").set_input_files(mask)
    page.locator("#import-take").focus()
    seen.press("Enter")
    seen.until(lambda: seen.mask(0).any())
    page.wait_for_selector("#message:has-text('labels of 1 frame')")
    page.locator("#stage").focus()
    seen.press("r")
    page.wait_for_selector("#stop", state="visible")
    page.wait_for_selector("#propagate", state="visible", timeout=120_000)
    seen.press("ArrowRight", "ArrowRight")
    seen.until(lambda: seen.frame == 2)
    seen.press("a")
    seen.until(lambda: seen.api("timeline")["reviewed"] == [[2, 2]])
    seen.press("Control+z")
    seen.until(lambda: seen.api("timeline")["reviewed"] == [])
    seen.press("Control+e")
    page.locator("#export-format").select_option("davis")
    page.locator("#export-save").focus()
    with page.expect_download() as download:
        seen.press("Enter")
    assert download.value.suggested_filename == "clip-davis.zip"


def test_points_with_a_skeleton(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    page.locator("#add-kind").select_option("keypoint")
    for _ in range(2):
        page.click("text=Add object")
        seen.saved()
    page.keyboard.press("k")
    seen.press("1")
    seen.click(20.5, 40.5)
    seen.saved()
    seen.click(40.5, 50.5)
    seen.saved()
    one, two = seen.api("labels/0")["labels"]
    assert (one["x"], one["y"]) == pytest.approx((20, 40), abs=0.2)
    assert (two["x"], two["y"]) == pytest.approx((40, 50), abs=0.2)
    seen.stroke((40, 50), (60, 52))  # drags the second
    seen.saved()
    one, two = seen.api("labels/0")["labels"]
    assert (two["x"], two["y"]) == pytest.approx((60, 52), abs=0.3)
    seen.press("q")
    seen.saved()
    assert seen.api("labels/0")["labels"][1]["state"] == "occluded"
    seen.propagate()
    seen.go(4)
    assert {one["origin"] for one in seen.api("labels/4")["labels"]} == {"result"}


def test_gone_and_back_and_a_new_object_later(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    seen.go(4)
    seen.press("o")
    seen.saved()
    seen.go(6)
    seen.press("n")
    seen.saved()
    seen.stroke((100, 20), (110, 20))
    seen.saved()
    rows = {row["id"]: row["labels"] for row in seen.api("timeline")["objects"]}
    assert rows == {1: [[0, "present"], [4, "absent"]], 2: [[6, "present"]]}
    seen.press("Delete")
    seen.saved()
    assert seen.api("timeline")["objects"][1]["labels"] == []
    seen.page.click("text=Remove")
    seen.saved()
    assert [o["id"] for o in seen.api("session")["objects"]] == [1]


def test_the_first_minutes(look: Look, clip: Path) -> None:
    seen = look(None)
    page = seen.page
    page.click("text=Open a video or session")
    page.click(".file:has-text('clip')")
    page.click("text=These 10 images as a video")
    page.wait_for_selector("#stage[data-frame='0']")
    assert "clip" in page.title()
    seen.until(lambda: page.locator("#no-objects").is_visible())
    seen.stroke((28, 46), (30, 46))
    page.wait_for_selector("#objects li:has-text('object 1')")
    seen.saved()
    assert seen.mask(0).sum() > 100
    assert tuple(seen.api("session")[k] for k in ("height", "width")) == SIZE


def test_while_it_plays_every_frame_has_its_labels(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    seen.propagate()
    page.reload()  # nothing of other frames is at hand
    page.wait_for_selector("#stage[data-frame='0']:not(.waiting)")
    seen.until(lambda: seen.drawn().any())

    def late(route: Any) -> None:
        page.wait_for_timeout(100)
        route.continue_()

    page.route("**/api/labels/*", late)
    page.evaluate(
        "() => { window.shown = []; const c = document.getElementById('labels');"
        " const look = () => { const d = c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data; window.shown.push([Number(document.getElementById('stage').dataset.frame),"
        " d.some((v) => v > 0)]); requestAnimationFrame(look); }; look(); }"
    )
    page.click("#play")
    seen.until(lambda: page.evaluate("() => window.shown.at(-1)[0]") == 9)
    shown = page.evaluate("() => window.shown")
    assert {frame for frame, _ in shown} == set(range(10))
    assert [frame for frame, painted in shown if not painted] == []


def test_a_video_is_read_with_a_bar(look: Look, tmp_path: Path, monkeypatch) -> None:
    frames, decoded = 60, numbering.decoded
    with VideoWriter(tmp_path / "long.mp4", 25, (96, 160)) as writer:
        for t in range(frames):
            writer.write(np.full((96, 160, 3), t, np.uint8))

    def slowly(*given: Any) -> Iterator[Any]:
        for frame in decoded(*given):
            time.sleep(0.02)
            yield frame

    monkeypatch.setattr(numbering, "decoded", slowly)
    monkeypatch.setattr(numbering, "TOLD_EVERY", 0.05)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen = look(None)
    page = seen.page
    page.evaluate(READING)
    page.click("text=Open a video or session")
    page.click(".file:has-text('long.mp4')")
    page.wait_for_selector("#stage[data-frame='0']")
    assert not page.locator("#reading").is_visible()
    shown = page.evaluate("() => window.read")
    if shown[-1][0] == f"Reading the video: {frames} frames":  # told when there was none left
        del shown[-1]
    counts = [int(text.split("/")[0].removeprefix("Reading the video: ")) for text, _ in shown]
    assert len(counts) > 5 and counts == sorted(counts) and 0 < counts[0] < counts[-1] <= frames
    assert all(re.search(rf"/{frames} frames · \d+ s left$", text) for text, _ in shown)
    for count, (_, share) in zip(counts, shown, strict=True):
        assert share == pytest.approx(count / frames)


def test_from_the_command_alone_to_coco(look: Look, clip: Path) -> None:
    """Nothing is named with the command: the page lets one choose."""
    seen = look(None)
    page = seen.page
    page.evaluate(COUNT)
    page.click("text=Open a video or session")
    page.click(".file:has-text('clip')")
    page.click("text=These 10 images as a video")
    page.wait_for_selector("#stage[data-frame='0']")
    seen.stroke(*[(x, y) for y in (40, 46, 52) for x in (24, 32)])
    seen.saved()
    page.click("#propagate")
    page.wait_for_selector("#stop", state="visible")
    page.wait_for_selector("#propagate", state="visible", timeout=120_000)
    page.click("text=Export…")
    with page.expect_download() as download:
        page.click("#export-save")
    assert download.value.suggested_filename.endswith(".json")
    assert page.evaluate("() => window.clicks") == 7
