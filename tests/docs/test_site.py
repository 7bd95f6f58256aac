"""The documentation as a site: built strictly, whole, without a network, as a Git host shows it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Literal

import pytest
from markdown_it import MarkdownIt

import pages
import pixelkin
from left_out import NO_BROWSER
from pixelkin.app.cli import COMMANDS
from pixelkin.app.commands.session import COMMANDS as SESSION

ZENSICAL = Path(sys.executable).parent / "zensical"
MAKE = pages.ROOT / "docs/make_site.py"

pytestmark = pytest.mark.skipif(
    not ZENSICAL.exists(), reason="zensical is not installed: make docs"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration and the collected pages, and the site of them."""
    folder = tmp_path_factory.mktemp("project")
    done = run([sys.executable, MAKE, folder / "out/pages"], pages.ROOT)
    assert done.returncode == 0, done.stdout
    shutil.copyfile(pages.ROOT / "mkdocs.yml", folder / "mkdocs.yml")
    for name in ("src", "docs"):
        (folder / name).symlink_to(pages.ROOT / name)
    done = build(folder)
    assert done.returncode == 0, done.stdout
    return folder


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    done = run([sys.executable, MAKE, tmp_path], pages.ROOT)
    assert done.returncode == 1 and "is there already" in done.stdout
    assert (tmp_path / "mine").read_text() == "mine"


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    return run([ZENSICAL, "build", "--clean", "--strict"], folder)


