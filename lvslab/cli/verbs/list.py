"""``lvslab list``."""

from __future__ import annotations

from typing import Any

from lvslab import record
from lvslab.cli.labs import there
from lvslab.cli.session import Session
from lvslab.cli.verb import LAB, verb


@verb(panel=LAB, name="list", json=True, order=30)
def list_(s: Session) -> None:
    """List the labs there are, on every engine that answers."""
    from lvslab.engine.embedded.manager import Manager
    from lvslab.engine.select import lab_of_machine

    found: list[dict[str, Any]] = [
        {
            "lab": one.name,
            "engine": kind,
            "nodes": one.nodes,
            "running": one.running,
            "version": one.version,
        }
        for one, kind in there(s)
    ]
    machines = {lab_of_machine(m.name): m for m in Manager(s.progress).machines()}
    names = {one["lab"] for one in found}
    mute = {
        name: "its machine is being started" if m.starting else "its machine was killed"
        for name, m in machines.items()
        if name and name not in names and (m.starting or not m.running)
    }
    gone: list[dict[str, Any]] = [
        {"lab": name, "engine": "embedded", "nodes": 0, "running": 0, "version": None}
        for name in sorted(mute)
    ]
    s.out.data({"labs": found + gone})
    known = record.load_all()
    s.out.table(
        ("LAB", "ENGINE", "NODES", "RUNNING", "TOPOLOGY"),
        (
            (
                one["lab"],
                one["engine"] if one in found else f"embedded ({mute[one['lab']]})",
                one["nodes"],
                one["running"],
                known[one["lab"]].topology if one["lab"] in known else None,
            )
            for one in [*found, *gone]
        ),
    )
    if found or gone:
        s.out.next("lvslab status --lab NAME", "lvslab teardown NAME")
    else:
        s.out.next("lvslab up")
