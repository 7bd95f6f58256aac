"""DeepLabCut's H5 files, which it takes as the authority (extra `dlc`).

Written by pandas in its fixed format: what pandas 3 writes in the table format, the pandas 2 that
DeepLabCut needs cannot read. Both are read, by h5py, as pandas would unpickle what is in a file.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from pixelkin.files import atomic_write
from pixelkin.formats.dlc import Table, make_table, read_table
from pixelkin.formats.hdf5 import holds
from pixelkin.formats.isolated import isolated
from pixelkin.formats.writing import Writing
from pixelkin.types import Annotations, InputError, VideoInfo

KEY = "df_with_missing"


def sniff(path: Path) -> bool:
    """Whether the file is HDF5 with a table of pandas."""
    return path.suffix.lower() in (".h5", ".hdf5") and holds(path, b"pandas_type")


@isolated
def load(path: Path, video: VideoInfo) -> Annotations:
    """The keypoints of every row that has any."""
    with _libraries()[1].File(path, "r") as file:
        names = list(file)
        if len(names) != 1 or _leads_out(file):
            raise ValueError(f"{len(names)} tables, must be one, without links to other files")
        group = file[names[0]]
        table = _of_table(group) if "table" in group else _of_fixed(group)
    return read_table(table, path, video)


def save(path: Path, writing: Writing) -> None:
    """Write labels, or predictions if any of them is one."""
    pandas, _ = _libraries()
    writing.check(path)
    table = make_table(path, writing)
    index: Any = list(table.rows)
    if any(isinstance(row, tuple) for row in index):
        index = pandas.MultiIndex.from_tuples(index)
    columns = pandas.MultiIndex.from_tuples(table.columns, names=table.levels)
    frame = pandas.DataFrame(table.values, index=index, columns=columns)
    with atomic_write(path) as temporary:
        frame.to_hdf(temporary, key=KEY, mode="w", format="fixed")


def _libraries() -> tuple[ModuleType, ModuleType]:
    """pandas and h5py."""
    try:
        import h5py
        import pandas
        import tables  # noqa: F401 (which pandas needs)
    except ImportError as error:
        raise InputError(
            f"DeepLabCut's H5 needs the extra dlc, pip install 'pixelkin[dlc]' ({error}); its CSV "
            "does not"
        ) from error
    return pandas, h5py


def _leads_out(file: Any) -> bool:
    """Whether something in the file lies in another one, which nobody has given."""
    import h5py

    found: list[str] = []
    file.visititems_links(
        lambda name, link: found.append(name) if isinstance(link, h5py.ExternalLink) else None
    )

    def stored(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual):
            found.append(name)

    file.visititems(stored)
    return bool(found)


def _of_fixed(group: Any) -> Table:
    """The content of a group in pandas's fixed format."""
    levels, columns = _axis(group, "axis0")
    _, rows = _axis(group, "axis1")
    values = np.asarray(group["block0_values"][()], dtype=float)
    if values.shape != (len(rows), len(columns)):
        raise ValueError(f"values of shape {values.shape} for {len(rows)} rows")
    return Table(_names(levels, len(columns[0])), tuple(columns), _rows(rows), values)


def _axis(group: Any, axis: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Names of the levels of an axis, and what it says at each place."""
    if axis in group:
        return [], [(_plain(value),) for value in group[axis][()]]
    names: list[str] = []
    parts: list[list[Any]] = []
    while f"{axis}_level{len(parts)}" in group:
        level = group[f"{axis}_level{len(parts)}"]
        values = [_plain(value) for value in level[()]]
        places = group[f"{axis}_label{len(parts)}"][()]
        names.append(str(_plain(level.attrs.get("name", ""))))
        parts.append([values[place] for place in places])
    return names, list(zip(*parts, strict=True))


def _of_table(group: Any) -> Table:
    """The content of a group in pandas's table format, as DeepLabCut writes predictions."""
    ((_, columns),) = _Careful(io.BytesIO(bytes(group.attrs["non_index_axes"]))).load()
    content = group["table"][()]
    values = np.asarray(content["values_block_0"], dtype=float).reshape(len(content), -1)
    if values.shape[1] != len(columns):
        raise ValueError(f"{values.shape[1]} values a row for {len(columns)} columns")
    rows = [(_plain(value),) for value in content["index"]]
    columns = tuple(tuple(map(str, column)) for column in columns)
    return Table(_names([], len(columns[0])), columns, _rows(rows), values)


class _Careful(pickle.Unpickler):
    """Reads lists and words, and refuses everything that would run code."""

    def find_class(self, module: str, name: str) -> NoReturn:
        """Called for everything else."""
        raise ValueError(f"it wants to run {module}.{name}, which is refused")


def _names(known: list[str], count: int) -> tuple[str, ...]:
    """Names of the levels of the columns."""
    usual = ("scorer", "individuals", "bodyparts", "coords")
    if len(known) == count and set(known) <= set(usual):
        return tuple(known)
    return usual if count == 4 else (usual[0], *usual[2:])


def _rows(rows: list[tuple[Any, ...]]) -> tuple[tuple[str, ...] | int, ...]:
    return tuple(row[0] if type(row[0]) is int else tuple(map(str, row)) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return (
        value.item() if isinstance(value, np.generic) and value.dtype.kind in "iu" else str(value)
    )
