"""``lvslab fail`` and ``lvslab heal``."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lvslab.cli import complete
from lvslab.cli.duration import for_option
from lvslab.cli.labs import opened
from lvslab.cli.pairs import pairs
from lvslab.cli.session import Session
from lvslab.cli.verb import FAULTS, NodeArgument, SomeNodeArgument, verb
from lvslab.errors import LvslabError
from lvslab.resources import state_dir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lvslab.lab import Lab
    from lvslab.timeline.events import Event
    from lvslab.timeline.result import FaultResult


@verb(panel=FAULTS, json=True, order=10)
def fail(
    s: Session,
    node: NodeArgument,
    fault: Annotated[
        str | None,
        typer.Argument(
            metavar="[FAULT]",
            autocompletion=complete.faults,
            help="What to do to it (default: link-down; for a real server httpd-stop, or dns-stop "
            "or udp-stop where it has no web server).",
            show_default=False,
        ),
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option(
            "-p",
            metavar="KEY=VALUE",
            help="A parameter of the fault; may be given again ('lvslab faults FAULT').",
        ),
    ] = None,
    for_: Annotated[
        float | None, for_option("Heal it after so long, and watch the way back, too")
    ] = None,
    no_watch: Annotated[
        bool, typer.Option("--no-watch", help="Only inject: no probe, no figures.")
    ] = False,
    history: Annotated[
        Path | None,
        typer.Option(
            "--history",
            metavar="FILE",
            help="Where all that was recorded goes (default: last-fail.jsonl in the state folder).",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Break a node, watch from the client, and measure the outage against its bound.

    With --for it is healed after so long, and the way back is watched too. What was recorded is
    kept: 'lvslab report FILE --html report.html' draws it.
    """
    from lvslab.faults.registry import choose
    from lvslab.observe.session import inject_only, run_fault
    from lvslab.report.json import to_dict
    from lvslab.report.terminal import closing

    if no_watch and for_ is not None:
        raise typer.BadParameter("--for watches the way back: not with --no-watch")
    given = pairs(params or [], "-p")
    with opened(s) as lab:
        if no_watch:
            chosen = inject_only(lab, node, fault, given)
            s.out.data({"node": node, "fault": chosen.name})
            s.out.text(f"{chosen.name} is in {node}")
        else:
            choose(lab.spec, node, fault, given)
            s.out.text(f"[dim]{lab.name}: waiting until all is steady, then a random moment[/]")
            with telling(s) as tell:
                result = run_fault(lab, node, fault, params=given, hold=for_, on_event=tell)
            kept = _keep(lab, result, given, history)
            s.out.data(to_dict(result) | {"history": kept})
            for text in ("", *closing(result)):
                s.out.reading(text)
    draw = [] if no_watch else [f"lvslab report {shlex.quote(str(kept))} --html report.html"]
    s.out.next(f"lvslab heal {node}" if for_ is None else "lvslab status", *draw)
    return 0 if no_watch or result.held else 1


def _keep(lab: Lab, result: FaultResult, params: Mapping[str, Any], where: Path | None) -> Path:
    """Write the history of a run; return where. Raises LvslabError."""
    from lvslab.scenario.setting import made_with
    from lvslab.scenario.single import history_of

    path = where or state_dir() / "last-fail.jsonl"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        history_of(result, lab.spec, made_with(lab), params).write(path)
    except OSError as error:
        raise LvslabError(
            f"cannot be written: {error.strerror}", where=str(path), fix="name another --history"
        ) from error
    return path


@contextmanager
def telling(s: Session) -> Iterator[Callable[[Event], None]]:
    """Give what prints a run's events as they come, with the time since the fault."""
    from lvslab.report.terminal import Teller

    teller = Teller()

    def put(lines: list[str]) -> None:
        for text in lines:
            s.out.reading(text)

    try:
        yield lambda event: put(teller.tell(event))
    finally:
        put(teller.rest())


@verb(panel=FAULTS, json=True, order=20)
def heal(
    s: Session,
    node: SomeNodeArgument = None,
) -> None:
    """Undo every fault in a node, or in all: back to exactly what was there."""
    from lvslab.observe.healing import heal as undo

    with opened(s) as lab, s.progress.step(f"healing {node or 'every node'}"):
        done = undo(lab, node)
    s.out.data({"healed": done})
    for one in done:
        what = ", ".join(one.faults) or "nothing else"
        s.out.text(f"{one.node}: {'started again; ' if one.started else ''}healed {what}")
    if not done:
        s.out.text("there was nothing to heal")
    s.out.next("lvslab status", "lvslab fail NODE [FAULT]")
