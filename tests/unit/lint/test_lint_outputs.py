from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from lvslab.conf import load_text
from lvslab.conf.lexer import Document
from lvslab.errors import NotFoundError
from lvslab.lint import junit, sarif
from lvslab.lint.edits import difference, fixed
from lvslab.lint.inputs import LintUsageError, budget_of
from lvslab.lint.registry import get
from lvslab.lint.report import as_dict, lines
from tests.unit.lint.cases import HERE, ids, run

ARTICLE = (HERE / "article" / "lvs1.conf").read_text()
SEEDED = HERE / "mistakes"


def test_people_see_the_line_a_caret_why_and_what_to_write():
    text = [x.text for x in lines(run((SEEDED / "LVS012-lower-case.conf").read_text()))]
    assert text[0].startswith("lvs1.conf:24:13: error LVS012 lb_kind 'dr' is unknown")
    assert text[1] == "      24 |     lb_kind dr"
    assert text[2] == "         |             ^^"
    assert text[3].startswith("    why: ")
    assert text[4] == "    fix: DR"
    assert text[-2] == "1 error in 1 file; 1 can be put right by --fix"
    assert "keepalived itself was not asked" in text[-1]


def test_a_caret_stands_below_wide_characters_and_tabs():
    told = list(lines(run("vrrp_instance \u8d1f {\n\tfoo \u8d1f\u8f7d\n}\n")))
    source = next(i for i, x in enumerate(told) if "foo" in x.text and x.kind == "source")
    assert told[source + 1].text.index("^") == told[source].text.index("foo")


def test_nothing_in_a_file_commands_the_terminal():
    told = list(lines(run('vrrp_instance "\x1b[2J" {\n \x1b]0;x\x07 y\n}\n')))
    assert not any("\x1b" in x.text or "\x07" in x.text for x in told)


def test_json_is_plain_and_complete():
    data = json.loads(json.dumps(as_dict(run(ARTICLE))))
    assert data["errors"] + data["warnings"] + data["infos"] == len(data["findings"])
    assert data["keepalived_asked"] is False
    one = next(f for f in data["findings"] if f["rule"] == "LVS020")
    assert (one["file"], one["line"], one["column"]) == ("lvs1.conf", 16, 4)


def test_sarif_names_each_rule_once_and_points_at_places():
    text = ARTICLE.replace("nat_mask 255", "nat_mask 255 # lvslab: ignore LVS001 known\n#")
    log = sarif.render(run(text))
    assert log["version"] == "2.1.0"
    (only,) = log["runs"]
    rules = only["tool"]["driver"]["rules"]
    assert len({r["id"] for r in rules}) == len(rules)
    for one in only["results"]:
        assert rules[one["ruleIndex"]]["id"] == one["ruleId"]
        region = one["locations"][0]["physicalLocation"]["region"]
        assert region["startLine"] >= 1
        assert region["startColumn"] >= 1
    assert any("suppressions" in r for r in only["results"])


def test_junit_counts_what_failed():
    root = ET.fromstring(junit.render(run(ARTICLE), run("")))
    first, second = root.findall("testsuite")
    assert int(first.get("failures", 0)) == len(first.findall("testcase/failure")) > 5
    assert second.get("failures") == "0"
    assert len(second.findall("testcase")) == 1


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("  lb_kind dr # lvslab: ignore LVS012 known", []),
        ("  # lvslab: ignore LVS012, LVS001 known\n\n  # more\n  lb_kind dr", []),
        ("  ! lvslab: ignore-file LVS012 known\n  lb_kind dr", []),
        ("  # lvslab: ignore LVS012 known\n  lb_algo rr\n  lb_kind dr", ["LVS012"]),
        ("  lb_kind dr # lvslab: ignore LVS011 other", ["LVS012"]),
    ],
)
def test_ignores(text, wanted):
    block = f"virtual_server fwmark 1 {{\n{text}\n  delay_loop 6\n"
    result = run(block + " real_server 10.0.0.1 {\n  PING_CHECK {\n  }\n }\n}\n")
    assert ids(result) == wanted
    assert len(result.ignored) == 1 - len(wanted)


def test_fixes_leave_nothing_to_fix_and_touch_nothing_else():
    result = run(ARTICLE)
    (new,) = fixed([result.setting.nodes[0].config.document], result.findings)
    again = run(new.text)
    assert not any(f.hit.edits for f in again.findings)
    assert set(ids(again)) < set(ids(result))
    changed = difference(Document("lvs1.conf", ARTICLE), new).splitlines()
    removed = [x[1:].strip() for x in changed if x[0] == "-" and not x.startswith("---")]
    added = [x[1:].strip() for x in changed if x[0] == "+" and not x.startswith("+++")]
    assert len(removed) == 8
    assert added == ["retry 3"] * 2
    assert load_text(new.text).view.virtual_servers[0].real_servers[0].checks[0].retry == 3


@pytest.mark.parametrize("path", sorted(SEEDED.glob("*.conf")), ids=lambda p: p.stem)
def test_a_fix_removes_its_finding_and_brings_no_other(path):
    result = run(path.read_text())
    if len(result.setting.nodes) > 1 or not any(f.hit.edits for f in result.findings):
        return
    (new,) = fixed([result.setting.nodes[0].config.document], result.findings)
    left = ids(run(new.text))
    assert set(left) <= set(ids(result))
    assert len(left) < len(ids(result))


def test_budgets_are_read():
    assert budget_of("rs_removed=5s, failover=500ms").failover == 0.5
    assert budget_of("") == budget_of(",")
    for wrong in ("x=1s", "failover", "failover=", "failover=soon"):
        with pytest.raises(LintUsageError):
            budget_of(wrong)


def test_a_rule_has_two_names():
    assert get("lvs012") is get("lb-kind-case")
    with pytest.raises(NotFoundError):
        get("LVS999")
