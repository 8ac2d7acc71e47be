"""Timelines made by hand, with known answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lvslab.timeline.events import Event, ProbeResult

I = 0.02  # noqa: E741


def probe(
    good: Callable[[int, float], bool],
    *,
    count: int,
    interval: float = I,
    phase: float = 0.0,
    rtt: float = 0.001,
    late: Callable[[int], float] = lambda seq: 0.0,
    servers: Sequence[str] = ("rs1", "rs2"),
    deadline: float = 1.0,
) -> list[ProbeResult]:
    """A probe whose request ``seq``, started at ``t``, is good when ``good(seq, t)``."""
    results = []
    for seq in range(count):
        due = phase + seq * interval
        start = due + late(seq)
        ok = good(seq, start)
        results.append(
            ProbeResult(
                seq=seq,
                target="172.20.1.100:80",
                due=due,
                start=start,
                end=start + (rtt if ok else deadline),
                result="ok" if ok else "timeout",
                server=servers[seq % len(servers)] if ok else None,
            )
        )
    return results


def event(t: float, node: str, kind: str, **data: Any) -> Event:
    return Event.from_agent({"t": t, "node": node, "ev": kind, **data})


def as_events(results: Sequence[ProbeResult], node: str = "client") -> list[Event]:
    """As the agent sends them: in the order of their completion."""
    # Not by way of ``event``: what that checks of a thousand lines, it need not in every test.
    return [
        Event(
            r.end,
            node,
            "probe.result",
            {
                "seq": r.seq,
                "target": r.target,
                "due": r.due,
                "start": r.start,
                "end": r.end,
                "result": r.result,
                "server": r.server,
                "detail": None,
            },
        )
        for r in sorted(results, key=lambda r: r.end)
    ]


def vip(t: float, node: str, *, added: bool, address: str = "172.20.1.100") -> Event:
    kind = "addr.add" if added else "addr.del"
    return event(t, node, kind, interface="eth0", address=address, vip=True)


def advert(t: float, node: str, priority: int = 100) -> Event:
    return event(
        t,
        node,
        "vrrp.advert",
        vrid=51,
        priority=priority,
        src="172.20.1.1",
        dir="out",
        version=2,
    )
