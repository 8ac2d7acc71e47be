"""How verbs are found, and how each way of ending becomes a message and an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lvslab import __version__, errors
from lvslab.cli import guard, verbs
from lvslab.cli.verb import FILES, discover

HEAD = """
from typing import Annotated
import typer
from lvslab.cli.verb import verb, LAB
from lvslab import errors
"""
RAISING = (
    HEAD
    + """
@verb(panel=LAB, json=True)
def go(s, how: str) -> int | None:
    \"\"\"Go.\"\"\"
    if how == "bug":
        raise ZeroDivisionError("one over nothing")
    if how == "cancel":
        raise KeyboardInterrupt
    if how == "three":
        return 3
    raise getattr(errors, how)("the what [x]", where="the where", fix="the fix\\nsecond line")
"""
)


def test_a_new_file_is_a_new_verb(runner: CliRunner, app_of: Callable[..., typer.Typer]) -> None:
    app = app_of(
        greet=HEAD
        + "@verb(panel=LAB)\ndef greet(s, who: str = 'you'):\n    s.out.text('hi ' + who)\n"
    )
    assert runner.invoke(app, ["greet"]).output == "hi you\n"
    assert runner.invoke(app, ["greet", "--who", "me"]).output == "hi me\n"


def test_a_group_is_named_after_its_verbs(
    runner: CliRunner, app_of: Callable[..., typer.Typer]
) -> None:
    body = '"""What the group is.\n\nMore."""' + HEAD
    for name in ("one", "two"):
        body += f"@verb(panel=LAB, group='both')\ndef {name}(s):\n    s.out.text('{name}')\n"
    app = app_of(both=body)
    assert runner.invoke(app, ["both", "two"]).output == "two\n"
    assert "What the group is." in runner.invoke(app, ["--help"]).output


@pytest.mark.parametrize(
    "kind",
    [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.LvslabError)],
    ids=lambda k: k.__name__,
)
def test_an_error_says_what_where_fix_and_gives_its_code(
    kind: type[errors.LvslabError], runner: CliRunner, app_of: Callable[..., typer.Typer]
) -> None:
    result = runner.invoke(app_of(go=RAISING), ["go", kind.__name__, "--json"])
    assert result.exit_code == kind.exit_code
    assert result.stdout == ""
    assert result.stderr == "error: the where: the what [x]\n  the fix\n  second line\n"


def test_the_code_of_a_verb_is_the_exit_code(
    runner: CliRunner, app_of: Callable[..., typer.Typer]
) -> None:
    assert runner.invoke(app_of(go=RAISING), ["go", "three"]).exit_code == 3


def test_ctrl_c_is_130(runner: CliRunner, app_of: Callable[..., typer.Typer]) -> None:
    result = runner.invoke(app_of(go=RAISING), ["go", "cancel"])
    assert (result.exit_code, result.stderr) == (130, "cancelled\n")


def test_a_bug_shows_no_traceback_but_keeps_it(
    runner: CliRunner, app_of: Callable[..., typer.Typer], own_state: Path
) -> None:
    result = runner.invoke(app_of(go=RAISING), ["go", "bug"])
    assert result.exit_code == 70
    assert "Traceback" not in result.output
    assert "this is a bug in lvslab: ZeroDivisionError: one over nothing" in result.stderr
    (kept,) = (own_state / "lvslab" / "bugs").iterdir()
    assert str(kept) in result.stderr
    text = kept.read_text()
    assert __version__ in text
    assert "ZeroDivisionError: one over nothing" in text
    assert 'raise ZeroDivisionError("one over nothing")' in text


def test_a_bug_whose_file_cannot_be_written_is_still_told(
    runner: CliRunner, app_of: Callable[..., typer.Typer], own_state: Path
) -> None:
    own_state.write_text("a file where the folder would be")
    result = runner.invoke(app_of(go=RAISING), ["go", "bug"])
    assert result.exit_code == 70
    assert "this is a bug in lvslab" in result.stderr
    assert "could not be saved" in result.stderr


@pytest.mark.parametrize(
    "args", [["nosuchverb"], ["faults", "--nosuchoption"], ["--engine", "vax"]]
)
def test_wrong_usage_is_64(args: list[str], runner: CliRunner, app: typer.Typer) -> None:
    assert runner.invoke(app, args).exit_code == 64


def test_version(runner: CliRunner, app: typer.Typer) -> None:
    result = runner.invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"lvslab {__version__}\n")


def test_every_verb_has_help_and_the_common_options(runner: CliRunner, app: typer.Typer) -> None:
    for one in discover(verbs):
        args = [one.group, one.name] if one.group else [one.name]
        result = runner.invoke(app, [*args, "--help"])
        assert result.exit_code == 0, result.output
        assert one.func.__doc__, one.name
        assert "--verbose" in result.output
        asks_engine = one.panel != FILES and not one.group
        assert ("--engine" in result.output) == asks_engine, one.name
        assert ("--json" in result.output) == one.json


def test_common_options_that_mean_nothing_to_a_verb_are_no_error(
    runner: CliRunner, app: typer.Typer
) -> None:
    assert runner.invoke(app, ["schema", "--engine", "auto", "--lab", "x"]).exit_code == 0


def test_common_options_may_stand_before_or_after_the_verb(
    runner: CliRunner, package: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lvslab.cli import main

    show = "    s.out.text(f'{s.choice} {s.named_lab} {s.verbose}')\n"
    monkeypatch.setattr(
        main, "verbs", package(show=HEAD + f"@verb(panel=LAB)\ndef show(s):\n{show}")
    )
    app = main.build()
    assert runner.invoke(app, ["--lab", "a", "--engine", "docker", "show"]).output == (
        "docker a False\n"
    )
    assert runner.invoke(app, ["--lab", "a", "show", "--lab", "b", "-v"]).output == "auto b True\n"
    env = {"LVSLAB_LAB": "c", "LVSLAB_ENGINE": "embedded"}
    assert runner.invoke(app, ["show"], env=env).output == "embedded c False\n"
    assert runner.invoke(app, ["--lab", "a", "show"], env=env).output == "embedded a False\n"


def _process(
    package: Callable[..., object], body: str, tmp_path: Path, *args: str
) -> subprocess.Popen[str]:
    """Start a real ``lvslab`` whose only verb is ``go``."""
    package(go=HEAD + body)
    # Ctrl-C is ignored in what a shell runs in the background, these tests perhaps, and inherited.
    driver = (
        "import signal, someverbs\nfrom lvslab.cli import main\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "main.verbs = someverbs\nmain.main()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", driver, "go", *args],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_undoes_and_ends_with_130(
    number: signal.Signals, package: Callable[..., object], tmp_path: Path
) -> None:
    body = """
