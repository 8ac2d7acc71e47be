"""The command line: ``lvslab``."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console

from lvslab import __version__
from lvslab.cli import verbs
from lvslab.cli.guard import CANCELLED
from lvslab.cli.verb import CommonEngineOption, CommonLabOption, VerboseOption, register


def build() -> typer.Typer:
    """Return the application with every verb of :mod:`lvslab.cli.verbs`."""
    app = typer.Typer(
        name="lvslab",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 it holds, 1 it does not hold, 2 wrong usage or file, 4 no engine, "
        "5 the lab cannot, 6 no such thing, 130 cancelled.",
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
