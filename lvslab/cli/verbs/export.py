"""``lvslab export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lvslab.cli.session import Session
from lvslab.cli.topologies import TopologyArgument, choose
from lvslab.cli.verb import FILES, verb


@verb(panel=FILES, json=True, order=40, lab_help="Name of the lab (default: the topology's).")
def export(
    s: Session,
    topology: TopologyArgument = None,
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where to (default: NAME-export)."),
    ] = None,
    interface: Annotated[
        str, typer.Option(help="What the machines call the interface that carries the VIP.")
    ] = "eth0",
    inside_interface: Annotated[
        str | None,
        typer.Option(
            help="With NAT, what the directors call the one to the real servers (default: eth1)."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder with files.")] = False,
) -> None:
    """Write a topology as files for real machines, Ansible and Compose. Runs nothing."""
    from lvslab.export import export as export_of
    from lvslab.export.write import write
    from lvslab.resources import data_dir

    chosen = choose(topology, lab=s.named_lab)
    dockerfile = (data_dir("dockerfiles") / "node/Dockerfile").read_text(encoding="utf-8")
    files = export_of(
        chosen.spec,
        dockerfile=dockerfile,
        interface=interface,
        inside_interface=inside_interface,
    )
    target = folder or Path(f"{chosen.spec.name}-export")
    write(files, target, force=force)
    s.out.data({"folder": str(target), "files": [str(f.path) for f in files]})
    s.out.line(f"wrote {len(files)} files of {chosen.title} to {target}")
    for file in files:
        s.out.text(f"  {file.path}")
    s.out.next(f"less {target / 'CHECKLIST.md'}", f"cd {target} && docker compose up -d --build")
