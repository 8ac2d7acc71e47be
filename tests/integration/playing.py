"""A fault in a lab that other tests will use too: played, healed, and no trace of it left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lvslab.lab import Lab, lab_status
from lvslab.observe.session import run_fault
from lvslab.report.terminal import closing, line
from lvslab.timeline.events import Event
from lvslab.timeline.result import FaultResult

#: How often a reading that the probe's own lateness spoilt is taken again; one that is outside
#: its bound never is.
AGAIN = 2
#: Requests a second: half of what a user has, because the probe is most of a machine's work, and
#: another machine has the same cores.
RATE = 25.0
#: Seconds for an agent to record a node's state on a busy emulated machine.
STATE = 60.0


@dataclass(frozen=True)
class Seen:
    """What a fault did, from its injection to its heal."""

    lab: Lab
    result: FaultResult

    @property
    def healed(self) -> float:
        """When it was healed, on the engine's clock."""
        assert self.result.heal_t is not None
        return self.result.heal_t

    def events(self, kind: str, node: str | None = None, **data: Any) -> list[Event]:
        """Return what happened between fault and heal."""
        return [
            e
            for e in self.result.events
            if e.kind == kind
            and self.result.fault_t <= e.t < self.healed
            and node in (None, e.node)
            and all(e.data.get(key) == value for key, value in data.items())
        ]

    def answers(self, after: float = 0.0) -> list[Event]:
        """Return the requests that were begun so long after the fault, and before the heal."""
        since = self.result.fault_t + after
        # A second before the heal at the latest: a later one may be answered because of it.
        until = self.healed - 1.0
        return [e for e in self.events("probe.result") if since <= e.data["start"] < until]

    def holders(self) -> list[tuple[str, ...]]:
        """Return who had the VIP, in turn, from just before the fault to the heal."""
        (spans,) = self.result.holders.values()
        fault_t = self.result.fault_t
        return [s.holders for s in spans if s.end > fault_t and s.start < self.healed]


def failed(answers: list[Event]) -> list[Event]:
    return [e for e in answers if e.data["result"] != "ok"]


def states(lab: Lab) -> dict[str, dict[str, Any]]:
    """Ask every node what a fault must leave as it was, the files of its services included."""
    asked = {n: node.link().request("state", timeout=STATE) for n, node in lab.nodes.items()}
    assert all(said["files"] for name, said in asked.items() if name.startswith(("lvs", "rs")))
    return asked


def play(
    lab: Lab, node: str, fault: str, hold: float = 5.0, rate: float = RATE, **params: Any
) -> Seen:
    """Inject a fault, heal it after ``hold`` seconds, and prove that nothing of it is left."""
    before = states(lab)
    return _whole(lab, before, run_fault(lab, node, fault, params=params, hold=hold, rate=rate))


def play_out(lab: Lab, node: str, fault: str, rate: float = RATE) -> Seen:
    """The same, healed as soon as the outcome is settled, which is within its bounds.

    Again, where the machine was too busy for a reading.
    """
    before = states(lab)
    for more in range(AGAIN, -1, -1):
        result = run_fault(lab, node, fault, then_heal=True, rate=rate)
        verdicts = [v for v in (result.verdict, result.verdict_takeover) if v is not None]
        if not more or all(v.outcome != "inconclusive" for v in verdicts):
            break
        print("disturbed, once more:", *verdicts)
    seen = _whole(lab, before, result)
    assert {v.outcome for v in verdicts} == {"within"}, verdicts
    return seen


def _whole(lab: Lab, before: dict[str, dict[str, Any]], result: FaultResult) -> Seen:
    told = (line(e, result.fault_t) for e in result.events)
    print("\n".join(text for text in told if text))
    print("\n".join(closing(result)))
    after = states(lab)
    for name, was in before.items():
        assert after[name] == was, name
    status = lab_status(lab)
    assert status.healthy, status.reasons
    assert list(result.holds_now.values()) == [("lvs1",)]
    return Seen(lab, result)
