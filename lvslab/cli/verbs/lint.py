"""``lvslab lint``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lvslab.cli.pairs import pairs
from lvslab.cli.session import Session
from lvslab.cli.topologies import choose
from lvslab.cli.verb import FILES, verb

if TYPE_CHECKING:
    from lvslab.lint.model import Budget, Node
    from lvslab.lint.run import Result

_STYLE = {
    "error": "bold red",
    "warning": "bold yellow",
    "info": "bold cyan",
    "caret": "red",
    "why": "dim",
    "fix": "green",
    "summary": "bold",
    "note": "dim",
}


@verb(panel=FILES, json=True, order=27)
def lint(
    s: Session,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...] [TOPOLOGY]",
            help="keepalived.conf files, each by itself; or a topology, whose rendered files are "
            "checked together. Without any: the topology of this folder.",
            show_default=False,
        ),
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option(
            "--node",
            metavar="NAME=FILE",
            help="A director and its file. Several are checked against each other.",
            show_default=False,
        ),
    ] = None,
    budget: Annotated[
        str,
        typer.Option(
            metavar="LIMITS", help="What is allowed: rs_removed=5s,failover=1s.", show_default=False
        ),
    ] = "",
    select: Annotated[
        str, typer.Option(metavar="RULES", help="Only these: LVS012,LVS080.", show_default=False)
    ] = "",
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="The director's file system (/ on itself): scripts are looked for in it.",
            show_default=False,
        ),
    ] = None,
    config_id: Annotated[
        str,
        typer.Option(
            metavar="ID",
            help="For lines with @ID (keepalived -i). Default: the director's name.",
            show_default=False,
        ),
    ] = "",
    fix: Annotated[bool, typer.Option("--fix", help="Make the safe changes.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Show the safe changes.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Without the reasons.")] = False,
    keepalived: Annotated[
        bool | None,
        typer.Option(
            "--keepalived/--no-keepalived",
            help="Ask keepalived itself, too, in a container. Default: where an engine runs.",
            show_default=False,
        ),
    ] = None,
    sarif: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write SARIF 2.1.0, too (- for stdout).", show_default=False
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write JUnit XML, too (- for stdout).", show_default=False
        ),
    ] = None,
) -> int:
    """Find mistakes in keepalived.conf files, and between those of several directors.

    Ends with 1 where an error or a warning was found, with 0 where there are remarks only.
    """
    from lvslab.lint.inputs import budget_of
    from lvslab.lint.model import Setting
    from lvslab.lint.registry import get
    from lvslab.lint.report import as_dict
    from lvslab.lint.run import lint as run

    allowed = budget_of(budget)
    chosen = [get(r).id for r in select.replace(",", " ").split()]
    results = [
        run(Setting(nodes, allowed), select=chosen)
        for nodes in _inputs(s, files or [], node or [], allowed, root, config_id or None)
    ]
    if keepalived is not False:
        results = _asked(s, results, wanted=keepalived is True)
    only_data = _outputs(s, results, sarif, junit)
    if diff and not fix:
        _fix(s, results, write=False)
        return _code(results)
    if fix:
        _fix(s, results, write=True)
    dicts = [as_dict(r) for r in results]
    s.out.data(dicts[0] if len(dicts) == 1 else {"runs": dicts})
    if not only_data:
        for result in results:
            _tell(s, result, brief=brief)
        found = sorted({f.rule.id for r in results for f in r.findings})
        s.out.next(*([f"lvslab explain {found[0]}"] if found else ["lvslab explain"]))
    return _code(results)


def _inputs(
    s: Session,
    files: list[str],
    nodes: list[str],
    budget: Budget,
    root: Path | None,
    config_id: str | None,
) -> list[tuple[Node, ...]]:
    """Return what is linted together, and what apart."""
    from lvslab.lint.inputs import of_files, of_topology

    out: list[tuple[Node, ...]] = []
    mains = [(n, Path(f)) for n, f in pairs(nodes, "--node", "NAME=FILE").items()]
    if mains:
        out.append(of_files(mains, budget, root=root, config_id=config_id))
    for file in files:
        if _is_topology(file):
            spec = choose(file, lab=s.named_lab).spec
            out.append(of_topology(spec, budget))
        else:
            one = [(Path(file).name, Path(file))]
            # Nobody knows the host name that keepalived would take for @ID.
            out.append(of_files(one, budget, root=root, config_id=config_id))
    return out or [of_topology(choose(None, lab=s.named_lab).spec, budget)]


def _asked(s: Session, results: list[Result], *, wanted: bool) -> list[Result]:
    """Have keepalived judge, on an engine that runs; none is started for it.

    Raises EngineError where there is none and it is ``wanted``.
    """
    from lvslab.engine.keepalived import ask
    from lvslab.engine.select import running_engines
    from lvslab.errors import EngineError
    from lvslab.lint.asked import answer, judged, question

    questions = [question(n) for r in results for n in r.setting.nodes]
    for _, engine in running_engines(s.choice.value, progress=s.progress):
        try:
            said = ask(engine.client, questions)
        except EngineError:
            if wanted:
                raise
            continue
        finally:
            engine.close()
        if said is not None:
            left = iter(said)
            return [judged(r, [answer(n, next(left)) for n in r.setting.nodes]) for r in results]
    if wanted:
        raise EngineError(
            "no engine that has keepalived runs: it cannot be asked",
            fix="lvslab up makes one; without --keepalived lint works alone",
        )
    return results


def _is_topology(text: str) -> bool:
    path = Path(text)
    return path.suffix in (".yaml", ".yml") or (
        not path.exists() and path.name == text and not path.suffix
    )


def _outputs(s: Session, results: list[Result], sarif: Path | None, junit: Path | None) -> bool:
    """Write the files that were asked for; return whether stdout is theirs."""
    from lvslab.cli.output import to_json
    from lvslab.lint import junit as junit_xml
    from lvslab.lint import sarif as sarif_log

    taken = False
    for path, kind in ((sarif, "sarif"), (junit, "junit")):
        if path is None:
            continue
        if kind == "sarif":
            log = sarif_log.render(results[0])
            for more in results[1:]:
                log["runs"] += sarif_log.render(more)["runs"]
            text = to_json(log) + "\n"
        else:
            text = junit_xml.render(*results)
        if str(path) == "-":
            s.out.raw(text)
            taken = True
        else:
            path.write_text(text, encoding="utf-8")
            s.out.line(f"wrote {path}")
    return taken


def _fix(s: Session, results: list[Result], *, write: bool) -> None:
    from lvslab.lint.edits import difference, fixed

    changed = 0
    for result in results:
        documents = {
            name: document
            for n in result.setting.nodes
            for name, document in n.config.files.items()
        }
        for new in fixed(documents.values(), result.findings):
            old = documents[new.name]
            path = Path(new.name)
            if not write:
                if not s.out.as_json:
                    s.out.raw(difference(old, new).encode("utf-8", "replace").decode())
            elif path.is_file():
                path.write_bytes(new.encode())
                changed += 1
                s.out.line(f"changed {path}")
    if write:
        s.out.line(f"{changed} changed; what follows was found before" if changed else "no changes")


def _tell(s: Session, result: Result, *, brief: bool) -> None:
    from lvslab.lint.report import lines

    for line in lines(result, why=not brief):
        s.out.line(line.text, _STYLE.get(line.kind, ""))


def _code(results: list[Result]) -> int:
    from lvslab.lint.model import Severity

    bad = sum(r.count(Severity.ERROR) + r.count(Severity.WARNING) for r in results)
    return 1 if bad else 0
