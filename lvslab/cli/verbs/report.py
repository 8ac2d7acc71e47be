"""``lvslab report``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lvslab.cli.session import Session
from lvslab.cli.verb import FAULTS, verb
from lvslab.errors import LvslabError


@verb(panel=FAULTS, json=True, order=45)
def report(
    s: Session,
    histories: Annotated[
        list[Path],
        typer.Argument(
            metavar="HISTORY...",
            help="Histories that 'lvslab test' wrote, or folders of them.",
            show_default=False,
        ),
    ],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="One page with all of it.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="For a pull request.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="JUnit XML, for a CI system.")
    ] = None,
) -> int:
    """Judge recorded runs again, and report. Needs no engine.

    Ends with 0 if all passed, 1 if one failed, 2 if one cannot tell, 3 if one was aborted.
    """
    from lvslab.report import scenario_json, scenario_text
    from lvslab.scenario.history import load
    from lvslab.scenario.judge import EXIT, judge, worst

    results = [judge(load(path)) for path in _files(histories)]
    title = "lvslab report"
    if html is not None:
        from lvslab.report import html as as_html

        command = shlex.join(["lvslab", "report", *map(str, histories), "--html", str(html)])
        _write(html, as_html.render(results, title=title, command=command))
    if markdown is not None:
        from lvslab.report import markdown as as_markdown

        _write(markdown, as_markdown.render(results, title=title))
    if junit is not None:
        from lvslab.report import junit as as_junit

        _write(junit, as_junit.render(results, suite="lvslab"))
    s.out.data(scenario_json.to_dict(results))
    for result in results:
        for line in scenario_text.lines(result):
            s.out.line(line)
    s.out.line("")
    s.out.table(*scenario_text.summary(results))
    for path in (html, markdown, junit):
        if path is not None:
            s.out.line(f"written: {path}")
    return EXIT[worst([r.verdict for r in results])]


def _files(given: list[Path]) -> list[Path]:
    """Return the histories that are meant. Raises LvslabError for a folder without one."""
    found: list[Path] = []
    for path in given:
        if path.is_dir():
            inside = sorted(path.rglob("*.jsonl"))
            if not inside:
                raise LvslabError(
                    "no histories (*.jsonl) in this folder",
                    where=str(path),
                    fix="give the folder that 'lvslab test --report' wrote",
                )
            found += inside
        else:
            found.append(path)
    return found


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LvslabError(
            f"cannot be written: {error.strerror}", where=str(path), fix="name another file"
        ) from error
