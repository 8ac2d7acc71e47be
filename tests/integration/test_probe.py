"""The probe in the client of a real lab: its schedule, and how truly it reads a black-out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lvslab.lab import Lab
from lvslab.observe.link import AgentLink, Event
from lvslab.timeline.events import Event as Seen
from lvslab.timeline.events import ProbeResult, probe_results
from lvslab.timeline.outage import Outage, outages

from .proofs import beside, opened

pytestmark = pytest.mark.engine

CLIENT, VIP = "client", "172.20.1.100"
SERVERS = {"172.20.1.10", "172.20.1.11"}
RATE, INTERVAL = 50.0, 0.02
ORDER: dict[str, Any] = {
    "targets": [{"vip": VIP, "port": 80, "path": "/"}],
    "rate": RATE,
    "deadline": 1.0,
}

#: Drops every packet to the VIP for argv[1] seconds, after argv[2] seconds, and prints
#: between which moments of CLOCK_MONOTONIC it began and ended. It shares the client's network
#: and the kernel's clock, and works through netlink once (libnftables, as nft itself), so that
#: starting a process is in neither stamp.
BLACK_OUT = r"""
import ctypes, json, sys, time
nft = ctypes.CDLL("libnftables.so.1")
nft.nft_ctx_new.restype = ctypes.c_void_p
context = ctypes.c_void_p(nft.nft_ctx_new(0))
nft.nft_ctx_buffer_error(context)
def run(text):
    begun = time.monotonic()
    assert nft.nft_run_cmd_from_buffer(context, text.encode()) == 0, text
    return begun, time.monotonic()
run("add table ip dark; add chain ip dark out { type filter hook output priority 0; };"
    "add rule ip dark out ip daddr 192.0.2.1 drop")
time.sleep(float(sys.argv[2]))
on = run("add rule ip dark out ip daddr %s drop" % sys.argv[3])
while time.monotonic() < on[1] + float(sys.argv[1]):
    time.sleep(0.001)
off = run("flush chain ip dark out")
print(json.dumps({"on": on, "off": off}))
run("delete table ip dark")
"""


@pytest.fixture(scope="module")
def served(built: None) -> Iterator[Lab]:
    """The article's lab, for tests that only ask it."""
    with opened("lvs-dr", "dr") as lab:
        yield lab


class Probe:
    """One probe and the lines that it reports."""

    def __init__(self, link: AgentLink, name: str) -> None:
        self._link, self._name = link, name
        self._lines = link.subscribe()
        self.seen: list[Event] = []
        order = ORDER | {"lease": 60}
        self.t0 = float(link.request("probe.start", probe=name, **order)["t0"])

    def until(self, t: float) -> None:
        """Take results until one that started after ``t`` on the engine's clock was good."""
        while not any(e["result"] == "ok" and e["start"] > t for e in self.seen):
            self._take()

    def stop(self) -> Event:
        """Stop it and return what it says at its end."""
        self._link.request("probe.stop", probe=self._name)
        while (last := self._take())["ev"] != "probe.stopped":
            pass
        self._lines.close()
        return last

    def results(self) -> list[ProbeResult]:
        """Return what came, in the order of the schedule."""
        return probe_results(Seen.from_agent(line) for line in self.seen)

    def _take(self) -> Event:
        while True:
            event = self._lines.get(30.0)
            assert event is not None, "the probe says nothing any more"
            if event.get("probe") == self._name:
                if event["ev"] == "probe.result":
                    self.seen.append(event)
                return event


def black_out(lab: Lab, seconds: float) -> tuple[dict[str, list[float]], Probe, Event]:
    """Make the client blind for so long under a probe."""
    probe = Probe(lab.nodes[CLIENT].link(), "dark")
    with beside(lab, CLIENT) as helper:
        # A deadline as long as the black-out would call what TCP sends again an answer.
        stamps = helper.python(BLACK_OUT, str(seconds), "1.0", VIP)
        probe.until(stamps["off"][1] + 1.0)
        stopped = probe.stop()
    return stamps, probe, stopped


def starved(found: Outage) -> bool:
    """Whether the probe itself was late where the outage begins or ends."""
    return found.lateness > INTERVAL / 2


def hidden(found: Outage, on: list[float]) -> bool:
    """Whether a request that was under way was answered in it: TCP sends again after 0.2 s."""
    return found.start is not None and found.start > on[1]


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.5, 3.0])
def test_a_black_out_is_read_to_within_one_interval(served: Lab, seconds: float):
    for again in (True, True, False):
        stamps, probe, stopped = black_out(served, seconds)
        found = [o for o in outages(probe.results(), INTERVAL) if o.failed > 1]
        if again and (len(found) != 1 or starved(found[0]) or hidden(found[0], stamps["on"])):
            print("the machine was busy, or a request survived it, once more:", found)
            continue
        break
    (on, on_done), (off, off_done) = stamps["on"], stamps["off"]
    assert off - on_done == pytest.approx(seconds, abs=0.1), "the black-out itself went wrong"
    (outage,) = found
    assert outage.seconds is not None
    # Its true length lies between the two stamps' insides and outsides.
    shortest, longest = off - on_done, off_done - on
    print(f"black-out {shortest:.4f} to {longest:.4f} s, read {outage.seconds:.4f}", outage)
    assert shortest - outage.resolution <= outage.seconds <= longest + outage.resolution
    assert outage.resolution <= INTERVAL * 1.5
    assert stopped["dropped"] == stopped["skipped"] == 0


def test_fifty_requests_a_second_without_drift_and_the_server_of_each_known(served: Lab):
    probe = Probe(served.nodes[CLIENT].link(), "steady")
    probe.until(probe.t0 + 10.0)
    stopped = probe.stop()
    results = probe.results()
    sent = stopped["sent"]
    assert sent >= 500
    assert stopped["skipped"] == stopped["dropped"] == 0
    assert [r.seq for r in results] == list(range(sent))
    # Request k is due at t0 + k/50, however long the ones before it took: no error adds up.
    assert max(abs(r.due - (probe.t0 + r.seq * INTERVAL)) for r in results) < 2e-6
    assert all(r.start >= r.due for r in results)
    assert max(r.start - r.due for r in results) == pytest.approx(stopped["max_late"], abs=2e-6)
    good = [r for r in results if r.good]
    assert {r.server for r in good} == SERVERS
    assert len(good) > 0.9 * sent
