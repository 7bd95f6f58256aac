"""What `make licences` takes for a licence that is fine, and that all needed ones are."""

from __future__ import annotations

import pytest

import licences


@pytest.mark.parametrize(
    "licence",
    [
        "MIT",
        "BSD-3-Clause",
        "Apache Software License",
        "PSF-2.0",
        "MPL-2.0 AND MIT",
        "GPL-2.0 OR MIT",
        "MIT-CMU",
        "CC-BY-4.0",
    ],
)
def test_permissive_ones_are_fine(licence: str) -> None:
    assert licences.judged(licence) is None


@pytest.mark.parametrize(
    ("licence", "word"),
    [
        ("GPL-3.0-only", "refused"),
        ("GNU Affero General Public License v3", "refused"),
        ("MIT AND GPL-2.0", "refused"),
        ("NVIDIA Proprietary Software", "refused"),
        ("", "unknown"),
        ("see file", "unknown"),
        ("CC-BY-NC-4.0", "unknown"),
    ],
)
def test_others_are_named(licence: str, word: str) -> None:
    assert licences.judged(licence) == word


def test_all_that_is_needed_is_fine(capsys: pytest.CaptureFixture[str]) -> None:
    assert licences.main() == 0, capsys.readouterr().out
    said = capsys.readouterr().out
    assert all(name in said for name in ("torch", "numpy", "pillow", "PyYAML"))
