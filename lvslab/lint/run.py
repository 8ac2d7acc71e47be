"""Every rule over every file; what is ignored on purpose is left out, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from lvslab.conf.errors import Position
from lvslab.lint.ignores import Ignore, ignores_of
from lvslab.lint.model import Finding, Node, Rule, Setting, Severity
from lvslab.lint.registry import all_rules

if TYPE_CHECKING:
    from lvslab.lint.asked import Answer

#: Of one rule in one file. More helps nobody, and what is no configuration has thousands.
MAX_HITS = 200


@dataclass(frozen=True)
class Result:
    """All that was found, in the order of the files and lines."""

    setting: Setting
    findings: tuple[Finding, ...]
    ignored: tuple[Finding, ...] = ()
    #: What keepalived said, by director; empty where it was not asked.
    asked: tuple[Answer, ...] = ()

    def count(self, severity: Severity) -> int:
        """Return how many findings there are of a severity."""
        return sum(f.rule.severity is severity for f in self.findings)

    def source(self, at: Position) -> str:
        """Return the line of a position."""
        return next((s for n in self.setting.nodes if (s := n.config.source(at))), "")


def lint(
    setting: Setting, *, rules: Mapping[str, Rule] | None = None, select: Sequence[str] = ()
) -> Result:
    """Return what the rules find; ``select`` keeps only these ids."""
    known = all_rules() if rules is None else rules
    chosen = [r for r in known.values() if not select or r.id in select]
    ignores = [i for node in setting.nodes for i in ignores_of(node.config)]
    kept: dict[tuple[object, ...], Finding] = {}
    ignored: list[Finding] = []
    for finding in _all(setting, chosen):
        # Two directors may read one file; once is enough.
        key = (*finding.order, finding.hit.message)
        if any(i.covers(finding) for i in ignores):
            ignored.append(finding)
        else:
            kept.setdefault(key, finding)
    return Result(setting, tuple(sorted(kept.values(), key=lambda f: f.order)), tuple(ignored))


def _all(setting: Setting, rules: Sequence[Rule]) -> Iterator[Finding]:
    for rule in rules:
        if rule.single is not None:
            for node in setting.nodes:
                hits = islice(rule.single(node), MAX_HITS)
                yield from (Finding(rule, node.name, h) for h in hits)
        if rule.across is not None and len(setting.nodes) > 1:
            found = islice(rule.across(setting), MAX_HITS)
            yield from (Finding(rule, n.name, h) for n, h in found)


__all__ = ["Ignore", "Node", "Result", "lint"]
