"""Small changes of the code, each of which some test should notice: which do not?

    python tests/soak/mutants.py --count 60 --seed 0 --log out/mutants.jsonl

Comparisons, arithmetic, numbers, booleans and returned values are changed, one at a time, in a copy
of the tree; the tests nearest to the module run against it, the quickest first, and those of the
whole folder where these pass (`--wide`). What survives is printed with its line. The same command
goes on where its log ends, and a greater `--count` adds to it. Needs `os.fork`: not on Windows.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import json
import math
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("ops", "mining", "objectives", "propagation", "formats", "evaluation/metrics.py")
CPU_SECONDS = 240  # of one run of tests; a mutant that takes longer is noticed, too
SLOWER = 3  # times as long as without a change, and half a minute: the same

SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: the text from `start` to `end` (bytes) of a file is another."""

    path: str
    line: int
    kind: str
    start: int
    end: int
    before: str
    after: str

    def apply(self, source: bytes) -> bytes:
        return source[: self.start] + self.after.encode() + source[self.end :]


def places(root: Path) -> list[list[Path]]:
    """The modules, one list a package."""
    package = root / "src/pixelkin"
    groups = ((package / p,) if p.endswith(".py") else (package / p).rglob("*.py") for p in PLACES)
    return [sorted(p for p in group if p.stat().st_size > 200) for group in groups]


def changed(node: ast.AST) -> tuple[str, ast.AST] | None:
    """Another form of a node, and what kind of change that is."""
    match node:
        case ast.Compare(left=left, ops=[op, *ops], comparators=others) if type(op) in SWAPS:
            return "comparison", ast.Compare(left, [SWAPS[type(op)](), *ops], others)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in SWAPS:
            return "arithmetic", ast.BinOp(left, SWAPS[type(op)](), right)
        case ast.BoolOp(op=op, values=values):
            return "boolean", ast.BoolOp(SWAPS[type(op)](), values)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            return "boolean" if isinstance(node.op, ast.Not) else "arithmetic", operand
        case ast.Constant(value=bool() as value):
            return "constant", ast.Constant(not value)
        case ast.Constant(value=int() as value):
            return "constant", ast.Constant(value + 1)
        case ast.Constant(value=float() as value):
            return "constant", ast.Constant(value * 2 if value else 1.0)
        case ast.Return(value=value) if value is not None and not _is_none(value):
            return "return", ast.Return(ast.Constant(None))
    return None


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but types, messages of errors, decorators and lists of names."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, ast.Raise | ast.JoinedStr):
                yield from _code(child)


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """Every change of one module."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node in _code(ast.parse(source)):
        new = changed(node)
        if new is None:
            continue
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        text = ast.unparse(ast.fix_missing_locations(new[1]))
        text = text if isinstance(node, ast.Return) else f"({text})"
        name, before = path.relative_to(root).as_posix(), source[start:end].decode()
        found.append(Mutant(name, node.lineno, new[0], start, end, before, text))
    return found


def sample(root: Path, count: int, seed: int) -> list[Mutant]:
    """Mutants, from each package in turn."""
    rng = random.Random(seed)
    groups = [[m for path in group for m in mutants_of(path, root)] for group in places(root)]
    for group in groups:
        rng.shuffle(group)
    return [groups[i % len(groups)].pop() for i in range(count)]


def nearest(root: Path, path: str) -> list[str]:
    """The files of tests that import a module, or are called as it is; those of its folder else."""
    module = path.removeprefix("src/").removesuffix(".py").replace("/", ".")
    module = module.removesuffix(".__init__")
    package, stem = module.split(".")[1], module.rsplit(".", 1)[1]
    tests = sorted((root / "tests").glob("**/test_*.py"))
    tests = [p for p in tests if "browser" not in p.parts and "soak" not in p.parts]
    called = [p for p in tests if stem in p.stem and package in p.parts]
    parent = module.rpartition(".")[0]
    names = [f"{name} import" for name in (module, parent) if name.count(".") > 1]
    importing = [p for p in tests if any(n in p.read_text() for n in names) and p not in called]
    importing.sort(key=lambda p: package not in p.parts)
    found = called + importing[: 4 - len(called)]
    found = found or [p for p in tests if package in p.parts]
    return [p.relative_to(root).as_posix() for p in found]


def wider(path: str) -> list[str]:
    """The folder of tests of a module's package."""
    return [f"tests/{path.split('/')[2]}"]


