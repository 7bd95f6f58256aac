"""What the documentation points at exists: places in the code, links between pages, citations."""

from __future__ import annotations

import importlib
import re
from functools import reduce
from pathlib import Path

import pytest
import yaml

import pages
import pixelkin

METHOD = pages.ROOT / "docs" / "method" / "index.md"
ARCHITECTURE = pages.ROOT / "docs" / "internals" / "architecture.md"
REFERENCE = re.compile(r"`([\w/]+)\.py:([\w.]+)`")
LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PAPER = "Mining Better Samples for Contrastive Learning of Temporal Correspondence"


@pytest.mark.parametrize("page", [METHOD, ARCHITECTURE], ids=pages.name)
def test_each_place_in_the_code_that_a_page_names_exists(page: Path) -> None:
    references = REFERENCE.findall(page.read_text(encoding="utf-8"))
    assert len(references) > 20
    missing = []
    for file, name in references:
        assert (Path(pixelkin.__file__).parent / f"{file}.py").is_file(), file
        module = importlib.import_module(
            f"pixelkin.{file.replace('/', '.')}".removesuffix(".__init__")
        )
        try:
            found = reduce(getattr, name.split("."), module)
        except AttributeError:
            missing.append(f"{file}.py:{name}")
            continue
        # Where it is defined, not merely imported from.
        assert getattr(found, "__module__", module.__name__).startswith(module.__name__), name
    assert not missing


def test_the_table_of_the_paper_is_complete() -> None:
    text = METHOD.read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    for part in ("table 1", "Q, pixel", "T, image", "C, video", "m1 and m2", "equation 9"):
        assert any(part in row for row in rows), part
    for part in ("figure 1", "table 2", "runtime", "videos", "the loss", "positives"):
        assert any(row == part for row in rows), part
    assert [row for row in rows if re.fullmatch(r"\[[SABRLDP]\]", row)] == [
        f"[{letter}]" for letter in "SABRLDP"
    ]


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_links_between_pages_resolve(page: Path) -> None:
    links = LINK.findall(pages.without_code(page))
    assert not [t for t in links if not re.match(r"https?://", t) and not leads_somewhere(page, t)]


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a relative link names a file of the repository, and a heading in it if any."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists() or pages.ROOT not in file.parents:
        return False
    return not anchor or anchor in {anchor_of(h) for h in HEADING.findall(file.read_text())}


def anchor_of(heading: str) -> str:
    """A heading's anchor as GitHub makes it: lower case, hyphens, no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_each_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    todo = [pages.ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for target in LINK.findall(pages.without_code(page)):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.is_file():
                todo.append(file)
    docs = {page for page in pages.PAGES if pages.ROOT / "docs" in page.parents}
    assert docs <= seen, [pages.name(p) for p in docs - seen]


def test_files_named_in_code_and_pages_exist() -> None:
    """`docs/...`, `recipes/...` and `benchmarks/...` as plain words, in docstrings too."""
    word = re.compile(r"(?<![\w./])(?:docs|recipes|benchmarks)/[\w./-]*\w\.(?:md|yaml|py|png)\b")
    files = [*pages.PAGES, pages.ROOT / "Makefile"]
    for folder, kind in (("src", "*.py"), ("src", "*.yaml"), ("recipes", "*.yaml")):
        files += (pages.ROOT / folder).rglob(kind)
    wrong = [
        f"{pages.name(file)}: {path}"
        for file in files
        for path in word.findall(LINK.sub("", file.read_text(encoding="utf-8")))
        if not (pages.ROOT / path).exists()
    ]
    assert not wrong


def test_the_paper_is_named_wherever_one_starts_to_read() -> None:
    readme = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    assert PAPER in " ".join(readme.split("\n## ")[0].split()), "README's first screen"
    bibtex = readme[readme.index("@inproceedings") :]
    assert re.search(r"title\s*=\s*\{" + PAPER, bibtex)
    assert "1034--1044" in bibtex
    assert PAPER in METHOD.read_text(encoding="utf-8").replace("\n> ", " ")
    assert PAPER in " ".join((pixelkin.__doc__ or "").split())


def test_the_citation_file_is_of_this_version_and_cites_the_paper() -> None:
    cff = yaml.safe_load((pages.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cff["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= cff.keys()
    assert cff["version"] == pixelkin.__version__
    assert cff["license"] == "MIT"
    paper = cff["preferred-citation"]
    assert paper["title"] == PAPER
    assert [a["family-names"] for a in paper["authors"]] == ["Jeon", "Min", "Kim", "Sohn"]
    assert (paper["year"], paper["start"], paper["end"]) == (2021, 1034, 1044)
    assert paper["url"] in (pages.ROOT / "README.md").read_text(encoding="utf-8")
    assert paper in cff["references"]


def test_each_source_bears_a_label_of_the_legend() -> None:
    """Also where sources are named in passing."""
    sources, silent = 0, []
    for path in sorted(Path(pixelkin.__file__).parent.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"^( *)Source:(.*(?:\n\1 +\S.*)*)", text, re.MULTILINE):
            sources += 1
            if not re.search(r"\[[SABRLDP](, [SABRLDP])*[],]", found[2]):
                silent.append(f"{path.name}: {found[2].strip()}")
        for phrase in ("our decision", "third party", "the supplement", "published review"):
            assert phrase not in text, f"{path.name}: {phrase!r} has a label"
    assert sources > 20 and not silent
