"""pixelkin train: learn an encoder from unlabelled videos."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from pixelkin.app.arguments import call
from pixelkin.app.console import say
from pixelkin.types import InputError

if TYPE_CHECKING:
    from pixelkin.models.encoder import Encoder

DESCRIPTION = """
Learn an encoder from videos without labels.

RECIPE is a YAML file, as those in recipes/. DATA are folders of videos or of folders of frames,
searched recursively. OUT receives checkpoints (the same command goes on after an interruption),
metrics.jsonl, report.png, and encoder/, which every --weights takes.

On several processes, which divide the recipe's batch among them:
  torchrun --nproc-per-node 2 --no-python pixelkin train RECIPE --data DATA --out OUT

Example:
  pixelkin train recipes/small.yaml --data my_videos --out runs/mine
  pixelkin propagate video.mp4 --labels first.png --out out/video --weights runs/mine/encoder
"""


def train(
    recipe: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RECIPE")],
    /,
    data: tuple[Path, ...],
    out: Path,
    settings: tyro.conf.UseAppendAction[Annotated[tuple[str, ...], tyro.conf.arg(name="set")]] = (),
    davis: Path | None = None,
    sequences: Collection[str] = (),
    resume: bool = True,
) -> None:
    """Train an encoder.

    Args:
        recipe: YAML file.
        data: Folders of videos or frames.
        out: Folder for everything that is written.
        settings: A setting that replaces the recipe's: KEY=VALUE, for example steps=500. May be
            given several times.
        davis: Validate on sequences of a data set in DAVIS-2016's layout (its val split) at half
            size, every second frame, besides the synthetic videos that serve by default.
        sequences: Which, separated by commas or in a text file; all by default.
        resume: Go on with what is in OUT.
    """
    from pixelkin.training.loop import train as run_training
    from pixelkin.training.schema import OverrideError

    if not data:
        raise InputError("--data needs at least one folder")
    if sequences and davis is None:
        raise InputError("--sequences chooses among those of --davis: give --davis too, or neither")
    validate = None
    if davis is not None:
        from pixelkin.evaluation.davis import load_split
        from pixelkin.evaluation.quick import quick_score

        found = load_split(davis, 2016, "val", sequences or None)

        def validate(encoder: Encoder) -> dict[str, float]:
            return quick_score(encoder, found)

    given = read_overrides(settings)
    try:
        result = run_training(recipe, data, out, resume=resume, overrides=given, validate=validate)
    except OverrideError as error:
        raise InputError(error.told("--set")) from error
    if result.encoder is None:
        raise KeyboardInterrupt
    if not result.is_main:
        return
    done = "complete" if result.complete else f"step {result.step} of {result.steps}"
    say(f"{done}: {result.encoder}")
    weights = shlex.quote(str(result.encoder))
    say(f"use it: pixelkin propagate VIDEO --labels FILE --out DIR --weights {weights}")


def read_overrides(texts: Sequence[str]) -> dict[str, object]:
    """Settings by dotted path from KEY=VALUE texts; values are YAML.

    Raises:
        InputError: If one is not of that form, or its value is not YAML.
    """
    import yaml

    from pixelkin.reading import yaml_reason
    from pixelkin.training.schema import read_yaml

    found: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{text!r} is not a setting: write KEY=VALUE")
        try:
            found[key] = read_yaml(value)
        except yaml.YAMLError as error:
            raise InputError(f"{text!r}: the value is not YAML: {yaml_reason(error)}") from error
    return found


def run(arguments: Sequence[str]) -> None:
    """Run the command on its arguments."""
    call(train, "train", arguments, DESCRIPTION)
