"""The table of formats says what the code says."""

from __future__ import annotations

import pages
from pixelkin.formats.catalogue import FORMATS
from pixelkin.formats.losses import FEATURES


def test_the_table_says_what_each_format_does_not_keep() -> None:
    lines = (pages.ROOT / "docs/use/formats.md").read_text(encoding="utf-8").splitlines()
    rows = {
        cells[1].strip().strip("`"): [cell.strip() for cell in cells[2:6]]
        for cells in (line.split("|") for line in lines)
        if len(cells) == 7 and cells[1].startswith(" `")
    }
    assert list(rows) == [one.name for one in FORMATS]
    for one in FORMATS:
        about, holds, written, lost = rows[one.name]
        kinds = {"masks": "masks", "points": "keypoints"}
        assert about == one.about
        assert holds == " and ".join(kinds[k] for k in kinds if k not in one.loses)
        assert written == (
            "" if one.save is None else f"`*{one.suffix}`" if one.suffix else "folder"
        )
        words = [w for k, w in FEATURES.items() if k in one.loses and k not in kinds]
        assert lost == ("" if one.save is None else ", ".join(words))
