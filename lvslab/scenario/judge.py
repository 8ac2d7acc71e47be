"""From a history to its verdict: pure, and the same on any machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lvslab.scenario import expectations
from lvslab.scenario.expectations.model import Check
from lvslab.scenario.history import History
from lvslab.scenario.seen import Seen, see

Verdict = Literal["pass", "fail", "inconclusive", "aborted"]
#: What the command line ends with (docs/exit-codes.md); of several, the first that occurs.
EXIT: dict[Verdict, int] = {"pass": 0, "fail": 1, "inconclusive": 2, "aborted": 3}
_WORST: tuple[Verdict, ...] = ("aborted", "fail", "inconclusive", "pass")


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """One run, judged."""

    history: History
    seen: Seen
    checks: tuple[Check, ...]
    verdict: Verdict
    #: Why there is no verdict on the expectations; empty where there is one.
    why: str = ""


def judge(history: History) -> ScenarioResult:
    """Hold a run to what its scenario expects."""
    seen = see(history)
    checks = tuple(expectations.judge(s, seen) for s in history.scenario.expect)
    if history.ending == "aborted":
        return ScenarioResult(history, seen, checks, "aborted", history.why)
    if history.ending == "unsteady":
        return ScenarioResult(history, seen, checks, "inconclusive", history.why)
    outcomes = {c.outcome for c in checks}
    verdict: Verdict = (
        "fail" if "fail" in outcomes else "inconclusive" if "inconclusive" in outcomes else "pass"
    )
    return ScenarioResult(history, seen, checks, verdict)


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the verdict of several runs together."""
    return next((v for v in _WORST if v in verdicts), "pass")
