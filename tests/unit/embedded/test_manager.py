import multiprocessing
import os
from pathlib import Path

from lvslab.engine.embedded.manager import Manager
from lvslab.engine.embedded.paths import Paths
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
    assert [(i.name, i.running) for i in m.machines()] == [("lab-x", False)]
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
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_enter, args=(str(tmp_path), 60)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0, 0, 0]
    assert list((tmp_path / "run").iterdir()) == []
