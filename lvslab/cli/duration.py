"""Durations on the command line: ``500ms``, ``10s``, ``2m``, or a number of seconds."""

from __future__ import annotations

import math
import re
from typing import Any

import typer

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_SHAPE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)")


def seconds(text: str | float) -> float:
    """Return a duration in seconds. Raises typer.BadParameter."""
    if isinstance(text, float):
        return text
    match = _SHAPE.fullmatch(text.strip())
    value = float(match[1]) * _UNITS[match[2]] if match else math.nan
    if not value > 0:
        raise typer.BadParameter(f"{text!r} is not a duration: write 500ms, 10s or 2m")
    return value


def for_option(what: str) -> Any:
    """Return the option ``--for DURATION``; ``what`` says what ends after so long."""
    return typer.Option(
        "--for",
        metavar="DURATION",
        parser=seconds,
        help=f"{what}: 500ms, 10s, 2m.",
        show_default=False,
    )
