"""The labs of one test run: what lvslab.pytest_plugin hands to tests, and what it says of them."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from lvslab.api.lab import Lab
from lvslab.api.results import Result
from lvslab.api.topology import Topology
from lvslab.errors import LvslabError
from lvslab.progress import Progress
from lvslab.record import Choice
from lvslab.resources import state_dir

#: What a lab is called. Fixed, because a lab's saved state belongs to its name, too.
NAME = "pytest"
_MOST = 16


class Labs:
    """Brings labs up when a test wants one, and tears them down when the run ends.

    One at a time, unless a test wants two: an emulated machine that idles costs the other one
    its time, and two labs of one network do not fit onto one Docker engine.
    """

    def __init__(
        self,
        *,
        engine: Choice,
        keep: bool,
        report: Callable[[], Path],
        save_all: bool,
        worker: str = "",
        progress: Progress | None = None,
    ) -> None:
        """``report`` gives the folder for histories; ``worker`` is that of a parallel run."""
        self._engine, self._progress = engine, progress
        self._keep, self._report, self._save_all = keep, report, save_all
        self._prefix = f"{NAME}-{worker}" if worker else NAME
        #: Names that are this run's until it ends, and what holds them.
        self._names: set[str] = set()
        self._locks = ExitStack()
        self._session: Lab | None = None
        self._test: Lab | None = None
        #: The session's lab is down, for a test with another; the test that runs now has its own.
        self._away = self._in_use = False
        #: What the test that runs now has measured.
        self._results: list[Result] = []

    # --- labs ---------------------------------------------------------------------------

    def for_test(self, topology: Topology, *, both: bool = False) -> Lab:
        """Return a lab as new: restored, or healed and proven ready. Raises LvslabError.

        ``both``: the test uses the session's lab, too.
        """
        self._in_use = True
        for lab in (self._session, self._test):
            if lab is not None and _is(lab, topology):
                return self._renewed(lab)
        if self._test is not None:
            self._drop(self._test)
        if self._session is not None and not both and not self._away:
            self._session.down()
            self._away = True
        self._test = self._up(topology)
        return self._test

    def for_session(self, topology: Topology) -> Lab:
        """Return the lab that lasts as long as the run. Raises LvslabError."""
        if self._session is None and self._test is not None and _is(self._test, topology):
            self._session, self._test = self._test, None
            return self._renewed(self._session)
        if self._session is None:
            if self._test is not None and not self._in_use:
                self._drop(self._test)
            self._session = self._up(topology)
        return self._session

    def begin(self, *, wants_session: bool) -> None:
        """Begin a test: nothing was measured yet. Raises LvslabError."""
        self._results.clear()
        self._in_use = False
        if not wants_session or self._session is None:
            return
        if self._test is not None:
            self._drop(self._test)
        if self._away:
            self._renewed(self._session)
        else:
            self._session.ready()

    def _renewed(self, lab: Lab) -> Lab:
        try:
            lab.reset()
        except LvslabError:
            # Whatever is wrong with it: the next test gets another.
            self._drop(lab)
            raise
        if lab is self._session:
            self._away = False
        return lab

    def close(self) -> list[str]:
        """Tear all down, and return the names of those that are left up. Raises LvslabError."""
        left = []
        for lab in (None if self._away else self._session, self._test):
            if lab is not None and self._keep:
                lab.close()
                left.append(lab.name)
            elif lab is not None:
                self._drop(lab)
        self._locks.close()
        return left

    def _up(self, topology: Topology) -> Lab:
        lab = Lab.up(
            topology,
            engine=self._engine,
            name=self._name(),
            keep=True,
            progress=self._progress,
            on_result=self._results.append,
        )
        if lab.how == "running":
            # A run that was killed, or told to keep it, left it in whatever state.
            lab.reset()
        return lab

    def _drop(self, lab: Lab) -> None:
        if lab is self._session:
            self._session, self._away = None, False
        if lab is self._test:
            self._test = None
        lab.down()

    def _name(self) -> str:
        """Return a name that neither this run nor another one at the same time uses."""
        folder = state_dir() / "pytest"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        used = {lab.name for lab in (self._session, self._test) if lab is not None}
        for number in range(1, _MOST + 1):
            name = self._prefix if number == 1 else f"{self._prefix}-{number}"
            if name in used:
                continue
            if name in self._names or self._claim(folder / f"{name}.lock"):
                self._names.add(name)
                return name
        raise LvslabError(
            f"{_MOST} test runs use labs at the same time", fix="wait until some have ended"
        )

    def _claim(self, path: Path) -> bool:
        """Hold a file until the run ends, however it does; False where another run has it."""
        lock = self._locks.enter_context(path.open("a"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    # --- what was measured --------------------------------------------------------------

    def told(self, test: str, *, failed: bool) -> str:
        """Save what a test measured, if it is to be, and return what is to be said of it."""
        if not self._results or not (failed or self._save_all):
            return ""
        lines = []
        for number, result in enumerate(self._results, 1):
            lines += [repr(result), f"  history: {self._save(result, test, number)}"]
        return "\n".join([*lines, "", self._results[-1].text()])

    def _save(self, result: Result, test: str, number: int) -> str:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", test).strip("-")
        try:
            return str(result.save(self._report() / f"{name}-{number}.jsonl"))
        except OSError as error:
            return f"could not be saved: {error}"


def _is(lab: Lab, topology: Topology) -> bool:
    return lab.topology == topology.named(lab.name)
