import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lvslab.engine.embedded import disk, guestroot, initramfs
from lvslab.engine.embedded.paths import Paths, default_paths, private_dir
from lvslab.engine.embedded.processes import Process, end, of_folder
from lvslab.engine.embedded.trial import memory_for
from lvslab.errors import EngineError
from lvslab.progress import Silent


def test_environment_wins_over_xdg_and_relative_xdg_is_ignored():
    env = {"HOME": "/h", "XDG_CACHE_HOME": "rel", "XDG_STATE_HOME": "/s"}
    assert default_paths(env) == Paths(Path("/h/.cache/lvslab"), Path("/s/lvslab/run"))
    env = {"HOME": "/h", "LVSLAB_CACHE_DIR": "/c", "LVSLAB_RUN_DIR": "/r"}
    assert default_paths(env) == Paths(Path("/c"), Path("/r"))


def test_a_folder_too_long_for_a_socket_is_refused_with_the_cure():
    paths = Paths(Path("/c"), Path("/" + "x" * 100))
    with pytest.raises(EngineError, match="too long") as error:
        paths.machine("lab-lvs-dr")
    assert error.value.fix is not None
    assert "LVSLAB_RUN_DIR" in error.value.fix


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 64])
def test_names_that_would_leave_the_folder_are_refused(name):
    with pytest.raises(EngineError):
        Paths(Path("/c"), Path("/r")).machine(name)


def test_private_dir_takes_rights_away(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)
    private_dir(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_module_order_puts_dependencies_first(tmp_path):
    (tmp_path / "modules.dep").write_text(
        "k/ext4.ko.xz: k/mbcache.ko.xz k/jbd2.ko.xz\n"
        "k/virtio_blk.ko.xz: k/virtio.ko.xz k/virtio_ring.ko.xz\n"
        "k/virtio.ko.xz: k/virtio_ring.ko.xz\n"
        "k/virtio-ring.ko.xz:\n"
        "k/jbd2.ko.xz:\nk/mbcache.ko.xz:\n"
    )
    order = [p.name for p in initramfs.module_order(tmp_path, ["virtio_blk", "ext4", "absent"])]
    assert order == [
        "virtio_ring.ko.xz",
        "virtio.ko.xz",
        "virtio_blk.ko.xz",
        "jbd2.ko.xz",
        "mbcache.ko.xz",
        "ext4.ko.xz",
    ]


def test_initramfs_is_an_archive_that_cpio_lists(tmp_path):
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "virtio.ko").write_bytes(b"ELF")
    (modules / "modules.dep").write_text("virtio.ko:\n")
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"\x7fELF" + b"x" * 1001)
    plain = gzip.decompress(initramfs.build(modules, busybox, b"#!/bin/sh\n"))
    # Read back by the definition of the format: fixed fields, names and data padded to 4.
    found, at = {}, 0
    while True:
        fields = [int(plain[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        assert plain[at : at + 6] == b"070701"
        name = plain[at + 110 : at + 110 + fields[11] - 1].decode()
        at += 110 + fields[11]
        at += -at % 4
        if name == "TRAILER!!!":
            break
        found[name] = (oct(fields[1]), plain[at : at + fields[6]])
        at += fields[6]
        at += -at % 4
    assert found["init"] == ("0o100755", b"#!/bin/sh\n")
    assert found["bin/busybox"][1] == busybox.read_bytes()
    assert found["bin/sh"] == ("0o120777", b"busybox")
    assert found["modules"][1] == b"virtio.ko\n"
    assert found["lib/virtio.ko"][1] == b"ELF"


def test_only_own_processes_of_the_folder_are_found_and_ended(tmp_path):
    ours = tmp_path / "ours"
    other = tmp_path / "ours-too"
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    # A python that looks like a tunnel of the folder, one of another folder, one that is
    # something else altogether but names the folder.
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for words in (
            ["ssh", f"{ours}/docker.sock"],
            ["ssh", f"{other}/docker.sock"],
            ["vim", f"{ours}/docker.sock"],
        )
    ]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
        found = of_folder(ours)
        assert [p.pid for p in found] == [started[0].pid]
        assert end(found) == []
        assert started[0].wait(10) == -9
        assert [p.poll() for p in started[1:]] == [None, None]
        assert not found[0].alive()
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_who_has_ended_or_has_its_pid_used_again_is_left_alone():
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert end([Process(other.pid, 1, "ssh")]) == []
        assert other.communicate(b"here")[0] == b"here"
    assert other.returncode == 0
    gone = Process(other.pid, 1, "ssh")
    assert end([gone], grace=5.0) == []


def test_a_process_of_its_own_is_never_found(tmp_path):
    assert os.getpid() not in {p.pid for p in of_folder(tmp_path)}


@pytest.mark.parametrize(
    ("nodes", "mib"), [(0, 1024), (12, 1024), (13, 2048), (36, 2048), (37, 4096), (500, 4096)]
)
def test_memory_follows_the_number_of_nodes_in_few_steps(nodes, mib):
    assert memory_for(nodes) == mib


def test_an_ordinary_user_s_disk_has_its_initramfs_once_before_it_is_booted(tmp_path, monkeypatch):
    done: list[str] = []

    def initrd(folder: Path, tools: object) -> str:
        done.append("initramfs")
        return "6.12.1-cloud"

    def fill(folder: Path, base: Path) -> str:
        done.append("boot")
        return "node:1"

    monkeypatch.setattr(guestroot, "make_initramfs", initrd)
    monkeypatch.setattr(disk._Builder, "_downloads", lambda self, toolbox, root: None)
    monkeypatch.setattr(disk._Builder, "_format", lambda self, tools, root: None)
    facts = disk._Builder(tmp_path, "trixie", Silent()).as_user(lambda: None, fill)  # type: ignore
    assert done == ["initramfs", "boot"]
    assert facts == {"kernel": "6.12.1-cloud", "node_image": "node:1", "debian": "trixie"}
