"""Findings as SARIF 2.1.0 (OASIS), which code review tools read."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from lvslab import __version__
from lvslab.lint.model import Finding, Rule, Severity
from lvslab.lint.run import Result

_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(result: Result) -> dict[str, Any]:
    """Return the log, as plain data for JSON."""
    used = {f.rule.id: f.rule for f in (*result.findings, *result.ignored)}
    rules = [used[name] for name in sorted(used)]
    index = {rule.id: i for i, rule in enumerate(rules)}
    results = [_result(f, index, suppressed=False) for f in result.findings]
    results += [_result(f, index, suppressed=True) for f in result.ignored]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "lvslab",
                        "version": __version__,
                        "rules": [_rule(rule) for rule in rules],
                    }
                },
                # Columns are counted as Python counts characters.
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.name.split("-")),
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.fix}\nSource: {rule.source}"},
        "defaultConfiguration": {"level": _LEVEL[rule.severity]},
        "properties": {"topic": rule.topic},
    }


def _result(finding: Finding, index: dict[str, int], *, suppressed: bool) -> dict[str, Any]:
    at, hit = finding.at, finding.hit
    region: dict[str, Any] = {"startLine": at.line, "startColumn": at.column}
    if at.end > at.column:
        region["endColumn"] = at.end
    text = f"{hit.message}. Write: {hit.write}" if hit.write else hit.message
    out: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": index[finding.rule.id],
        "level": _LEVEL[finding.rule.severity],
        "message": {"text": text},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(at.file)},
                    "region": region,
                },
                "logicalLocations": [{"name": finding.node, "kind": "module"}],
            }
        ],
    }
    if suppressed:
        out["suppressions"] = [{"kind": "inSource"}]
    return out


def _uri(file: str) -> str:
    path = PurePath(file)
    text = quote(path.as_posix().encode("utf-8", "surrogateescape"))
    return f"file://{text}" if path.is_absolute() else text
