"""Who held each VIP, and when: from the addresses that the directors' kernels really had.

Not from what keepalived says of itself: after a crash it says nothing while the kernel still
has the address, and that is exactly what one wants to see. Pure; seconds, engine's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lvslab.faults.registry import ends_kernel
from lvslab.timeline.events import INITIAL, Event


@dataclass(frozen=True, slots=True)
class Span:
    """From ``start`` to ``end`` exactly these nodes held the VIP."""

    start: float
    end: float
    holders: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.end - self.start


def holders(
    events: Iterable[Event], vips: Sequence[str], start: float, end: float
) -> dict[str, list[Span]]:
    """Return, for each VIP, spans without a gap from ``start`` to ``end``.

    What a director held at first is told by its ``lab.initial`` event, which should not be
    later than ``start``; a director that never told holds nothing until its kernel says so.
    """
    now: dict[str, set[str]] = {vip: set() for vip in vips}
    changes: dict[str, list[tuple[float, tuple[str, ...]]]] = {vip: [] for vip in vips}
    for event in sorted(events, key=lambda e: e.t):
        if event.t > end:
            break
        for vip, held in _effect(event, now).items():
            if held == (event.node in now[vip]):
                continue
            (now[vip].add if held else now[vip].discard)(event.node)
            changes[vip].append((event.t, tuple(sorted(now[vip]))))
    return {vip: _spans(changes[vip], start, end) for vip in vips}


def contested(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in which two or more nodes held the VIP."""
    return [s for s in spans if len(s.holders) > 1]


def vacant(spans: Iterable[Span]) -> list[Span]:
    """Return the spans in which no node held the VIP."""
    return [s for s in spans if not s.holders]


def _effect(event: Event, vips: Mapping[str, object]) -> dict[str, bool]:
    """Return, for the VIPs that the event tells about, whether its node holds them after it."""
    if event.kind == INITIAL:
        return {vip: vip in event.data["holds"] for vip in vips}
    if event.moves_vip:
        vip = str(event.data["address"]).partition("/")[0]
        if vip in vips:
            return {vip: event.kind == "addr.add"}
    if event.kind == "fault.injected" and ends_kernel(event.data["fault"]):
        return dict.fromkeys(vips, False)
    return {}


def _spans(
    changes: Sequence[tuple[float, tuple[str, ...]]], start: float, end: float
) -> list[Span]:
    current: tuple[str, ...] = ()
    spans: list[Span] = []
    since = start
    for t, who in changes:
        if t > since:
            _append(spans, Span(since, t, current))
            since = t
        current = who
    if end > since or not spans:
        _append(spans, Span(since, end, current))
    return spans


def _append(spans: list[Span], span: Span) -> None:
    # Two changes at one instant may leave equal neighbours: they are one span.
    if spans and spans[-1].holders == span.holders:
        spans[-1] = Span(spans[-1].start, span.end, span.holders)
    else:
        spans.append(span)
