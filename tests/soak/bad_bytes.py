"""Damage to the bytes of a file, or to its text, whatever it is; all by a seeded generator."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

Damage = Callable[[bytes, random.Random], bytes]

NUMBERS = (
    "1e308",
    "-1e308",
    "1e999",
    "NaN",
    "-1",
    "0",
    "9" * 400,
    "99999999999",
    "2147483648",
    "-0.5",
    "1.5",
    "null",
    "true",
    '""',
    '"x"',
    "[]",
    "{}",
    "[1]",
    '{"a":1}',
    "1e-320",
)
WORDS = (
    "",
    "..",
    "../../../evil",
    "/etc/passwd",
    "\\\\server\\x",
    "a\x00b",
    "\ud800",
    "\x1b[2J",
    "x" * 70_000,
    "猫" * 300,
    "CON",
    "-",
    "--out",
    "[red]",
    "{x}",
    "%s%n",
    "0" * 5000,
    "²",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    2**31,
    2**63,
    2**70,
    1.5,
    -1e300,
    1e15,
    [],
    [1],
    [None],
    [[]],
    [[[]]],
    ["x"],
    [{}],
    [1, 2],
    [1, 2, 3, 4],
    [-1, -1, 1e9, 1e9],
    {},
    {"a": 1},
    {"x": None},
    {"size": [1, 2]},
    {"size": [10**6, 10**6], "counts": [10**12]},
    *WORDS,
)


def truncated(content: bytes, rng: random.Random) -> bytes:
    return content[: int(len(content) * rng.random())]


def emptied(content: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"", b"\n", b"\0", b" " * 100, content[:1], content[:8], b"\xff\xfe"))


def flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def flipped_head(content: bytes, rng: random.Random) -> bytes:
    return flipped(content[:256], rng) + content[256:]


def zeroed(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content) + 1)
    length = rng.choice((1, 4, 16, 256))
    return content[:start] + bytes(min(length, len(content) - start)) + content[start + length :]


def noised(content: bytes, rng: random.Random) -> bytes:
    start, length = rng.randrange(len(content) + 1), rng.choice((2, 8, 64, 512))
    return content[:start] + rng.randbytes(length) + content[start + length :]


def word_replaced(content: bytes, rng: random.Random) -> bytes:
    """A number of 2, 4 or 8 bytes becomes an absurd one."""
    width = rng.choice((2, 4, 8))
    start = rng.randrange(max(1, len(content) - width))
    value = rng.choice(
        (0, (1 << 8 * width) - 1, 1 << (8 * width - 1), (1 << (8 * width - 1)) - 1, 1)
    )
    return (
        content[:start]
        + value.to_bytes(width, rng.choice(("little", "big")))
        + content[start + width :]
    )


def cut_out(content: bytes, rng: random.Random) -> bytes:
    start, length = rng.randrange(len(content) + 1), rng.choice((1, 3, 50, 1000))
    return content[:start] + content[start + length :]


def repeated(content: bytes, rng: random.Random) -> bytes:
    start, length = rng.randrange(len(content) + 1), rng.choice((1, 20, 500))
    part = content[start : start + length]
    return content[:start] + part * rng.choice((2, 5, 200)) + content[start:]


def appended(content: bytes, rng: random.Random) -> bytes:
    return content + rng.choice((b"\0" * 100, rng.randbytes(100), content, b"}]]"))


BYTES: tuple[Damage, ...] = (
    truncated,
    truncated,
    emptied,
    flipped,
    flipped,
    flipped_head,
    zeroed,
    noised,
    word_replaced,
    cut_out,
    repeated,
    appended,
)


def number_replaced(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("utf-8", "surrogateescape")
    found = list(re.finditer(r"-?\d+(\.\d+)?", text))
    if not found:
        return flipped(content, rng)
    place = rng.choice(found)
    text = text[: place.start()] + rng.choice(NUMBERS) + text[place.end() :]
    return text.encode("utf-8", "surrogateescape")


def word_of_text(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("utf-8", "surrogateescape")
    found = list(re.finditer(r"[A-Za-z_]\w*", text))
    if not found:
        return flipped(content, rng)
    place = rng.choice(found)
    text = text[: place.start()] + rng.choice(WORDS) + text[place.end() :]
    return text.encode("utf-8", "surrogatepass")


def encoded(content: bytes, rng: random.Random) -> bytes:
    text = content.decode("utf-8", "replace")
    how = rng.choice(("utf-16", "utf-8-sig", "utf-32", "crlf", "latin"))
    if how == "crlf":
        return content.replace(b"\n", b"\r\n")
    return content + "ä".encode("latin-1") if how == "latin" else text.encode(how)


def nested(content: bytes, rng: random.Random) -> bytes:
    """Brackets around a value, or in its place, thousands of them."""
    depth = rng.choice((400, 2_000, 100_000))
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"- ", b"")))
    found = [m.span() for m in re.finditer(rb"-?\d+(\.\d+)?", content)]
    start, end = rng.choice(found) if found else (0, 0)
    return content[:start] + opening * depth + content[start:end] + closing * depth + content[end:]


def lines_shuffled(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    how = rng.randrange(3)
    if how == 0:
        rng.shuffle(lines)
    elif how == 1 and lines:
        lines *= rng.choice((2, 300))
    elif lines:
        del lines[rng.randrange(len(lines))]
    return b"".join(lines)


TEXT: tuple[Damage, ...] = (
    number_replaced,
    number_replaced,
    word_of_text,
    word_of_text,
    encoded,
    nested,
    lines_shuffled,
)
