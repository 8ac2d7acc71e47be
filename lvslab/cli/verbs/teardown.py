"""``lvslab teardown``."""

from __future__ import annotations

from typing import Annotated

import typer

from lvslab import record
from lvslab.cli.labs import lab_name, there
from lvslab.cli.session import EngineChoice, Session
from lvslab.cli.verb import LAB, LabArgument, verb
from lvslab.errors import NotFoundError


@verb(panel=LAB, json=True, order=40)
def teardown(
    s: Session,
    target: LabArgument = None,
    all_: Annotated[bool, typer.Option("--all", help="Every lab there is.")] = False,
) -> None:
    """Remove a lab and all that belongs to it; its topology file is not needed."""
    names = _all(s) if all_ else [target or lab_name(s)]
    removed = [name for name in names if tear_down(s, name)]
    if not removed and not all_:
        raise NotFoundError(f"there is no lab {names[0]!r}", fix="lvslab list shows what there is")
    s.out.data({"removed": removed})
    s.out.text(f"removed {', '.join(removed)}" if removed else "no lab was there")
    s.out.next("lvslab up", "lvslab list")


def _all(s: Session) -> list[str]:
    from lvslab.engine.embedded.manager import Manager
    from lvslab.engine.select import lab_of_machine

    machines = Manager(s.progress).machines() if s.choice is not EngineChoice.docker else []
    in_machines = {lab_of_machine(m.name) for m in machines}
    elsewhere = {one.name for one, _ in there(s)} | set(record.load_all())
    return sorted(name for name in in_machines | elsewhere if name)


def tear_down(s: Session, lab: str) -> bool:
    """Remove one lab from wherever it is; False when there was nothing, not even a memory."""
    from lvslab.lab import lifecycle

    return lifecycle.tear_down(lab, s.choice.value, progress=s.progress)
