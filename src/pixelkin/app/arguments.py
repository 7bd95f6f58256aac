"""Reading a command's arguments with tyro, in one way for all commands.

A parameter of type `Collection[str]` is a list of names with commas between them, or a text file
with one a line; a `tuple` is a list of words of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Any

from pixelkin.types import InputError

REPEATED = ("--set",)  # options that may be given several times


def call(command: Callable[..., Any], name: str, arguments: Sequence[str], description: str) -> Any:
    """Run `command` with its parameters read from `arguments`.

    Exits with code 2 and usage on standard error where they do not fit, as InputError does.

    Raises:
        InputError: If one is empty, or an option is given twice.
    """
    import tyro

    _check(arguments)

    registry = tyro.constructors.ConstructorRegistry()
    names = tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME,NAME",
        instance_from_str=lambda words: read_names(words[0]),
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(value)],
    )
    registry.primitive_rule(lambda info: names if info.type == Collection[str] else None)
    with registry:
        return tyro.cli(
            command,
            prog=f"pixelkin {name}",
            args=list(arguments),
            description=cleandoc(description),
            config=(tyro.conf.OmitArgPrefixes,),
        )


def _check(arguments: Sequence[str]) -> None:
    if "" in arguments:
        raise InputError("an argument is empty: is it a variable of the shell that is not set?")
    options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    for option in dict.fromkeys(options):
        if options.count(option) > 1 and option not in REPEATED:
            raise InputError(f"{option} is given twice: give it once, with all that belongs to it")


def read_names(text: str) -> tuple[str, ...]:
    """The names in "a, b,c", or in the text file that `text` names; empty ones are left out.

    Example:
        >>> read_names("dog, bear,")
        ('dog', 'bear')
    """
    names = text.split(",")
    if len(names) == 1 and Path(text).is_file():
        names = Path(text).read_text("utf-8", "replace").splitlines()
    return tuple(name.strip() for name in names if name.strip())
