"""Whole runs made by hand: what happened is known, so what a reading must say is known too."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from lvslab.timeline.events import Event, ProbeResult
from lvslab.timeline.run import Promise, Run

from .handmade import advert, as_events, event, probe, vip

VIP = "172.20.1.100"
TARGET = f"{VIP}:80"
RUN = Run(
    lab="lvs-dr",
    node="lvs1",
    role="director",
    fault="link-down",
    fault_id="f1",
    client="client",
    rate=50.0,
    deadline=1.0,
    targets={TARGET: 2},
    vips=(VIP,),
    servers={"172.20.1.10": "rs1", "172.20.1.11": "rs2"},
    address="172.20.1.1",
    promise=Promise("outage", 2.805, 3.805, "3 x 1 s + (256 - 50)/256 = 3.805 s", "it waits"),
    seed=1,
    phase=0.6,
    recorded_from=100.0,
    recorded_until=120.0,
)
BY_ADDRESS = ("172.20.1.10", "172.20.1.11")
INITIAL = [
    event(100.0, "lvs1", "lab.initial", holds=[VIP]),
    event(100.0, "lvs2", "lab.initial", holds=[]),
]


def fault(t: float, node: str = "lvs1", name: str = "link-down") -> Event:
    return event(t, node, "fault.injected", fault=name, id="f1", t_end=t + 0.001)


def healed(t: float, node: str = "lvs1", name: str = "link-down") -> Event:
    return event(t, node, "fault.healed", fault=name, id="f1", t_end=t + 0.01, by="heal", left=[])


def served(*dark: tuple[float, float], count: int = 1000) -> list[ProbeResult]:
    """From 100.0 on, 50 a second; nothing is answered in the dark spans."""
    return probe(
        lambda s, t: not any(a <= t < b for a, b in dark),
        count=count,
        phase=100.0,
        servers=BY_ADDRESS,
    )


@cache
def _answers(*dark: tuple[float, float], count: int = 1000) -> tuple[Event, ...]:
    return tuple(as_events(served(*dark, count=count)))


def answers(*dark: tuple[float, float], count: int = 1000) -> list[Event]:
    """What the probe tells of :func:`served`."""
    return list(_answers(*dark, count=count))


def failover() -> tuple[Run, list[Event]]:
    """lvs1 loses its link at 105.0, last advert at 104.6, lvs2 has the VIP at 107.805 + 0.01."""
    events = [
        *INITIAL,
        *(advert(100.6 + i, "lvs1") for i in range(5)),
        fault(105.0),
        event(105.001, "lvs1", "link", interface="eth0", up=False, running=False),
        event(105.002, "lvs1", "vrrp.state", instance="VI_1", state="FAULT", priority=100),
        vip(105.003, "lvs1", added=False),
        vip(108.405, "lvs2", added=True),
        event(108.406, "lvs2", "arp.gratuitous", address=VIP, mac="02:42:ac:14:01:02", dir="out"),
        event(108.407, "lvs2", "vrrp.state", instance="VI_1", state="MASTER", priority=50),
        *answers((105.0005, 108.406)),
    ]
    return RUN, events


def there_and_back() -> tuple[Run, list[Event]]:
    """The same, healed at 110.0: lvs1 has the VIP at 113.6 and a server in its table at 118.5."""
    run, events = failover()
    run = replace(
        run,
        recorded_until=125.0,
        promise_back=Promise("outage", 2.391, 8.391, "6 s..12 s (checks) - 3.609 s (VRRP)", "w"),
    )
    rest = [e for e in events if e.kind != "probe.result"]
    return run, [
        *rest,
        healed(110.0),
        vip(113.6, "lvs2", added=False),
        vip(113.6, "lvs1", added=True),
        event(118.5, "lvs1", "lvs.rs", vs=TARGET, rs="172.20.1.10:80", state="UP"),
        *answers((105.0005, 108.406), (113.6, 118.5), count=1250),
    ]


def crash() -> tuple[Run, list[Event]]:
    """keepalived of lvs1 crashes at 105.0: two holders, and nothing fails."""
    run = replace(
        RUN,
        fault="keepalived-crash",
        promise=Promise("outage", 0.0, 0.0, "0", "the kernel forwards"),
        promise_takeover=Promise("takeover", 2.805, 3.805, "3 x 1 s + ...", "it waits"),
    )
    return run, [
        *INITIAL,
        fault(105.0, name="keepalived-crash"),
        vip(108.2, "lvs2", added=True),
        *answers(),
    ]


def httpd_stop() -> tuple[Run, list[Event]]:
    """rs1 refuses from 103.0 on; lvs1 removes it at 114.5: until then every second fails."""
    run = replace(
        RUN,
        node="rs1",
        role="real-server",
        fault="httpd-stop",
        address="172.20.1.10",
        promise=Promise("removal", 9.0, 15.0, "0..6 s + 4 x 0 s + 3 x 3 s", "checks"),
    )
    results = probe(
        lambda s, t: not (103.0 <= t < 114.5 and s % 2 == 0),
        count=1000,
        phase=100.0,
        servers=BY_ADDRESS,
    )
    results = [r if r.good else replace(r, result="refused", end=r.start + 0.001) for r in results]
    return run, [
        *INITIAL,
        fault(103.0, "rs1", "httpd-stop"),
        event(114.5, "lvs1", "lvs.rs", vs=TARGET, rs="172.20.1.10:80", state="DOWN"),
        *as_events(results),
    ]
