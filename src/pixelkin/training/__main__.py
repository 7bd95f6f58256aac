"""Run a recipe: python -m pixelkin.training RECIPE --data DIR [DIR ...] --out DIR [KEY=VALUE ...].

The form for torchrun; a single process is as well served by `pixelkin train`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import yaml

from pixelkin.training.loop import train
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
        overrides = dict(_override(text) for text in options.overrides)
        result = train(
            options.recipe, options.data, options.out, resume=options.resume, overrides=overrides
        )
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0 if result.encoder else 130


def _override(text: str) -> tuple[str, object]:
    key, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{text!r} is not an override: write KEY=VALUE")
    return key, yaml.safe_load(value)


if __name__ == "__main__":
    sys.exit(main())
