"""A history as it is written down, and read back."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvslab.errors import USAGE, NotFoundError
from lvslab.scenario import history as histories
from lvslab.scenario.history import FaultRun, History
from lvslab.scenario.judge import judge
from lvslab.timeline.events import Event, TimelineError, write

from ..plan.specs import rich
from ..timeline.handmade import event
from ..timeline.stories import RUN, there_and_back
from .played import HELD, played, step

FORMS = (
    "outage within auto", "outage within 1.1s..2.3s", "outage <= 4s", "new_holder == lvs2",
    "share_of rs1 == 33.3%", "holders == 1 within 0.1s from 3s to 4.7s",
    "log of lvs1 contains 'auto'", "no_split",
)  # fmt: skip


def lines_of(history: History, folder: Path) -> list[str]:
    path = folder / "h.jsonl"
    history.write(path)
    assert [p.name for p in folder.iterdir()] == ["h.jsonl"]
    return path.read_text().splitlines(keepends=True)


def short() -> History:
    """A history of a few events."""
    story = (RUN, there_and_back()[1][:8])
    return played(story, *FORMS)


def test_a_history_reads_back_as_it_was_and_is_judged_alike(tmp_path: Path):
    history = played(there_and_back(), *FORMS, made={"lvslab": "1", "kernel": "6.12"}, index=3)
    back = histories.of_lines(lines_of(history, tmp_path))
    assert back == history
    assert histories.load(tmp_path / "h.jsonl") == history
    first, second = judge(history), judge(back)
    assert second.checks == first.checks
    assert second.verdict == first.verdict


def test_everything_that_a_topology_can_say_is_kept(tmp_path: Path):
    steps = [step("freeze", "rs1", params={"a": [1, "x", None, 2.5], "b": {"c": True}})]
    history = short()
    scenario = replace(history.scenario, topology=rich(), steps=tuple(steps), source="title: é\n")
    history = replace(history, scenario=scenario)
    assert histories.of_lines(lines_of(history, tmp_path)) == history


FLOAT = st.floats(allow_nan=False, allow_infinity=False)
DATA = st.dictionaries(
    st.text(max_size=5).filter(lambda k: k not in ("t", "node", "ev", "re")),
    st.recursive(
        st.none() | st.booleans() | st.integers() | FLOAT | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2),
        max_leaves=3,
    ),
    max_size=3,
)
EVENT = st.builds(Event, FLOAT, st.text(max_size=5), st.just("novel.thing"), DATA)


@settings(max_examples=25, deadline=None)
@given(st.lists(EVENT, max_size=4), FLOAT, FLOAT, st.text(max_size=9), st.integers())
def test_whatever_is_in_it_comes_back_to_the_last_bit(
    events: list[Event], zero: float, phase: float, why: str, seed: int
):
    history = short()
    run = replace(RUN, promise=None, phase=phase, recorded_until=zero)
    history = replace(
        history,
        events=tuple(events),
        zero=zero,
        why=why,
        seed=seed,
        faults=(FaultRun("x", run, HELD),),
    )
    out = io.StringIO()
    write(out, histories._header(history), history.events)
    out.seek(0)
    back = histories.of_lines(out)
    assert back == history
    assert repr(back.zero) == repr(zero)


# --- what is no history ------------------------------------------------------------------


def refused(lines: list[str]) -> TimelineError:
    with pytest.raises(TimelineError) as caught:
        histories.of_lines(lines, "h.jsonl")
    assert caught.value.exit_code == USAGE
    return caught.value


def test_a_file_that_was_cut_short_says_where(tmp_path: Path):
    lines = lines_of(short(), tmp_path)
    count = len(lines)
    # In the middle of a line, and between two.
    error = refused([*lines[:-1], lines[-1][:20]])
    assert error.where == f"h.jsonl:{count}"
    assert "not JSON" in error.what
    error = refused(lines[:-2])
    assert error.where == f"h.jsonl:{count - 1}"
    assert error.what == f"cut short: {count - 1} events were written, {count - 3} are here"
    # As those were written that did not count yet, it is read.
    header = json.loads(lines[0])
    del header["run"]["count"]
    assert len(histories.of_lines([json.dumps(header), *lines[1:-2]]).events) == count - 3


@pytest.mark.parametrize(
    "lines", [[], [""], ["{}\n"], ["title: x\n"], ['{"t": 1, "node": "a", "ev": "b"}\n'], ["[1]\n"],
              ["[" * 100_000]]
)  # fmt: skip
def test_a_foreign_file_is_none(lines: list[str]):
    error = refused(lines)
    assert (error.what, error.where) == ("not a timeline of lvslab", "h.jsonl:1")


def test_a_file_of_another_version_says_which(tmp_path: Path):
    lines = lines_of(short(), tmp_path)
    header = json.loads(lines[0]) | {"version": 2}
    error = refused([json.dumps(header), *lines[1:]])
    assert error.what == "timeline version 2; this lvslab reads 1"
    assert error.where == "h.jsonl:1"


def test_a_timeline_of_another_kind_is_no_history():
    header = {"format": "lvslab-timeline", "version": 1, "run": {"lab": "x"}}
    error = refused([json.dumps(header)])
    assert error.where == "h.jsonl:1"
    assert "its description does not fit: " in error.what


def edited(lines: list[str], edit: Callable[[dict[str, Any]], object]) -> list[str]:
    header = json.loads(lines[0])
    edit(header["run"])
    return [json.dumps(header), *lines[1:]]


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (lambda run: run.update(novel=1), "novel"),
        (lambda run: run["scenario"].update(novel=1), "scenario.novel"),
        (lambda run: run["scenario"]["topology"].update(novel=1), "scenario.topology.novel"),
        (lambda run: run["scenario"]["expect"][0].update(novel=1), "scenario.expect.0.novel"),
        (lambda run: run["recording"].update(novel=1), "recording.novel"),
        (lambda run: run["faults"][0]["run"].update(novel=1), "faults.0.run.novel"),
        (lambda run: run.pop("zero"), "zero"),
        (lambda run: run.update(zero="soon"), "zero"),
        (lambda run: run.update(ending="happy"), "ending"),
        (lambda run: run["scenario"]["topology"]["directors"][0].update(address="x"),
         "scenario.topology.directors.0.address"),
    ],
)  # fmt: skip
def test_a_header_that_is_not_as_this_lvslab_writes_it_names_the_key(
    tmp_path: Path, edit: Callable[[dict[str, Any]], object], place: str
):
    error = refused(edited(lines_of(short(), tmp_path), edit))
    assert error.where == "h.jsonl:1"
    assert error.what.startswith(f"its description does not fit: {place}: ")
    assert error.fix == "read it with the lvslab that wrote it"


def test_an_event_that_is_none_says_on_which_line(tmp_path: Path):
    lines = lines_of(short(), tmp_path)
    bad = json.dumps({"t": 1.0, "node": "lvs1", "ev": "addr.add", "address": 5})
    assert refused([*lines[:3], bad, *lines[4:]]).where == "h.jsonl:4"
    endless = json.dumps({"t": 1.0, "node": "x", "ev": "y"}).replace("1.0", "NaN")
    assert refused([*lines[:3], endless, *lines[4:]]).where == "h.jsonl:4"
    deep = '{"t": 1.0, "node": "x", "ev": "y", "z": ' + "[" * 100_000
    assert refused([*lines[:3], deep, *lines[4:]]).where == "h.jsonl:4"


def test_no_file_and_no_text(tmp_path: Path):
    with pytest.raises(NotFoundError, match="no such file"):
        histories.load(tmp_path / "none.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TimelineError, match="cannot be read"):
        histories.load(tmp_path / "binary")
    with pytest.raises(TimelineError, match="cannot be read"):
        histories.load(tmp_path)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path):
    path = tmp_path / "h.jsonl"
    path.write_text("that of before\n")
    bad = replace(short(), events=(event(1.0, "lvs1", "novel", x=float("inf")),))
    with pytest.raises(ValueError, match="JSON compliant"):
        bad.write(path)
    assert path.read_text() == "that of before\n"
    assert list(tmp_path.iterdir()) == [path]
