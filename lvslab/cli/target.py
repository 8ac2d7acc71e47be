"""Which virtual server is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from lvslab.errors import NotFoundError

if TYPE_CHECKING:
    from lvslab.topology.spec import TopologySpec, VirtualServerSpec

VipOption = Annotated[
    str | None,
    typer.Option(
        "--vip",
        metavar="VIP[:PORT]",
        help="Which virtual server (default: the first).",
        show_default=False,
    ),
]


def virtual_server(spec: TopologySpec, wanted: str | None) -> VirtualServerSpec:
    """Return the TCP virtual server of that VIP (and port), or the first.

    Raises NotFoundError.
    """
    tcp = [vs for vs in spec.virtual_servers if vs.protocol == "TCP"]
    for vs in tcp:
        if wanted in (None, str(vs.vip), vs.key):
            return vs
    what = f"has no virtual server {wanted}" if wanted else "has no TCP virtual server"
    raise NotFoundError(
        f"lab {spec.name!r} {what}",
        fix=f"there are: {', '.join(vs.key for vs in tcp)}" if tcp else None,
    )
