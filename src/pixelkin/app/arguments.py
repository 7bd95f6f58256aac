"""Reading a command's arguments with tyro, in one way for all commands.

A parameter of type `Collection[str]` is a list of names with commas between them, or a text file
with one a line; a `tuple` is a list of words of their own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import redirect_stderr
from functools import partial, wraps
from inspect import cleandoc, isclass
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from pixelkin.reading import SETTINGS_BYTES, read_bytes
from pixelkin.types import InputError
from pixelkin.video.suffixes import IMAGES

REPEATED = ("--set",)  # options that may be given several times


def call(command: Callable[..., Any], name: str, arguments: Sequence[str], description: str) -> Any:
    """Run `command` with its parameters read from `arguments`.

    Raises:
        InputError: If they do not fit, one is empty, or an option is given twice.
        SystemExit: With code 0 after the help.
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
    registry.primitive_rule(lambda info: _optional(info.type))
    said = io.StringIO()
    try:
        with registry, redirect_stderr(said):
            read: Any = tyro.cli(
                command if isclass(command) else _bound(command),
                prog=f"pixelkin {name}",
                args=list(arguments),
                description=cleandoc(description),
                config=(tyro.conf.OmitArgPrefixes,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        raise InputError(_reason(said.getvalue(), f"pixelkin {name} --help")) from None
    return read if isclass(command) else read()


def _optional(kind: Any) -> Any:
    """How X | None is read, where X is one word: as X; tyro takes the word None for it as well."""
    import tyro

    own = [one for one in get_args(kind) if one is not NoneType]
    if NoneType not in get_args(kind) or len(own) != 1:
        return None
    choices = get_args(own[0]) if get_origin(own[0]) is Literal else None
    if choices is None and own[0] not in (int, float, str, Path):
        return None
    make = str if choices else own[0]
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="{" + ",".join(choices) + "}" if choices else make.__name__.upper(),
        instance_from_str=lambda words: make(words[0]),
        is_instance=lambda value: value is None or isinstance(value, make),
        str_from_instance=lambda value: ["none" if value is None else str(value)],
        choices=choices,
    )


def _bound(command: Callable[..., Any]) -> Callable[..., Callable[[], Any]]:
    """A function of the same parameters that gives the call of `command`, not yet made."""

    @wraps(command)
    def bound(*positional: Any, **named: Any) -> Callable[[], Any]:
        return partial(command, *positional, **named)

    return bound


def _reason(box: str, command: str) -> str:
    """In one line what tyro says in a box of several."""
    text = " ".join(box.translate(str.maketrans("╭╮╰╯│+|", "       ")).split())
    sections = [s.strip() for s in re.split("[─-]{3,}", text)]
    title, *rest = [s for s in sections if s and not s.startswith("For full helptext")]
    reason = rest[0] if rest else title.lstrip("─- ")
    wrong = re.match(r"Error parsing (--\S+): .*? could be instantiated from \['(.*?)'\]", reason)
    plain = re.match(r"Error parsing (--\S+): .* for (?:int|float).*: '(.*?)'", reason)
    if found := wrong or plain:
        kind = "a whole number" if re.search(r"\bint\b", reason) else "a number"
        reason = f"{found[1]} {found[2]}: must be {kind}"
    meant = [s for s in rest[1:] if s.startswith("Perhaps you meant")]
    return "; ".join([reason, *meant, f"see {command}"])


def _check(arguments: Sequence[str]) -> None:
    if "" in arguments:
        raise InputError("an argument is empty: is it a variable of the shell that is not set?")
    options = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    for option in dict.fromkeys(options):
        if options.count(option) > 1 and option not in REPEATED:
            raise InputError(f"{option} is given twice: give it once, with all that belongs to it")


def video_first(arguments: Sequence[str]) -> list[str]:
    """The same arguments, where VIDEO stands after the files of --labels: VIDEO comes first.

    It is the last of their words where all words belong to options, if it can be no labels: a
    folder, a pattern, or a file that is neither an image nor JSON.

    Example:
        >>> video_first(["--labels", "a.png", "*.jpg", "--out", "o"])
        ['*.jpg', '--labels', 'a.png', '--out', 'o']
    """
    words = list(arguments)
    if not words or not words[0].startswith("--") or "--labels" not in words:
        return words
    begin = words.index("--labels") + 1
    end = next((i for i in range(begin, len(words)) if words[i].startswith("--")), len(words))
    word = words[end - 1]
    path = Path(word).expanduser()
    video = path.is_file() and path.suffix.lower() not in {*IMAGES, ".json", ".mat", ".npz"}
    if end - begin < 2 or not (video or path.is_dir() or any(c in word for c in "*?[")):
        return words
    if "=" in word and not path.exists():
        return words
    return [word, *words[: end - 1], *words[end:]]


def read_names(text: str) -> tuple[str, ...]:
    """The names in "a, b,c", or in the text file that `text` names; empty ones are left out.

    Example:
        >>> read_names("dog, bear,")
        ('dog', 'bear')
    """
    names = text.split(",")
    if len(names) == 1 and Path(text).is_file():
        names = read_bytes(text, SETTINGS_BYTES).decode("utf-8", "replace").splitlines()
    return tuple(name.strip() for name in names if name.strip())
