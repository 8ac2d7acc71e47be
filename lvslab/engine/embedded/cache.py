"""Cache entries that are either whole and ours, or rebuilt.

An entry is a folder with a ``manifest.json`` that is written last, inside a temporary
folder that is then renamed into place: a half-made entry never has the final name. The
manifest names the key material, and size, modification time and sha256 of every file.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lvslab.engine.embedded.paths import private_dir
from lvslab.errors import EngineError
from lvslab.progress import Progress

#: Part of every key: raise it when the layout of an entry or the way it is made changes.
FORMAT = 1
#: The folder in which an entry is made: the entry's own name, and something random.
_TEMPORARY = re.compile(r"\.([a-z]+-[0-9a-f]{16})-.+")


@dataclass(frozen=True, slots=True)
class Entry:
    """One whole cache entry."""

    kind: str
    key: str
    path: Path
    manifest: dict[str, Any]

    @property
    def facts(self) -> dict[str, Any]:
        """What the maker of the entry wanted remembered."""
        return dict(self.manifest["facts"])

    @property
    def id(self) -> str:
        """Digest of what this very build contains: two builds with one key differ in it."""
        return str(self.manifest["id"])

    def size(self) -> int:
        """Bytes on disk (blocks really allocated)."""
        return sum(f.stat().st_blocks * 512 for f in self.path.rglob("*") if f.is_file())


class Cache:
    """The folder of entries, one level: ``<kind>-<key>``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def entries(self) -> list[Entry]:
        """Every whole entry (checked by size and time, not by hash), sorted by name."""
        if not self.root.is_dir():
            return []
        found = []
        for path in sorted(self.root.iterdir()):
            kind, dash, key = path.name.rpartition("-")
            if dash and path.is_dir() and not path.name.startswith("."):
                entry = self._read(kind, key)
                if entry is not None:
                    found.append(entry)
        return found

    def find(self, kind: str, material: dict[str, Any], *, full: bool = False) -> Entry | None:
        """Return the entry for the key material if it is whole, else None.

        Files whose size or modification time differ from the manifest are hashed again;
        with ``full`` every file is.
        """
        entry = self._read(kind, key_of(material), full=full)
        if entry is None or entry.manifest.get("material") != _plain(material):
            return None
        return entry

    def get(
        self,
        kind: str,
        material: dict[str, Any],
        make: Callable[[Path], dict[str, Any]],
        *,
        progress: Progress,
        rebuild: bool = False,
    ) -> Entry:
        """Return the entry, made by ``make(folder) -> facts`` when it is not there and whole.

        Concurrent callers wait for the one that builds. Raises EngineError on a full disk
        and whatever ``make`` raises.
        """
        key = key_of(material)
        private_dir(self.root)
        self.sweep()
        with self._locked(f"{kind}-{key}", progress):
            if not rebuild:
                found = self.find(kind, material)
                if found is not None:
                    return found
            self.remove(kind, key)
            temporary = Path(tempfile.mkdtemp(prefix=f".{kind}-{key}-", dir=self.root))
            try:
                facts = make(temporary)
                self._seal(kind, material, temporary, facts)
                temporary.rename(self.root / f"{kind}-{key}")
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise disk_full(self.root) from error
                raise
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            made = self._read(kind, key)
            if made is None:
                raise EngineError(
                    f"the cache entry {kind}-{key} vanished while it was being made",
                    where=str(self.root),
                    fix="run the command again",
                )
            return made

    def remove(self, kind: str, key: str) -> None:
        """Delete an entry; one that is not there, or that another deletes, is fine."""
        # Renamed first: nobody may find a folder that is half deleted under its final name. In
        # one step: a folder made to move it into could be swept by another before it is used.
        doomed = self.root / f".gone-{secrets.token_hex(8)}"
        with contextlib.suppress(FileNotFoundError):
            (self.root / f"{kind}-{key}").rename(doomed)
            shutil.rmtree(doomed, ignore_errors=True)

    def find_whole(
        self, kind: str, material: dict[str, Any], *, progress: Progress
    ) -> Entry | None:
        """Return the entry if every file of it is as it was made; a damaged one is deleted.

        Left there, one that only a full check finds damaged would never be made again.
        """
        entry = self.find(kind, material, full=True)
        name = f"{kind}-{key_of(material)}"
        if entry is not None or not (self.root / name).exists():
            return entry
        with self._locked(name, progress):
            # Looked at again: another may have made it anew since the first look.
            entry = self.find(kind, material, full=True)
            if entry is None:
                self.remove(kind, key_of(material))
        return entry

    def discard(self, entry: Entry, *, progress: Progress) -> None:
        """Delete this very entry, but not another that took its place meanwhile."""
        with self._locked(f"{entry.kind}-{entry.key}", progress):
            now = self._read(entry.kind, entry.key)
            if now is None or now.id == entry.id:
                self.remove(entry.kind, entry.key)

    def sweep(self) -> None:
        """Delete what builds and removals that were killed have left half done."""
        for path in self.root.glob(".gone-*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.root.glob(".*-*-*"):
            built = _TEMPORARY.fullmatch(path.name)
            if built is None or not path.is_dir():
                continue
            with (self.root / f"{built[1]}.lock").open("a") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue  # being built right now
                shutil.rmtree(path, ignore_errors=True)

    def clean(self, keep: Callable[[Entry], bool] = lambda _: False) -> list[str]:
        """Delete all entries but those that ``keep`` wants, and all debris. Returns the names."""
        if not self.root.is_dir():
            return []
        gone = []
        kept = {e.path.name for e in self.entries() if keep(e)}
        for path in sorted(self.root.iterdir()):
            if path.name in kept or path.suffix == ".lock":
                continue
            if path.is_dir() and not self._in_use(path):
                shutil.rmtree(path, ignore_errors=True)
                gone.append(path.name)
        return gone

    def _in_use(self, path: Path) -> bool:
        """Is somebody building right now? Temporary folders carry no key, so any lock counts."""
        if not path.name.startswith("."):
            return False
        for lock in self.root.glob("*.lock"):
            with lock.open("a") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return True
        return False

    def _seal(self, kind: str, material: dict[str, Any], path: Path, facts: dict[str, Any]) -> None:
        files = {}
        for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.is_symlink()):
            if facts.get("hash", True):
                files[str(file.relative_to(path))] = _fingerprint(file)
        manifest = {
            "format": FORMAT,
            "kind": kind,
            "material": _plain(material),
            "facts": facts,
            "files": files,
        }
        manifest["id"] = hashlib.sha256(
            json.dumps([manifest, os.urandom(8).hex()], sort_keys=True).encode()
        ).hexdigest()[:16]
        text = json.dumps(manifest, indent=1, sort_keys=True)
        with (path / "manifest.json").open("w") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())

    def _read(self, kind: str, key: str, *, full: bool = False) -> Entry | None:
        path = self.root / f"{kind}-{key}"
        try:
            manifest = json.loads((path / "manifest.json").read_text())
            if manifest["format"] != FORMAT or manifest["kind"] != kind:
                return None
            if key_of(manifest["material"]) != key:
                return None
            for name, print_ in manifest["files"].items():
                if not _matches(path / name, print_, full=full):
                    return None
            return Entry(kind, key, path, manifest)
        except (OSError, ValueError, KeyError, TypeError):
            # Whatever is wrong with it, an entry that cannot be read whole is not an entry.
            return None

    @contextmanager
    def _locked(self, name: str, progress: Progress) -> Iterator[None]:
        with (self.root / f"{name}.lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with progress.step("waiting for another lvslab that builds the same thing"):
                    fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def key_of(material: dict[str, Any]) -> str:
    """Return the key: 16 hex digits of sha256 over FORMAT and the material."""
    text = json.dumps([FORMAT, _plain(material)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class DiskFullError(EngineError):
    """There is no room left for what has to be written."""


def disk_full(path: Path, *, needed: int | None = None) -> DiskFullError:
    """Return the error for a full disk below ``path``; ``needed`` is in MiB."""
    free = shutil.disk_usage(path).free // 2**20
    return DiskFullError(
        f"the disk is full: {free} MiB free" + (f", {needed} needed" if needed else ""),
        where=str(path),
        fix="free some room (lvslab engine clean), or set LVSLAB_CACHE_DIR and LVSLAB_RUN_DIR "
        "to a larger disk",
    )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))


def _fingerprint(file: Path) -> dict[str, Any]:
    stat = file.stat()
    return {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": _sha256(file)}


def _matches(file: Path, known: dict[str, Any], *, full: bool) -> bool:
    stat = file.stat()
    if stat.st_size != known["size"]:
        return False
    if not full and stat.st_mtime_ns == known["mtime_ns"]:
        return True
    return bool(_sha256(file) == known["sha256"])


_BLOCK = 1 << 18
_ZEROS = bytes(_BLOCK)


def _sha256(file: Path) -> str:
    """Hash the blocks of a file that are not all zeros, each with its offset: disks are sparse.

    Holes are skipped, but never relied on: the file system may turn zeros into a hole, and
    back, whenever it writes its cache out.
    """
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as handle:
        end = os.fstat(handle.fileno()).st_size
        position = 0
        while position < end:
            try:
                start = os.lseek(handle.fileno(), position, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nothing but a hole until the end
                    break
                raise
            stop = os.lseek(handle.fileno(), start, os.SEEK_HOLE)
            # Blocks lie on a fixed grid, wherever the file system sees the hole's edge today.
            position = start - start % _BLOCK
            os.lseek(handle.fileno(), position, os.SEEK_SET)
            while position < stop:
                block = handle.read(_BLOCK)
                if not block:
                    break
                if block != _ZEROS[: len(block)]:
                    digest.update(position.to_bytes(8))
                    digest.update(block)
                position += len(block)
        digest.update(end.to_bytes(8))
    return digest.hexdigest()
