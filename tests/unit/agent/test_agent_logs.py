"""A service's output: on stderr as it was, as events line by line, and never in anyone's way."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lvslab.agent import logs, services
from lvslab.agent.logs import HELD_LIMIT, RATE_LIMIT, TEXT_LIMIT, Logs, Stderr
from lvslab.agent.loop import Loop, Until
from lvslab.agent.proto import now

Seen = list[tuple[str, dict[str, Any]]]


class Node:
    """A supervisor with one service, whose stderr is a pipe that is read only when told to."""

    def __init__(self, script: str) -> None:
        self.loop = Loop()
        self.seen: Seen = []
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        self.logs = Logs(self.loop, self.write_end, self._emit)
        self.supervisor = services.Supervisor(
            [{"name": "httpd", "argv": ["sh", "-c", script]}], self._emit, self.logs
        )

    def _emit(self, ev: str, t: float | None = None, **fields: Any) -> None:
        self.seen.append((ev, fields))

    def said(self) -> list[str]:
        return [fields["text"] for ev, fields in self.seen if ev == "log"]

    def stderr(self) -> bytes:
        data = b""
        while True:
            try:
                piece = os.read(self.read_end, 1 << 20)
            except BlockingIOError:
                return data
            data += piece

    def until(self, predicate: Callable[[], bool]) -> None:
        """Run the loop until something holds; an AssertionError after ten seconds."""
        held: list[bool] = []

        def task() -> Any:
            held.append((yield Until(predicate, now() + 10, poll=True)))
            self.loop.stop()

        self.loop._running = True
        self.loop.spawn(task())
        self.loop.run()
        assert held == [True], self.seen

    def run(self) -> None:
        """Start the service and run until it has ended."""
        self.supervisor.start("httpd")
        service = self.supervisor.get("httpd")

        def ended() -> bool:
            self.supervisor.reap()
            return service.pid is None

        self.until(ended)


@pytest.fixture
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    node = Node(request.param)
    yield node
    for fd in (node.read_end, node.write_end):
        os.close(fd)


@pytest.mark.parametrize("node", ["echo one; echo two >&2; printf 'no newline'"], indirect=True)
def test_every_byte_is_passed_on_and_the_last_words_come_before_the_end(node: Node) -> None:
    node.run()
    assert node.stderr() == b"one\ntwo\nno newline"
    assert node.said() == ["one", "two", "no newline"]
    assert [ev for ev, _ in node.seen] == ["service.started", "log", "log", "log", "service.exited"]
    assert node.seen[1][1] == {"service": "httpd", "text": "one", "droppable": True}


@pytest.mark.parametrize(
    "node", ["(trap 'echo late; exit' TERM; echo here; while :; do sleep 0.05; done) & wait"]
    , indirect=True,
)  # fmt: skip
def test_a_child_that_outlives_its_parent_is_still_heard(node: Node) -> None:
    node.supervisor.start("httpd")
    service = node.supervisor.get("httpd")
    node.until(lambda: node.said() == ["here"])
    parent = service.pid
    assert parent is not None
    (child, *_) = services.descendants(parent)
    os.kill(parent, signal.SIGKILL)

    def gone() -> bool:
        node.supervisor.reap()
        return service.pid is None

    node.until(gone)
    os.kill(child, signal.SIGTERM)
    node.until(lambda: node.said() == ["here", "late"])
    assert node.stderr() == b"here\nlate\n"


@pytest.mark.parametrize(
    "node", [f"head -c {3 * HELD_LIMIT} /dev/zero | tr '\\0' x; echo; echo last"], indirect=True
)
def test_a_reader_that_stalls_blocks_neither_the_service_nor_the_agent(node: Node) -> None:
    node.run()  # ends although nobody reads
    said = node.stderr()
    while len(data := node.stderr()) or node.logs._stderr._held:
        said += data
        node.logs.flush(0.01)
    assert said.endswith(b"x\nlast\n")
    note = next(line for line in said.split(b"\n") if line.startswith(b"lvslab agent: "))
    lost = int(note.split()[2])
    assert len(said) - len(note) - 2 + lost == 3 * HELD_LIMIT + len(b"\nlast\n")
    assert node.said()[-1] == "last"


@pytest.mark.parametrize("node", [f"seq {RATE_LIMIT * 5}; exec sleep 0"], indirect=True)
def test_a_flood_stays_on_stderr(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "now", lambda: 7.0)
    node.run()
    assert len(node.stderr().splitlines()) == RATE_LIMIT * 5
    assert node.said() == [str(n + 1) for n in range(RATE_LIMIT)]
    monkeypatch.setattr(logs, "now", lambda: 8.0)
    os.write(node.logs.output("httpd"), b"after\n")
    node.logs.flush(1.0)
    assert node.seen[-1][1]["skipped"] == RATE_LIMIT * 4


@pytest.mark.parametrize("node", ["true"], indirect=True)
def test_long_lines_are_cut_and_empty_ones_are_none(node: Node) -> None:
    os.write(node.logs.output("httpd"), b"\n\r\n" + b"y" * (TEXT_LIMIT + 5) + b"\r\n\xff\n")
    node.logs.flush(1.0)
    assert node.said() == ["y" * TEXT_LIMIT, "\N{REPLACEMENT CHARACTER}"]


def test_nobody_reading_stderr_any_more_is_no_error() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    stderr = Stderr(Loop(), write_end)
    stderr.write(b"x")
    assert not stderr._held
    os.close(write_end)
