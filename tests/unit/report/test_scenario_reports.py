from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import plotly.graph_objects as go
import pytest
from typer.testing import CliRunner

from lvslab.cli.main import build
from lvslab.report import (
    figures,
    grouping,
    html,
    junit,
    lanes,
    markdown,
    scenario_json,
    scenario_text,
    spread,
    tables,
)
from lvslab.scenario.judge import judge
from lvslab.timeline.events import Event

from ..scenario.played import played, taken_over
from . import judged

ALL = [judged.passed(0), judged.passed(1, dark=3.0), judged.failed(2), judged.aborted()]
ALL.append(judged.unsteady())
VERDICTS = ["pass", "pass", "fail", "aborted", "inconclusive"]


def test_the_runs_made_by_hand_have_the_verdicts_that_they_were_made_for() -> None:
    assert [r.verdict for r in ALL] == VERDICTS


def test_percentiles_are_values_that_were_measured() -> None:
    values = [float(v) for v in range(1, 31)]
    assert grouping.percentile(values, 50) == 15.0
    assert grouping.percentile(values, 95) == 29.0
    assert grouping.percentile([2.0], 95) == 2.0


def test_repeats_are_one_group_and_its_worst_figure_is_the_one_that_failed() -> None:
    found = grouping.groups(ALL)
    assert [(g.name, len(g.results), g.verdict) for g in found] == [
        ("link-down", 3, "fail"),
        ("stopped", 1, "aborted"),
        ("restless", 1, "inconclusive"),
    ]
    worst = grouping.worst_check(found[0].results)
    assert worst is not None
    assert worst.measured == pytest.approx(6.0, abs=0.03)
    (of,) = grouping.distributions(found[0])
    assert (len(of.dots), of.passed) == (3, 2)
    assert of.low == pytest.approx(2.805, abs=0.001)
    assert of.high == pytest.approx(3.805, abs=0.001)
    assert of.p50 == pytest.approx(3.4, abs=0.03)


def test_lanes_have_no_gap_and_say_who_held_the_vip() -> None:
    seen = ALL[0].seen
    held = lanes.holding(seen)
    assert [s.kind for s in held] == ["lvs1", "none", "lvs2"]
    assert [s.start for s in held[1:]] == [s.end for s in held[:-1]]
    assert held[1].start == pytest.approx(0.003)
    states = [(s.row, s.kind) for s in lanes.states(seen)]
    assert states == [
        ("lvs1", "MASTER?"),
        ("lvs1", "FAULT"),
        ("lvs2", "BACKUP?"),
        ("lvs2", "MASTER"),
    ]


def _with(*events: Event) -> list[lanes.Stretch]:
    from dataclasses import replace

    from lvslab.scenario.judge import judge

    history = judged.history(judged.scenario())
    seen = judge(replace(history, events=(*history.events, *events))).seen
    return [s for s in lanes.tables(seen) if s.row == "lvs1: rs1"]


def test_a_table_is_what_keepalived_told() -> None:
    told = Event(
        110.0, "lvs1", "lvs.rs", {"vs": "172.20.1.100:80", "rs": "172.20.1.10:80", "state": "DOWN"}
    )
    assert [(s.kind, round(s.start, 3)) for s in _with(told)] == [("in", -5.0), ("out", 5.0)]


def test_a_table_that_was_polled_is_what_the_kernel_had() -> None:
    row = {"vip": "172.20.1.100", "port": 80}
    server = {"address": "172.20.1.10", "port": 80, "weight": 1}
    first = Event(101.0, "lvs1", "ipvs.table", {"table": [{**row, "servers": [server]}]})
    change = {**row, "server": "172.20.1.10", "server_port": 80}
    drained = Event(106.0, "lvs1", "ipvs", {**change, "change": "weight", "weight": 0})
    gone = Event(107.0, "lvs1", "ipvs", {**change, "change": "removed", "weight": None})
    found = [(s.kind, s.start) for s in _with(first, drained, gone)]
    assert found == [("unknown", -5.0), ("weight 1", -4.0), ("weight 0", 1.0), ("out", 2.0)]


