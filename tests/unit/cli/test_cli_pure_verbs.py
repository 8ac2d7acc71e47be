"""The verbs that need no engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lvslab import topology
from lvslab.scenario.schema import text as scenario_schema_text
from lvslab.topology.schema import text as schema_text


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    here = tmp_path / "my-lab"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


def test_plan_without_a_topology_takes_the_shipped_one_and_says_so(
    runner: CliRunner, app: typer.Typer
) -> None:
    result = runner.invoke(app, ["plan"])
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("lab lvs-dr from lvs-dr (ships with lvslab), plan ")
    assert lines[-1] == "next: lvslab up   lvslab plan --files"
    assert [line.split()[:3] for line in lines if line.startswith("lvs")] == [
        ["lvs1", "director", "172.20.1.1"],
        ["lvs2", "director", "172.20.1.2"],
    ]


def test_init_then_plan_takes_this_folders_topology(
    runner: CliRunner, app: typer.Typer, folder: Path
) -> None:
    made = runner.invoke(app, ["init"])
    assert made.exit_code == 0, made.output
    assert made.stdout.splitlines()[-1] == "next: lvslab plan   lvslab up"
    assert topology.load(folder / "lvslab.yaml").name == "my-lab"
    assert runner.invoke(app, ["plan"]).stdout.startswith("lab my-lab from lvslab.yaml, plan ")


def test_init_overwrites_only_when_told(runner: CliRunner, app: typer.Typer, folder: Path) -> None:
    file = folder / "a.yaml"
    file.write_text("mine")
    refused = runner.invoke(app, ["init", "a.yaml"])
    assert (refused.exit_code, file.read_text()) == (64, "mine")
    assert "--force" in refused.stderr
    assert runner.invoke(app, ["init", "a.yaml", "--force"]).exit_code == 0
    assert topology.load(file).name == "a"


def test_init_where_nothing_can_be_written(runner: CliRunner, app: typer.Typer) -> None:
    result = runner.invoke(app, ["init", "no/such/folder.yaml"])
    assert result.exit_code == 64
    assert result.stderr.startswith("error: no/such/folder.yaml: cannot be written")


def test_plan_json_is_the_plan(runner: CliRunner, app: typer.Typer) -> None:
    plan = json.loads(runner.invoke(app, ["plan", "lvs-dr", "--json"]).stdout)
    assert [n["name"] for n in plan["nodes"]] == ["lvs1", "lvs2", "rs1", "rs2", "client"]
    assert plan["networks"][0]["subnet"] == "172.20.0.0/16"
    assert "content" not in plan["nodes"][0]["files"][0]
    full = json.loads(runner.invoke(app, ["plan", "lvs-dr", "--json", "--files"]).stdout)
    assert full["digest"] == plan["digest"]
    assert "content" in full["nodes"][0]["files"][0]


def test_plan_files_has_each_directors_keepalived_conf_but_not_the_agent(
    runner: CliRunner, app: typer.Typer
) -> None:
    shown = runner.invoke(app, ["plan", "lvs-dr", "--files"]).stdout
    assert "# lvs1:/etc/keepalived/keepalived.conf" in shown
    assert "# lvs2:/etc/keepalived/keepalived.conf" in shown
    assert shown.count("virtual_router_id 51") == 2
    assert "/opt/lvslab" not in shown


def test_the_lab_may_be_named_on_the_command_line(runner: CliRunner, app: typer.Typer) -> None:
    plan = json.loads(runner.invoke(app, ["plan", "--lab", "other", "--json"]).stdout)
    assert plan["lab"] == "other"
    assert plan["nodes"][0]["container"] == "other-lvs1"


def test_plan_of_a_name_that_is_none(runner: CliRunner, app: typer.Typer) -> None:
    result = runner.invoke(app, ["plan", "nope"])
    assert result.exit_code == 6
    assert "no topology is called 'nope'" in result.stderr
    assert "lvs-dr" in result.stderr


def test_plan_of_a_file_that_is_not_there(runner: CliRunner, app: typer.Typer) -> None:
    assert runner.invoke(app, ["plan", "nope.yaml"]).exit_code == 6


def test_what_is_wrong_in_a_file_begins_with_its_place(
    runner: CliRunner, app: typer.Typer, folder: Path
) -> None:
    (folder / "bad.yaml").write_text(
        "directors: [a]\nreal_servers: [b]\nvip: 172.20.1.100\nfoo: 1\nbar: 2\n"
    )
    result = runner.invoke(app, ["plan", "bad.yaml", "--json"])
    assert (result.exit_code, result.stdout) == (64, "")
    lines = result.stderr.splitlines()
    assert lines[0].startswith("bad.yaml:4:1: unknown key 'foo'")
    assert lines[1].startswith("bad.yaml:5:1: unknown key 'bar'")
    assert lines[2] == "error: 2 problems"


def test_every_shipped_topology_has_a_plan(runner: CliRunner, app: typer.Typer) -> None:
    assert {"lvs-dr", "lvs-dr-fast", "active-active"} <= set(topology.builtins())
    for name in topology.builtins():
        result = runner.invoke(app, ["plan", name])
        assert result.exit_code == 0, result.output


def test_schema_is_the_committed_text(runner: CliRunner, app: typer.Typer) -> None:
    assert runner.invoke(app, ["schema"]).stdout == schema_text()
    assert runner.invoke(app, ["schema", "--scenario"]).stdout == scenario_schema_text()


def test_pure_verbs_load_no_docker_and_start_fast_enough_to_complete() -> None:
    """Importing docker and requests doubles the start; completion pays it at each Tab."""
    program = (
        "import sys; from lvslab.cli.main import build; build();"
        "heavy = ('docker', 'requests', 'pydantic', 'yaml', 'jinja2');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
