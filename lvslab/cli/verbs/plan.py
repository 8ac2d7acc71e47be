"""``lvslab plan``."""

from __future__ import annotations

from typing import Annotated

import typer

from lvslab.cli.session import Session
from lvslab.cli.topologies import TopologyArgument, choose, plan_of
from lvslab.cli.verb import FILES, verb


@verb(panel=FILES, json=True, order=20, lab_help="Name of the lab (default: the topology's).")
def plan(
    s: Session,
    topology: TopologyArgument = None,
    files: Annotated[bool, typer.Option("--files", help="With every rendered file.")] = False,
) -> None:
    """Show what a topology would make: networks, nodes, their files. Needs no engine."""
    from lvslab.plan import plan_dict

    chosen = choose(topology, lab=s.named_lab)
    made = plan_of(chosen.spec)
    s.out.data(plan_dict(made, files=files))
    s.out.line(f"lab {made.lab} from {chosen.title}, plan {made.digest[:12]}")
    for network in made.networks:
        s.out.text(f"network {network.name}: {network.subnet}, gateway {network.gateway}")
        for name, address in network.reserved:
            s.out.text(f"  reserved {address} ({name})")
    s.out.text()
    s.out.table(
        ("NODE", "ROLE", "ADDRESS", "DEBIAN", "CAPABILITIES", "SYSCTLS"),
        (
            (
                n.name,
                n.role,
                [str(i.address) for i in n.interfaces],
                n.debian,
                n.cap_add,
                [f"{key}={value}" for key, value in n.sysctls],
            )
            for n in made.nodes
        ),
    )
    if files and s.out.tells:
        for node in made.nodes:
            for file in node.files:
                if not file.path.startswith("/opt/"):  # The agent's own code is no news.
                    s.out.raw(f"\n# {node.name}:{file.path}")
                    s.out.raw(file.content.decode("utf-8", "replace"))
    s.out.text()
    more = () if files else (f"lvslab plan {topology or ''} --files".replace("  ", " "),)
    s.out.next(f"lvslab up {topology or ''}".strip(), *more)
