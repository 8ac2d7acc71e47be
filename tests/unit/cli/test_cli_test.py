"""``lvslab test``: which are played in what order, how often, and what its end says.

What a run measures is put in its place: histories made by hand, with known verdicts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from lvslab.cli.verbs import test as verb
from lvslab.scenario.judge import ScenarioResult, judge
from tests.unit.scenario.played import played, quiet, taken_over

#: A story and a sentence that come to each verdict.
VERDICTS: dict[str, tuple[Any, str]] = {
    "pass": (taken_over(3.3), "outage <= 4s"),
    "fail": (taken_over(3.3), "outage <= 1s"),
    "inconclusive": (quiet(), "outage <= 4s"),
}
Take = Callable[..., list[tuple[str, int]]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Take:
    """Make each run come to the next of some verdicts; return what was played, when it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    taken: list[tuple[str, int]] = []
    monkeypatch.setattr(verb, "tear_down", lambda _s, lab: taken.append((f"down {lab}", 0)))

    def give(*verdicts: str, reports: bool = False) -> list[tuple[str, int]]:
        left = list(verdicts)
        if not reports:
            monkeypatch.setattr(verb, "_report", lambda *_: None)

        def take(_s: object, turn: Any, up: object, seed: int) -> ScenarioResult:
            taken.append((turn.scenario.name, turn.index))
            story, text = VERDICTS[left.pop(0)]
            injected = story is not VERDICTS["inconclusive"][0]
            history = played(story, text, index=turn.index, seed=seed, injected=injected)
            result = judge(history)
            assert result.verdict == verdicts[len(verdicts) - len(left) - 1]
            return result

        monkeypatch.setattr(verb, "_take_turn", take)
        return taken

    return give


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["pass", "pass"], 0),
        (["pass", "fail"], 1),
        (["fail", "inconclusive"], 1),
        (["inconclusive", "pass"], 2),
    ],
)
def test_the_worst_verdict_is_the_exit_code(
    verdicts: list[str], code: int, play: Take, runner: CliRunner, app: typer.Typer
) -> None:
    taken = play(*verdicts)
    done = runner.invoke(app, ["test", "crash", "--repeat", "2", "--report", "out"])
    assert (done.exit_code, taken) == (code, [("crash", 0), ("crash", 1), ("down test", 0)])


def test_one_that_cannot_tell_is_run_again_and_one_that_failed_is_not(
    play: Take, runner: CliRunner, app: typer.Typer
) -> None:
    taken = play("inconclusive", "inconclusive", "pass", "fail")
    done = runner.invoke(app, ["test", "crash", "graceful", "--again", "2", "--report", "out"])
    assert [name for name, _ in taken] == ["crash"] * 3 + ["graceful", "down test"]
    assert done.exit_code == 1
    assert done.output.count("once more") == 2


def test_those_of_one_topology_are_played_one_after_the_other(
    play: Take, runner: CliRunner, app: typer.Typer
) -> None:
    taken = play("pass", "pass", "pass")
    runner.invoke(app, ["test", "two-holders", "vrrp3", "link-down", "--report", "out"])
    assert [name for name, _ in taken] == ["two-holders", "link-down", "vrrp3", "down test"]


def test_the_report_has_every_file_and_the_seed_and_nothing_of_the_run_before(
    play: Take, runner: CliRunner, app: typer.Typer, tmp_path: Path
) -> None:
    old = tmp_path / "out/histories/old-000.jsonl"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    play("pass", "fail", reports=True)
    done = runner.invoke(
        app,
        ["test", "crash", "--repeat", "2", "--seed", "5", "--report", "out", "--junit", "j.xml",
         "--json"],
    )  # fmt: skip
    assert not old.exists()
    names = {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert names == {"report.html", "report.md", "report.json", "by-hand-000.jsonl",
                     "by-hand-001.jsonl"}  # fmt: skip
    suite = ElementTree.parse(tmp_path / "j.xml").getroot()
    assert len(list(suite.iter("failure"))) == 1
    data = json.loads(done.stdout)
    assert data["seed"] == 5


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "which scenarios?"),
        (["--tag", "nothing-such"], "no scenario has the tag nothing-such"),
        (["crahs"], "crash"),
    ],
)
def test_what_is_not_there_is_told_before_anything_runs(
    words: list[str], says: str, play: Take, runner: CliRunner, app: typer.Typer
) -> None:
    taken = play()
    done = runner.invoke(app, ["test", *words])
    assert done.exit_code == 6
    assert says in done.output
    assert taken == []


def test_the_list_says_what_there_is_by_tag(runner: CliRunner, app: typer.Typer) -> None:
    listed = json.loads(runner.invoke(app, ["test", "--list", "--tag", "ci", "--json"]).stdout)
    assert {"crash", "graceful"} <= {one["name"] for one in listed}
    assert all("ci" in one["tags"] for one in listed)


def test_on_a_topology_of_ones_own_what_does_not_apply_is_left_out(
    play: Take, runner: CliRunner, app: typer.Typer
) -> None:
    words = ["test", "--tag", "article", "--topology", "lvs-dr-fast"]
    listed = runner.invoke(app, [*words, "--list", "-v"])
    assert listed.exit_code == 0, listed.output
    assert "link-down" in listed.output
    taken = play("pass", "pass", "pass", "pass")
    done = runner.invoke(app, [*words, "--report", "out", "--json"])
    assert done.exit_code == 0, done.output
    assert {n for n, _ in taken} >= {"link-down", "keepalived-stop", "httpd-stop", "down test"}
    everything = runner.invoke(app, ["test", "--all", "--topology", "lvs-dr-fast", "--list"])
    assert "scenarios are left out" in everything.output
    assert "(-v names them)" in everything.output


def test_a_named_scenario_is_laid_over_ones_own_topology_or_refused(
    play: Take, runner: CliRunner, app: typer.Typer
) -> None:
    taken = play()
    done = runner.invoke(app, ["test", "eighty-vips", "--topology", "lvs-dr-fast"])
    assert done.exit_code != 0
    assert "outside the subnet" in done.output
    assert taken == []
