"""Prove by packets what a configuration promises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lvslab.cli.labs import opened
from lvslab.cli.output import to_json
from lvslab.cli.session import Session
from lvslab.cli.target import VipOption
from lvslab.cli.verb import LOOK, verb
from lvslab.errors import USAGE, LvslabError

if TYPE_CHECKING:
    from lvslab.prove.capture import Recorded
    from lvslab.topology.spec import Forwarding


class CaptureFolderError(LvslabError):
    """The folder for the captures cannot be written."""

    exit_code = USAGE


CountOption = Annotated[
    int | None,
    typer.Option("-n", min=1, max=1000, help="How many requests (default: 3 a real server)."),
]
WriteOption = Annotated[
    Path | None,
    typer.Option(
        "-w", "--write", metavar="FOLDER", help="Keep the captures there.", show_default=False
    ),
]


@verb(panel=LOOK, group="prove", name="dr", json=True, order=60)
def dr(
    s: Session, vip: VipOption = None, count: CountOption = None, write: WriteOption = None
) -> int:
    """Prove direct routing, hop by hop, from captures on all nodes at once.

    Ends with 1 when it is broken, and says where.
    """
    return _prove(s, "DR", vip, count, write)


@verb(panel=LOOK, group="prove", name="nat", json=True, order=61)
def nat(
    s: Session, vip: VipOption = None, count: CountOption = None, write: WriteOption = None
) -> int:
    """Prove NAT, hop by hop, there and back through the director.

    Ends with 1 when it is broken, and says where.
    """
    return _prove(s, "NAT", vip, count, write)


@verb(panel=LOOK, group="prove", name="tun", json=True, order=62)
def tun(
    s: Session, vip: VipOption = None, count: CountOption = None, write: WriteOption = None
) -> int:
    """Prove a tunnel (IPIP), hop by hop, and the answers past the director.

    Ends with 1 when it is broken, and says where.
    """
    return _prove(s, "TUN", vip, count, write)


def _prove(
    s: Session, forwarding: Forwarding, vip: str | None, count: int | None, write: Path | None
) -> int:
    from lvslab.lab.answers import virtual_server
    from lvslab.prove.capture import record
    from lvslab.prove.judge import judge, read
    from lvslab.report import prove as report

    with opened(s) as lab:
        vs = virtual_server(lab.spec, vip, http=True)
        wanted = count or max(4, 3 * len(vs.members))
        with s.progress.step(f"{wanted} requests to {vs.key}, captured on every node"):
            recorded = record(lab, vs, wanted, forwarding=forwarding)
    if write is not None:
        _keep(write, recorded)
    proof = judge(recorded.setting, read(recorded.pcaps))
    s.out.data(report.to_dict(proof))
    for line in report.arp_lines(proof):
        s.out.line(line)
    for one in proof.servers:
        s.out.text()
        s.out.line(report.title(one))
        if one.path:
            s.out.table(report.COLUMNS, report.rows(one))
    s.out.text()
    s.out.line(report.headline(proof))
    for broken in proof.breaks:
        s.out.line(f"  {report.line(broken)}")
    if not proof.proved and vs.forwarding != forwarding:
        s.out.line(f"the topology says {vs.forwarding}: lvslab prove {vs.forwarding.lower()}")
    s.out.next("lvslab curl -n 10" if proof.proved else "lvslab status")
    return 0 if proof.proved else 1


def _keep(folder: Path, recorded: Recorded) -> None:
    """Write each node's pcap, and what is to be known to judge them again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for node, data in recorded.pcaps.items():
            (folder / f"{node}.pcap").write_bytes(data)
        (folder / "setting.json").write_text(to_json(recorded.setting.to_json()) + "\n")
    except OSError as error:
        raise CaptureFolderError(
            f"cannot be written: {error.strerror}", where=str(folder), fix="give another folder"
        ) from error
