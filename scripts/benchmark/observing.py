"""The phase ``observing``: what observation costs the engine's processors.

One lab, steady, for SECONDS each: left alone; with a watch on both directors (adverts, the IPVS
table every 50 ms); with the probe, which is the load itself; with both, as while a fault is
watched; and with tcpdump on every node beside, as while direct routing is proved.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.figures import Recorder
from benchmark.harness import DEBIAN, LAB, TOPOLOGY, Bench
from lvslab import topology
from lvslab.lab import up
from lvslab.plan import agent_files, make_plan
from lvslab.prove.capture import capturing

if TYPE_CHECKING:
    from lvslab.lab import Lab

SECONDS = 20
_RATE = 50.0
_LEASE = 3.0 * SECONDS
_NUMBERS = itertools.count()


@contextmanager
def _watch(lab: Lab) -> Iterator[None]:
    for director in lab.directors:
        director.link().request("watch", seconds=_LEASE)
    yield
    for director in lab.directors:
        director.link().request("watch", seconds=0)


@contextmanager
def _probe(lab: Lab) -> Iterator[None]:
    link = lab.clients[0].link()
    vs = lab.spec.virtual_servers[0]
    target = {"vip": str(vs.vip), "port": vs.port, "path": "/"}
    order = {"targets": [target], "rate": _RATE, "deadline": 1.0, "lease": _LEASE}
    with link.subscribe() as events:
        # Each its own name: one that has reported its end is still there for a moment.
        name = f"bench-{next(_NUMBERS)}"
        link.request("probe.start", probe=name, **order)
        yield
        link.request("probe.stop", probe=name)
        while (event := events.get(30.0)) is not None and event["ev"] != "probe.stopped":
            pass  # its last requests must not be in the next setting


@contextmanager
def _capture(lab: Lab) -> Iterator[None]:
    client = lab.clients[0]
    own = str(lab.spec.clients[0].address)
    nodes = [*lab.directors, *lab.real_servers, client]
    with capturing(lab.engine.client.api, nodes, own) as captures:
        begun = time.monotonic() + 60.0
        for one in captures:
            one.until_listening(begun)
        yield
        for one in captures:
            one.stop()


#: What is on in each setting, and how it is called.
SETTINGS: dict[str, tuple[str, tuple[Callable[..., object], ...]]] = {
    "alone": ("lab left alone", ()),
    "watch": ("watched: adverts, IPVS table", (_watch,)),
    "probe": (f"probed, {_RATE:g} requests a second", (_probe,)),
    "both": ("probed and watched", (_probe, _watch)),
    "capture": ("probed, watched and captured on every node", (_probe, _watch, _capture)),
}


def processors(lab: Lab, pid: int) -> Iterator[tuple[str, str, float, float]]:
    """Yield key, words, and per cent of one processor: the guest's own count, and QEMU's.

    The guest counts by its timer's ticks, which flatters or blackens what wakes by a timer;
    QEMU's time is exact, and has the emulator's own work in it.
    """
    for key, (words, parts) in SETTINGS.items():
        with ExitStack() as on:
            for part in parts:
                on.enter_context(part(lab))  # type: ignore[arg-type]
            before = _cpu_of(pid)
            guest = _guest(lab)
            yield key, words, guest, 100 * (_cpu_of(pid) - before) / SECONDS


def _guest(lab: Lab) -> float:
    """Return how busy the guest's processors are for SECONDS, in per cent of one."""
    # One command for both readings: starting one costs more than what is measured.
    script = f"head -1 /proc/stat; sleep {SECONDS}; head -1 /proc/stat"
    done = lab.real_servers[0].container.exec_run(["sh", "-c", script])
    first, last = (
        [int(word) for word in line.split()[1:9]] for line in done.output.decode().splitlines()
    )
    # proc(5): user, nice, system, idle, iowait, irq, softirq, steal; hundredths of a second.
    delta = [b - a for a, b in zip(first, last, strict=True)]
    return (sum(delta) - delta[3] - delta[4]) / SECONDS


def _cpu_of(pid: int) -> float:
    """Return the processor time of a process and its threads, in seconds (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def observing(b: Bench) -> None:
    """Measure what watching, probing and capturing cost the engine's processors."""
    shipped = topology.builtin(TOPOLOGY)
    assert shipped is not None
    plan = make_plan(topology.load(shipped, name=LAB), LAB, agent_files=agent_files())
    started, _ = b.manager(Recorder()).start("observed", debian=DEBIAN)
    try:
        with up(started, plan, progress=Recorder()) as lab:
            (one,) = [m for m in b.manager(Recorder()).machines() if m.running]
            assert one.pid is not None
            for _ in range(b.runs):
                for key, what, guest, qemu in processors(lab, one.pid):
                    b.add(f"guest cpu {key}", guest, what=f"guest: {what}", unit="%")
                    b.add(f"qemu cpu {key}", qemu, what=f"QEMU: {what}", unit="%")
    finally:
        started.close()
        b.stop_all()
