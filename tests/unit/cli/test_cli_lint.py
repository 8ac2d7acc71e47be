from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

LINT = Path(__file__).parent.parent / "lint"
WRONG = LINT / "mistakes" / "LVS012-lower-case.conf"
RIGHT = LINT / "correct" / "basic.conf"
REMARK = LINT / "mistakes" / "LVS087-persistence-rr.conf"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([str(RIGHT)], 0),
        ([str(REMARK)], 0),
        ([str(WRONG)], 1),
        (["lvs-dr"], 0),
        (["no-such.conf"], 6),
        (["--node", "lvs1"], 64),
        (["--budget", "soon", str(RIGHT)], 64),
        (["--select", "LVS999", str(RIGHT)], 6),
    ],
)
def test_exit_codes(runner: CliRunner, app: typer.Typer, arguments: list[str], code: int):
    result = runner.invoke(app, ["lint", *arguments])
    assert result.exit_code == code, result.output


def test_directors_are_held_against_each_other(runner: CliRunner, app: typer.Typer, tmp_path: Path):
    (tmp_path / "b.conf").write_text(RIGHT.read_text().replace("priority 100", "priority 50"))
    two = ["--node", f"lvs1={RIGHT}", "--node", f"lvs2={tmp_path}/b.conf"]
    data = json.loads(runner.invoke(app, ["lint", "--json", *two]).stdout)
    assert [f["rule"] for f in data["findings"]] == ["LVS213"]
    assert data["findings"][0]["node"] == "lvs2"


def test_fix_and_diff(runner: CliRunner, app: typer.Typer, tmp_path: Path):
    file = tmp_path / "a.conf"
    file.write_bytes(WRONG.read_bytes())
    result = runner.invoke(app, ["lint", "--diff", str(file)])
    assert "-    lb_kind dr\n+    lb_kind DR\n" in result.stdout
    assert file.read_bytes() == WRONG.read_bytes()
    runner.invoke(app, ["lint", "--fix", str(file)])
    assert file.read_bytes() == WRONG.read_bytes().replace(b"lb_kind dr", b"lb_kind DR")
    assert runner.invoke(app, ["lint", str(file)]).exit_code == 0


def test_sarif_on_stdout_is_the_only_thing_there(runner: CliRunner, app: typer.Typer):
    result = runner.invoke(app, ["lint", "--sarif", "-", str(WRONG)])
    assert json.loads(result.stdout)["version"] == "2.1.0"
    assert result.exit_code == 1


def test_explain(runner: CliRunner, app: typer.Typer):
    result = runner.invoke(app, ["explain", "LVS205"])
    assert result.exit_code == 0
    assert result.stdout == (LINT.parents[2] / "docs/rules/LVS205.md").read_text()
    assert "LVS205" in runner.invoke(app, ["explain"]).stdout
    assert runner.invoke(app, ["explain", "LVS999"]).exit_code == 6
