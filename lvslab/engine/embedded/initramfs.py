"""The small initramfs that finds the root disk: busybox and a handful of modules."""

from __future__ import annotations

import gzip
import lzma
import stat
from collections.abc import Iterable
from pathlib import Path

from lvslab.errors import EngineError

#: Names as in modules.dep; their dependencies are added, before them.
WANTED = (
    "virtio_ring",
    "virtio",
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "virtio_net",
    "ext4",
)


def module_order(modules: Path, wanted: Iterable[str]) -> list[Path]:
    """Return the module files to load, dependencies first, each once.

    ``modules`` is ``lib/modules/VERSION``; a wanted module that is built in is left out.
    The order comes from modules.dep, in which each line lists a module's dependencies,
    the deepest last (depmod(8)).
    """
    depends: dict[str, tuple[Path, list[Path]]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        file, _, rest = line.partition(":")
        depends[_name(file)] = (modules / file, [modules / d for d in rest.split()])
    order: dict[Path, None] = {}
    for name in wanted:
        if name in depends:
            path, needs = depends[name]
            order.update(dict.fromkeys([*reversed(needs), path]))
    return list(order)


def decompress(path: Path) -> bytes:
    """Return a module's plain ELF content, whatever it is packed with."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        raise EngineError(f"{path.name} is packed with zstd, which this build cannot read")
    return data


def build(modules: Path, busybox: Path, init: bytes) -> bytes:
    """Return a gzip-compressed cpio archive (newc) with /init, busybox and the modules."""
    archive = _Cpio()
    for folder in ("bin", "dev", "lib", "proc", "root", "sys"):
        archive.folder(folder)
    archive.file("bin/busybox", busybox.read_bytes(), 0o755)
    archive.link("bin/sh", "busybox")
    archive.file("init", init, 0o755)
    names = []
    for path in module_order(modules, WANTED):
        name = f"{_name(path.name)}.ko"
        names.append(name)
        archive.file(f"lib/{name}", decompress(path), 0o644)
    archive.file("modules", "".join(f"{n}\n" for n in names).encode(), 0o644)
    # Level 1: the guest unpacks it under emulation, where a small window is quicker too.
    return gzip.compress(archive.done(), compresslevel=1, mtime=0)


def _name(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0].replace("-", "_")


class _Cpio:
    """The newc format: see Documentation/driver-api/early-userspace/buffer-format.rst."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._inode = 0

    def folder(self, name: str) -> None:
        self._add(name, b"", stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, mode: int) -> None:
        self._add(name, data, stat.S_IFREG | mode)

    def link(self, name: str, target: str) -> None:
        self._add(name, target.encode(), stat.S_IFLNK | 0o777)

    def done(self) -> bytes:
        self._add("TRAILER!!!", b"", 0)
        return bytes(self._out)

    def _add(self, name: str, data: bytes, mode: int) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        numbers = (self._inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0)
        self._out += b"070701" + "".join(f"{n:08x}" for n in numbers).encode() + encoded
        self._out += b"\0" * (-len(self._out) % 4)
        self._out += data
        self._out += b"\0" * (-len(self._out) % 4)