def _uncoloured(value: object) -> object:
    """A figure with some colour for each name of one: plotly knows no names of ours."""
    if isinstance(value, str):
        return "#123456" if value.startswith("@") else value
    if isinstance(value, dict):
        return {k: _uncoloured(v) for k, v in value.items()}
    return [_uncoloured(v) for v in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize("result", ALL, ids=VERDICTS)
def test_plotly_accepts_the_figures(result) -> None:
    figure = go.Figure(_uncoloured(figures.run(result.seen)))
    drawn = sum(len(t.x) for t in figure.data if t.type == "scatter" and t.yaxis == "y")
    assert drawn == len(result.seen.requests)
    for of in grouping.distributions(grouping.groups([result])[0]):
        go.Figure(_uncoloured(spread.distribution(of)))


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("outage within auto", [(2.555, 4.055), (2.805, 3.805)]),
        ("outage <= auto", [(0.0, 4.055), (0.0, 3.805)]),
        ("outage <= 4s", [(0.0, 4.0)]),
    ],
)
def test_what_a_computed_bound_is_kept_give_or_take_is_drawn_around_it(text, ends) -> None:
    (group,) = grouping.groups([judge(played(taken_over(3.3), text))])
    (of,) = grouping.distributions(group)
    drawn = spread.distribution(of)["layout"]["shapes"]
    assert [(s["x0"], s["x1"]) for s in drawn if s["type"] == "rect"] == [
        pytest.approx(e, abs=1e-3) for e in ends
    ]


def test_every_colour_of_a_figure_is_one_of_both_themes() -> None:
    css = (Path(html.__file__).parent / "templates" / "report.css").read_text()
    for result in ALL:
        for name in re.findall(r'"@([\w-]+)"', json.dumps(figures.run(result.seen))):
            assert len(re.findall(rf"--{name}:", css)) == 3, name


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        if self.tags and self.tags[-1][0] == "script":
            self.scripts.append(data)


def test_the_page_is_whole_and_names_nothing_else() -> None:
    text = html.render(ALL, title="<Runs> & more", command="lvslab test --all")
    page = _Page()
    page.feed(text)
    assert not [t for t, a in page.tags if t in ("img", "iframe") or a.get("src")]
    assert {a["href"] for t, a in page.tags if t in ("a", "link")} <= {
        "#main",
        "data:,",
        *(f"#{a['id']}" for t, a in page.tags if t == "h2"),
    }
    # Nothing that a history says is read as markup.
    assert "<Runs>" not in text
    assert judged.TITLE not in text
    assert "engine went away &lt;now&gt;" in text
    plots = [a for t, a in page.tags if t == "div" and "plot" in str(a.get("class"))]
    assert len(plots) == 5 + 3
    assert all(a.get("role") == "img" and a.get("aria-label") for a in plots)
    assert text.count("vrrp_instance VI_1") >= 6  # keepalived.conf of both directors
    assert (
        sum(s.startswith("/**\n* plotly.js") or "plotly.js v" in s[:80] for s in page.scripts) == 1
    )


def test_the_tables_have_the_parts_and_their_sum() -> None:
    (split,) = tables.decompositions(ALL[0].seen)
    seconds = [float(row[2].removesuffix(" s")) for row in split.rows]
    assert sum(seconds[:-1]) == pytest.approx(seconds[-1], abs=0.003)
    requests = next(t for t in tables.of_run(ALL[0].seen) if t.caption.startswith("Requests"))
    assert sum(int(row[1]) for row in requests.rows) == len(ALL[0].seen.requests)


