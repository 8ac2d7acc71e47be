"""What comes out: a table, JSON and Markdown."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmark.harness import Bench
from lvslab import __version__


def machine(b: Bench, load: float) -> dict[str, Any]:
    """Describe the machine without naming it; ``load`` is that before the bench."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpus": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kvm": b.kvm,
        "lvslab": __version__,
        "load_before": round(load, 2),
    }


_COLUMNS = ("figure", "median", "least", "most", "n", "target")


def table(b: Bench, about: dict[str, Any]) -> Table:
    """Return the figures, each beside what is to be reached."""
    accel = "KVM" if about["kvm"] else "software emulation"
    shown = Table(
        title=f"{about['cpus']} cores, {accel}; load {about['load_before']} at the beginning",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in _COLUMNS:
        shown.add_column(name.upper(), justify="left" if name == "figure" else "right")
    for one in b.figures.values():
        what, median, *others = one.cells()
        colour = "" if one.target is None else "green" if one.median <= one.target else "red"
        shown.add_row(what, f"[{colour}]{median}[/]" if colour else median, *others)
    return shown


def markdown(b: Bench) -> str:
    """Return the figures as a Markdown table, for docs/benchmarks.md."""
    rows = [_COLUMNS, ("---", *["---:"] * (len(_COLUMNS) - 1))]
    rows += [tuple(cell.strip() for cell in one.cells()) for one in b.figures.values()]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def write(b: Bench, about: dict[str, Any], folder: Path, console: Console) -> None:
    """Write the JSON, show the table."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("%Y%m%d-%H%M%S.json")
    figures = {
        key: {
            "what": one.what.strip(),
            "unit": one.unit,
            "median": round(one.median, 3),
            "target": one.target,
            "values": [round(v, 3) for v in one.values],
        }
        for key, one in b.figures.items()
    }
    path.write_text(json.dumps({"machine": about, "figures": figures}, indent=1) + "\n")
    path.with_suffix(".md").write_text(markdown(b))
    console.print()
    console.print(table(b, about))
    console.print(f"\n[dim]written to {path.name} in {folder.name}/[/]")
