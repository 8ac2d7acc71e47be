"""The live verbs on a machine that has no lab and no Docker engine."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lvslab import record, topology
from lvslab.errors import NotFoundError
from lvslab.lab.answers import virtual_server


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("LVSLAB_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("LVSLAB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_options_that_exclude_each_other_are_a_wrong_command_line(
    runner: CliRunner, app: typer.Typer
) -> None:
    result = runner.invoke(app, ["fail", "lvs1", "--no-watch", "--for", "3s"])
    assert (result.exit_code, result.stdout) == (64, "")
    assert "not with --no-watch" in result.stderr
    assert "bug" not in result.stderr


@pytest.mark.parametrize(
    "args",
    [
        ["status"],
        ["curl"],
        ["ipvs"],
        ["fail", "lvs1"],
        ["heal"],
        ["exec", "lvs1", "--", "true"],
        ["logs", "lvs1"],
        ["capture", "lvs1"],
        ["proxy"],
        ["teardown"],
        ["teardown", "other"],
        ["status", "--lab", "other"],
    ],
    ids=" ".join,
)
def test_without_a_lab_it_is_6_and_says_what_to_do(
    args: list[str], runner: CliRunner, app: typer.Typer
) -> None:
    result = runner.invoke(app, args)
    assert (result.exit_code, result.stdout) == (6, "")
    assert result.stderr.startswith("error: "), result.stderr
    assert "lvslab " in result.stderr.splitlines()[1]


def test_list_and_teardown_all_of_nothing_are_fine(runner: CliRunner, app: typer.Typer) -> None:
    assert json.loads(runner.invoke(app, ["list", "--json"]).stdout) == {"labs": []}
    assert json.loads(runner.invoke(app, ["teardown", "--all", "--json"]).stdout) == {"removed": []}


def test_teardown_forgets_a_lab_that_went_by_itself(runner: CliRunner, app: typer.Typer) -> None:
    record.save(record.Record("gone", "embedded", "unix:///x", "lvs-dr", {}))
    assert runner.invoke(app, ["teardown"]).exit_code == 0
    assert record.load_all() == {}


def test_a_machine_that_is_being_started_is_not_called_dead(
    runner: CliRunner, app: typer.Typer, tmp_path: Path
) -> None:
    """Another lvslab brings it up: it holds the machine's lock, and has begun."""
    folder = tmp_path / "run" / "lab-x"
    folder.mkdir(parents=True)
    (folder / "machine.json").write_text('{"disk": "disk-0"}')
    (folder / "starting").touch()
    with (tmp_path / "run" / "lab-x.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = runner.invoke(app, ["status", "--lab", "x"])
        assert result.exit_code == 4
        assert "just being started by another lvslab" in result.stderr
        assert "its machine is being started" in runner.invoke(app, ["list"]).stdout
        assert "being started" in runner.invoke(app, ["engine", "list"]).stdout
    result = runner.invoke(app, ["status", "--lab", "x"])
    assert result.exit_code == 4
    assert "not running any more" in result.stderr
    assert "its machine was killed" in runner.invoke(app, ["list"]).stdout


def test_dry_run_starts_nothing_and_says_all(
    runner: CliRunner, app: typer.Typer, tmp_path: Path
) -> None:
    result = runner.invoke(app, ["up", "lvs-dr", "--dry-run", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["fresh"] is True
    assert [(c["verb"], c["name"]) for c in told["changes"] if c["kind"] == "node"] == [
        ("create", name) for name in ("lvs1", "lvs2", "rs1", "rs2", "client")
    ]
    assert record.load_all() == {}
    assert not list((tmp_path / "run").glob("*/machine.json"))


def test_up_on_a_docker_that_is_not_there_is_4(runner: CliRunner, app: typer.Typer) -> None:
    result = runner.invoke(app, ["up", "lvs-dr", "--engine", "docker"])
    assert result.exit_code == 4
    assert "none.sock" in result.stderr
    assert record.load_all() == {}


def test_doctor_of_a_docker_that_is_not_there_is_4(runner: CliRunner, app: typer.Typer) -> None:
    result = runner.invoke(app, ["doctor", "--engine", "docker", "--json"])
    assert result.exit_code == 4
    told = json.loads(result.stdout)
    assert told["takes"] is None
    assert told["checks"]["docker"][0]["status"] == "fail"
    assert told["checks"]["docker"][0]["fix"]


def test_engine_verbs_of_a_machine_that_is_not_there(runner: CliRunner, app: typer.Typer) -> None:
    assert runner.invoke(app, ["engine", "env"]).exit_code == 4
    assert runner.invoke(app, ["engine", "stop"]).exit_code == 6
    assert json.loads(runner.invoke(app, ["engine", "list", "--json"]).stdout) == {
        "machines": [],
        "cache": [],
    }


def test_shell_without_a_terminal_is_2(runner: CliRunner, app: typer.Typer) -> None:
    assert runner.invoke(app, ["shell", "lvs1"]).exit_code == 64


def test_which_virtual_server() -> None:
    spec = topology.load(topology.builtins()["active-active"])
    first, second = spec.virtual_servers[:2]
    assert virtual_server(spec, None) == first
    assert virtual_server(spec, str(second.vip)) == second
    assert virtual_server(spec, second.key) == second
    with pytest.raises(NotFoundError, match=r"no virtual server 9\.9\.9\.9"):
        virtual_server(spec, "9.9.9.9")
