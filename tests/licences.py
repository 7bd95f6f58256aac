"""The licences of everything that pixelkin needs, and of what its extras need.

    python tests/licences.py          a line a package; exit code 1 if one is unknown or copyleft

Licences are those that the installed packages state; nothing is asked over a network. What wheels
carry within is stated nowhere: those of PyAV hold FFmpeg with x264, which is under the GPL.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageMetadata, PackageNotFoundError, distribution

EXTRAS = ("app", "train", "plots", "cluster", "dlc", "pose")  # what users install
FINE = re.compile(
    r"\b(mit|bsd|apache|psf|"
    r"python software foundation|python-2\.0|isc|mpl|mozilla public|hpnd|"
    r"zlib|unlicense|"
    r"public domain|cc0|cc-by-4\.0|0bsd|cnri|boost|bsl-1\.0|matplotlib|historical permission)\b",
    re.IGNORECASE,
)
REFUSED = re.compile(
    r"\b(a?gpl|gnu (affero )?general public|proprietary|sspl|commercial)", re.IGNORECASE
)
# What a build of torch for NVIDIA's GPUs brings; one for the CPU needs none of it.
OF_TORCH = re.compile("(nvidia|cuda|triton)\\b")
# Stated in the package's own text alone.
KNOWN = {"matplotlib": "PSF-based", "POT": "MIT", "sleap-io": "BSD-3-Clause"}


def stated(metadata: PackageMetadata) -> str:
    """What a package says of its licence, in a line."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    found = [
        c.rsplit("::", 1)[-1].strip()
        for c in metadata.get_all("Classifier") or ()
        if c.startswith("License ::")
    ]
    text = (metadata.get("License") or "").strip().split("\n")[0]
    said = "; ".join(dict.fromkeys([*found, text] if text and len(text) < 60 else found))
    return said or KNOWN.get(metadata["Name"], "") or text


def judged(licence: str) -> str | None:
    """What is wrong with a licence, or None. One of several that may be chosen is enough."""
    choices = re.split(r"\bOR\b", licence)
    if any(FINE.search(choice) and not REFUSED.search(choice) for choice in choices):
        return None
    return "refused" if REFUSED.search(licence) else "unknown"


def needed(name: str, extras: tuple[str, ...]) -> Iterator[Distribution]:
    """A package and all that it needs, as far as it is installed."""
    from packaging.requirements import Requirement

    waiting, seen = [(name, extras)], set()
    while waiting:
        name, wanted = waiting.pop()
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        if (key := (re.sub(r"[-_.]+", "-", name).lower(), wanted)) in seen:
            continue
        first = not any(known == key[0] for known, _ in seen)
        seen.add(key)
        if first:
            yield found
        for line in found.requires or ():
            need = Requirement(line)
            if any(
                need.marker is None or need.marker.evaluate({"extra": e}) for e in (*wanted, "")
            ) and (name != "torch" or not OF_TORCH.match(need.name)):
                waiting.append((need.name, tuple(sorted(need.extras))))


def main() -> int:
    rows = []
    for one in needed("pixelkin", EXTRAS):
        licence = stated(one.metadata)
        rows.append((one.metadata["Name"], one.version, licence, judged(licence)))
    for name, version, licence, wrong in sorted(rows, key=lambda row: row[0].lower()):
        print(f"{name:<28}{version:<14}{licence or '-'}{f'   <-- {wrong}' if wrong else ''}")
    bad = [name for name, *_, wrong in rows if wrong]
    print(f"{len(rows)} packages" + (f"; not fine: {', '.join(sorted(bad))}" if bad else ""))
    return 1 if bad or len(rows) < 5 else 0


if __name__ == "__main__":
    sys.exit(main())
