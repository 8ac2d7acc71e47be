"""``lvslab capture``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from lvslab.cli import stream
from lvslab.cli.duration import for_option
from lvslab.cli.labs import opened
from lvslab.cli.session import Session
from lvslab.cli.verb import LOOK, NodeArgument, verb
from lvslab.errors import USAGE, LabError, LvslabError
from lvslab.execstream import STDERR, until_stdin_ends

if TYPE_CHECKING:
    from docker.api import APIClient

    from lvslab.lab import Node


class CaptureFileError(LvslabError):
    """The file for the packets cannot be written."""

    exit_code = USAGE


@verb(panel=LOOK, order=40)
def capture(
    s: Session,
    node: NodeArgument,
    filter_: Annotated[
        str, typer.Option("--filter", metavar="EXPR", help="What to keep, as tcpdump has it.")
    ] = "",
    write: Annotated[
        str | None,
        typer.Option("-w", "--write", metavar="FILE|-", help="Write pcap there (- is stdout)."),
    ] = None,
    interface: Annotated[str, typer.Option("--interface", "-i", help="Where to listen.")] = "eth0",
    for_: Annotated[float | None, for_option("End after so long")] = None,
) -> None:
    """Show or save a node's packets, until Ctrl-C or for so long.

    Live in Wireshark: lvslab capture lvs1 -w - | wireshark -k -i -
    """
    if write == "-" and sys.stdout.isatty():
        raise CaptureFileError(
            "packets are not for a terminal", fix="pipe it: ... -w - | wireshark -k -i -"
        )
    how = ["-U", "-w", "-"] if write else ["-l", "-nn", "-e"]
    argv = ["tcpdump", *how, "-Z", "root", "-i", interface, *([filter_] if filter_ else [])]
    with opened(s) as lab:
        at, api = lab.running(node), lab.engine.client.api
        if not write:
            _run(api, at, argv, None, for_)
        elif write == "-":
            _run(api, at, argv, sys.stdout.buffer, for_)
        else:
            with _open(Path(write)) as file:
                _run(api, at, argv, file, for_)
            s.out.next(f"wireshark {write}")


def _run(
    api: APIClient,
    at: Node,
    argv: list[str],
    target: BinaryIO | None,
    seconds: float | None,
) -> None:
    def deliver(which: int, data: bytes) -> None:
        if which == STDERR or target is None:
            stream.write_through(which, data)
        else:
            target.write(data)
            target.flush()

    code = stream.run(
        api,
        str(at.container.id),
        until_stdin_ends(argv),
        on_output=deliver,
        until_interrupt=True,
        seconds=seconds,
    )
    if code:
        raise LabError(
            f"tcpdump ended with code {code}", where=at.name, fix="what it said is printed above"
        )


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("wb")
    except OSError as error:
        raise CaptureFileError(
            f"cannot be written: {error.strerror}", where=str(path), fix="give another file"
        ) from error
