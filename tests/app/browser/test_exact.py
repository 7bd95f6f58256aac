"""Exactly the frame, exactly the pixels, and nothing that anybody did is lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from page_seen import SIZE, Seen, disc
from PIL import Image

Look = Callable[..., Seen]
BITS, FRAMES = 6, 40
READ = """() => { const c = document.getElementById('frame').getContext('2d');
  return [0, 1, 2, 3, 4, 5].map((bit) => c.getImageData(16 * bit + 8, 8, 1, 1).data[0] > 128); }"""


def numbered(number: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 255, (8, 12, 3))
    frame = np.kron(np.roll(coarse, number // 3, axis=1), np.ones((16, 16, 1))).astype(np.uint8)
    for bit in range(BITS):
        frame[:16, 16 * bit : 16 * bit + 16] = 255 * (number >> bit & 1)
    return frame


def video(folder: Path, kind: str) -> Path:
    if kind == "folder":
        (folder / "v").mkdir()
        for number in range(FRAMES):
            Image.fromarray(numbered(number)).save(folder / f"v/{number:03d}.jpg", quality=95)
        return folder / "v"
    codec = "libvpx-vp9" if kind == "vp9" else "libx264"
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    path = folder / ("v.webm" if kind == "vp9" else "v.mp4")
    steps = np.random.default_rng(1).integers(1, 9, FRAMES)
    times = np.cumsum(steps) if kind == "variable rate" else np.arange(FRAMES)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": "12", "bf": "2"})
        stream.height, stream.width = 128, 192
        stream.pix_fmt = "yuv420p"
        for number in range(FRAMES):
            picture = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            picture.pts = int(times[number])
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("kind", ["h264", "vp9", "variable rate", "folder"])
def test_the_frame_on_the_screen_is_the_one_of_the_number(
    look: Look, tmp_path: Path, kind: str
) -> None:
    seen = look(video(tmp_path, kind))
    for number in np.random.default_rng(2).permutation(FRAMES).tolist():
        seen.go(number)
        bits = seen.page.evaluate(READ)
        assert sum(bit << k for k, bit in enumerate(bits)) == number


def test_tools_give_the_masks_that_numpy_gives(look: Look, clip: Path) -> None:
    seen = look(clip)
    wanted = disc((40, 30), (80, 50), 12)
    seen.stroke((40, 30), (80, 50))
    seen.saved()
    np.testing.assert_array_equal(seen.drawn(), wanted)
    np.testing.assert_array_equal(seen.mask(0), wanted)
    seen.press("[", "[", "[")  # 12, 10, 8, 7
    seen.page.wait_for_selector("#radius-text:has-text('7 px')")
    wanted &= ~disc((60, 20), (60, 60), 7)
    seen.stroke((60, 20), (60, 60), button="right")
    seen.saved()
    np.testing.assert_array_equal(seen.mask(0), wanted)
    seen.press("x")
    wanted &= ~disc((30, 30), (45, 30), 7)
    seen.stroke((30, 30), (45, 30))
    seen.saved()
    np.testing.assert_array_equal(seen.mask(0), wanted)
    seen.press("p")
    for x, y in ((100, 10), (140, 10), (140, 50), (100, 50)):
        seen.click(x + 0.25, y + 0.25)
    seen.press("Enter")
    seen.saved()
    wanted[10:50, 100:140] = True
    np.testing.assert_array_equal(seen.mask(0), wanted)
    seen.press("b")
    ring = np.zeros(SIZE, bool)
    corners = [(20, 70), (60, 70), (60, 88), (20, 88), (20, 70)]
    for a, b in itertools.pairwise(corners):
        ring |= disc(a, b, 7)
    seen.stroke(*corners)
    seen.saved()
    np.testing.assert_array_equal(seen.mask(0), wanted | ring)


def test_fill_takes_a_hole(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.press("[", "[", "[", "[", "[", "[")
    seen.page.wait_for_selector("#radius-text:has-text('4 px')")
    corners = [(30, 30), (70, 30), (70, 60), (30, 60), (30, 30)]
    seen.stroke(*corners)
    seen.saved()
    wanted = np.zeros(SIZE, bool)
    for a, b in itertools.pairwise(corners):
        wanted |= disc(a, b, 4)
    np.testing.assert_array_equal(seen.mask(0), wanted)
    seen.press("f")
    seen.click(50, 45)
    seen.saved()
    wanted[30:61, 30:71] = True
    np.testing.assert_array_equal(seen.mask(0), wanted)
    seen.press("Control+z")
    seen.saved()
    assert not seen.mask(0)[45, 50]


def test_a_straight_stroke(look: Look, clip: Path) -> None:
    seen = look(clip)
    seen.click(30.5, 40.5)
    seen.saved()
    seen.page.keyboard.down("Shift")
    seen.click(110.5, 60.5)
    seen.page.keyboard.up("Shift")
    seen.saved()
    np.testing.assert_array_equal(seen.mask(0), disc((30, 40), (110, 60), 12))


def test_thirty_strokes_undone_and_redone_over_a_reload(look: Look, clip: Path) -> None:
    seen = look(clip)
    masks = []
    for k in range(30):  # each takes or gives some pixels that no other one does
        x, y = 8 + 15 * (k % 10), 15 + 30 * (k // 10)
        seen.stroke((x, y), (x + 5, y + 3))
        seen.saved()
        masks.append(seen.mask(0))
    assert len({m.tobytes() for m in masks}) == 30
    for wanted in masks[-2::-1]:
        seen.press("Control+z")
        seen.saved()
        np.testing.assert_array_equal(seen.mask(0), wanted)
    seen.load()
    for wanted in masks[1:]:
        seen.press("Control+y")
        seen.saved()
        np.testing.assert_array_equal(seen.mask(0), wanted)
    np.testing.assert_array_equal(seen.drawn(), masks[-1])


def test_strokes_in_quick_succession_are_all_kept(look: Look, clip: Path) -> None:
    seen = look(clip)
    wanted = np.zeros(SIZE, bool)
    for k in range(12):
        a, b = (20 + 8 * k, 20), (20 + 8 * k, 70)
        wanted |= disc(a, b, 12)
        seen.stroke(a, b)
    seen.saved()
    np.testing.assert_array_equal(seen.mask(0), wanted)
    np.testing.assert_array_equal(seen.drawn(), wanted)


def test_a_stroke_goes_on_while_the_first_object_is_made(look: Look, clip: Path) -> None:
    seen = look(clip)
    page = seen.page

    def late(route: Any) -> None:
        page.wait_for_timeout(300)
        route.continue_()

    page.route("**/api/objects", late)
    seen.stroke((30, 20), (30, 60))
    page.mouse.move(*seen.at(60.5, 20.5))
    page.mouse.down()
    page.wait_for_selector("#objects li")  # it is made in the middle of the second stroke
    seen.until(lambda: seen.drawn()[20, 60])
    page.mouse.move(*seen.at(60.5, 70.5))
    page.mouse.up()
    seen.saved()
    wanted = disc((30, 20), (30, 60), 12) | disc((60, 20), (60, 70), 12)
    np.testing.assert_array_equal(seen.mask(0), wanted)
    np.testing.assert_array_equal(seen.drawn(), wanted)


def test_two_windows(look: Look, clip: Path) -> None:
    """Each shows what the other has done; neither undoes it by chance."""
    first = look(clip)
    first.stroke((40, 40), (50, 40))
    first.saved()
    second = look(first.address)
    np.testing.assert_array_equal(second.drawn(), first.mask(0))
    first.stroke((90, 40), (100, 40))
    first.saved()
    second.until(lambda: (second.drawn() == first.mask(0)).all())
    second.excused = first.excused = ("409",)
    second.page.route("**/api/events", lambda route: route.abort())
    second.excused += ("ERR_FAILED",)
    second.load()  # hears nothing from now on
    first.go(3)
    first.stroke((40, 40), (50, 40))
    first.saved()
    second.stroke((20, 80), (30, 80))  # of another frame: kept, without a word
    second.saved()
    assert second.mask(0)[80, 25] and first.mask(3)[40, 45]
    first.go(0)
    first.stroke((120, 20), (130, 20))
    first.saved()
    second.stroke((20, 10), (30, 10))  # of the same frame: refused
    second.page.wait_for_selector("#message.wrong:has-text('Another window changed this')")
    second.saved()
    assert second.mask(0)[20, 125] and not second.mask(0)[10, 25]
    np.testing.assert_array_equal(second.drawn(), second.mask(0))


def test_a_stroke_is_of_the_frame_that_it_began_in(look: Look, clip: Path) -> None:
    seen = look(clip)
    mouse = seen.page.mouse
    seen.stroke((28, 46), (30, 46))
    seen.saved()
    mouse.move(*seen.at(60.5, 46.5))
    mouse.down()
    mouse.move(*seen.at(70.5, 46.5))
    seen.until(lambda: seen.drawn()[46, 65])
    seen.press("ArrowRight")
    mouse.move(*seen.at(80.5, 46.5))
    mouse.up()
    seen.saved()
    assert seen.frame == 0 and seen.mask(0)[46, [65, 75]].all() and not seen.mask(1).any()
    seen.press("ArrowRight")
    seen.until(lambda: seen.frame == 1)
