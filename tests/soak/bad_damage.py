"""Damage that knows what a file holds: values of JSON, members of archives, cells of databases."""

from __future__ import annotations

import io
import json
import random
import re
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from bad_bytes import BYTES, TEXT, VALUES, WORDS, Damage, flipped, flipped_head


def json_value(content: bytes, rng: random.Random) -> bytes:
    """A value somewhere inside becomes another, is removed, or is there a thousand times."""
    try:
        whole = json.loads(content)
    except ValueError:
        return flipped(content, rng)
    places = list(_places(whole))
    if not places:
        return flipped(content, rng)
    parent, key = rng.choice(places)
    how = rng.randrange(8)
    if how == 0:
        del parent[key]
    elif how == 1 and isinstance(parent[key], list):
        parent[key] = parent[key] * rng.choice((0, 2, 1000))
    elif how == 2 and isinstance(parent, dict):
        parent[rng.choice(WORDS)] = parent.pop(key)
    elif how == 3:
        other, name = rng.choice(places)
        if name in other if isinstance(other, dict) else True:
            parent[key] = other[name]
    else:
        parent[key] = rng.choice(VALUES)
    try:
        text = json.dumps(whole, ensure_ascii=rng.random() < 0.5)
    except ValueError:  # it holds itself
        return content[: len(content) // 2]
    return text.encode("utf-8", "surrogatepass")


def _places(value: Any) -> Any:
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from _places(inner)


def yaml_bomb(content: bytes, rng: random.Random) -> bytes:
    """Aliases, tags, merges and keys that no recipe has."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    bomb = "\n".join(lines)
    flow = (
        "["
        + ", ".join(f"&a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]" for n in range(10))
        + "]"
    )
    text = content.decode("utf-8", "replace")
    keys = [m.end() for m in re.finditer(r"^\s*[\w]+:", text, re.MULTILINE)]
    at = rng.choice(keys) if keys else 0
    chosen = rng.randrange(7)
    if chosen == 0:
        return f"{bomb}\n{text}".encode()
    word = {
        1: f" {flow} #",
        2: " &b [*b] #",
        3: " !!python/object/apply:os.system ['touch ran'] #",
        4: " *nobody #",
        5: " !!binary aGFsbG8= #",
    }.get(chosen)
    if word is not None:
        return (text[:at] + word + text[at:]).encode()
    return (text + "".join(f"k{n}: {n}\n" for n in range(30_000))).encode()


def xml_hostile(content: bytes, rng: random.Random) -> bytes:
    body = content.split(b"?>", 1)[-1]
    entities = b'<!ENTITY a "aaaaaaaaaa">' + b"".join(
        b'<!ENTITY %c "%s">' % (n, b"&%c;" % (n - 1) * 10) for n in range(ord("b"), ord("k"))
    )
    outside = b'<!ENTITY a SYSTEM "file:///etc/passwd"><!ENTITY j "&a;">'
    remote = b'<!ENTITY %% r SYSTEM "http://127.0.0.1:9/x"> %%r;'
    inner = rng.choice((entities, outside, remote))
    place = body.find(b">") + 1
    return b"<!DOCTYPE annotations [" + inner + b"]>" + body[:place] + b"&j;" + body[place:]


def png_header(content: bytes, rng: random.Random) -> bytes:
    """Another size, depth or kind in the header, with the checksum that belongs to it."""
    if content[:4] != b"\x89PNG":
        return flipped_head(content, rng)
    width, height, depth, kind, *rest = struct.unpack(">IIBBBBB", content[16:29])
    how = rng.randrange(5)
    width = rng.choice((0, 1, 12, 99_999, 2**31 - 1)) if how in (0, 4) else width
    height = rng.choice((0, 1, 12, 99_999, 2**31 - 1)) if how in (1, 4) else height
    depth = rng.choice((0, 1, 3, 16, 255)) if how == 2 else depth
    kind = rng.choice((0, 2, 3, 4, 5, 6)) if how == 3 else kind
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, kind, *rest)
    return content[:12] + head + struct.pack(">I", zlib.crc32(head)) + content[33:]


def png_chunk(content: bytes, rng: random.Random) -> bytes:
    """A chunk more: huge text, a damaged profile, transparency, animation, or unknown."""
    if content[:4] != b"\x89PNG":
        return flipped(content, rng)
    kind, data = rng.choice(
        (
            (b"zTXt", b"a\0\0" + zlib.compress(bytes(80_000_000), 9)),
            (b"iCCP", b"a\0\0" + zlib.compress(bytes(80_000_000), 9)),
            (b"tEXt", b"a" * 100_000),
            (b"iTXt", b"a\0\1\0\0\0" + zlib.compress(bytes(80_000_000))),
            (b"tRNS", bytes(256)),
            (b"PLTE", bytes(5)),
            (b"acTL", struct.pack(">II", 2**31 - 1, 0)),
            (b"fcTL", bytes(26)),
            (b"eXIf", b"MM\0*\0\0\0\x08\xff\xff" + bytes(20)),
            (b"XXXX", b"x"),
            (b"IEND", b""),
            (b"pHYs", b"\xff" * 9),
            (b"IHDR", bytes(13)),
        )
    )
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return content[:33] + chunk + content[33:]


def zip_member(content: bytes, rng: random.Random) -> bytes:
    """A member of a ZIP file is damaged, missing, there twice, or unpacks to a gigabyte."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {i.filename: archive.read(i) for i in archive.infolist()}
    except zipfile.BadZipFile:
        return flipped(content, rng)
    name = rng.choice(sorted(members))
    how = rng.randrange(7)
    inner = members[name]
    if how == 0:
        del members[name]
    elif how == 1:
        members[name] = rng.choice(BYTES)(inner, rng)
    elif how == 2:
        members[name] = _npy_header(inner, rng)
    elif how == 3:
        members[name] = bytes(1_200_000_000)
    elif how == 4:
        members["../../evil.npy"] = inner
    elif how == 5:
        members[name] = _npy_values(inner, rng)
    else:
        members[name] = json_value(inner, rng) if inner[:1] == b"{" else flipped_head(inner, rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key, data in members.items():
            archive.writestr(key, data)
        if rng.random() < 0.1:
            archive.writestr(f"{name}2", inner)
    return buffer.getvalue()


def _npy_header(content: bytes, rng: random.Random) -> bytes:
    if content[:6] != b"\x93NUMPY":
        return flipped(content, rng)
    shape = rng.choice(((10**18,), (2**62, 4), (0,), (), (-1,), (3, 10**9), (1,) * 40, ("x",)))
    kind = rng.choice(("<i8", "|O", "<U9", "|b1", "<f4", "<c16", "|S7", "<M8[s]", "|V9", "<f8"))
    text = repr({"descr": kind, "fortran_order": rng.random() < 0.3, "shape": shape}).encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    length = 10 + int.from_bytes(content[8:10], "little")
    return content[:8] + struct.pack("<H", len(text)) + text + content[length:]


def _npy_values(content: bytes, rng: random.Random) -> bytes:
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except ValueError:
        return flipped(content, rng)
    if array.dtype.kind in "iu":
        array = array.astype(np.int64)
        value: Any = rng.choice((-1, 2**31, 2**62, 300, 70_000))
    elif array.dtype.kind == "f":
        value = rng.choice((np.nan, np.inf, -1e300, 1e38, -5.0, 1e6))
    else:
        return flipped(content, rng)
    flat = array.reshape(-1)
    if len(flat):
        flat[rng.randrange(len(flat)) : rng.choice((None, len(flat)))] = value
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def sql_value(path: Path, rng: random.Random) -> None:
    """A cell of a database is another value, a row is missing, or a table is something else."""
    with sqlite3.connect(path) as connection:
        tables = [
            n for (n,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        table = rng.choice([t for t in tables if not t.startswith("sqlite")])
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        column, how = rng.choice(columns), rng.randrange(10)
        connection.execute("PRAGMA foreign_keys=OFF")
        endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c"
        if how == 0:
            connection.execute(f"DELETE FROM {table}")
        elif how == 1:
            connection.execute(f"DROP TABLE {table}")
            shown = ", ".join(f"x AS {name}" for name in columns)
            connection.execute(
                f"CREATE VIEW {table} AS {endless.removesuffix('SELECT x FROM c')}"
                f"SELECT {shown} FROM c"
            )
        elif how == 2:
            connection.execute(
                "CREATE TRIGGER evil BEFORE INSERT ON meta "
                f"BEGIN INSERT INTO {table} {endless}; END"
            )
        elif how == 3:
            connection.execute(f"PRAGMA user_version={rng.choice((0, 1, 2, 99, -1))}")
        else:
            values = [
                v.encode("utf-8", "replace").decode() if isinstance(v, str) else v for v in VALUES
            ]
            value = rng.choice(
                [v for v in values if not isinstance(v, list | dict)]
                + [b"", b"\x00" * 50, rng.randbytes(40), "{}", "[]", '{"a": [1e999]}']
            )
            value = value if not isinstance(value, int) or abs(value) < 2**63 else 2**62
            where = "" if rng.random() < 0.5 else f" WHERE rowid=(SELECT min(rowid) FROM {table})"
            try:
                connection.execute(f"UPDATE {table} SET {column}=?{where}", (value,))
            except sqlite3.Error:  # what the file itself does not take
                connection.execute(f"DELETE FROM {table}")
    connection.close()


KINDS: dict[str, tuple[Damage, ...]] = {
    ".json": (json_value, json_value, json_value, json_value, *TEXT),
    ".yaml": (yaml_bomb, *TEXT),
    ".xml": (xml_hostile, *TEXT),
    ".csv": TEXT,
    ".txt": TEXT,
    ".png": (png_header, png_chunk),
    ".npz": (zip_member, zip_member),
    ".pack": (zip_member,),
    ".pt": (zip_member,),
}


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file; what was done."""
    own = KINDS.get(path.suffix.lower(), ())
    if path.suffix == ".db" and rng.random() < 0.6:
        sql_value(path, rng)
        return "sql_value"
    if path.suffix in (".h5", ".slp") and rng.random() < 0.5:
        from bad_hdf5 import hdf5_value

        return hdf5_value(path, rng)
    if path.suffix == ".safetensors" and rng.random() < 0.6:
        path.write_bytes(tensors(path.read_bytes(), rng))
        return "tensors"
    chosen = rng.choice(own) if own and rng.random() < 0.6 else rng.choice(BYTES)
    content = path.read_bytes()
    path.write_bytes(chosen(content, rng))
    return chosen.__name__


def tensors(content: bytes, rng: random.Random) -> bytes:
    """Another header, or weights that are not finite."""
    length = int.from_bytes(content[:8], "little")
    head, body = content[8 : 8 + length], content[8 + length :]
    how = rng.randrange(4)
    if how == 0:
        return (rng.choice((2**62, 2**31, length - 1, 0))).to_bytes(8, "little") + head + body
    if how == 1:
        values = np.frombuffer(body, np.float32).copy()
        values[:: rng.choice((1, 7, len(values)))] = rng.choice((np.nan, np.inf, 1e38, 1e30))
        return content[: 8 + length] + values.tobytes()
    head = json_value(head, rng)
    return len(head).to_bytes(8, "little") + head + body
