"""Which lab is meant, what is remembered of labs, and what the shell completes from it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lvslab import record
from lvslab.cli.labs import lab_name
from lvslab.cli.session import AmbiguousLabError, EngineChoice, Session
from lvslab.errors import NotFoundError
from lvslab.record import Record

NODES = {"lvs1": "director", "rs1": "real-server", "client": "client"}
ONE = Record("one", "embedded", "unix:///x", "lvs-dr", NODES)
TWO = Record("two", "docker", "unix:///y", "lvs-dr", {"web": "real-server"})


def test_a_record_survives_and_can_be_forgotten() -> None:
    record.save(ONE)
    record.save(TWO)
    assert record.load_all() == {"one": ONE, "two": TWO}
    record.forget("one")
    record.forget("one")
    assert record.load_all() == {"two": TWO}


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"lab": "one"}', '{"lab": "../x"}'])
def test_a_damaged_record_counts_as_none(damage: str, own_state: Path) -> None:
    record.save(ONE)
    (own_state / "lvslab" / "labs" / "one.json").write_text(damage)
    assert record.load_all() == {}


def test_the_lab_is_the_one_named_or_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lvslab.cli.labs.there", lambda s: iter(()))
    with pytest.raises(NotFoundError, match="no lab is up"):
        lab_name(Session())
    record.save(ONE)
    assert lab_name(Session()) == "one"
    record.save(TWO)
    with pytest.raises(AmbiguousLabError, match="one, two"):
        lab_name(Session())
    assert lab_name(Session(lab="two")) == "two"


def test_a_lab_is_looked_for_where_it_was_made_unless_told() -> None:
    record.save(ONE)
    assert Session().choice_for("one") is EngineChoice.embedded
    assert Session().choice_for("unknown") is EngineChoice.auto
    assert Session(engine=EngineChoice.docker).choice_for("one") is EngineChoice.docker


def complete(runner: CliRunner, app: typer.Typer, line: str) -> list[str]:
    """Ask as bash does."""
    env = {
        "_LVSLAB_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
    }
    result = runner.invoke(app, [], env=os.environ | env, prog_name="lvslab")
    assert result.stderr == ""
    return [word.split(",")[-1] for word in result.stdout.split()]


def test_labs_nodes_and_faults_complete(runner: CliRunner, app: typer.Typer) -> None:
    record.save(ONE)
    record.save(TWO)
    assert complete(runner, app, "lvslab --lab o") == ["one"]
    assert complete(runner, app, "lvslab logs --lab ") == ["one", "two"]
    assert complete(runner, app, "lvslab logs --lab two ") == ["web"]
    assert complete(runner, app, "lvslab --lab one logs r") == ["rs1"]
    assert complete(runner, app, "lvslab logs ") == ["client", "lvs1", "rs1", "web"]
    assert "link-down" in complete(runner, app, "lvslab fail lvs1 l")
    assert complete(runner, app, "lvslab fail web key") == []
    assert complete(runner, app, "lvslab fail lvs1 htt") == []
    assert complete(runner, app, "lvslab fail client ") == []
    assert complete(runner, app, "lvslab fail web httpd-st") == [
        "httpd-status",
        "httpd-stop",
    ]


def test_shipped_topologies_and_files_complete(
    runner: CliRunner, app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lvs-mine.yaml").write_text("")
    assert complete(runner, app, "lvslab plan lvs-") == [
        "lvs-dr",
        "lvs-dr-fast",
        "lvs-mine.yaml",
        "lvs-nat",
        "lvs-tun",
    ]


def test_completion_without_any_record_is_empty(runner: CliRunner, app: typer.Typer) -> None:
    assert complete(runner, app, "lvslab logs ") == []
