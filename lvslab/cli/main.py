"""The command line: ``lvslab``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from lvslab import __version__
from lvslab.cli import verbs
from lvslab.cli.guard import CANCELLED
from lvslab.cli.verb import CommonEngineOption, CommonLabOption, VerboseOption, register
from lvslab.errors import USAGE

#: What typer raises for a wrong command line, of which BadParameter is one kind.
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class Group(TyperGroup):
    """A group of verbs whose wrong usage ends with USAGE instead of click's 2."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """See click: reads the group's own options. Raises UsageError."""
        with _usage():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """See click: reads the verb's own words and runs it. Raises UsageError."""
        with _usage():
            return super().invoke(ctx)


@contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.exit_code = USAGE  # type: ignore[attr-defined]
        raise


def build() -> typer.Typer:
    """Return the application with every verb of :mod:`lvslab.cli.verbs`."""
    app = typer.Typer(
        name="lvslab",
        cls=Group,
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 it holds, 1 it does not hold, 4 no engine, 5 the lab cannot, "
        "6 no such thing, 64 wrong usage or file, 130 cancelled; test: 2 unclear, 3 aborted.",
    )

    @app.callback()
    def common(
        ctx: typer.Context,
        engine: CommonEngineOption = None,
        lab: CommonLabOption = None,
        verbose: VerboseOption = False,
        _version: Annotated[
            bool,
            typer.Option("--version", callback=_show_version, is_eager=True, help="Say which."),
        ] = False,
    ) -> None:
        """A lab for LVS-DR with keepalived: make it fail and measure what the client saw."""
        ctx.obj = {"engine": engine, "lab": lab, "verbose": verbose}

    register(app, verbs)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"lvslab {__version__}\n")
        raise typer.Exit


def _on_sigterm(number: int, frame: FrameType | None) -> None:
    del number, frame
    # The same way out as Ctrl-C, so that what was begun is undone.
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line and exit with its code."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        build()()
    except KeyboardInterrupt:
        Console(stderr=True).print("[yellow]cancelled[/]")
        sys.exit(CANCELLED)
