"""A pytest run of a team's own, with the plugin, on a real engine; docs/examples has the rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lvslab.engine.embedded.manager import Manager
from lvslab.engine.select import machine_name
from lvslab.progress import Silent

from .small import SMALL

pytestmark = pytest.mark.engine

#: Says when the fault is in, and then waits for a takeover that no second director will make.
TEST = """
def test_it_is_interrupted(lab):
    def tell(event):
        if event.kind == "fault.injected":
            print("BROKEN", flush=True)

    lab.fail("lvs1", "link-down", hold=60, on_event=tell)

def test_it_is_not_reached(lab):
    print("REACHED", flush=True)
"""


def test_ctrl_c_while_a_fault_is_watched_leaves_nothing(
    built: None, own_folders: Path, tmp_path: Path
) -> None:
    (tmp_path / "lvslab.yaml").write_text(SMALL)
    (tmp_path / "test_it.py").write_text(TEST)
    argv = [sys.executable, "-m", "pytest", "-s", "--lvslab-engine=embedded", "test_it.py"]
    with subprocess.Popen(
        argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        assert run.stdout is not None
        seen = []
        for line in run.stdout:
            seen.append(line)
            # At its end: a report of a failure would have it in the source, too.
            if line.endswith("BROKEN\n"):
                assert Manager(Silent()).exists(machine_name("pytest")), seen
                os.kill(run.pid, signal.SIGINT)
    said = "".join(seen)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, said
    assert "link-down in lvs1 was healed" in said
    assert "REACHED" not in said
    assert not Manager(Silent()).exists(machine_name("pytest"))
    assert not (own_folders / "state" / "lvslab" / "labs" / "pytest.json").exists()
