"""Imports go one way, optional dependencies are imported late, and start-up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import pixelkin

ROOT = Path(pixelkin.__file__).parent
# Lower layers first; packages of one layer do not import each other.
LAYERS = [
    {"types"},
    {"checks"},
    {"ops"},
    {"files", "locks", "background", "reading"},
    {"run_folder", "processes"},
    {"mining"},
    {"models", "video"},
    {"formats", "data"},
    {"propagation", "objectives"},
    {"evaluation", "annotation"},
    {"training"},
    {"experiments"},
    {"app"},
    {"__main__"},
]
OPTIONAL = {
    "matplotlib",
    "tensorboard",
    "numba",
    "ot",
    "kornia",
    "fastapi",
    "uvicorn",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "transformers",
    "pycocotools",
    "ray",
}
OPTIONAL |= {"pandas", "tables", "h5py", "sleap_io", "supervision"}
HEAVY = {"torch", "numpy", "scipy", "PIL", "av"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name, ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def layer(package: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if package in names)


def test_imports_go_one_way() -> None:
    wrong = []
    for name, tree in modules():
        own = name.split(".")[0]
        if own == "__init__":
            continue
        for target in imported(tree):
            parts = target.split(".")
            if parts[0] != "pixelkin" or len(parts) < 2 or parts[1] == own:
                continue
            if layer(parts[1]) >= layer(own):
                wrong.append(f"{name} imports {target}")
    assert not wrong


def used(tree: ast.Module, known: Collection[str]) -> Iterator[str]:
    """The modules of the package that a module runs, at its import or later.

    Not those that it imports for annotations alone.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in known else node.module


def circle(graph: dict[str, set[str]]) -> list[str]:
    """The names of a circle in a graph; nothing if there is none."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(graph[name]):
                if found := visit(other, [*path, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := visit(name, []))), [])


def test_circles_are_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": {"d"}, "d": {"b"}}) == ["b", "c", "d", "b"]
    assert circle({"a": {"a"}}) == ["a", "a"]


def test_no_circle_between_files() -> None:
    trees = {f"pixelkin.{name}".removesuffix(".__init__"): tree for name, tree in modules()}
    graph = {
        name: {target for target in used(tree, trees) if target in trees and target != "pixelkin"}
        for name, tree in trees.items()
        if name != "pixelkin"
    }
    assert sum(map(len, graph.values())) > len(graph)  # it does see imports
    assert not circle(graph)


def test_optional_dependencies_are_imported_late_and_by_one_module() -> None:
    trees = dict(modules())
    early = {
        name: {t for node in tree.body for t in imported_at(node)} for name, tree in trees.items()
    }
    at_a_top = {
        target.removeprefix("pixelkin.") for targets in early.values() for target in targets
    }
    where: dict[str, set[str]] = {}
    for name, tree in trees.items():
        # Inside functions, or at the top of a module that is itself imported inside functions.
        top = {t.split(".")[0] for t in early[name]} & OPTIONAL
        assert not top or name not in at_a_top, f"{name} imports {top} at its top"
        for target in imported(tree):
            if target.split(".")[0] in OPTIONAL:
                where.setdefault(target.split(".")[0], set()).add(name)
    assert all(len(users) == 1 for users in where.values()), where


def imported_at(node: ast.AST) -> Iterator[str]:
    """What a statement imports when its module is imported."""
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from imported(node)
    if isinstance(node, ast.ImportFrom):
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported_at(child)


def test_importing_the_package_is_light() -> None:
    code = "import sys, pixelkin, pixelkin.app.cli; print(' '.join(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(shown.stdout.split())


def test_every_public_name_resolves() -> None:
    for name in pixelkin.__all__:
        assert getattr(pixelkin, name).__name__ == name
