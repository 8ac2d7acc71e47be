"""``lvslab import``."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from lvslab.cli.pairs import pairs, several
from lvslab.cli.session import Session
from lvslab.cli.verb import FILES, verb
from lvslab.cli.written import write_new

T = TypeVar("T", IPv4Address, IPv4Network)


@verb(panel=FILES, json=True, order=25, lab_help="Name of the lab (default: the file's).")
def import_(
    s: Session,
    node: Annotated[
        list[str],
        typer.Option(
            "--node",
            metavar="NAME=FILE",
            help="A director and its keepalived.conf; again for each further file of it.",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The topology to write.")
    ] = Path("lvslab.yaml"),
    address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=ADDRESS",
            help="A director's own address (default: unicast_src_ip, else assigned).",
            show_default=False,
        ),
    ] = None,
    script: Annotated[
        list[str] | None,
        typer.Option(
            "--script",
            metavar="PATH=FILE",
            help="A script that the files run by this path, taken along instead of replaced.",
            show_default=False,
        ),
    ] = None,
    subnet: Annotated[
        str | None,
        typer.Option(help="Default: the smallest that has all addresses.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file there.")] = False,
) -> None:
    """Make a topology of the keepalived.conf files of real directors."""
    from lvslab.conf import load_all
    from lvslab.importer import Fate, ImportProblem, Source, import_confs
    from lvslab.importer.whole import text_of
    from lvslab.topology.load import read_text

    told = pairs(address or (), "--address", "NAME=ADDRESS")
    files = {n: [Path(f) for f in of] for n, of in several(node, "--node", "NAME=FILE").items()}
    if unknown := set(told) - set(files):
        raise ImportProblem(
            f"--address names {', '.join(sorted(unknown))}, which no --node does",
            where="command line",
            fix="give --node for each director",
        )
    sources = []
    for name, paths in files.items():
        given = told.get(name)
        own = _read(IPv4Address, given, f"--address {name}=192.0.2.1") if given else None
        sources.append(Source(name, load_all(paths, config_id=name), own))
    made = import_confs(
        sources,
        name=s.named_lab or output.stem,
        subnet=_read(IPv4Network, subnet, "--subnet 192.0.2.0/24") if subnet else None,
        programs={
            path: read_text(Path(file), "script", "--script PATH=FILE names one that is there")
            for path, file in pairs(script or (), "--script", "PATH=FILE").items()
        },
    )
    head = f"# Imported from {', '.join(str(f) for of in files.values() for f in of)}.\n"
    write_new(output, text_of(made.document, head), force=force)
    counts = {fate.value: made.count(fate) for fate in Fate}
    s.out.data(
        {
            "topology": str(output),
            "counts": counts,
            "added": list(made.added),
            "lines": [
                {
                    "node": e.node,
                    "at": str(e.at),
                    "text": e.text,
                    "fate": e.fate.value,
                    "note": e.note,
                }
                for e in made.entries
            ],
        }
    )
    s.out.line(f"wrote {output}: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    told_of = [e for e in made.entries if e.fate is not Fate.KEPT]
    if told_of:
        s.out.table(
            ("WHERE", "LINE", "IS", "NOTE"),
            ((f"{e.at.file}:{e.at.line}", e.text, e.fate.value, e.note) for e in told_of),
        )
    for added in made.added:
        s.out.text(f"In the lab besides: {added}.")
    if counts["unsupported"] or counts["stubbed"]:
        s.out.text(
            "Not all of it is in the lab: a verdict is one about what is, and not about the rest."
        )
    s.out.next(f"lvslab plan {output} --files", f"lvslab up {output}")


def _read(kind: type[T], text: str, form: str) -> T:
    """Return what an option gives as an address or a network; ``form`` is one that is right.

    Raises ImportProblem.
    """
    from lvslab.importer import ImportProblem

    try:
        return kind(text)
    except ValueError as error:
        where = form.partition(" ")[0]
        raise ImportProblem(str(error), where=where, fix=f"write IPv4, as in {form}") from error
