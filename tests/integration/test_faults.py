"""Every fault in every role: what it does, how long it lasts against its bound, and no trace.

The article's lab where the protocol's waiting is short; the fast one where the checks of the
article would take half a minute.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lvslab.faults.registry import faults_for
from lvslab.lab import Lab, lab_status
from lvslab.observe.session import run_fault
from lvslab.report.terminal import closing, line
from lvslab.timeline.events import Event
from lvslab.timeline.holders import contested
from lvslab.timeline.outage import SILENCE
from lvslab.timeline.result import FaultResult, removal_times

from .proofs import opened

pytestmark = pytest.mark.engine

#: How often a reading that the probe's own lateness spoilt is taken again; one that is outside
#: its bound never is.
AGAIN = 2
#: Seconds for an agent to record a node's state on a busy emulated machine.
STATE = 60.0


#: Topologies, and the names of their labs: those of the other tests, whose saves they share.
SLOW, QUICK = ("lvs-dr", "dr"), ("lvs-dr-fast", "fast")


@pytest.fixture(scope="module")
def a_lab(built: None, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A lab of a shipped topology, for all tests of it; one machine at a time."""
    with opened(*request.param) as lab:
        yield lab


@dataclass(frozen=True)
class Seen:
    """A fault that was run, with what the nodes said of themselves."""

    lab: Lab
    result: FaultResult
    before: dict[str, dict[str, Any]]
    after: dict[str, dict[str, Any]]

    def while_in(self) -> list[Event]:
        """Return what happened between the fault and the heal."""
        assert self.result.heal_t is not None
        return [e for e in self.result.events if self.result.fault_t <= e.t < self.result.heal_t]

    def holders_before_heal(self) -> tuple[str, ...]:
        """Return who had the VIP in its kernel the moment before the heal."""
        assert self.result.heal_t is not None
        (spans,) = self.result.holders.values()
        return next(s.holders for s in reversed(spans) if s.start < self.result.heal_t)


def states(lab: Lab) -> dict[str, dict[str, Any]]:
    """Ask every node what a fault must leave as it was."""
    return {n: node.link().request("state", timeout=STATE) for n, node in lab.nodes.items()}


def play(lab: Lab, node: str, fault: str) -> Seen:
    """Run a fault, there and back; again, where the machine was too busy for a reading."""
    before = states(lab)
    for more in range(AGAIN, -1, -1):
        result = run_fault(lab, node, fault, then_heal=True)
        if not more or not inconclusive(result):
            break
        print("disturbed, once more:", result.verdict, result.verdict_takeover)
    told = (line(e, result.fault_t) for e in result.events)
    print("\n".join(text for text in told if text))
    print("\n".join(closing(result)))
    seen = Seen(lab, result, before, states(lab))
    assert set(seen.before) == {"lvs1", "lvs2", "rs1", "rs2", "client"}
    return seen


def inconclusive(result: FaultResult) -> bool:
    verdicts = (result.verdict, result.verdict_takeover)
    return any(v is not None and v.outcome == "inconclusive" for v in verdicts)


def check(seen: Seen) -> None:
    """What holds for every fault: within its bound, and no trace of it afterwards."""
    result = seen.result
    assert result.verdict.outcome == "within", result.verdict
    if result.verdict_takeover is not None:
        assert result.verdict_takeover.outcome == "within", result.verdict_takeover
    for name, was in seen.before.items():
        assert seen.after[name] == was, name
    status = lab_status(seen.lab)
    assert status.healthy, status.reasons
    assert list(result.holds_now.values()) == [("lvs1",)]


#: Fault -> (who holds the VIP in its kernel while the fault lasts, the client loses the VIP).
DIRECTOR = {
    "link-down": (("lvs2",), True),
    "keepalived-stop": (("lvs2",), True),
    "keepalived-kill": (("lvs2",), True),
    "keepalived-crash": (("lvs1", "lvs2"), False),
    "freeze": (("lvs1", "lvs2"), False),
    "power-off": (("lvs2",), True),
}
#: Fault -> how a request to the real server fails while it is still in the table.
REAL_SERVER = {
    # Those it was working on when it was told to stop are reset, or closed without an answer.
    "httpd-stop": {"refused", "reset", "bad"},
    "link-down": {"timeout", "late"},
    "freeze": {"timeout", "late"},
    "power-off": {"timeout", "late", "reset"},
}


def test_every_fault_there_is_has_its_test():
    here = Path(__file__).parent
    parts = (here / f"test_faults_{m}.py" for m in ("within", "beside", "outside"))
    others = "".join(part.read_text() for part in parts)
    untested = {
        f.name
        for f in (*faults_for("director"), *faults_for("real-server"))
        if f.name not in {*DIRECTOR, *REAL_SERVER} and f'"{f.name}"' not in others
    }
    assert untested == set()


def of_director(lab: Lab, fault: str) -> None:
    seen = play(lab, "lvs1", fault)
    check(seen)
    holders, lost = DIRECTOR[fault]
    assert seen.holders_before_heal() == holders
    taken = [
        e for e in seen.while_in() if e.kind == "addr.add" and e.node == "lvs2" and e.data["vip"]
    ]
    assert taken
    goodbye = [
        e
        for e in seen.while_in()
        if e.kind == "vrrp.advert" and e.node == "lvs1" and e.data["priority"] == 0
    ]
    assert bool(goodbye) == (fault in ("keepalived-stop", "keepalived-kill"))
    promise = seen.result.run.promise
    assert promise is not None
    # Of less than SILENCE the client may notice nothing: its packets wait out the ARP of the
    # director that has lost the VIP, and are answered in time.
    if lost and promise.lower > SILENCE:
        assert seen.result.outage is not None
    (spans,) = seen.result.holders.values()
    assert bool([s for s in contested(spans) if s.end > taken[0].t]) or lost


in_the_article = pytest.mark.parametrize("a_lab", [SLOW], ids=["lvs-dr"], indirect=True)
in_the_fast_one = pytest.mark.parametrize("a_lab", [QUICK], ids=["fast"], indirect=True)


@in_the_article
@pytest.mark.parametrize("fault", ["link-down", "keepalived-stop"])
def test_of_the_active_director_in_the_article(a_lab: Lab, fault: str):
    of_director(a_lab, fault)


@in_the_fast_one
@pytest.mark.parametrize("fault", DIRECTOR)
def test_of_the_active_director(a_lab: Lab, fault: str):
    of_director(a_lab, fault)


@in_the_fast_one
def test_of_the_idle_director_costs_nothing(a_lab: Lab):
    seen = play(a_lab, "lvs2", "link-down")
    check(seen)
    assert seen.result.outage is None
    assert seen.holders_before_heal() == ("lvs1",)


@in_the_fast_one
@pytest.mark.parametrize("fault", REAL_SERVER)
def test_of_a_real_server(a_lab: Lab, fault: str):
    seen = play(a_lab, "rs1", fault)
    check(seen)
    # Both directors took it out of their tables, and put it back after the heal.
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    heal_t = seen.result.heal_t
    assert heal_t is not None
    back = {
        e.node
        for e in seen.result.events
        if e.kind == "lvs.rs" and e.t > heal_t and e.data["state"].upper() == "UP"
    }
    assert back == {"lvs1", "lvs2"}
    # The VIP did not move, the other one went on serving, and only requests to rs1 failed.
    assert seen.holders_before_heal() == ("lvs1",)
    found = seen.result.disturbance
    assert found is not None
    assert set(found.by_result) <= REAL_SERVER[fault] | {"late"}
    assert not found.total or found.requests == 1
    assert seen.result.readings[0].shares["rs2"] > 0
