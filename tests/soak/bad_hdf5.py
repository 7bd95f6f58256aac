"""Damage inside of an HDF5 file, by the library that reads it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np


def hdf5_value(path: Path, rng: random.Random) -> str:
    """Another value, shape, type or link in the place of a dataset; what was done."""
    try:
        return _changed(path, rng)
    except (KeyError, TypeError, ValueError, OSError):  # what the library does not make
        content = bytearray(path.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(content))
        return "hdf5 flipped"


def _changed(path: Path, rng: random.Random) -> str:
    import h5py

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, one: names.append(name) if hasattr(one, "shape") else None)
        attributes = [(file, key) for key in file.attrs]
        file.visititems(lambda _, one: attributes.extend((one, key) for key in one.attrs))
        how = rng.choice(
            (
                "remove",
                "link",
                "outside",
                "loop",
                "shape",
                "huge",
                "type",
                "value",
                "attribute",
                "objects",
            )
        )
        if how == "attribute" and attributes:
            one, key = rng.choice(attributes)
            one.attrs[key] = rng.choice(
                (b"cos\nsystem\n(S'touch ran'\ntR.", "x", -1, 1e300, b"", [1, 2])
            )
            return "hdf5 attribute"
        name = rng.choice(names)
        old = file[name][()]
        shape = np.shape(old)
        del file[name]
        if how == "link":
            file[name] = h5py.SoftLink("/nowhere")
        elif how == "outside":
            file[name] = h5py.ExternalLink(
                rng.choice(("/etc/passwd", "other.h5", "labels.h5")), "/x"
            )
        elif how == "loop":
            file[name] = h5py.SoftLink(f"/{name}")
        elif how == "shape":
            file[name] = np.zeros(
                rng.choice(((0,), (1,), (3, 3), (1, 1, 1, 1))), getattr(old, "dtype", float)
            )
        elif how == "huge":
            file.create_dataset(name, (2**20, 2**16), "f8", chunks=(64, 64))
        elif how == "type":
            file[name] = rng.choice((np.array([b"a"] * 3), np.zeros(3, "f4"), np.zeros(3, "i8")))
        elif how == "objects":
            kind = h5py.vlen_dtype(np.dtype("u1"))
            made = file.create_dataset(name, (1,), kind)
            made[0] = np.frombuffer(b"cos\nsystem\n(S'touch ran'\ntR.", "u1")
        elif how == "value" and getattr(old, "dtype", np.dtype("O")).kind in "iuf" and np.size(old):
            changed = np.array(old)
            changed.reshape(-1)[rng.randrange(changed.size)] = rng.choice((-1, 120, 7))
            file[name] = changed
        else:
            file.create_dataset(name, shape, "u1")
    return f"hdf5 {how}"
