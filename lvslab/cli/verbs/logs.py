"""``lvslab logs``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from lvslab.cli import stream
from lvslab.cli.labs import opened
from lvslab.cli.session import Session
from lvslab.cli.verb import LOOK, NodeArgument, verb
from lvslab.execstream import STDOUT


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
    with opened(s) as lab:
        container = lab.node(node).container
        # The engine's own "tail" counts the agent's lines too: cut here.
        past = bytes(container.logs(stdout=False, stderr=True, timestamps=True)).splitlines()
        last = past[-1].split(b" ", 1)[0] if past else b""
        for line in past if tail is None else past[len(past) - min(tail, len(past)) :]:
            _say(line)
        if not follow:
            return
        # Whole seconds are what "since" takes: what was shown already is skipped by its stamp,
        # which has a fixed width.
        since = _whole_seconds(last)
        more = container.logs(
            stdout=False, stderr=True, timestamps=True, stream=True, follow=True, since=since
        )
        try:
            for chunk in more:
                for line in chunk.splitlines():
                    if line.split(b" ", 1)[0] > last:
                        _say(line)
        except KeyboardInterrupt:
            return


def _say(line: bytes) -> None:
    stream.write_through(STDOUT, line.partition(b" ")[2] + b"\n")


def _whole_seconds(stamp: bytes) -> int:
    """Return an RFC 3339 stamp (2026-01-02T03:04:05.123456789Z) as unix time; 0 for none."""
    if not stamp:
        return 0
    parsed = datetime.strptime(stamp[:19].decode(), "%Y-%m-%dT%H:%M:%S")
    return int(parsed.replace(tzinfo=UTC).timestamp())
