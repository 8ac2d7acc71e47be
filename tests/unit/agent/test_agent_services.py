"""A service that is long in ending: it is waited for, and never left to end unnoticed later."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lvslab.agent import services
from lvslab.agent.loop import Loop, Until
from lvslab.agent.proto import Refused, now
from lvslab.agent.services import Supervisor

if TYPE_CHECKING:
    from lvslab.agent.loop import Task

#: Told to end it does, once there is a file "end".
_SLOW = """
trap 'while [ ! -e end ]; do sleep 0.01; done; exit 7' TERM
: > ready
while :; do sleep 0.01; done
"""


class Node:
    """A supervisor with one service, and the loop that its tasks run in."""

    def __init__(self) -> None:
        self.exited: list[int] = []
        self.supervisor = Supervisor(
            [{"name": "slow", "argv": ["sh", "-c", _SLOW], "ready": {"file": "ready"}}], self._emit
        )
        self.service = self.supervisor.get("slow")

    def _emit(self, ev: str, t: float | None = None, **fields: Any) -> None:
        del t
        if ev == "service.exited":
            self.exited.append(fields["status"])

    def finish(self, task: Task) -> Refused | None:
        """Run a task to its end within ten seconds; return how it was refused."""
        loop, refused, ended = Loop(), [], []

        def to_the_end() -> Task:
            try:
                yield from task
            except Refused as error:
                refused.append(error)
            ended.append(True)
            loop.stop()

        def reap() -> bool:
            self.supervisor.reap()
            return False

        def reaping() -> Task:
            # What the agent's loop does when it is told of SIGCHLD.
            yield Until(reap, now() + 10, poll=True)
            loop.stop()

        loop.spawn(reaping())
        loop.spawn(to_the_end())
        loop.run()
        assert ended == [True]
        return refused[0] if refused else None


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.chdir(tmp_path)
    made = Node()
    assert made.finish(made.supervisor.start_ready("slow")) is None
    yield made
    for pid in services.in_session(made.service.session or 0):
        services.signal_pid(pid, signal.SIGKILL)


def test_what_ends_later_than_it_was_waited_for_is_started_anew(node: Node, tmp_path: Path) -> None:
    refused = node.finish(node.supervisor.stop("slow", 0.05))
    assert refused is not None
    assert "did not end within 0.05 s" in refused.what
    first = node.service.pid
    assert first is not None
    (tmp_path / "end").touch()
    assert node.finish(node.supervisor.start_ready("slow")) is None
    assert node.exited == [7], "its own end"
    assert node.service.pid not in (None, first)
    assert not node.service.ending


def test_what_never_ends_is_killed_before_it_is_started_anew(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LEFTOVER_TIMEOUT", 0.05)
    assert node.finish(node.supervisor.stop("slow", 0)) is None
    first = node.service.pid
    assert first is not None, "it was not waited for"
    assert node.finish(node.supervisor.start_ready("slow")) is None
    assert node.exited == [-signal.SIGKILL]
    assert node.service.pid not in (None, first)


def test_what_was_not_told_to_end_is_left_alone(node: Node) -> None:
    first = node.service.pid
    assert node.finish(node.supervisor.start_ready("slow")) is None
    assert node.service.pid == first
    assert node.exited == []


def test_what_a_signal_has_stopped_is_not_told_to_end(node: Node) -> None:
    first = node.service.pid
    assert first is not None
    os.kill(first, signal.SIGSTOP)
    os.waitid(os.P_PID, first, os.WSTOPPED | os.WNOWAIT)
    refused = node.finish(node.supervisor.stop("slow", 5))
    assert refused is not None
    assert "cannot end" in refused.what
    assert not node.service.ending
    with Path(f"/proc/{first}/status").open(encoding="ascii") as status:
        pending = [line.split()[1] for line in status if line.startswith(("SigPnd", "ShdPnd"))]
    assert [int(mask, 16) & 1 << signal.SIGTERM - 1 for mask in pending] == [0, 0]