#: Jenkins' schema of JUnit XML (junit-10.xsd): what may be in what, and its attributes.
_SCHEMA = {
    "testsuites": ({"testsuite"}, {"name", "time", "tests", "failures", "errors"}, set()),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id"},
        {"name", "tests", "failures", "errors"},
    ),
    "properties": ({"property"}, set(), set()),
    "property": (set(), {"name", "value"}, {"name", "value"}),
    "testcase": (
        {"skipped", "error", "failure", "system-out", "system-err"},
        {"name", "time", "classname", "group"},
        {"name"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "skipped": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}


def test_junit_is_what_jenkins_reads() -> None:
    root = ET.fromstring(junit.render(ALL, suite="lvslab").encode())
    assert root.tag == "testsuites"
    for node in root.iter():
        children, attributes, required = _SCHEMA[node.tag]
        assert {child.tag for child in node} <= children
        assert required <= set(node.attrib) <= attributes
        assert re.fullmatch(r"\d{1,3}(\.\d*)?", node.get("time", "0"))
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("5", "1", "1")
    told = {}
    for case in root.iter("testcase"):
        told[case.get("name")] = [c.tag for c in case if c.tag != "system-out"]
    assert told == {
        "link-down run 1": [],
        "link-down run 2": [],
        "link-down run 3": ["failure"],
        "stopped run 1": ["error"],
        "restless run 1": ["skipped"],
    }
    failure = root.find(".//failure")
    assert failure is not None
    assert "seen 6.0" in (failure.get("message") or "")
    assert "2.805 to 3.805 s" in (failure.get("message") or "")
    properties = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert properties["keepalived"] == "2.3.3"
    assert properties["run 1: seed"] == "7"


def test_junit_survives_what_xml_cannot_hold() -> None:
    from dataclasses import replace

    broken = replace(judged.aborted(), why="it said \x1b[31mno\x00")
    error = ET.fromstring(junit.render([broken], suite="s").encode()).find(".//error")
    assert error is not None
    assert "it said" in (error.get("message") or "")


def test_markdown_is_short_and_says_what_failed() -> None:
    text = markdown.render(ALL, title="lvslab")
    assert text.startswith("### ⛔ lvslab: aborted (2 pass, 1 fail, 1 inconclusive, 1 aborted)")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) == 3
    assert "`outage within auto`: seen 6.0" in text
    assert "run 3 (seed 7): fail" in text
    assert "<lvs1>" not in text
    assert "<details>" not in markdown.render(ALL[:2], title="lvslab")


def test_json_has_exactly_the_documented_keys() -> None:
    made = scenario_json.to_dict(ALL)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    doc = (scenario_json.__doc__ or "").split("\nA ")
    for part, value in zip(
        doc, (made, made["scenarios"][0], made["scenarios"][0]["runs"][0]), strict=True
    ):
        rows = re.findall(r"^\| ((?:``\w+``(?:, )?)+) \|", part, re.MULTILINE)
        assert {k for row in rows for k in re.findall(r"``(\w+)``", row)} == set(value)
    assert made["verdict"] == "aborted"
    (figure,) = made["scenarios"][0]["figures"]
    assert (figure["runs"], figure["passed"]) == (3, 2)


def test_the_terminal_has_the_bound_beside_the_verdict() -> None:
    told = scenario_text.lines(ALL[2])
    assert told[0] == "link-down, run 3: fail"
    assert told[1].startswith("  FAIL  outage within auto  6.0")
    assert "wanted 2.805 to 3.805 s" in told[1]
    columns, rows = scenario_text.summary(ALL)
    assert all(len(row) == len(columns) for row in rows)
    assert rows[0][:3] == ("link-down", "fail", "2/3 pass")


def test_the_verb_writes_every_file(tmp_path) -> None:
    ALL[0].history.write(tmp_path / "run.jsonl")
    out = {kind: tmp_path / "out" / f"report.{kind}" for kind in ("html", "markdown", "junit")}
    options = [word for kind, path in out.items() for word in (f"--{kind}", str(path))]
    assert CliRunner().invoke(build(), ["report", str(tmp_path), *options]).exit_code == 0
    assert all(path.stat().st_size > 200 for path in out.values())


@pytest.mark.parametrize(
    ("result", "code"), [(ALL[0], 0), (ALL[2], 1), (ALL[4], 2), (ALL[3], 3)], ids="0123"
)
def test_the_verb_ends_with_the_verdict(tmp_path, result, code) -> None:
    result.history.write(tmp_path / "run.jsonl")
    ended = CliRunner().invoke(build(), ["report", str(tmp_path), "--json"])
    assert ended.exit_code == code
    assert json.loads(ended.stdout)["verdict"] == result.verdict


def test_the_verb_says_what_is_no_history(tmp_path) -> None:
    (tmp_path / "x.jsonl").write_text("{}\n")
    ended = CliRunner().invoke(build(), ["report", str(tmp_path / "x.jsonl")])
    assert ended.exit_code == 64
    assert CliRunner().invoke(build(), ["report", str(tmp_path / "none.jsonl")]).exit_code == 6
