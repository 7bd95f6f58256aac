"""Run a recipe: python -m pixelkin.training RECIPE --data DIR [DIR ...] --out DIR [KEY=VALUE ...].

The form for torchrun; a single process is as well served by `pixelkin train`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import yaml

from pixelkin.training.loop import train
from pixelkin.training.schema import read_yaml
from pixelkin.types import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; 0 on success, 2 on bad input with one line that says what is wrong, 130 if stopped."""
    parser = argparse.ArgumentParser(prog="python -m pixelkin.training", description=__doc__)
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", help="run.workers=2 optimiser.learning_rate=3e-4")
    parser.add_argument("--data", nargs="+", required=True, help="folders of videos or frames")
    parser.add_argument("--out", required=True, help="folder of the training")
    parser.add_argument("--no-resume", dest="resume", action="store_false")
    # intermixed: overrides may stand on either side of the options
    options = parser.parse_intermixed_args(arguments)
    try:
        overrides = read_overrides(options.overrides)
        result = train(
            options.recipe, options.data, options.out, resume=options.resume, overrides=overrides
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if result.encoder else 130


def read_overrides(texts: Sequence[str]) -> dict[str, object]:
    """Settings by dotted path from KEY=VALUE texts; values are YAML.

    Raises:
        InputError: If one is not of that form, or its value is not YAML.
    """
    found: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{text!r} is not a setting: write KEY=VALUE")
        try:
            found[key] = read_yaml(value)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{text!r}: the value is not YAML: {reason}") from error
    return found


if __name__ == "__main__":
    sys.exit(main())
