"""``lvslab curl``."""

from __future__ import annotations

from statistics import median
from typing import Annotated

import typer

from lvslab.cli.labs import opened
from lvslab.cli.session import Session
from lvslab.cli.target import VipOption
from lvslab.cli.verb import LOOK, verb


@verb(panel=LOOK, json=True, order=5)
def curl(
    s: Session,
    count: Annotated[int, typer.Option("-n", min=1, max=10000, help="How many requests.")] = 1,
    vip: VipOption = None,
) -> int:
    """Send requests through the VIP, one after the other; ends with 1 if any failed."""
    from lvslab.lab.answers import ask, virtual_server

    with opened(s) as lab:
        vs = virtual_server(lab.spec, vip)
        client = lab.a_client()
        with s.progress.step(f"{count} requests from {client.name} to {vs.key}"):
            answers = ask(lab, client, vs, count)
    total = len(answers.results)
    s.out.data(
        {
            "vip": vs.key,
            "client": client.name,
            "requests": total,
            "served_by": answers.served_by,
            "failed": answers.failed,
            "results": answers.results,
        }
    )
    rows: list[tuple[object, ...]] = [
        (name, len(ms), f"{len(ms) / total:.0%}", f"{median(ms):.1f} ms")
        for name, ms in answers.milliseconds.items()
    ]
    rows += [(f"failed: {kind}", n, f"{n / total:.0%}", None) for kind, n in answers.failed.items()]
    s.out.table(("ANSWERED BY", "REQUESTS", "SHARE", "MEDIAN"), rows)
    s.out.next("lvslab ipvs", f"lvslab fail {lab.spec.directors[0].name}")
    return 1 if answers.failed else 0
