"""Pictures for people: labels drawn over frames, contact sheets.

Everything is drawn with numpy and Pillow on copies; sizes follow the resolution of the frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from pixelkin.types import Labels, MaskLabels, PointLabels
from pixelkin.video.palette import drawn_colours, point_colours

Frame = NDArray[np.uint8]

PAPER = (24, 24, 27)
INK = (235, 235, 235)
MAX_BARS = 8  # with more objects, only the lowest confidence is shown
NUMBERS_FROM = 240  # pixels of the short side; numbers that can be read would hide smaller frames
BARS_FROM = 72  # pixels of the short side, for bars of two pixels that are one apart


def overlay(
    frame: Frame,
    labels: Labels,
    *,
    alpha: float = 0.5,
    confidence: NDArray[Any] | Sequence[float] | float | None = None,
    text: Literal["none", "number", "name"] = "none",
) -> Frame:
    """Draw labels over a frame.

    Masks and parts are tinted, with a bright outline inside their borders; keypoints and points
    are discs with a dark rim, the darker inside the less certain. Absent points are left out.

    Args:
        frame: H x W x 3 uint8 RGB.
        labels: Of the frame's size.
        alpha: Opacity of the tint, 0 to 1.
        confidence: One value in [0, 1] for each of the labels' objects, or one for the frame; shown
            as bars in the lower left corner, of many objects the lowest alone. Numbers are beside
            the bars where the short side of the frame has 240 pixels or more; below 72 there are
            no bars.
        text: What to write beside keypoints.

    Returns:
        H x W x 3 uint8, a new array.
    """
    if frame.shape[:2] != tuple(labels.size):
        raise ValueError(f"labels of size {labels.size} on a frame of shape {frame.shape}")
    values = np.asarray([] if confidence is None else confidence, dtype=float)
    each = {}
    if values.size and values.ndim:
        each = dict(zip(labels.objects.ids, values.tolist(), strict=True))
    canvas, bright = _draw(frame, labels, alpha, each, text)
    each = {i: value for i, value in each.items() if i in bright}
    if values.size and not values.ndim:
        return _draw_bars(canvas, [float(values)], [INK])
    if len(each) > MAX_BARS:
        return _draw_bars(canvas, [min(each.values())], [INK], "lowest")
    return _draw_bars(canvas, list(each.values()), [bright[i] for i in each]) if each else canvas


def contact_sheet(
    frames: Sequence[Frame],
    titles: Sequence[str] | None = None,
    columns: int = 4,
    *,
    width: int | None = None,
) -> Frame:
    """Frames in a grid, each under its title.

    Args:
        frames: H x W x 3 uint8, of any sizes; each is fitted into a cell of the first one's shape.
        titles: One for each frame, cut where it is too long.
        columns: Cells in a row.
        width: Of a cell in pixels; that of the first frame if None.

    Returns:
        H x W x 3 uint8.
    """
    if not frames or columns < 1 or (titles is not None and len(titles) != len(frames)):
        count = None if titles is None else len(titles)
        raise ValueError(f"contact sheet of {len(frames)} frames, {count} titles, {columns=}")
    columns = min(columns, len(frames))
    cell_w = width or frames[0].shape[1]
    cell_h = max(1, round(cell_w * frames[0].shape[0] / frames[0].shape[1]))
    gap = max(2, cell_w // 80)
    font = _font(min(cell_h, cell_w) / 18)
    bar = 0 if titles is None else round(font.size * 1.5)
    rows = -(-len(frames) // columns)
    sheet = Image.new(
        "RGB",
        (columns * (cell_w + gap) + gap, rows * (cell_h + bar + gap) + gap),
        PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for i, frame in enumerate(frames):
        x = gap + i % columns * (cell_w + gap)
        y = gap + i // columns * (cell_h + bar + gap)
        scale = min(cell_w / frame.shape[1], cell_h / frame.shape[0])
        w, h = (max(1, round(n * scale)) for n in (frame.shape[1], frame.shape[0]))
        picture = Image.fromarray(frame)
        if picture.size != (w, h):
            picture = picture.resize((w, h), Image.Resampling.LANCZOS)
        sheet.paste(picture, (x + (cell_w - w) // 2, y + bar + (cell_h - h) // 2))
        if titles is not None:
            title = _shortened(titles[i], font, cell_w)
            draw.text((x, y + bar / 2), title, fill=INK, font=font, anchor="lm")
    return np.array(sheet)


def _draw(
    frame: Frame,
    labels: Labels,
    alpha: float,
    confidence: Mapping[int, float],
    text: Literal["none", "number", "name"],
) -> tuple[Frame, dict[int, NDArray[np.uint8]]]:
    """The frame with its labels, and the colour of each object that a bar may stand for."""
    match labels:
        case MaskLabels():
            colours = drawn_colours(labels.objects)
            canvas = _tint(frame, labels.ids, colours, alpha)
            return canvas, {i: _vivid(colours)[_entry(i)] for i in labels.objects.ids}
        case PointLabels():
            own = dict(zip(labels.objects.ids, point_colours(labels.objects), strict=True))
            return _draw_points(frame, labels, confidence, text), {
                i: own[i] for i in labels.present
            }
    raise TypeError(f"no labels: {labels!r}")


def _tint(frame: Frame, ids: NDArray[np.int32], colours: NDArray[np.uint8], alpha: float) -> Frame:
    canvas = frame.copy()
    inside = ids > 0
    tint = alpha * colours.astype(np.float32)
    canvas[inside] = (1 - alpha) * frame[inside] + tint[_entry(ids[inside])] + 0.5  # rounds
    line = _outline(ids, max(1, round(min(ids.shape) / 320)))
    canvas[line] = _vivid(colours)[_entry(ids[line])]
    return canvas


def _entry(ids: Any) -> Any:
    """Index into 256 colours; ids above 255 begin again at 1, as 0 is the background's."""
    return (ids - 1) % 255 + 1


