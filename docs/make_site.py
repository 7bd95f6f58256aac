"""Collect the pages of the site: README, docs/, what they link to, Python and the command line.

    python docs/make_site.py [FOLDER]      # out/pages by default; `make docs` builds the site of it

The folder has the repository's layout, so a link is the same there and on a Git host.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from inspect import getdoc, ismodule
from pathlib import Path

import yaml

import pixelkin
from pixelkin.app import cli

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "mkdocs.yml"
PYTHON, COMMANDS = Path("docs/reference/python.md"), Path("docs/reference/commands.md")
CODE = re.compile(r"^```.*\n(?:.*\n)*?```$|`[^`\n]+`", re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s#]+)(?:#[^)\s]*)?\)")
LISTED = re.compile(r"^(?:commands|benchmarks):\n((?:  .+\n)+)", re.MULTILINE)
MENTIONED = re.compile(r"`pixelkin ([a-z ]+) --help`")
WIDTH = 96  # columns of the helps

# What the names of `pixelkin` are about, by the package that they live in.
SECTIONS = {
    "pixelkin.types": "Labels and videos",
    "pixelkin.video": "Labels and videos",
    "pixelkin.propagation": "Propagation",
    "pixelkin.annotation": "Sessions",
    "pixelkin.models": "Encoders",
    "pixelkin.training": "Encoders",
    "pixelkin.formats": "Formats",
    "pixelkin.evaluation": "Evaluation",
}
# What else the pages use, beyond the names of `pixelkin` itself.
BESIDES = (
    "pixelkin.data.synthetic.SyntheticScene",
    "pixelkin.evaluation.compare.compare",
    "pixelkin.evaluation.compare.Comparison",
    "pixelkin.evaluation.davis.every_nth",
    "pixelkin.evaluation.davis.load_split",
    "pixelkin.evaluation.metrics.pck",
    "pixelkin.evaluation.quick.score_encoder",
    "pixelkin.ops.outlines",
    "pixelkin.ops.rle",
    "pixelkin.propagation.codec.codec_for",
    "pixelkin.propagation.features.propagate_features",
    "pixelkin.training.loop.train",
    "pixelkin.video.render.contact_sheet",
    "pixelkin.video.render.overlay",
    "pixelkin.video.writer.VideoWriter",
)


def main(out: Path) -> None:
    shutil.rmtree(out, ignore_errors=True)
    for path in collect():
        place = out / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for page, text in ((PYTHON, python_page()), (COMMANDS, commands_page())):
        (out / page).parent.mkdir(parents=True, exist_ok=True)
        (out / page).write_text(text, "utf-8")
    pages = {path.relative_to(out).as_posix() for path in out.rglob("*.md")}
    if wrong := pages ^ set(navigation()):
        sys.exit(f"pages, or the navigation in mkdocs.yml, lack: {', '.join(sorted(wrong))}")


def collect() -> set[Path]:
    """README, the pages of docs/, what is next to them, and all that these link to.

    Raises:
        ValueError: If a link leads to a folder or nowhere.
    """
    found: set[Path] = set()
    todo = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "docs/site.css"]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found.add(path)
        if path.suffix == ".md":
            todo += links(path)
    return found


def links(page: Path) -> Iterator[Path]:
    """The files of the repository that a page links to."""
    for target in LINK.findall(CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path = (page.parent / target).resolve()
        if not path.is_file() or ROOT not in path.parents:
            raise ValueError(f"{page.relative_to(ROOT)}: {target} is no file of the repository")
        yield path


def navigation() -> Iterator[str]:
    """The pages that mkdocs.yml names."""
    config = yaml.load(CONFIG.read_text("utf-8"), yaml.BaseLoader)  # which knows no tags
    yield from leaves(config["nav"])


def leaves(item: object) -> Iterator[str]:
    """The pages of a navigation, at any depth."""
    if isinstance(item, str):
        yield item
    elif isinstance(item, list):
        for one in item:
            yield from leaves(one)
    elif isinstance(item, dict):
        for one in item.values():
            yield from leaves(one)


def python_page() -> str:
    """The public names, for mkdocstrings to say what their docstrings say."""
    sections: dict[str, list[str]] = {title: [] for title in SECTIONS.values()}
    for name in pixelkin.__all__:
        place = full_name(name)
        (title,) = {t for package, t in SECTIONS.items() if place.startswith(f"{package}.")}
        sections[title].append(block(place, f"pixelkin.{name}"))
    parts = [
        "# Python\n",
        "What `import pixelkin` has. [S], [A], [B], [R], [L], [D] and [P] say where something",
        "comes from: [labels of evidence](../method/index.md#labels-of-evidence).\n",
    ]
    for title, blocks in sections.items():
        parts += [f"## {title}\n", *blocks]
    parts += ["## In modules\n", *(block(place, place) for place in BESIDES)]
    return "\n".join(parts)


def full_name(name: str) -> str:
    """Where a name of `pixelkin` is defined."""
    value = getattr(pixelkin, name)
    return f"{value.__module__}.{value.__qualname__}"


def block(place: str, shown: str) -> str:
    """What mkdocstrings replaces.

    Raises:
        ValueError: If there is no docstring.
    """
    module, _, name = place.rpartition(".")
    value = getattr(importlib.import_module(module), name, None)
    value = importlib.import_module(place) if value is None else value
    if not getdoc(value):
        raise ValueError(f"{place} has no docstring")
    members = "\n        members: true" if ismodule(value) else ""
    return f"::: {place}\n    options:\n        heading: {shown}{members}\n"


def commands_page() -> str:
    """What every command says with --help."""
    parts = ["# Command line\n", f"```text\n{help_of()}```\n"]
    for name in cli.COMMANDS:
        parts += command(name)
        if name == "propagate":
            parts += command(name, "--list", "jobs.csv", level=3)
    return "\n".join(parts)


def command(*words: str, level: int = 2) -> Iterator[str]:
    """The section of a command, and those of its own commands."""
    text = help_of(*words)
    yield f"{'#' * level} pixelkin {' '.join(words)}\n"
    yield f"```text\n{text}```\n"
    if level > 2:
        return
    listed = LISTED.search(text)
    inner = [line.split()[0] for line in listed[1].splitlines()] if listed else []
    inner += [m.split()[-1] for m in MENTIONED.findall(text) if m.split()[:-1] == [*words]]
    for name in inner:
        yield from command(*words, name, level=level + 1)


def help_of(*words: str) -> str:
    """What `pixelkin WORDS --help` prints."""
    printed = io.StringIO()
    os.environ.update(COLUMNS=str(WIDTH), NO_COLOR="1", TERM="dumb")
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        cli.main([*words, "--help"])
    lines = printed.getvalue().splitlines()
    if not lines or not lines[0].startswith("usage: pixelkin"):
        raise ValueError(f"pixelkin {' '.join(words)} --help says {lines[:1]}")
    return "".join(f"{wrapped(line)}\n" for line in lines).rstrip() + "\n"


def wrapped(line: str) -> str:
    """A line without blanks at its end, in several if it is longer than WIDTH."""
    return "\n".join(textwrap.wrap(line, WIDTH, break_on_hyphens=False)) or ""


if __name__ == "__main__":
    given = [Path(word) for word in sys.argv[1:2]]
    if given and given[0].exists():  # it would be replaced
        sys.exit(f"{given[0]} is there already: name a new folder")
    main(*given or [ROOT / "out/pages"])
