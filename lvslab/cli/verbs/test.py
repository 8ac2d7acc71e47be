"""``lvslab test``."""

from __future__ import annotations

import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lvslab import record
from lvslab.cli import complete
from lvslab.cli.labs import opened
from lvslab.cli.output import to_json
from lvslab.cli.session import Session
from lvslab.cli.topologies import Chosen
from lvslab.cli.verb import FAULTS, verb
from lvslab.cli.verbs.teardown import tear_down
from lvslab.cli.verbs.up import bring_up
from lvslab.errors import (
    ConflictError,
    EngineError,
    FaultError,
    LabError,
    LvslabError,
    NotFoundError,
)
from lvslab.resources import state_dir

if TYPE_CHECKING:
    from lvslab.scenario.elsewhere import LeftOut
    from lvslab.scenario.judge import ScenarioResult
    from lvslab.scenario.spec import ScenarioSpec

#: The lab that scenarios are played on, unless another is named.
LAB = "test"


@verb(
    panel=FAULTS,
    name="test",
    json=True,
    order=40,
    lab_help=f"Name of the lab to play on (default: {LAB}).",
)
def play(
    s: Session,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SCENARIO]...",
            autocompletion=complete.scenarios,
            help="Files, folders, or names of those that ship with lvslab.",
            show_default=False,
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Every scenario that ships.")] = False,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="Those with this tag; may be repeated.")
    ] = None,
    topology: Annotated[
        str | None,
        typer.Option(
            "--topology",
            metavar="TOPOLOGY",
            autocompletion=complete.topologies,
            help="Play them on this one, instead of the one that each names; with --all or "
            "--tag, those that hold on any topology.",
        ),
    ] = None,
    repeat: Annotated[
        int | None, typer.Option("--repeat", min=1, help="How often each is run.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Decides phases and choices (default: random).")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            "--report",
            metavar="DIR",
            help="Where histories and reports go (default: the last "
            "run's, below the state folder).",
            show_default=False,
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="JUnit XML, too.")
    ] = None,
    again: Annotated[
        int,
        typer.Option("--again", min=0, help="How often one that cannot tell is run again."),
    ] = 0,
    list_: Annotated[bool, typer.Option("--list", help="Only say which there are.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up at the end.")] = False,
) -> int:
    """Play scenarios, hold what was measured to what is promised, and report.

    Ends with 0 if all passed, 1 if one failed, 2 if the recording of one cannot tell,
    3 if one was aborted.
    """
    from lvslab.report import scenario_json
    from lvslab.scenario.judge import EXIT, worst

    chosen, left = _choose(names, topology, all_=all_ or (list_ and not names), tags=tag or [], s=s)
    if list_:
        return _list(s, chosen, left)
    _tell_left_out(s, left)
    folder = report or state_dir() / "last-test"
    (folder / "histories").mkdir(parents=True, exist_ok=True)
    for old in (folder / "histories").glob("*.jsonl"):
        old.unlink()
    seed = secrets.randbits(32) if seed is None else seed
    told = Session(engine=s.choice, lab=s.named_lab or LAB, verbose=s.verbose, quiet=s.out.as_json)
    results: list[ScenarioResult] = []
    # A lab of the user's own, that was there before, is played on, and stays.
    keep = keep or (s.named_lab is not None and s.named_lab in record.load_all())
    try:
        for result in _play_all(told, chosen, repeat=repeat, seed=seed, again=again):
            name = f"{result.history.scenario.name}-{result.history.index:03d}.jsonl"
            result.history.write(folder / "histories" / name)
            results.append(result)
    finally:
        if not keep:
            tear_down(told, told.named_lab or LAB)
        if results:
            _report(told, results, folder, junit)
    s.out.data(
        {
            "report": folder,
            "seed": seed,
            **({"left_out": _why_left(left)} if topology is not None else {}),
            **scenario_json.to_dict(results),
        }
    )
    s.out.next(f"lvslab report {folder}/histories", "lvslab test --list")
    return EXIT[worst([r.verdict for r in results])]


def _choose(
    names: Sequence[str] | None,
    topology: str | None,
    *,
    all_: bool,
    tags: Sequence[str],
    s: Session,
) -> tuple[list[ScenarioSpec], list[LeftOut]]:
    """Read what is meant, all of it, before anything runs; with what does not apply.

    Raises NotFoundError, TopologyError.
    """
    from lvslab import topology as topologies
    from lvslab.scenario import elsewhere, library

    if not names and not all_ and not tags:
        raise NotFoundError(
            "which scenarios?", fix="name some, or give --tag TAG or --all; --list shows all"
        )
    lab = s.named_lab or LAB
    instead = None
    if topology is not None:
        instead = topologies.builtin(topology) or Path(topology)
    # Who names a scenario wants it, whatever it does to the topology.
    specs = library.load_all(library.find(names or []), topology=instead, lab=lab)
    left: list[LeftOut] = []
    if all_ or (tags and not names):
        named = {spec.name for spec in specs}
        more = [path for name, path in library.shipped().items() if name not in named]
        if instead is None:
            specs += library.load_all(more, lab=lab)
        else:
            found, left = elsewhere.fitting(more, topologies.load(instead, name=lab), tags=tags)
            specs += found
    if tags:
        specs = [spec for spec in specs if set(tags) & set(spec.tags)]
    if not specs:
        what = f"no scenario has the tag {', '.join(tags)}" if tags else "no scenario applies"
        if left:
            what += f": {len(left)} are left out, such as {left[0].name}: {left[0].why}"
        raise NotFoundError(what, fix="lvslab test --list")
    return specs, left