def _vivid(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same hues at full brightness: the dark colours of DAVIS make no visible line."""
    strongest = colours.max(axis=1, keepdims=True).clip(1)
    return np.asarray(np.round(colours * (255 / strongest)), dtype=np.uint8)


def _outline(ids: NDArray[np.int32], thickness: int) -> NDArray[np.bool_]:
    """Object pixels within `thickness` of another id, up, down, left or right."""
    edge = np.zeros(ids.shape, dtype=bool)
    for step in range(1, thickness + 1):
        for axis in (0, 1):
            a, b = (np.moveaxis(array, axis, 0) for array in (ids, edge))
            differ = a[step:] != a[:-step]
            b[step:] |= differ
            b[:-step] |= differ
    return edge & (ids > 0)


def _draw_points(
    frame: Frame,
    labels: PointLabels,
    confidence: Mapping[int, float],
    text: Literal["none", "number", "name"],
) -> Frame:
    canvas = frame.astype(np.float32)
    colours = point_colours(labels.objects)
    radius = max(2.5, min(labels.size) / (110 if len(labels.points) <= 50 else 200))
    rows = zip(labels.objects, labels.points, colours, strict=True)
    shown = [(o, point, colour) for o, point, colour in rows if np.isfinite(point).all()]
    for o, point, colour in shown:
        _draw_disc(canvas, point, 1.35 * radius + 0.5, (0, 0, 0), 0.8)
        _draw_disc(canvas, point, radius, colour, 1.0)
        _draw_disc(canvas, point, 0.7 * radius, PAPER, 1 - confidence.get(o.id, 1.0))
    picture = Image.fromarray(canvas.round().astype(np.uint8))
    if text != "none":
        draw, font = ImageDraw.Draw(picture), _font(min(labels.size) / 36)
        for o, point, _ in shown:
            word = o.name if text == "name" and o.name is not None else str(o.id)
            x, y = (float(v) for v in point)
            fits = x + 2 * radius + font.getlength(word) < labels.size[1]
            x, anchor = (x + 2 * radius, "lm") if fits else (x - 2 * radius, "rm")
            draw.text((x, y), word, INK, font, anchor, stroke_width=1, stroke_fill=PAPER)
    return np.array(picture)


def _draw_disc(
    canvas: NDArray[np.float32],
    centre: ArrayLike,
    radius: float,
    colour: ArrayLike,
    opacity: float,
) -> None:
    """Blend a disc with smooth edges into `canvas`; its centre (x, y) may be anywhere."""
    x, y = np.asarray(centre, dtype=float)
    height, width = canvas.shape[:2]
    x0, x1 = (int(np.clip(v, 0, width)) for v in (x - radius - 1, x + radius + 3))
    y0, y1 = (int(np.clip(v, 0, height)) for v in (y - radius - 1, y + radius + 3))
    distance = np.hypot(np.arange(y0, y1)[:, None] - y, np.arange(x0, x1) - x)
    cover = opacity * np.clip(radius + 0.5 - distance, 0, 1)[..., None]
    patch = canvas[y0:y1, x0:x1]
    patch += cover * (np.asarray(colour) - patch)


def _draw_bars(
    frame: Frame, values: Sequence[float], colours: Sequence[ArrayLike], caption: str = ""
) -> Frame:
    """A small panel in the lower left corner: a bar and its number for each value in [0, 1].

    Small frames have bars without numbers, the smallest none.
    """
    if min(frame.shape[:2]) < NUMBERS_FROM:
        return _draw_bare_bars(frame, values, colours)
    picture = Image.fromarray(frame)
    draw = ImageDraw.Draw(picture, "RGBA")
    font = _font(min(frame.shape[:2]) / 30)
    unit = font.size
    texts = [f"{caption} {value:.2f}".strip() for value in values]
    length, pad, line = 5 * unit, 0.5 * unit, 1.25 * unit
    right = length + max(font.getlength(text) for text in texts) + 4 * pad
    top = frame.shape[0] - 3 * pad - line * len(values)
    draw.rounded_rectangle((pad, top, right, frame.shape[0] - pad), radius=pad, fill=(*PAPER, 190))
    for i, (value, colour, text) in enumerate(zip(values, colours, texts, strict=True)):
        x, y = 2 * pad, top + pad + line * (i + 0.5)
        y0, y1 = y - 0.28 * unit, y + 0.28 * unit
        draw.rectangle((x, y0, x + length, y1), fill=(255, 255, 255, 40))
        if value > 0:
            fill = tuple(int(c) for c in np.asarray(colour))
            draw.rectangle((x, y0, x + length * min(1.0, value), y1), fill=fill)
        draw.text((x + length + pad, y), text, INK, font, anchor="lm")
    return np.array(picture)


def _draw_bare_bars(frame: Frame, values: Sequence[float], colours: Sequence[ArrayLike]) -> Frame:
    """The panel without numbers, in whole pixels: a quarter of the short side wide."""
    height, short = frame.shape[0], min(frame.shape[:2])
    if short < BARS_FROM:
        return frame
    length, pad = round(short / 6), max(1, round(short / 60))
    thick, apart = max(2, round(short / 54)), max(1, round(short / 43))
    picture = Image.fromarray(frame)
    draw = ImageDraw.Draw(picture, "RGBA")
    top = height - 3 * pad - thick * len(values) - apart * (len(values) - 1)
    panel = (pad, top, 3 * pad + length - 1, height - pad - 1)
    draw.rounded_rectangle(panel, radius=pad, fill=(*PAPER, 190))
    for i, (value, colour) in enumerate(zip(values, colours, strict=True)):
        x, y = 2 * pad, top + pad + i * (thick + apart)
        draw.rectangle((x, y, x + length - 1, y + thick - 1), fill=(255, 255, 255, 40))
        if (filled := round(length * min(1.0, value))) > 0:
            fill = tuple(int(c) for c in np.asarray(colour))
            draw.rectangle((x, y, x + filled - 1, y + thick - 1), fill=fill)
    return np.array(picture)


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(max(9, round(size)))
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _shortened(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"
