import contextlib
import errno
import fcntl
import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lvslab.engine.embedded.cache import Cache, Entry, _sha256, key_of
from lvslab.errors import EngineError
from lvslab.progress import Silent

MATERIAL = {"release": "trixie", "packages": ["a", "b"]}


def make(folder: Path) -> dict[str, object]:
    (folder / "data").write_bytes(b"whole")
    (folder / "sub").mkdir()
    (folder / "sub/more").write_bytes(b"too")
    return {"answer": 42}


def build(cache: Cache):
    return cache.get("thing", MATERIAL, make, progress=Silent())


def never(folder: Path) -> dict[str, object]:
    raise AssertionError("a whole entry was built again")


def test_a_whole_entry_is_used_again(tmp_path):
    first = build(Cache(tmp_path))
    again = Cache(tmp_path).get("thing", MATERIAL, never, progress=Silent())
    assert again.id == first.id
    assert again.facts == {"answer": 42}


def test_other_material_is_another_entry(tmp_path):
    first = build(Cache(tmp_path))
    other = Cache(tmp_path).get("thing", {**MATERIAL, "x": 1}, make, progress=Silent())
    assert other.path != first.path


@pytest.mark.parametrize(
    "damage",
    [
        lambda p: (p / "data").write_bytes(b"WHOLE"),  # same size, other content
        lambda p: (p / "data").write_bytes(b""),
        lambda p: (p / "sub/more").unlink(),
        lambda p: (p / "manifest.json").write_text("{"),
        lambda p: (p / "manifest.json").write_text("[]"),
        lambda p: (p / "manifest.json").unlink(),
        lambda p: (p / "manifest.json").write_text(
            json.dumps({**json.loads((p / "manifest.json").read_text()), "format": 0})
        ),
        lambda p: (p / "manifest.json").write_text(
            json.dumps({**json.loads((p / "manifest.json").read_text()), "material": {"q": 1}})
        ),
    ],
    ids=[
        "content",
        "truncated",
        "missing",
        "half manifest",
        "wrong manifest",
        "no manifest",
        "old",
        "foreign",
    ],
)
def test_a_damaged_entry_is_rebuilt(tmp_path, damage):
    cache = Cache(tmp_path)
    first = build(cache)
    damage(first.path)
    assert cache.find("thing", MATERIAL) is None
    again = build(cache)
    assert again.id != first.id
    assert (again.path / "data").read_bytes() == b"whole"


def test_damage_that_keeps_size_and_time_is_found_by_a_full_check(tmp_path):
    cache = Cache(tmp_path)
    entry = build(cache)
    data = entry.path / "data"
    stat = data.stat()
    data.write_bytes(b"WHOLE")
    os.utime(data, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert cache.find("thing", MATERIAL) is not None
    assert cache.find("thing", MATERIAL, full=True) is None


def test_a_sparse_file_is_told_from_one_with_its_data_elsewhere(tmp_path):
    def sparse(folder: Path) -> dict[str, object]:
        with (folder / "disk").open("wb") as handle:
            handle.truncate(1 << 22)
            handle.seek(1 << 20)
            handle.write(b"x" * 4096)
        return {}

    cache = Cache(tmp_path)
    entry = cache.get("disk", MATERIAL, sparse, progress=Silent())
    with (entry.path / "disk").open("wb") as handle:
        handle.truncate(1 << 22)
        handle.seek(1 << 21)
        handle.write(b"x" * 4096)
    assert cache.find("disk", MATERIAL) is None


def test_the_hash_of_a_sparse_file_is_that_of_its_content(tmp_path):
    """Data that does not begin on a block of the hash, holes that come and go."""
    sparse, dense = tmp_path / "sparse", tmp_path / "dense"
    with sparse.open("wb") as handle:
        for at in (5000, 300_000, 3_000_000):
            handle.seek(at)
            handle.write(b"data" * 1000)
        handle.truncate(5_000_000)
    dense.write_bytes(sparse.read_bytes())
    assert _sha256(sparse) == _sha256(dense)
    with dense.open("r+b") as handle:
        handle.seek(300_001)
        handle.write(b"D")
    assert _sha256(sparse) != _sha256(dense)


def test_a_failed_build_leaves_nothing_that_counts(tmp_path):
    def fail(folder: Path) -> dict[str, object]:
        (folder / "data").write_bytes(b"half")
        raise RuntimeError("no")

    cache = Cache(tmp_path)
    with pytest.raises(RuntimeError):
        cache.get("thing", MATERIAL, fail, progress=Silent())
    assert cache.entries() == []
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == []


def test_a_full_disk_is_said_so(tmp_path):
    def full(folder: Path) -> dict[str, object]:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(EngineError, match="disk is full"):
        Cache(tmp_path).get("thing", MATERIAL, full, progress=Silent())


def _build_slowly(root: str, marks: str) -> None:
    def slow(folder: Path) -> dict[str, object]:
        # Exclusive creation: a second builder at the same time would fail here.
        os.close(os.open(f"{marks}/building", os.O_CREAT | os.O_EXCL))
        (folder / "data").write_bytes(b"x" * 100_000)
        Path(f"{marks}/building").unlink()
        Path(f"{marks}/{os.getpid()}").touch()
        return {}

    Cache(Path(root)).get("thing", MATERIAL, slow, progress=Silent())


def test_concurrent_builders_wait_for_one(tmp_path):
    (tmp_path / "cache").mkdir()
    marks = tmp_path / "marks"
    marks.mkdir()
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=_build_slowly, args=(str(tmp_path / "cache"), str(marks)))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0, 0, 0]
    assert len(list(marks.iterdir())) == 1


