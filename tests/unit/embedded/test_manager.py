import multiprocessing
import os
from functools import partial
from pathlib import Path

import pytest

from lvslab.engine.embedded import states
from lvslab.engine.embedded.cache import Cache
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.embedded.paths import Paths
from lvslab.errors import EngineError
from lvslab.progress import Silent


def manager(root: str) -> Manager:
    return Manager(Silent(), Paths(Path(root) / "cache", Path(root) / "run"))


def test_stopping_what_is_not_there_leaves_nothing(tmp_path):
    assert manager(str(tmp_path)).stop("lab-x") is False
    assert list((tmp_path / "run").iterdir()) == []


def test_a_folder_left_behind_is_no_machine_and_is_deleted(tmp_path):
    folder = tmp_path / "run/lab-x"
    folder.mkdir(parents=True)
    (folder / "machine.json").write_text('{"disk": "disk-0"}')
    m = manager(str(tmp_path))
    assert m.exists("lab-x")
    assert m.find("lab-x") is None
    assert [(i.name, i.running, i.starting) for i in m.machines()] == [("lab-x", False, False)]
    assert m.stop("lab-x") is True
    assert list((tmp_path / "run").iterdir()) == []


def _enter(root: str, times: int) -> None:
    m = manager(root)
    for _ in range(times):
        with m._locked("x"):
            # Fails if another process is within the same lock.
            os.close(os.open(f"{root}/inside", os.O_CREAT | os.O_EXCL))
            Path(f"{root}/inside").unlink()


def test_the_lock_holds_although_its_file_comes_and_goes(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_enter, args=(str(tmp_path), 60)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0, 0, 0]
    assert list((tmp_path / "run").iterdir()) == []


def test_a_machine_that_another_starts_is_told_from_one_whose_start_was_killed(tmp_path):
    m = manager(str(tmp_path))
    assert not m.starting("lab-x")
    with m._locked("lab-x"):
        assert not m.starting("lab-x")  # locked, and not begun
        folder = tmp_path / "run/lab-x"
        folder.mkdir(parents=True)
        (folder / "machine.json").write_text('{"disk": "disk-0"}')
        (folder / "starting").touch()
        assert m.starting("lab-x")
        assert [(i.running, i.starting) for i in m.machines()] == [(False, True)]
    assert not m.starting("lab-x")  # it let go of the lock without having ended the start


def _facts(facts: dict[str, object], folder: Path) -> dict[str, object]:
    return facts


def test_the_states_that_were_not_used_for_longest_are_evicted(tmp_path):
    cache = Cache(tmp_path)
    for number in range(6):
        facts: dict[str, object] = {"what": states.IDLE if number == 0 else f"lab {number}"}
        entry = cache.get("state", facts, partial(_facts, facts), progress=Silent())
        os.utime(entry.path / "manifest.json", (number, number))
    (used,) = [e for e in cache.entries() if e.facts["what"] == "lab 1"]
    os.utime(used.path / "manifest.json")
    states.evict(cache, 3, Silent())
    kept = {e.facts["what"] for e in cache.entries()}
    assert kept == {states.IDLE, "lab 1", "lab 4", "lab 5"}


def test_how_many_states_are_kept_is_a_setting():
    assert states.kept({}) == states.kept({states.KEPT: ""}) == states.STATES_KEPT
    assert states.kept({states.KEPT: "20"}) == 20
    with pytest.raises(EngineError, match="LVSLAB_STATES_KEPT is 'many'"):
        states.kept({states.KEPT: "many"})
