"""``lvslab demo``: the three failures of the article, measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from lvslab.cli.labs import opened
from lvslab.cli.session import Session
from lvslab.cli.topologies import choose
from lvslab.cli.verb import LAB, verb
from lvslab.cli.verbs.doctor import examine
from lvslab.cli.verbs.fail import telling
from lvslab.cli.verbs.teardown import tear_down
from lvslab.cli.verbs.up import bring_up
from lvslab.errors import EngineError, LabError

if TYPE_CHECKING:
    from lvslab.lab import Lab
    from lvslab.timeline.result import FaultResult, Verdict
    from lvslab.timeline.run import Promise, Run

NAME = "demo"
#: Seconds that the link stays down: long enough for the checks of the director without a link
#: to have failed, so that it comes back with an empty table (design.md: a second outage).
LINK_DOWN = 15.0
#: How often an inconclusive reading (a busy machine) is taken again. One that is outside its
#: bound never is.
AGAIN = 2


@dataclass(frozen=True, slots=True)
class Act:
    """One failure of the demo."""

    title: str
    #: None: the director that holds the VIP at that moment.
    node: str | None
    fault: str
    #: Healed after so many seconds; None: once the outcome has settled.
    hold: float | None = None


ACTS = (
    Act("a web server stops", "rs1", "httpd-stop"),
    Act("the active director's link is lost", None, "link-down", LINK_DOWN),
    Act("keepalived is stopped (SIGTERM)", None, "keepalived-stop"),
    Act("keepalived is killed (SIGKILL)", None, "keepalived-kill"),
)


@verb(panel=LAB, json=True, order=5, lab_help=f"Name of its lab (default: {NAME}).")
def demo(
    s: Session,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up at the end.")] = False,
) -> int:
    """From nothing to three failures measured, each against its bound; then tidy up.

    Ends with 0 only if everything that must hold did.
    """
    from lvslab.report.json import to_dict

    name = s.named_lab = s.named_lab or NAME
    told = Session(engine=s.choice, lab=name, verbose=s.verbose, quiet=s.out.as_json)
    _title(told, "what this machine has")
    if examine(told) is None:
        raise EngineError("no engine can be used", fix="lvslab doctor says what to do")
    results: list[tuple[Act, FaultResult]] = []
    try:
        _title(told, "a lab comes up")
        bring_up(told, choose("lvs-dr", lab=name))
        with opened(told) as lab:
            for act in ACTS:
                _title(told, act.title)
                results.append((act, _play(told, lab, act)))
    finally:
        if not keep:
            tear_down(told, name)
    good = all(result.held for _, result in results)
    measured = [{"title": act.title, **to_dict(result)} for act, result in results]
    s.out.data({"held": good, "failures": measured})
    _title(told, "what was seen")
    s.out.table(
        ("FAILURE", "NODE", "MEASURED", "PROMISED", "VERDICT"),
        (row for act, result in results for row in _rows(act, result)),
    )
    s.out.text("[green]everything held[/]" if good else "[red]not everything held[/]")
    s.out.next("lvslab up", "lvslab fail lvs1 --for 10s", "lvslab faults")
    return 0 if good else 1


def _play(s: Session, lab: Lab, act: Act) -> FaultResult:
    """Inject one failure, watch it and the way back, and show both."""
    from lvslab.observe.session import run_fault
    from lvslab.report.terminal import closing

    for more in range(AGAIN, -1, -1):
        node = act.node or _holder(lab)
        with telling(s) as tell:
            result = run_fault(
                lab, node, act.fault, hold=act.hold, then_heal=act.hold is None, on_event=tell
            )
        for line in ("", *closing(result)):
            s.out.reading(line)
        if result.verdict.outcome != "inconclusive" or not more:
            break
        s.out.text("\n[yellow]that reading was disturbed and says nothing: once more[/]\n")
    return result


def _holder(lab: Lab) -> str:
    """Return the director that holds the VIP now. Raises LabError."""
    from lvslab.lab import lab_status

    for director in lab_status(lab).directors:
        if director.holds:
            return director.name
    raise LabError(f"no director of lab {lab.name} holds a VIP", fix="lvslab status")


def _rows(act: Act, result: FaultResult) -> Iterator[tuple[object, ...]]:
    run = result.run
    yield act.title, run.node, *_measured(run, run.promise, result.verdict)
    if result.verdict_takeover is not None:
        takeover = _measured(run, run.promise_takeover, result.verdict_takeover)
        yield "  the VIP taken over", run.node, *takeover
    if result.verdict_back is not None:
        title = "  its return: the second outage" if act.fault == "link-down" else "  its return"
        yield title, run.node, *_measured(run, run.promise_back, result.verdict_back)


def _measured(run: Run, promise: Promise | None, verdict: Verdict) -> tuple[object, ...]:
    measured = None if verdict.measured is None else f"{verdict.measured:.3f} s"
    if measured and verdict.resolution:
        measured += f" ± {verdict.resolution:.3f}"
    promised = promise and (
        f"{promise.lower:.3f} to {promise.upper:.3f} s, ± {run.allowance:g} ({promise.quantity})"
    )
    why = f": {'; '.join(verdict.reasons)}" if verdict.reasons else ""
    return measured, promised, verdict.outcome + why


def _title(s: Session, text: str) -> None:
    s.out.text(f"\n[bold]== {text}[/]")
