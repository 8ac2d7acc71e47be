"""A promise: between which two durations something lies. Pure; seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """A promise: the duration called ``name`` lies in [``low``, ``high``] seconds."""

    name: str
    low: float
    high: float
    #: The arithmetic with the numbers in it.
    formula: str
    #: Why it is so, for a reader.
    why: str

    def allows(self, seconds: float, *, resolution: float = 0.0) -> bool:
        """Return whether a measured duration keeps the promise: not above ``high``.

        ``resolution`` (seconds) is how far the measurement itself may be off.
        """
        return seconds <= self.high + resolution

    def explains(self, seconds: float, *, resolution: float = 0.0) -> bool:
        """Return whether a measured duration lies within both ends, give or take ``resolution``.

        Shorter than ``low`` breaks no promise; it means that something else happened.
        """
        return self.low - resolution <= seconds <= self.high + resolution


def in_seconds(seconds: float) -> str:
    """Write a duration to the millisecond: ``3 s``, ``0.805 s``."""
    text = f"{seconds:.3f}".rstrip("0").rstrip(".")
    return f"{text} s"
