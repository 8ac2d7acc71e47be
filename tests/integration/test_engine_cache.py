"""The embedded engine's cache and machines: damaged, killed, at once, on a full disk, private."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lvslab import topology
from lvslab.engine.embedded.cache import Entry
from lvslab.engine.embedded.machine import find_qemu
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.embedded.processes import end, of_folder
from lvslab.plan import agent_files, make_plan
from lvslab.progress import Silent

from .small import LAB, SMALL

pytestmark = pytest.mark.engine

Cli = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def small(module_cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small topology whose lab is in the cache."""
    file = tmp_path_factory.mktemp("small") / "small.yaml"
    file.write_text(SMALL)
    module_cli("--engine", "embedded", "up", str(file))
    module_cli("teardown", LAB)
    return file


@pytest.fixture
def clear(cli: Cli) -> Iterator[None]:
    """No lab and no machine at the end, whatever the test did."""
    yield
    for machine in Manager(Silent()).machines():
        cli("engine", "stop", machine.name)
    cli("teardown", LAB, check=False)


def up(cli: Cli, file: Path, *words: str) -> dict[str, Any]:
    done = cli("--engine", "embedded", *words, "up", str(file), "--json")
    print(done.stderr)  # shown when a test fails: why a state was not taken
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def saved(file: Path, lab: str = LAB) -> Entry:
    """The lab's saved state."""
    digest = make_plan(topology.load(file, name=lab), lab, agent_files=agent_files()).digest
    entries = [e for e in Manager(Silent()).cache.entries() if e.facts.get("what") == digest]
    return max(entries, key=lambda e: (e.path / "manifest.json").stat().st_mtime)


# -- damage ---------------------------------------------------------------------------------


def truncate(entry: Entry) -> None:
    with (entry.path / "machine.state").open("r+b") as file:
        file.truncate(1 << 20)


