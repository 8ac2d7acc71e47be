"""``lvslab schema``."""

from __future__ import annotations

from typing import Annotated

import typer

from lvslab.cli.session import Session
from lvslab.cli.verb import FILES, verb


@verb(panel=FILES, order=30)
def schema(
    s: Session,
    scenario: Annotated[
        bool, typer.Option("--scenario", help="Of a scenario, instead of a topology.")
    ] = False,
) -> None:
    """Print the JSON schema of a topology or a scenario, for editors and validators."""
    if scenario:
        from lvslab.scenario import schema as of
    else:
        from lvslab.topology import schema as of  # type: ignore[no-redef]
    s.out.raw(of.text())
