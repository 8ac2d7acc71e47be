"""``lvslab logs``."""

from __future__ import annotations

from typing import Annotated

import typer

from lvslab.cli import stream
from lvslab.cli.nodes import opened
from lvslab.cli.session import Session
from lvslab.cli.verb import LOOK, verb
from lvslab.cli.verbs.exec import NodeArgument


@verb(panel=LOOK, order=30)
def logs(
    s: Session,
    node: NodeArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as more is said, until Ctrl-C.")
    ] = False,
    tail: Annotated[
        int | None,
        typer.Option(
            "--tail", min=0, metavar="N", help="Only the last N lines.", show_default=False
        ),
    ] = None,
) -> None:
    """Show what a node's services said (keepalived, httpd)."""
    with opened(s, node) as at:
        # stdout is the agent's protocol; the services' own lines are on stderr.
        said = at.container.logs(
            stdout=False,
            stderr=True,
            stream=True,
            follow=follow,
            tail="all" if tail is None else tail,
        )
        try:
            for chunk in said:
                stream.write_through(stream.STDOUT, chunk)
        except KeyboardInterrupt:
            if not follow:
                raise
