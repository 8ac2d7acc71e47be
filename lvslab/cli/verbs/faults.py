"""``lvslab faults``."""

from __future__ import annotations

from lvslab.cli.session import Session
from lvslab.cli.verb import FAULTS, verb


@verb(panel=FAULTS, json=True, order=30)
def faults(s: Session) -> None:
    """List the faults that can be injected, and on what."""
    from lvslab.faults.registry import all_faults

    known = all_faults().values()
    s.out.data(
        [
            {
                "name": f.name,
                "summary": f.summary,
                "roles": f.roles,
                "default_for": f.default_for,
                "expect": f.expect,
            }
            for f in known
        ]
    )
    rows = [
        (
            f.name,
            [f"{r} (default)" if r in f.default_for else r for r in sorted(f.roles)],
            f.summary,
        )
        for f in known
    ]
    s.out.table(("FAULT", "ON", "WHAT IT DOES"), rows)
    s.out.next("lvslab fail NODE [FAULT]")
