"""``lvslab up``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lvslab import record
from lvslab.cli.session import Session
from lvslab.cli.topologies import Chosen, TopologyArgument, choose, plan_of
from lvslab.cli.verb import LAB, verb
from lvslab.errors import EngineError, NotFoundError

if TYPE_CHECKING:
    from lvslab.lab import Changes
    from lvslab.plan.model import Plan


@verb(panel=LAB, json=True, order=10, lab_help="Name of the lab (default: the topology's).")
def up(
    s: Session,
    topology: TopologyArgument = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
) -> None:
    """Bring a lab up, or to what its topology says now; ready means proven."""
    chosen = choose(topology, lab=s.named_lab)
    if dry_run:
        _tell_changes(s, chosen, _would_do(s, plan_of(chosen.spec)))
        s.out.next(f"lvslab up {topology or ''}".strip())
        return
    bring_up(s, chosen)
    s.out.next("lvslab status", "lvslab curl -n 10", f"lvslab fail {chosen.spec.directors[0].name}")


def bring_up(s: Session, chosen: Chosen) -> None:
    """Bring the lab up and say so. Raises LvslabError; Ctrl-C undoes a fresh one."""
    from lvslab.lab import lifecycle

    spec, began = chosen.spec, time.monotonic()
    plan = plan_of(spec)
    brought = lifecycle.bring_up(
        spec, plan, s.choice.value, source=str(chosen.path), progress=s.progress
    )
    brought.lab.close()
    brought.lab.engine.close()
    if brought.unsaved:
        s.out.warn(f"the lab's state was not saved: {brought.unsaved}")
    seconds = time.monotonic() - began
    info = record.load_all()[spec.name]
    s.out.data(
        {
            "lab": spec.name,
            "topology": chosen.path,
            "plan": plan.digest,
            "engine": info.engine,
            "docker_host": info.docker_host,
            "how": brought.how,
            "refused": brought.refused or None,
            "changes": brought.changes.actions,
            "seconds": round(seconds, 3),
        }
    )
    if brought.refused:
        s.out.text(f"[dim]your Docker engine was not taken: {escape(brought.refused)}[/]")
    nothing = brought.changes.nothing and brought.how in ("given", "running")
    done = "was up already" if nothing else "is up"
    s.out.text(
        f"lab [bold]{spec.name}[/] from {escape(chosen.title)} {done}, proven ready "
        f"({info.engine} engine, {_HOW[brought.how]}, {seconds:.1f} s)"
    )


_HOW = {
    "given": "your own",
    "running": "running already",
    "lab": "the whole lab restored",
    "engine": "restored",
    "boot": "booted",
}


def _would_do(s: Session, plan: Plan) -> Changes:
    """Return what ``up`` would do; no engine is started to find out."""
    from lvslab.engine.images import node_image_ref
    from lvslab.engine.select import open_engine, would_take
    from lvslab.lab import Changes, preview
    from lvslab.lab.decide import decide
    from lvslab.lab.inventory import Inventory

    try:
        engine = open_engine(s.choice_for(plan.lab).value, plan.lab, progress=s.progress)
    except (NotFoundError, EngineError):
        own = would_take(s.choice_for(plan.lab).value)
        if own is None:
            return Changes(tuple(decide(plan, Inventory(), node_image_ref)), fresh=True)
        engine = own
    try:
        return preview(engine, plan)
    finally:
        engine.close()


def _tell_changes(s: Session, chosen: Chosen, changes: Changes) -> None:
    s.out.data({"lab": chosen.spec.name, "fresh": changes.fresh, "changes": changes.actions})
    s.out.text(f"lab [bold]{chosen.spec.name}[/] from {escape(chosen.title)}: nothing was done yet")
    s.out.table(
        ("DO", "WHAT", "NAME", "BECAUSE"),
        ((a.verb, a.kind, a.name, a.why) for a in changes.actions),
    )
