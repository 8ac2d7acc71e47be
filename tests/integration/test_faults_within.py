"""The faults that lie inside the nodes: what each really does, and no trace of it afterwards.

One lab, played by one fault after the other; each leaves every node as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from lvslab.lab import Lab, lab_status
from lvslab.observe.session import run_fault
from lvslab.report.terminal import closing, line
from lvslab.timeline.events import Event
from lvslab.timeline.result import FaultResult, removal_times

from .proofs import in_node, opened

pytestmark = pytest.mark.engine

#: Seconds for an agent to record a node's state on a busy emulated machine.
STATE = 60.0
CONFIGURATION = "/etc/keepalived/keepalived.conf /etc/lvslab/httpd.conf"


@pytest.fixture(scope="module")
def lab(built: None) -> Iterator[Lab]:
    with opened("lvs-dr-fast", "fast") as made:
        yield made


@dataclass(frozen=True)
class Seen:
    """What a fault did, from its injection to its heal."""

    lab: Lab
    node: str
    result: FaultResult

    def events(self, kind: str, node: str | None = None, **data: Any) -> list[Event]:
        """Return what happened between fault and heal."""
        result = self.result
        assert result.heal_t is not None
        return [
            e
            for e in result.events
            if e.kind == kind
            and result.fault_t <= e.t < result.heal_t
            and node in (None, e.node)
            and all(e.data.get(key) == value for key, value in data.items())
        ]

    def answers(self, after: float = 0.0) -> list[Event]:
        """Return the requests that were begun so long after the fault, and before the heal."""
        since, until = self.result.fault_t + after, self.result.heal_t
        assert until is not None
        kind = "probe.result"
        # A second before the heal at the latest: a later one may be answered because of it.
        return [e for e in self.events(kind) if since <= e.data["start"] < until - 1.0]

    def holders(self) -> list[tuple[str, ...]]:
        """Return who had the VIP, in turn, from just before the fault to the heal."""
        (spans,) = self.result.holders.values()
        until = self.result.heal_t
        assert until is not None
        return [s.holders for s in spans if s.end > self.result.fault_t and s.start < until]


def files(lab: Lab, node: str) -> str:
    return in_node(lab, node, "sh", "-c", f"cat {CONFIGURATION} 2>/dev/null; ls /etc/lvslab")


def states(lab: Lab) -> dict[str, Any]:
    """Return what a fault must leave as it was."""
    asked = {n: node.link().request("state", timeout=STATE) for n, node in lab.nodes.items()}
    return {n: (state, files(lab, n)) for n, state in asked.items()}


def play(lab: Lab, node: str, fault: str, hold: float = 5.0, **params: Any) -> Seen:
    """Inject a fault, heal it, and prove that nothing of it is left."""
    before = states(lab)
    result = run_fault(lab, node, fault, params=params, hold=hold)
    told = (line(e, result.fault_t) for e in result.events)
    print("\n".join(text for text in told if text))
    print("\n".join(closing(result)))
    after = states(lab)
    for name, was in before.items():
        assert after[name] == was, name
    status = lab_status(lab)
    assert status.healthy, status.reasons
    assert list(result.holds_now.values()) == [("lvs1",)]
    return Seen(lab, node, result)


def failed(answers: list[Event]) -> list[Event]:
    return [e for e in answers if e.data["result"] != "ok"]


def test_a_hung_web_server_is_removed_though_it_accepts(lab: Lab):
    seen = play(lab, "rs1", "httpd-hang")
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    assert {e.data["result"] for e in failed(seen.answers())} == {"timeout"}
    assert not failed(seen.answers(after=3.0))


def test_a_slow_web_server_is_slow_and_stays(lab: Lab):
    seen = play(lab, "rs1", "httpd-slow", delay=0.3)
    assert not removal_times(seen.result)
    address = next(str(r.address) for r in lab.spec.real_servers if r.name == "rs1")
    slow = [e for e in seen.answers(after=1.5) if e.data["server"] == address]
    assert slow
    assert all(e.data["end"] - e.data["start"] >= 0.3 for e in slow)


def test_a_wrong_status_is_removed_without_a_wait(lab: Lab):
    seen = play(lab, "rs1", "httpd-status", status=503)
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    kinds = [e.data["result"] for e in failed(seen.answers())]
    # Some wait for httpd to have read its file, and a graceful restart may drop one that it had.
    assert set(kinds) <= {"bad", "late", "reset"}
    assert kinds.count("bad") > 0.8 * len(kinds)
    assert not failed(seen.answers(after=3.0))


def test_a_flapping_web_server_goes_and_comes(lab: Lab):
    seen = play(lab, "rs1", "httpd-flap", hold=14.0, down=2.5, up=2.5)
    for state in ("DOWN", "UP"):
        assert len(seen.events("lvs.rs", "lvs1", state=state)) >= 2, state
    assert failed(seen.answers())


def test_a_drained_real_server_gets_nothing_and_nothing_fails(lab: Lab):
    seen = play(lab, "rs1", "drain")
    address = next(str(r.address) for r in lab.spec.real_servers if r.name == "rs1")
    for director in ("lvs1", "lvs2"):
        (change,) = seen.events("ipvs", director, server=address)
        assert (change.data["change"], change.data["weight"]) == ("weight", 0)
    assert not failed(seen.answers())
    assert address not in {e.data["server"] for e in seen.answers(after=2.0)}
    assert not removal_times(seen.result)


def test_a_reload_moves_nothing(lab: Lab):
    seen = play(lab, "lvs1", "reload")
    assert seen.holders() == [("lvs1",)]
    assert not failed(seen.answers())
    assert [e for e in seen.events("log", "lvs1") if "Reload" in e.data["text"]]


@pytest.mark.parametrize("child", ["vrrp", "checkers"])
def test_a_killed_child_is_started_again(lab: Lab, child: str):
    seen = play(lab, "lvs1", "keepalived-child-kill", child=child)
    assert not seen.events("service.exited", "lvs1")
    assert [e for e in seen.events("log", "lvs1") if "espawn" in e.data["text"]]


def test_a_real_server_without_the_vip_answers_checks_and_nobody_else(lab: Lab):
    seen = play(lab, "rs1", "rs-without-vip")
    assert not removal_times(seen.result)
    lost = failed(seen.answers())
    # Its kernel sends them back, to and fro, until their TTL is used up: an ICMP says so, rarely.
    assert {"timeout"} <= {e.data["result"] for e in lost} <= {"timeout", "unreachable", "late"}
    assert 0.4 <= len(lost) / len(seen.answers()) <= 0.6


def test_a_wrong_mask_on_lo_takes_it_away_from_everyone(lab: Lab):
    seen = play(lab, "rs1", "lo-mask")
    assert set(removal_times(seen.result)) == {"lvs1", "lvs2"}
    assert not failed(seen.answers(after=3.0))


def test_a_starved_director_loses_and_regains_the_vip(lab: Lab):
    seen = play(lab, "lvs1", "cpu-starve", hold=8.0, stalled=1.5, running=1.5)
    # Its kernel keeps the VIP all along.
    assert set(seen.holders()) == {("lvs1",), ("lvs1", "lvs2")}
    assert len([h for h in seen.holders() if h == ("lvs1", "lvs2")]) >= 2


@pytest.mark.parametrize("node", ["lvs1", "rs1"])
def test_a_node_that_reboots_is_back_by_itself(lab: Lab, node: str):
    seen = play(lab, node, "reboot", hold=20.0, down=4.0)
    assert seen.result.verdict.outcome == "within", seen.result.verdict
    assert seen.result.heal_t is not None
    down = seen.result.heal_t - seen.result.fault_t
    # Not healed when it was told to be, but when it booted.
    assert 4.0 <= down < 20.0
