"""Reading a command's arguments with tyro, in one way for all commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import cleandoc
from typing import Any


def call(command: Callable[..., Any], name: str, arguments: Sequence[str], description: str) -> Any:
    """Run `command` with its parameters read from `arguments`.

    Exits with code 2 and usage on standard error where they do not fit, as InputError does.
    """
    import tyro

    return tyro.cli(
        command,
        prog=f"pixelkin {name}",
        args=list(arguments),
        description=cleandoc(description),
        config=(tyro.conf.OmitArgPrefixes,),
    )
