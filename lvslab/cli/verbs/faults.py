"""``lvslab faults``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lvslab.cli import complete
from lvslab.cli.session import Session
from lvslab.cli.verb import FAULTS, verb

if TYPE_CHECKING:
    from lvslab.faults.model import Fault


@verb(panel=FAULTS, json=True, order=30)
def faults(
    s: Session,
    fault: Annotated[
        str | None,
        typer.Argument(
            metavar="[FAULT]",
            autocompletion=complete.faults,
            help="Say all about this one: its parameters, what should happen, and why.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """List the faults that can be injected, and on what; or say all about one."""
    from lvslab.faults.registry import all_faults, get

    if fault is not None:
        _all_about(s, get(fault))
        return
    known = all_faults().values()
    s.out.data([_described(f) for f in known])
    rows = [
        (
            f.name,
            [f"{r} (default)" if r in f.default_for else r for r in sorted(f.roles)],
            f.summary,
            list(f.params.model_fields),
        )
        for f in known
    ]
    s.out.table(("FAULT", "ON", "WHAT IT DOES", "PARAMETERS"), rows)
    s.out.next("lvslab faults FAULT", "lvslab fail NODE [FAULT] [-p KEY=VALUE]")


def _all_about(s: Session, fault: Fault) -> None:
    told = _described(fault)
    s.out.data(told)
    s.out.text(f"{fault.name}: {fault.summary}")
    for one in told["parameters"]:
        takes = f"{one['takes']}, " if one["takes"] else ""
        s.out.text(f"  -p {one['name']}=... ({takes}default {one['default']}): {one['what']}")
    for role in sorted(fault.roles):
        s.out.text(f"on a {role}: {fault.expect[role]}")
        if role in fault.lesson:
            s.out.text(f"  {fault.lesson[role]}")
    if fault.or_else:
        s.out.text(f"where it is refused, the default is: {', '.join(fault.or_else)}")
    s.out.next(f"lvslab fail NODE {fault.name}")


def _described(fault: Fault) -> dict[str, Any]:
    return {
        "name": fault.name,
        "summary": fault.summary,
        "roles": fault.roles,
        "default_for": fault.default_for,
        "or_else": fault.or_else,
        "expect": fault.expect,
        "parameters": [
            {
                "name": name,
                "takes": _takes(schema),
                "default": schema.get("default"),
                "what": " ".join(str(schema.get("description", "")).split()),
            }
            for name, schema in fault.params.model_json_schema().get("properties", {}).items()
        ],
    }


def _takes(schema: dict[str, Any]) -> str:
    """Return what a parameter may be, in words."""
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum")
    return f"{low} to {high}" if low is not None and high is not None else ""