def test_clean_keeps_what_is_wanted_and_takes_debris(tmp_path):
    cache = Cache(tmp_path)
    kept = build(cache)
    cache.get("state", MATERIAL, make, progress=Silent())
    (tmp_path / ".thing-debris").mkdir()
    gone = cache.clean(keep=lambda e: e.kind == "thing")
    assert sorted(gone) == [".thing-debris", f"state-{key_of(MATERIAL)}"]
    assert [e.id for e in cache.entries()] == [kept.id]


def test_what_a_killed_build_left_is_swept_and_a_running_one_is_not(tmp_path):
    cache = Cache(tmp_path)
    key = key_of(MATERIAL)
    debris = tmp_path / f".thing-{key}-x1y2"
    other = tmp_path / f".thing-{key_of({'other': 1})}-x1y2"
    gone = tmp_path / ".gone-abc"
    for folder in (debris, other, gone):
        folder.mkdir()
        (folder / "half").write_bytes(b"made")
    with (tmp_path / f"thing-{key_of({'other': 1})}.lock").open("a") as building:
        fcntl.flock(building, fcntl.LOCK_EX)
        build(cache)
        assert not debris.exists()
        assert not gone.exists()
        assert other.exists()
    cache.sweep()
    assert not other.exists()
    assert cache.find("thing", MATERIAL, full=True)


class Meddled(Cache):
    """A cache in which something happens right after the first look at an entry."""

    def __init__(self, root: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(root)
        self._meanwhile: list[Callable[[], object]] = [meanwhile]

    def find(self, kind: str, material: dict[str, Any], *, full: bool = False) -> Entry | None:
        found = super().find(kind, material, full=full)
        while self._meanwhile:
            self._meanwhile.pop()()
        return found


def find_whole(cache: Cache) -> Entry | None:
    return cache.find_whole("thing", MATERIAL, progress=Silent())


def test_looking_for_a_whole_entry_deletes_a_damaged_one(tmp_path):
    cache = Cache(tmp_path)
    assert find_whole(cache) is None
    entry = build(cache)
    assert find_whole(cache) == entry
    (entry.path / "data").write_bytes(b"WHOLE")
    assert find_whole(cache) is None
    assert not entry.path.exists()


def test_what_another_made_since_the_first_look_is_not_deleted(tmp_path):
    first = build(Cache(tmp_path))
    (first.path / "data").write_bytes(b"WHOLE")
    again = find_whole(Meddled(tmp_path, lambda: build(Cache(tmp_path))))
    assert again is not None
    assert again.id != first.id
    assert find_whole(Cache(tmp_path)) == again


def test_only_the_very_entry_is_discarded(tmp_path):
    cache = Cache(tmp_path)
    first = build(cache)
    cache.remove(first.kind, first.key)
    second = build(cache)
    cache.discard(first, progress=Silent())
    assert find_whole(cache) == second
    cache.discard(second, progress=Silent())
    cache.discard(second, progress=Silent())
    assert find_whole(cache) is None


def _remove_often(root: str, times: int) -> None:
    cache = Cache(Path(root))
    for _ in range(times):
        with contextlib.suppress(FileExistsError):
            (Path(root) / "thing-x").mkdir()
        cache.remove("thing", "x")
        cache.sweep()


def test_removals_and_sweeps_at_once_do_not_trip_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_remove_often, args=(str(tmp_path), 100)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [w.exitcode for w in workers] == [0, 0, 0]
    assert list(tmp_path.iterdir()) == []
