"""What no rule of lint's own has found, and keepalived's test complains of."""

from __future__ import annotations

from lvslab.lint.model import Rule, Severity

KEEPALIVED_SAYS = Rule(
    id="LVS900",
    name="keepalived-says",
    severity=Severity.WARNING,
    topic="syntax",
    title="keepalived -t complains, and no rule says why",
    why="Where an engine is there, keepalived itself is asked in a container, with the interfaces "
    "that the file names. This is a line of its answer about which lint has nothing to say.",
    fix="Take it from keepalived: its words are in the message.",
    source="keepalived -t, of the version that the report names",
)
