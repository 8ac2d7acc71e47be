"""Durations on the command line: ``500ms``, ``10s``, ``2m``, or a number of seconds."""

from __future__ import annotations

from typing import Any

import typer

from lvslab import durations


def seconds(text: str | float) -> float:
    """Return a duration in seconds. Raises typer.BadParameter."""
    if isinstance(text, float):
        return text
    value = durations.parse(text)
    if not value:
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