def passes(
    copy: Path, tests: list[str], log: Path, limit: int = CPU_SECONDS, *, keep: bool = False
) -> bool:
    """Whether tests pass in a copy of the tree: in a fork, as importing torch takes seconds.

    `keep` leaves bytecode behind, which saves others half of their time: of a tree as it was.
    """
    child = os.fork()
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1), os.dup2(out, 2)
        os.chdir(copy)
        sys.dont_write_bytecode = not keep
        sys.path.insert(0, str(copy / "src"))
        os.environ["PYTHONPATH"] = str(copy / "src")
        os.environ["PYTHONDONTWRITEBYTECODE"] = "" if keep else "1"
        options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
        os._exit(int(pytest.main([*options, *tests])))
    end = time.monotonic() + 8 * limit  # of waiting for something that never comes
    while (done := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.05)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what the tests have left running
    return os.waitstatus_to_exitcode(done[1]) == 0


@dataclass
class Tests:
    """Those of a copy of the tree, and how long each file takes: none if it fails unchanged."""

    copy: Path
    report: Path
    seconds: dict[str, float | None] = field(default_factory=dict)

    def near(self, path: str) -> list[str]:
        """The sound ones nearest to a module, the quickest first."""
        found = nearest(self.copy, path)
        for test in found:
            if test not in self.seconds:
                began = time.monotonic()
                well = passes(self.copy, [test], self.report, keep=True)
                self.seconds[test] = time.monotonic() - began if well else None
        return sorted((t for t in found if self.seconds[t] is not None), key=self._seconds)

    def pass_with(self, mutant: Mutant, tests: list[str], *, wide: bool) -> bool:
        """Whether no test notices a mutant."""
        path = self.copy / mutant.path
        original, status = path.read_bytes(), path.stat()
        path.write_bytes(mutant.apply(original))
        try:
            limit = 30 + math.ceil(SLOWER * sum(map(self._seconds, tests)))
            alive = not tests or passes(self.copy, tests, self.report, limit)
            return alive and (not wide or passes(self.copy, wider(mutant.path), self.report))
        finally:
            path.write_bytes(original)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # its bytecode holds again

    def _seconds(self, test: str) -> float:
        return self.seconds[test] or 0.0


def judged(log: Path | None, mutants: list[Mutant]) -> list[dict]:
    """What a log tells of the first of these mutants.

    Raises:
        SystemExit: If the log is of others: another seed, or another state of the code.
    """
    lines = log.read_text().splitlines() if log and log.exists() else []
    told = [json.loads(line) for line in lines]
    if any(vars(m) != {k: t[k] for k in vars(m)} for m, t in zip(mutants, told, strict=False)):
        sys.exit(f"{log}: is of other mutants; take another file, or the seed and code it is of")
    return told[: len(mutants)]


def words(told: dict) -> str:
    """A mutant in one line."""
    return "{path}:{line}  {kind}: {before} -> {after}".format(**told)


def copied(root: Path, folder: Path) -> Path:
    """A copy of what tests read."""
    copy = folder / "tree"
    junk = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in ("src", "tests", "docs", "recipes", "benchmarks"):
        shutil.copytree(root / name, copy / name, ignore=junk)
    for path in root.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    return copy


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wide", action="store_true", help="then all tests of the folder")
    parser.add_argument("--log", type=Path, help="a line of JSON for each mutant")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import hypothesis
    import scipy.ndimage
    import torch

    del hypothesis, scipy
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="mutants-") as temporary:
        copy = copied(ROOT, Path(temporary))
        tests = Tests(copy, Path(temporary) / "report.txt")
        mutants = sample(copy, options.count, options.seed)
        results = judged(options.log, mutants)
        for number, mutant in enumerate(mutants[len(results) :], len(results) + 1):
            near, began = tests.near(mutant.path), time.monotonic()
            alive = tests.pass_with(mutant, near, wide=options.wide)
            seconds = round(time.monotonic() - began, 1)
            results.append({**vars(mutant), "survived": alive, "tests": near, "seconds": seconds})
            print(
                f"{number:4} {'SURVIVED' if alive else 'killed':9}{words(results[-1])}", flush=True
            )
            if options.log:
                options.log.parent.mkdir(parents=True, exist_ok=True)
                with options.log.open("a") as file:
                    file.write(json.dumps(results[-1]) + "\n")
    survived = [words(result) for result in results if result["survived"]]
    print(f"{len(results) - len(survived)} of {len(results)} killed", *survived, sep="\n")
    if unsound := [test for test, took in tests.seconds.items() if took is None]:
        print("left out, as they fail without a change:", *unsound)
    return 0


if __name__ == "__main__":
    sys.exit(main())
