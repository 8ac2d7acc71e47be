"""Which virtual server is meant."""

from __future__ import annotations

from typing import Annotated

import typer

VipOption = Annotated[
    str | None,
    typer.Option(
        "--vip",
        metavar="VIP[:PORT[/udp]]",
        help="Which virtual server (default: the first).",
        show_default=False,
    ),
]
