"""Runs as JUnit XML: what CI systems show.

One ``testsuite`` per scenario and topology, one ``testcase`` per run. A run that failed is a
``failure``, an aborted one an ``error``. An inconclusive run is ``skipped``: it says neither that
the configuration holds nor that it does not, and CI systems show skipped tests apart, with their
message, while an ``error`` would read as a broken test; the exit code of ``lvslab`` is 2 either
way. The shape is that of Jenkins' schema (junit-10.xsd): properties belong to the suite, so the
figures of each run are there by its number, and in its ``system-out``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence

from lvslab.report import grouping
from lvslab.report.grouping import Group
from lvslab.report.scenario_text import lines
from lvslab.scenario.judge import ScenarioResult

#: What XML 1.0 cannot hold, however it is escaped.
_UNSAYABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(results: Sequence[ScenarioResult], *, suite: str) -> str:
    """Return the document; ``suite`` is the name of it all."""
    root = ET.Element("testsuites", {"name": _clean(suite)} | _counts(results))
    for group in grouping.groups(results):
        _suite(ET.SubElement(root, "testsuite"), suite, group)
    # skipped is an attribute of a testsuite only.
    del root.attrib["skipped"]
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _suite(node: ET.Element, suite: str, group: Group) -> None:
    name = f"{suite}.{group.name}"
    for key, value in ({"name": name} | _counts(group.results)).items():
        node.set(key, _clean(value))
    properties = ET.SubElement(node, "properties")

    def say(key: str, value: object) -> None:
        ET.SubElement(properties, "property", name=_clean(key), value=_clean(str(value)))

    say("topology", group.topology)
    for key, value in group.results[0].history.made.items():
        say(key, value)
    for number, result in enumerate(group.results, 1):
        say(f"run {number}: seed", result.history.seed)
        for check in result.checks:
            if check.measured is not None:
                say(f"run {number}: {check.text}", f"{check.measured:.6g} {check.unit}".strip())
    for number, result in enumerate(group.results, 1):
        attributes = {"classname": _clean(name), "name": _clean(f"{group.name} run {number}")}
        case = ET.SubElement(node, "testcase", attributes, time=_seconds([result]))
        _outcome(case, result)
        ET.SubElement(case, "system-out").text = _clean("\n".join(lines(result)))


def _outcome(case: ET.Element, result: ScenarioResult) -> None:
    if result.verdict == "pass":
        return
    tag = {"fail": "failure", "inconclusive": "skipped", "aborted": "error"}[result.verdict]
    told = [
        f"{c.text}: seen {c.seen}, wanted {c.wanted}" + (f" ({c.why})" if c.why else "")
        for c in result.checks
        if c.outcome != "pass"
    ]
    texts = [result.why] if result.why else [t for t in told if t]
    node = ET.SubElement(case, tag, type=result.verdict, message=_clean("; ".join(texts)))
    node.text = _clean("\n".join(told if result.verdict == "fail" else texts))


def _counts(results: Sequence[ScenarioResult]) -> dict[str, str]:
    def count(verdict: str) -> str:
        return str(sum(r.verdict == verdict for r in results))

    return {
        "tests": str(len(results)),
        "failures": count("fail"),
        "errors": count("aborted"),
        "skipped": count("inconclusive"),
        "time": _seconds(results),
    }


def _seconds(results: Sequence[ScenarioResult]) -> str:
    recordings = [r.history.recording for r in results]
    return f"{sum(max(0.0, r.recorded_until - r.recorded_from) for r in recordings):.3f}"


def _clean(text: str) -> str:
    return _UNSAYABLE.sub("\ufffd", text)
