"""Shell completion: fast, from local files alone. It never raises and never starts anything."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from lvslab import record


def labs(incomplete: str) -> list[str]:
    """Complete the name of a lab that this user brought up."""
    return _starting(record.load_all(), incomplete)


def _nodes_of(ctx: typer.Context) -> dict[str, str]:
    known = record.load_all()
    root = ctx.find_root()
    named = ctx.params.get("lab") or root.params.get("lab")
    chosen = [known[named]] if named in known else list(known.values())
    return {name: role for one in chosen for name, role in one.nodes.items()}


def nodes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete the name of a node of the lab (of every lab, if none was named)."""
    return _starting(_nodes_of(ctx), incomplete)


def faults(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Complete the name of a fault that makes sense on the node given before it."""
    from lvslab.errors import FaultError
    from lvslab.faults.registry import all_faults

    try:
        known = all_faults()
    except (FaultError, ImportError):
        return []
    role = _nodes_of(ctx).get(str(ctx.params.get("node")))
    return [
        (fault.name, fault.summary)
        for fault in known.values()
        if fault.name.startswith(incomplete) and (role is None or role in fault.roles)
    ]


def scenarios(incomplete: str) -> list[str]:
    """Complete the name of a scenario that ships with lvslab."""
    from lvslab.errors import NotFoundError
    from lvslab.resources import data_dir

    try:
        return _starting((p.stem for p in data_dir("scenarios").glob("*.yaml")), incomplete)
    except (NotFoundError, OSError):
        return []


def topologies(incomplete: str) -> list[str]:
    """Complete the name of a topology that ships with lvslab (paths: the shell's own)."""
    from pathlib import Path

    from lvslab.errors import NotFoundError
    from lvslab.resources import data_dir

    try:
        shipped = [p.stem for p in data_dir("topologies").glob("*.yaml")]
    except (NotFoundError, OSError):
        shipped = []
    try:
        here = [str(p) for p in Path().glob(f"{incomplete}*.yaml")]
    except (OSError, ValueError, NotImplementedError):
        here = []
    return _starting([*here, *shipped], incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(n for n in names if n.startswith(incomplete))
