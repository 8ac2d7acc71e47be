"""``lvslab explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from lvslab.cli.session import Session
from lvslab.cli.verb import FILES, verb


@verb(panel=FILES, json=True, order=28)
def explain(
    s: Session,
    rule: Annotated[
        str | None,
        typer.Argument(
            metavar="[RULE]", help="LVS012, or its name. Without one: the list.", show_default=False
        ),
    ] = None,
) -> None:
    """Explain a rule of 'lvslab lint': what happens, what to do, where the claim comes from."""
    from lvslab.lint.pages import page
    from lvslab.lint.registry import all_rules, get

    chosen = [get(rule)] if rule else list(all_rules().values())
    data = [
        {
            "rule": r.id,
            "name": r.name,
            "severity": r.severity.value,
            "topic": r.topic,
            "title": r.title,
            "why": r.why,
            "fix": r.fix,
            "source": r.source,
        }
        for r in chosen
    ]
    s.out.data(data[0] if rule else data)
    if rule:
        s.out.line(page(chosen[0]).rstrip("\n"))
        return
    rows = ((r.id, r.severity.value, r.topic, r.title) for r in chosen)
    s.out.table(("RULE", "SEVERITY", "TOPIC", "WHAT IT FINDS"), rows)
    s.out.next("lvslab explain LVS020", "lvslab lint FILE")
