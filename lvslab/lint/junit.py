"""Findings as JUnit XML: a test case a finding, and one that passes for a file without any."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from lvslab.lint.model import Finding, Severity
from lvslab.lint.run import Result

#: What XML 1.0 cannot hold, however it is escaped.
_UNSAYABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(*results: Result) -> str:
    """Return the document. Errors and warnings are failures; a remark is in the output only."""
    root = ET.Element("testsuites", name="lvslab lint")
    for result, node in ((r, n) for r in results for n in r.setting.nodes):
        own = [f for f in result.findings if f.node == node.name]
        bad = [f for f in own if f.rule.severity is not Severity.INFO]
        suite = ET.SubElement(
            root,
            "testsuite",
            name=_clean(f"lvslab.lint.{node.name}"),
            tests=str(len(bad) or 1),
            failures=str(len(bad)),
            errors="0",
            skipped="0",
            time="0",
        )
        for finding in bad:
            _case(suite, finding)
        if not bad:
            ET.SubElement(
                suite,
                "testcase",
                classname=_clean(f"lvslab.lint.{node.name}"),
                name=_clean(node.config.document.name),
                time="0",
            )
        remarks = [f for f in own if f.rule.severity is Severity.INFO]
        if remarks:
            text = "\n".join(f"{f.at}: {f.rule.id} {f.hit.message}" for f in remarks)
            ET.SubElement(suite, "system-out").text = _clean(text)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _case(suite: ET.Element, finding: Finding) -> None:
    rule, hit = finding.rule, finding.hit
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(f"lvslab.lint.{finding.node}"),
        name=_clean(f"{rule.id} {finding.at}"),
        time="0",
    )
    failure = ET.SubElement(
        case, "failure", type=rule.severity.value, message=_clean(f"{finding.at}: {hit.message}")
    )
    advice = hit.write or rule.fix
    failure.text = _clean(f"{finding.at}: {rule.id} {hit.message}\n{rule.why}\n{advice}")


def _clean(text: str) -> str:
    return _UNSAYABLE.sub("\ufffd", text)
