"""``lvslab schema``."""

from __future__ import annotations

from lvslab.cli.session import Session
from lvslab.cli.verb import FILES, verb


@verb(panel=FILES, order=30)
def schema(s: Session) -> None:
    """Print the JSON schema of a topology, for editors and validators."""
    from lvslab.topology.schema import text

    s.out.raw(text())
