"""The engine with nothing in it: built, booted, saved, restored."""

from __future__ import annotations

import shutil
import time

from benchmark.figures import Recorder
from benchmark.harness import DEBIAN, Bench
from lvslab.engine.embedded.cache import Entry
from lvslab.engine.embedded.engine import EmbeddedEngine
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.embedded.paths import Paths


def build(b: Bench) -> None:
    """Build the engine from Debian packages, in an empty cache; once."""
    empty = Paths(cache=b.work / "empty", run=b.work / "run")
    recorder = Recorder()
    began = time.monotonic()
    Manager(recorder, empty).build(DEBIAN)
    about = {"what": "engine built from Debian packages (once)"}
    b.add("engine build", time.monotonic() - began, **about)
    for what, took in recorder.steps:
        b.add(f"engine build: {what}", took, what=f"  {what}")
    entries: list[Entry] = Manager(recorder, empty).cache.entries()
    for one in entries:
        b.add(f"size {one.kind}", one.size() / 2**20, what=f"  {one.kind} on disk", unit="MiB")
    shutil.rmtree(empty.cache)


def engine(b: Bench) -> None:
    """Boot, save and restore the engine with nothing in it."""
    for _ in range(b.runs):
        b.forget_states()
        recorder = Recorder()
        _started(b, recorder)
        b.stop_all()
        b.add("boot", recorder.take("booting"), what="cold boot to an answering Docker API")
        b.add("save idle", recorder.take("saving"), what="saving the idle engine")
    for _ in range(b.runs):
        recorder = Recorder()
        _started(b, recorder)
        took = recorder.take("restoring")
        b.add("restore idle", took, what="restoring the idle engine to an answering API")
        b.add("rss idle", b.memory(), what="memory of QEMU, idle engine restored", unit="MiB")
        b.stop_all()


def _started(b: Bench, recorder: Recorder) -> EmbeddedEngine:
    made, _ = b.manager(recorder).start("bench", debian=DEBIAN)
    made.close()
    return made
