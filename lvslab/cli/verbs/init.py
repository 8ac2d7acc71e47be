"""``lvslab init``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lvslab.cli.session import Session
from lvslab.cli.topologies import HERE
from lvslab.cli.verb import FILES, verb
from lvslab.cli.written import write_new


@verb(panel=FILES, order=10)
def init(
    s: Session,
    file: Annotated[Path, typer.Argument(metavar="[FILE]", help="Where to write it.")] = HERE,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file there.")] = False,
) -> None:
    """Write a commented topology to start from."""
    from lvslab.topology import starter

    # ./lvslab.yaml is named after its folder, so that two projects are two labs.
    named = Path.cwd().name if file == HERE else file.stem
    text = starter(s.named_lab or named)
    write_new(file, text, force=force)
    s.out.line(f"wrote {file}")
    argument = "" if file == HERE else f" {file}"
    s.out.next(f"lvslab plan{argument}", f"lvslab up{argument}")
