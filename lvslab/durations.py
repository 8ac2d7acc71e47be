"""Durations as people write them: ``500ms``, ``10s``, ``2m``, ``1h``, or a number of seconds."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_SHAPE = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|)")


def parse(text: str) -> float | None:
    """Return a duration in seconds, or None for what is none."""
    match = _SHAPE.fullmatch(text.strip())
    return float(match[1]) * _UNITS[match[2]] if match else None


def show(seconds: float) -> str:
    """Return ``4 s``, ``0.25 s``."""
    return f"{round(seconds, 6):g} s"
