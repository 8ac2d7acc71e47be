"""Findings as lines for people and as JSON. SARIF and JUnit have files of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unicodedata import east_asian_width

from lvslab.lint.model import Finding, Severity
from lvslab.lint.run import Result
from lvslab.topology.problems import plural

#: What the report must not hide.
NOT_ASKED = (
    "keepalived itself was not asked: these are lvslab's own rules "
    "('keepalived -t' on the director is the judge of what it accepts)"
)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the report, and what kind of line it is: it says how to colour it."""

    kind: str
    text: str


def lines(result: Result, *, why: bool = True) -> Iterator[Line]:
    """Yield the report. The reason of a rule is told with its first finding."""
    told: set[str] = set()
    several = len(result.setting.nodes) > 1
    for finding in result.findings:
        rule, hit = finding.rule, finding.hit
        where = f"{finding.at}: "
        node = f"{finding.node}: " if several else ""
        message = f"{where}{rule.severity.value} {rule.id} {node}{hit.message}"
        yield Line(rule.severity.value, _clean(message))
        yield from _excerpt(result, finding)
        if finding.keepalived:
            yield Line("why", _clean(f"    keepalived says: {finding.keepalived}"))
        if why and rule.id not in told:
            yield Line("why", f"    why: {rule.why}")
        write = hit.write or (rule.fix if rule.id not in told else "")
        told.add(rule.id)
        if write:
            yield Line("fix", _clean(f"    fix: {write}"))
        yield Line("blank", "")
    yield Line("summary", summary(result))
    yield Line("note", verdict(result))


def verdict(result: Result) -> str:
    """Return what keepalived itself has to say of all, or that it was not asked."""
    if not result.asked:
        return NOT_ASKED
    versions = " and ".join(dict.fromkeys(a.version for a in result.asked if a.version))
    died = [a.node for a in result.asked if a.code is None or a.code > 128]
    said = sum(len(a.complaints) for a in result.asked)
    text = f"keepalived {versions or '(of unknown version)'} was asked (keepalived -t)"
    if died:
        return f"{text}, and crashed over {' and '.join(died)}"
    return f"{text}: it complains of {plural(said, 'line')}" if said else f"{text}: no complaint"


def summary(result: Result) -> str:
    """Return ``2 errors, 1 warning in 2 files``."""
    parts = [
        plural(n, s.value) for s in Severity if s is not Severity.INFO and (n := result.count(s))
    ]
    if infos := result.count(Severity.INFO):
        parts.append(plural(infos, "remark"))
    files = {name for node in result.setting.nodes for name in node.config.files}
    text = f"{', '.join(parts) or 'nothing found'} in {plural(len(files), 'file')}"
    fixable = sum(bool(f.hit.edits) for f in result.findings)
    if fixable:
        text += f"; {fixable} can be put right by --fix"
    if result.ignored:
        text += f"; {len(result.ignored)} ignored on purpose"
    return text


def _excerpt(result: Result, finding: Finding) -> Iterator[Line]:
    at = finding.at
    source = result.source(at)
    if not source:
        return
    # Tabs as they are shown; the caret below what is meant.
    shown = _clean(source.expandtabs(4))
    before = _clean(source[: at.column - 1].expandtabs(4))
    part = _clean(source[: max(at.end, at.column + 1) - 1].expandtabs(4))
    start, width = _width(before), max(1, _width(part) - _width(before))
    first = max(0, len(before) - 60)
    yield Line("source", f"    {at.line:>4} | {shown[first : first + 100]}")
    start -= _width(before[:first])
    yield Line("caret", f"         | {' ' * start}{'^' * min(width, 100 - start)}")


def _width(text: str) -> int:
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def _clean(text: str) -> str:
    """Return text without what could command a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def as_dict(result: Result) -> dict[str, Any]:
    """Return the findings as plain data for JSON."""
    return {
        "findings": [_finding(f) for f in result.findings],
        "ignored": [_finding(f) for f in result.ignored],
        "errors": result.count(Severity.ERROR),
        "warnings": result.count(Severity.WARNING),
        "infos": result.count(Severity.INFO),
        "nodes": {n.name: n.config.document.name for n in result.setting.nodes},
        "keepalived_asked": bool(result.asked),
        "keepalived": {
            a.node: {
                "version": a.version,
                "exit_code": a.code,
                "says": [
                    {"file": c.at.file, "line": c.at.line, "text": c.text} for c in a.complaints
                ],
            }
            for a in result.asked
        },
    }


def _finding(finding: Finding) -> dict[str, Any]:
    rule, hit, at = finding.rule, finding.hit, finding.at
    return {
        "rule": rule.id,
        "name": rule.name,
        "severity": rule.severity.value,
        "node": finding.node,
        "file": at.file,
        "line": at.line,
        "column": at.column,
        "end_column": at.end or None,
        "message": hit.message,
        "keepalived": finding.keepalived or None,
        "write": hit.write or None,
        "fixable": bool(hit.edits),
        "why": rule.why,
        "fix": rule.fix,
        "source": rule.source,
    }