def corrupt(entry: Entry) -> None:
    """Other content, with the size and the time of the right one."""
    overlay = entry.path / "overlay.qcow2"
    before = overlay.stat()
    with overlay.open("r+b") as file:
        file.seek(before.st_size // 2)
        file.write(os.urandom(4096))
    os.utime(overlay, ns=(before.st_atime_ns, before.st_mtime_ns))


def make_foreign(entry: Entry) -> None:
    """The manifest of another entry: whole, but not this one's."""
    manifest = json.loads((entry.path / "manifest.json").read_text())
    manifest["material"]["disk"] = "0123456789abcdef"
    (entry.path / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("damage", [truncate, corrupt, make_foreign])
def test_a_damaged_state_is_not_trusted_but_made_again(
    cli: Cli, small: Path, clear: None, damage: Callable[[Entry], None]
):
    entry = saved(small)
    damage(entry)
    assert up(cli, small)["how"] == "engine"
    cli("teardown", LAB)
    assert saved(small).path == entry.path
    assert up(cli, small)["how"] == "lab"


# -- death ----------------------------------------------------------------------------------


def test_a_killed_machine_is_told_and_comes_back(
    cli: Cli, small: Path, clear: None, own_folders: Path
):
    folder = own_folders / "run" / f"lab-{LAB}"

    def kill_it() -> None:
        process = find_qemu(folder)
        assert process is not None
        assert end([process]) == []

    up(cli, small)
    kill_it()
    status = cli("status", check=False)
    assert status.returncode == 4
    assert "not running any more" in status.stderr
    assert "lvslab up" in status.stderr
    assert "lvslab teardown" in status.stderr
    assert "its machine was killed" in cli("list").stdout
    for verb in (["curl"], ["exec", "rs1", "true"], ["logs", "rs1"], ["ipvs"]):
        assert cli(*verb, check=False).returncode == 4

    assert up(cli, small)["how"] == "lab"
    assert json.loads(cli("status", "--json").stdout)["healthy"] is True

    kill_it()
    cli("teardown")
    assert not folder.exists()
    assert of_folder(folder) == []
    assert cli("teardown", LAB, check=False).returncode == 6


# -- at once --------------------------------------------------------------------------------


@pytest.fixture
def stateless(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache with tools and disk, but nothing saved yet; no machine at the end."""
    cache = Manager(Silent()).cache
    # Hard links: beside the real one, so that both are in one file system.
    folder = Path(tempfile.mkdtemp(prefix="lvslab-test-", dir=cache.root.parent))
    for entry in cache.entries():
        if entry.kind != "state":
            subprocess.run(["cp", "-al", str(entry.path), str(folder)], check=True)
    for other in cache.root.glob("*.json"):  # whether KVM works
        shutil.copy(other, folder)
    monkeypatch.setenv("LVSLAB_CACHE_DIR", str(folder))
    try:
        yield folder
    finally:
        for machine in Manager(Silent()).machines():
            cli("engine", "stop", machine.name)
        shutil.rmtree(folder)


def test_two_at_once_wait_for_each_other(cli: Cli, small: Path, stateless: Path):
    commands = [
        ["--engine", "embedded", "--lab", "cut-a", "up", str(small)],
        ["--engine", "embedded", "--lab", "cut-b", "up", str(small)],
        ["engine", "build"],
    ]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "lvslab", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for words in commands
    ]
    for process in running:
        said, _ = process.communicate(timeout=300)
        assert process.returncode == 0, said
    for lab in ("cut-a", "cut-b"):
        answer = json.loads(cli("--lab", lab, "curl", "-n", "3", "--json").stdout)
        assert answer["served_by"] == {"rs1": 3}
    # Both booted an engine and wanted to save it: one did, and no half of a save is left.
    cache = Manager(Silent()).cache
    assert cache.root == stateless
    whats = [e.facts["what"] for e in cache.entries() if e.kind == "state"]
    assert len(whats) == len(set(whats)) == 3
    assert list(stateless.glob(".*")) == []


# -- a full disk ----------------------------------------------------------------------------


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "t"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_cache_on_a_full_disk(cli: Cli, tiny: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LVSLAB_CACHE_DIR", str(tiny / "cache"))
    done = cli("engine", "build", check=False)
    assert done.returncode == 4, done.stderr
    assert "disk" in done.stderr
    assert "LVSLAB_CACHE_DIR" in done.stderr
    assert all(p.suffix == ".lock" for p in (tiny / "cache").iterdir())


def test_a_run_folder_on_a_full_disk(
    cli: Cli, small: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
):
    filler = tiny / "filler"
    with filler.open("wb") as file:
        file.write(bytes(shutil.disk_usage(tiny).free - (16 << 10)))
    monkeypatch.setenv("LVSLAB_RUN_DIR", str(tiny / "run"))
    done = cli("--engine", "embedded", "up", str(small), check=False)
    assert done.returncode == 4, done.stderr
    assert "the disk is full" in done.stderr
    assert str(tiny) in done.stderr
    left = [p.name for p in (tiny / "run").iterdir() if p.suffix not in (".lock", ".log")]
    assert left == []
    assert of_folder(tiny / "run" / f"lab-{LAB}") == []


# -- nobody else gets in --------------------------------------------------------------------


def test_only_its_owner_can_reach_it_and_nobody_over_the_network(
    cli: Cli, small: Path, clear: None, own_folders: Path
):
    up(cli, small)
    run = own_folders / "run"
    folder = run / f"lab-{LAB}"
    for private in (run, folder):
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "docker.sock").stat().st_mode) == 0o600
    assert stat.S_IMODE(Manager(Silent()).cache.root.stat().st_mode) == 0o700

    processes = of_folder(folder)
    assert {p.program for p in processes} >= {"qemu-system-", "ssh"}
    theirs = {inode for p in processes for inode in sockets_of(p.pid)}
    assert theirs, "QEMU has its sockets"
    assert theirs & set(listeners()) == set()


def listeners() -> dict[str, str]:
    """Local address by inode of every TCP socket that listens (proc_net_tcp: state 0A), and
    of every UDP socket."""
    found = {}
    for name in ("tcp", "tcp6", "udp", "udp6"):
        for line in Path("/proc/net", name).read_text().splitlines()[1:]:
            words = line.split()
            if name.startswith("udp") or words[3] == "0A":
                found[words[9]] = words[1]
    return found


def sockets_of(pid: int) -> set[str]:
    """The inodes of a process's sockets."""
    found = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(handle.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
