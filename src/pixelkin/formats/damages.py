"""What goes wrong in files that others made, in words."""

from __future__ import annotations

import csv
import struct
import tokenize
import zlib
from pickle import UnpicklingError
from zipfile import BadZipFile

DAMAGES = (
    ArithmeticError, AttributeError, BadZipFile, EOFError, LookupError, MemoryError, OSError,
    RecursionError, RuntimeError, SyntaxError, TypeError, UnpicklingError, ValueError,
    csv.Error, struct.error, tokenize.TokenError, zlib.error,
)  # fmt: skip


def told(error: Exception) -> str:
    """What an error says of the content that it was met in."""
    if isinstance(error, KeyError):
        return f"{error.args[0]!r} is missing"
    if isinstance(error, TypeError | AttributeError | IndexError):
        return f"something is of another form ({error})"
    return str(error) if isinstance(error, ValueError) else repr(error)
