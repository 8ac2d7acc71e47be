"""What is linted: files, files by director, and the files that a topology renders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lvslab import durations
from lvslab.conf import load, load_text
from lvslab.errors import USAGE, LvslabError
from lvslab.lint.model import Budget, Node
from lvslab.topology.spec import TopologySpec


class LintUsageError(LvslabError):
    """What was asked for makes no sense: a budget that is none."""

    exit_code = USAGE


def budget_of(text: str) -> Budget:
    """Return ``rs_removed=5s,failover=1s`` as a budget. Raises LintUsageError."""
    values: dict[str, float] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, _, value = part.partition("=")
        seconds = durations.parse(value)
        if key not in ("rs_removed", "failover") or not seconds:
            raise LintUsageError(
                f"{part[:60]!r} is no budget", fix="write --budget rs_removed=5s,failover=1s"
            )
        values[key] = seconds
    return Budget(values.get("rs_removed"), values.get("failover"))


def of_files(
    pairs: Sequence[tuple[str, Path]],
    budget: Budget,
    *,
    root: Path | None = None,
    config_id: str | None = None,
) -> tuple[Node, ...]:
    """Return directors by their files. Raises NotFoundError, ConfError."""
    return tuple(
        Node(name, load(path, config_id=config_id or name), budget, root, config_id or name)
        for name, path in pairs
    )


def of_topology(spec: TopologySpec, budget: Budget) -> tuple[Node, ...]:
    """Return the directors of a topology, with the files that ``up`` would give them."""
    from lvslab.plan.render import keepalived_conf

    return tuple(
        Node(d.name, load_text(keepalived_conf(spec, d), f"{d.name}/keepalived.conf"), budget)
        for d in spec.directors
    )
