"""``lvslab exec`` and ``lvslab shell``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lvslab.cli import stream
from lvslab.cli.labs import opened
from lvslab.cli.session import Session
from lvslab.cli.verb import LOOK, NodeArgument, verb
from lvslab.errors import USAGE, LvslabError


class NotATerminalError(LvslabError):
    """A shell was wanted where nobody can type."""

    exit_code = USAGE


@verb(panel=LOOK, name="exec", order=10)
def exec_(
    s: Session,
    node: NodeArgument,
    command: Annotated[list[str], typer.Argument(metavar="-- CMD...", help="What to run.")],
) -> int:
    """Run a command in a node; its output, its exit code.

    What is piped in reaches the command. Put -- before it if it has options.
    """
    with opened(s) as lab:
        at = lab.running(node).container
        stdin = sys.stdin.fileno() if sys.stdin else None
        return stream.run(lab.engine.client.api, str(at.id), command, stdin=stdin)


@verb(panel=LOOK, order=20)
def shell(s: Session, node: NodeArgument) -> int:
    """Open a shell in a node."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise NotATerminalError(
            "shell needs a terminal", fix="to run a command: lvslab exec NODE -- CMD"
        )
    with opened(s) as lab:
        at = lab.running(node).container
        argv = ["/bin/sh", "-c", "command -v bash >/dev/null && exec bash -l; exec sh"]
        return stream.run_terminal(lab.engine.client.api, str(at.id), argv)
