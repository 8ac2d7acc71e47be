from __future__ import annotations

import functools
import importlib
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from lvslab.cli.main import build
from lvslab.cli.verb import register


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own XDG state and none of the caller's settings."""
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    for name in ("LVSLAB_ENGINE", "LVSLAB_LAB", "FORCE_COLOR", "DOCKER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    return state


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


@pytest.fixture(scope="session")
def app() -> typer.Typer:
    return build()


@pytest.fixture(scope="session", autouse=True)
def commands_made_once() -> Iterator[None]:
    """Keep the commands of an application: typer's runner makes all of them for every call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", functools.cache(get_command), raising=False)
        yield


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Return a function that makes a package of verbs: file name -> body."""

    def make(**files: str) -> ModuleType:
        folder = tmp_path / "someverbs"
        folder.mkdir()
        (folder / "__init__.py").write_text("")
        for name, body in files.items():
            (folder / f"{name}.py").write_text(textwrap.dedent(body))
        monkeypatch.syspath_prepend(str(tmp_path))
        for known in [m for m in sys.modules if m.split(".")[0] == "someverbs"]:
            monkeypatch.delitem(sys.modules, known)
        return importlib.import_module("someverbs")

    return make


@pytest.fixture
def app_of(package: Callable[..., ModuleType]) -> Callable[..., typer.Typer]:
    """Return a function that makes an application of nothing but the verbs given."""

    def make(**files: str) -> typer.Typer:
        app = typer.Typer(pretty_exceptions_enable=False)

        @app.callback()
        def common() -> None:
            """Make typer keep the name of a single verb."""

        register(app, package(**files))
        return app

    return make