def run(command: list[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def built(project: Path, page: str) -> Path:
    """The HTML of a page."""
    name = page.removesuffix("README.md") + "index.md" if page.endswith("README.md") else page
    return project / "out/site" / Path(name).with_suffix(".html")


class Tags(HTMLParser):
    """Tags and words of HTML, or of its article alone."""

    def __init__(self, html: str, *, article: bool) -> None:
        super().__init__()
        self.inside = not article
        self.article = article
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside |= tag == "article"
        if self.inside:
            self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self.article and tag == "article":
            self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


MARKS = {"h1", "h2", "h3", "h4", "ul", "ol", "li", "table", "tr", "th", "td", "pre", "code"}
MARKS |= {"blockquote", "img", "strong", "em"}


@pytest.mark.parametrize(
    "page", [p for p in pages.PAGES if (pages.ROOT / "docs") in p.parents], ids=pages.name
)
def test_a_page_is_what_commonmark_makes_of_it(project: Path, page: Path) -> None:
    """As on a Git host: the site's Markdown has other ideas of lists, tables and blocks."""
    html = MarkdownIt("commonmark").enable("table").render(page.read_text("utf-8"))
    wanted, found = (
        Counter(tag for tag, _ in tags.found if tag in MARKS)
        for tags in (
            Tags(html, article=False),
            Tags(built(project, pages.name(page)).read_text("utf-8"), article=True),
        )
    )
    assert found == wanted


def test_nothing_is_loaded_from_elsewhere(project: Path) -> None:
    site = project / "out/site"
    loaded = []
    for path in site.rglob("*.html"):
        for tag, attributes in Tags(path.read_text("utf-8"), article=False).found:
            if tag in ("a", "base") or attributes.get("rel") == "canonical":
                continue
            urls = [
                attributes.get(name) or "" for name in ("src", "href", "srcset", "poster", "data")
            ]
            loaded += [url for url in urls if re.match(r"(https?:)?//", url)]
    for path in site.rglob("*.css"):
        text = path.read_text("utf-8")
        loaded += re.findall(r"""(?:url\(|@import)\s*["']?((?:https?:)?//[^"')]+)""", text)
    assert not loaded


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1360, "light")])
def test_in_a_browser_nothing_is_asked_of_others_and_nothing_sticks_out(
    project: Path, width: int, scheme: Literal["dark", "light"]
) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason=NO_BROWSER)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip(NO_BROWSER)
    asked = []
    with sync_api.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        size = {"width": width, "height": 800}
        page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
        page.on("request", lambda request: asked.append(request.url))
        for name in ("README.md", "docs/use/formats.md", "docs/reference/python.md"):
            page.goto(built(project, name).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            chosen = page.evaluate("document.body.dataset.mdColorScheme")
            assert chosen == {"dark": "slate", "light": "default"}[scheme]
        browser.close()
    assert len(asked) > 5
    assert [url for url in asked if not url.startswith("file:")] == []


def test_what_is_linked_or_shown_is_there(project: Path) -> None:
    """All that pages name, files among it, whatever the builder looks at."""
    site = project / "out/site"
    wrong = []
    for path in site.rglob("*.html"):
        if path.name == "404.html":  # for a server's root
            continue
        for tag, attributes in Tags(path.read_text("utf-8"), article=False).found:
            url = attributes.get("href" if tag in ("a", "link") else "src") or ""
            target, _, anchor = url.partition("#")
            if not url or re.match(r"[a-z]+:", url):
                continue
            file = (path.parent / target).resolve() if target else path
            ids = f'id="{anchor}"' if anchor and file.suffix == ".html" else ""
            if not file.is_file() or ids not in file.read_text("utf-8", "replace"):
                wrong.append(f"{path.relative_to(site)}: {url}")
    assert not wrong


def test_every_public_name_and_every_command_is_described(project: Path) -> None:
    python = Tags(built(project, "docs/reference/python.md").read_text("utf-8"), article=True).text
    for name in pixelkin.__all__:
        assert f"pixelkin.{name}" in python, name
        first = (getattr(pixelkin, name).__doc__ or "").split("\n\n")[0]
        assert " ".join(re.sub(r"[`*]", "", first).split()) in python, name
    assert ">>> " in python and "Example:" not in python
    page = built(project, "docs/reference/commands.md")
    commands = Tags(page.read_text("utf-8"), article=True).text
    names = [*COMMANDS, *(f"session {name}" for name in SESSION), "encoder import", "data pack"]
    for name in [*names, "evaluate davis", "evaluate keypoints", "propagate --list jobs.csv"]:
        assert f"pixelkin {name}¶" in commands, name
    for option in ("--over-cuts", "--distances", "--limit-mb", "--shard", "--year"):
        assert option in commands


def test_dead_links_and_missing_anchors_are_errors(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project, tmp_path / "copy", symlinks=True)
    page = tmp_path / "copy/out/pages/docs/use/tune.md"
    with page.open("a", encoding="utf-8") as file:
        file.write("\n[a](nowhere.md) and [b](app.md#nothing-here)\n")
    done = build(tmp_path / "copy")
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert done.returncode != 0
    assert "page does not exist" in said and "anchor does not exist" in said


@pytest.fixture
def site_maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """docs/make_site.py, for a repository of one page."""
    spec = spec_from_file_location("make_site", MAKE)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    navigation = ["README.md", "docs/a.md", str(module.PYTHON), str(module.COMMANDS)]
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/site.css").touch()
    (tmp_path / "README.md").write_text("[a](docs/a.md#a) `[no](link)`\n```sh\n[no](link)\n```\n")
    (tmp_path / "docs/a.md").write_text("# A\n\n![](../picture.png) [](https://x.org/y.md)\n")
    (tmp_path / "picture.png").write_bytes(b"png")
    (tmp_path / "mkdocs.yml").write_text(json.dumps({"nav": [{"All": navigation}]}))
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "CONFIG", tmp_path / "mkdocs.yml")
    return module


def test_what_pages_link_to_comes_along(site_maker: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "out/pages"
    site_maker.main(out)
    assert (out / "picture.png").read_bytes() == b"png"
    assert (out / "docs/a.md").read_text() == (tmp_path / "docs/a.md").read_text()


def test_a_page_outside_of_the_navigation_is_an_error(
    site_maker: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "docs/lost.md").write_text("# Lost\n")
    with pytest.raises(SystemExit, match=r"docs/lost\.md"):
        site_maker.main(tmp_path / "out/pages")


@pytest.mark.parametrize("target", ["../docs", "../../elsewhere.md", "missing.md"])
def test_a_link_to_no_file_of_the_repository_is_an_error(
    site_maker: ModuleType, tmp_path: Path, target: str
) -> None:
    (tmp_path / "docs/a.md").write_text(f"[x]({target}#y)\n")
    (tmp_path.parent / "elsewhere.md").touch()
    with pytest.raises(ValueError, match=rf"docs/a\.md: {re.escape(target)} is no file"):
        site_maker.main(tmp_path / "out/pages")