import signal
@verb(panel=LAB)
def go(s):
    try:
        print("begun", flush=True)
        while True:
            signal.pause()
    finally:
        print("undone", flush=True)
"""
    with _process(package, body, tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout, stderr) == (130, "undone\n", "cancelled\n")


def test_a_reader_that_went_away_is_no_error(
    package: Callable[..., object], tmp_path: Path
) -> None:
    body = """
@verb(panel=LAB)
def go(s):
    for number in range(200_000):
        s.out.raw(str(number))
"""
    with _process(package, body, tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        stderr = process.stderr.read()
    assert (process.returncode, stderr) == (guard.PIPE_CLOSED, "")


def test_faults_lists_what_there_is(runner: CliRunner, app: typer.Typer) -> None:
    listed = json.loads(runner.invoke(app, ["faults", "--json"]).stdout)
    by_name = {f["name"]: f for f in listed}
    assert by_name["link-down"]["default_for"] == ["director"]
    assert by_name["httpd-stop"]["roles"] == ["real-server"]
    assert by_name["httpd-stop"]["or_else"] == ["dns-stop", "udp-stop"]
    told = runner.invoke(app, ["faults", "httpd-stop"]).stdout
    assert "where it is refused, the default is: dns-stop, udp-stop" in told
    shown = runner.invoke(app, ["faults"]).stdout.splitlines()
    assert "lvslab fail NODE [FAULT] [-p KEY=VALUE]" in shown[-1]
