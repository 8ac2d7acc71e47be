"""``lvslab curl``."""

from __future__ import annotations

from statistics import median
from typing import Annotated, Any

import typer

from lvslab.cli.labs import a_client, opened
from lvslab.cli.session import Session
from lvslab.cli.target import VipOption, virtual_server
from lvslab.cli.verb import LOOK, verb

#: Seconds that each request has.
DEADLINE = 3.0


@verb(panel=LOOK, json=True, order=5)
def curl(
    s: Session,
    count: Annotated[int, typer.Option("-n", min=1, max=10000, help="How many requests.")] = 1,
    vip: VipOption = None,
) -> int:
    """Send requests through the VIP, one after the other; ends with 1 if any failed."""
    from lvslab.lab.conditions import path_of

    with opened(s) as lab:
        vs = virtual_server(lab.spec, vip)
        client = a_client(lab)
        with s.progress.step(f"{count} requests from {client.name} to {vs.key}"):
            results: list[dict[str, Any]] = client.link().request(
                "request",
                timeout=count * DEADLINE + 10.0,
                vip=str(vs.vip),
                port=vs.port,
                path=path_of(vs),
                count=count,
                deadline=DEADLINE,
            )["results"]
        names = {str(r.address): r.name for r in lab.spec.real_servers}
    served: dict[str, list[float]] = {}
    failed: dict[str, int] = {}
    for one in results:
        if one["result"] == "ok":
            name = names.get(str(one["server"]), str(one["server"]))
            served.setdefault(name, []).append(float(one["ms"]))
        else:
            failed[one["result"]] = failed.get(one["result"], 0) + 1
    s.out.data(
        {
            "vip": vs.key,
            "client": client.name,
            "requests": len(results),
            "served_by": {name: len(ms) for name, ms in sorted(served.items())},
            "failed": failed,
            "results": results,
        }
    )
    rows: list[tuple[object, ...]] = [
        (name, len(ms), f"{len(ms) / len(results):.0%}", f"{median(ms):.1f} ms")
        for name, ms in sorted(served.items())
    ]
    rows += [(f"failed: {kind}", n, f"{n / len(results):.0%}", None) for kind, n in failed.items()]
    s.out.table(("ANSWERED BY", "REQUESTS", "SHARE", "MEDIAN"), rows)
    s.out.next("lvslab ipvs", f"lvslab fail {lab.spec.directors[0].name}")
    return 1 if failed else 0
