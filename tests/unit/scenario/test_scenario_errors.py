"""Bad scenario files and the exact words about them.

``python -m tests.unit.scenario.test_scenario_errors`` writes the words anew: read them before
they are committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lvslab.scenario.load import load
from lvslab.topology import TopologyProblems

FOLDER = Path(__file__).parent / "errors"
GOLDEN = sorted(FOLDER.glob("*.yaml"))


def told(path: Path) -> TopologyProblems:
    with pytest.raises(TopologyProblems) as caught:
        load(path)
    return caught.value


def test_there_are_enough_golden_pairs_and_none_is_alone():
    assert len(GOLDEN) >= 40
    assert {p.stem for p in GOLDEN} == {p.stem for p in FOLDER.glob("*.err")}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden(path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(FOLDER)
    error = told(Path(path.name))
    assert str(error) + "\n" == path.with_suffix(".err").read_text()
    # Also where somebody wrote the expected text anew: each place is one in the file.
    lines = path.read_bytes().decode("latin-1").splitlines() or [""]
    for problem in error.problems:
        assert problem.file == path.name
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


if __name__ == "__main__":
    os.chdir(FOLDER)
    for one in GOLDEN:
        try:
            load(Path(one.name))
        except TopologyProblems as error:
            one.with_suffix(".err").write_text(f"{error}\n")
        else:
            raise SystemExit(f"{one.name} is not refused")