def _why_left(left: Sequence[LeftOut]) -> dict[str, str]:
    return {one.name: one.why for one in left}


def _tell_left_out(s: Session, left: Sequence[LeftOut]) -> None:
    if not left:
        return
    s.out.text(
        f"{len(left)} scenarios are left out: they are about a topology of their own, or nothing "
        "here for them to break" + ("" if s.verbose else " (-v names them)")
    )
    if s.verbose:
        s.out.table(("LEFT OUT", "WHY"), _why_left(left).items())


def _list(s: Session, specs: Sequence[ScenarioSpec], left: Sequence[LeftOut]) -> int:
    s.out.data([{"name": x.name, "title": x.title, "tags": x.tags, "teaches": x.teaches,
                 "expect": [e.text for e in x.expect]} for x in specs])  # fmt: skip
    s.out.table(("SCENARIO", "TAGS", "WHAT"), ((x.name, x.tags, x.title) for x in specs))
    _tell_left_out(s, left)
    s.out.next("lvslab test SCENARIO", "lvslab test --all")
    return 0


@dataclass(frozen=True, slots=True)
class _Turn:
    """One run that is due."""

    scenario: ScenarioSpec
    index: int


def _play_all(
    s: Session, chosen: Sequence[ScenarioSpec], *, repeat: int | None, seed: int, again: int
) -> Iterator[ScenarioResult]:
    """Play every scenario as often as it wants, those of one topology one after the other."""
    turns = [_Turn(x, i) for x in _by_topology(chosen) for i in range(repeat or x.repeat)]
    up: ScenarioSpec | None = None
    for number, turn in enumerate(turns, 1):
        scenario = turn.scenario
        _title(s, scenario, f"{number} of {len(turns)}" if len(turns) > 1 else "")
        for more in range(again, -1, -1):
            began = time.monotonic()
            result = _take_turn(s, turn, up, seed)
            up = None if result.verdict == "aborted" else scenario
            _tell(s, result, time.monotonic() - began)
            if result.verdict not in ("inconclusive", "aborted") or not more:
                break
            s.out.text("  [yellow]that recording cannot tell: once more[/]")
        yield result


def _take_turn(s: Session, turn: _Turn, up: ScenarioSpec | None, seed: int) -> ScenarioResult:
    """Bring the lab to what a scenario wants and play it; ``up``: what it was brought to last.

    A lab that cannot be had, or that dies, aborts this run and is made anew for the next.
    """
    from lvslab.scenario.judge import judge
    from lvslab.scenario.run import ScenarioRun, nothing
    from lvslab.scenario.setting import made_with, make_ready

    scenario = turn.scenario
    try:
        if up is None or up.topology != scenario.topology or scenario.origin == "restored":
            if up is not None and scenario.origin == "restored":
                tear_down(s, scenario.topology.name)
            title = f"{scenario.topology.name} ({scenario.name})"
            bring_up(s, Chosen(scenario.topology, Path(title), title))
        with opened(s) as lab:
            make_ready(lab, progress=s.progress)
            with s.progress.step(f"playing {scenario.name}"):
                history = ScenarioRun(
                    lab, scenario, seed=seed, index=turn.index, made=made_with(lab)
                ).play()
    except (ConflictError, FaultError):
        raise
    except (LabError, EngineError) as error:
        history = nothing(scenario, seed=seed, index=turn.index, why=str(error))
        tear_down(s, scenario.topology.name)
    return judge(history)


def _by_topology(chosen: Sequence[ScenarioSpec]) -> list[ScenarioSpec]:
    """Put those of one topology together: changing a lab takes longer than playing on it."""
    topologies = list(dict.fromkeys(x.topology for x in chosen))
    return sorted(chosen, key=lambda x: topologies.index(x.topology))


def _title(s: Session, scenario: ScenarioSpec, count: str) -> None:
    s.out.text(f"\n[bold]== {scenario.name}[/]: {scenario.title}  [dim]{count}[/]")


def _tell(s: Session, result: ScenarioResult, seconds: float) -> None:
    from lvslab.report.scenario_text import lines

    for line in lines(result):
        s.out.reading(line)
    s.out.text(f"  [dim]{seconds:.1f} s[/]")


def _report(
    s: Session, results: Sequence[ScenarioResult], folder: Path, junit: Path | None
) -> None:
    """Show the closing table, and write the reports. Raises LvslabError."""
    from lvslab.report import html, markdown, scenario_json, scenario_text
    from lvslab.report import junit as as_junit

    s.out.text()
    s.out.table(*scenario_text.summary(results))
    title = "lvslab test"
    files = {
        folder / "report.html": html.render(results, title=title, command=command_line()),
        folder / "report.md": markdown.render(results, title=title),
        folder / "report.json": to_json(scenario_json.to_dict(results)) + "\n",
        junit or folder / "junit.xml": as_junit.render(results, suite="lvslab"),
    }
    for path, text in files.items():
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise LvslabError(
                f"cannot be written: {error.strerror}", where=str(path), fix="name another file"
            ) from error
    s.out.line(f"written: {folder / 'report.html'}")


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["lvslab", *sys.argv[1:]])
