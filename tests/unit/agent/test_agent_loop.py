from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lvslab.agent.children import call
from lvslab.agent.journal import Journal, life
from lvslab.agent.loop import Loop, Until
from lvslab.agent.ops import check, remove_stale_pid_files
from lvslab.agent.proto import Refused, now
from lvslab.agent.services import Supervisor
from lvslab.agent.state import sysctl_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from lvslab.agent.loop import Task


def finish(loop: Loop, task: Task) -> None:
    """Run a task to its end within ten seconds."""

    def to_the_end() -> Task:
        yield from task
        loop.stop()

    overdue: list[bool] = []

    def late() -> None:
        overdue.append(True)
        loop.stop()

    loop.call_at(now() + 10, late)
    loop.spawn(to_the_end())
    loop.run()
    assert not overdue


def test_timers_fire_in_order_and_can_be_cancelled() -> None:
    loop, seen = Loop(), []
    t = now()
    loop.call_at(t + 0.02, lambda: seen.append("second"))
    loop.call_at(t + 0.01, lambda: seen.append("first"))
    loop.cancel(loop.call_at(t + 0.015, lambda: seen.append("never")))
    loop.call_at(t + 0.03, loop.stop)
    loop.run()
    assert seen == ["first", "second"]


def test_tasks_wait_for_conditions_and_deadlines() -> None:
    loop, answers, flag = Loop(), [], []
    read_end, write_end = os.pipe()

    def on_read(_events: int) -> None:
        flag.append(os.read(read_end, 10))

    def task() -> Task:
        answers.append((yield Until(lambda: False, now() + 0.01)))
        os.write(write_end, b"x")
        answers.append((yield Until(lambda: bool(flag), now() + 10)))

    loop.add(read_end, on_read)
    finish(loop, task())
    assert answers == [False, True]
    loop.remove(read_end)
    loop.remove(read_end)
    os.close(read_end)
    os.close(write_end)


def test_what_can_never_be_ready_is_said_so() -> None:
    with Path(os.devnull).open() as null:
        assert Loop().add(null.fileno(), lambda _events: None) is False


def test_work_in_a_child_returns_or_refuses(capfd: pytest.CaptureFixture[str]) -> None:
    loop = Loop()
    supervisor = Supervisor([], lambda *_args, **_fields: None)
    got: list[object] = []

    def task() -> Task:
        got.append((yield from call(loop, supervisor, lambda: {"pid": os.getpid()}, 10)))
        with pytest.raises(Refused, match="ended early"):
            yield from call(loop, supervisor, lambda: 1 // 0, 10)

    finish(loop, task())
    (result,) = got
    assert isinstance(result, dict)
    assert result["pid"] != os.getpid()
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_work_that_hangs_is_killed() -> None:
    loop = Loop()
    supervisor = Supervisor([], lambda *_args, **_fields: None)
    read_end, write_end = os.pipe()

    def task() -> Task:
        with pytest.raises(Refused, match="no answer within"):
            yield from call(loop, supervisor, lambda: os.read(0, 1) and None, 0.05)

    stdin = os.dup(0)
    os.dup2(read_end, 0)
    try:
        finish(loop, task())
    finally:
        os.dup2(stdin, 0)
        for fd in (stdin, read_end, write_end):
            os.close(fd)
    (pid,) = supervisor._others
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_journal_newest_first_and_nothing_lost(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    for name in ("a", "b", "c"):
        journal.write({"fault_id": name, "fault": "f", "ops": [], "heal": []})
    again = Journal(str(tmp_path))
    assert [entry["fault_id"] for entry in again.entries()] == ["c", "b", "a"]
    again.remove(again.entries()[1])
    again.write({"fault_id": "d"})
    assert [entry["fault_id"] for entry in again.entries()] == ["d", "c", "a"]
    assert list(tmp_path.glob("*.new")) == []


def test_a_broken_journal_entry_is_shown_not_hidden(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path))
    journal.write({"fault_id": "a"})
    (tmp_path / "00000002.json").write_text('{"fault_id": "b"')
    broken, whole = journal.entries()
    assert "broken" in broken
    assert whole["fault_id"] == "a"


def test_life_is_the_same_twice() -> None:
    assert life() == life()


@pytest.mark.parametrize("key", ["", "../etc/passwd", "/etc/passwd", "net/../../etc/x"])
def test_sysctls_do_not_leave_proc_sys(key: str) -> None:
    with pytest.raises(ValueError, match="not a sysctl"):
        sysctl_path(key)


def test_sysctl_paths() -> None:
    assert sysctl_path("net.ipv4.ip_forward") == "/proc/sys/net/ipv4/ip_forward"
    assert sysctl_path("net/ipv4/conf/eth0.5/x") == "/proc/sys/net/ipv4/conf/eth0.5/x"


@pytest.mark.parametrize("op", [{"op": "explode"}, {}, "link", None])
def test_unknown_operations_are_refused(op: dict[str, object]) -> None:
    with pytest.raises(Refused, match="no operation"):
        check(op)


def test_stale_pid_files_go_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "apache2").mkdir()
    for name in ("keepalived.pid", "apache2/apache2.pid", "apache2/keep.txt"):
        (tmp_path / name).write_text("5\n")
    remove_stale_pid_files(str(tmp_path))
    assert [path.name for path in tmp_path.rglob("*.*")] == ["keep.txt"]


def test_deferred_work_waits_for_every_ready_descriptor() -> None:
    loop, seen = Loop(), []
    pipes = [os.pipe() for _ in range(2)]

    def reader(name: str) -> Callable[[int], None]:
        def read(_events: int) -> None:
            seen.append(name)
            loop.defer(lambda: seen.append(f"after {name}"))
            if len(seen) > 1:
                loop.stop()

        return read

    for (read_end, write_end), name in zip(pipes, "ab", strict=True):
        loop.add(read_end, reader(name))
        os.write(write_end, b"x")
    loop.run()
    assert sorted(seen[:2]) == ["a", "b"]
    assert sorted(seen[2:]) == ["after a", "after b"]
    for pair in pipes:
        for fd in pair:
            os.close(fd)
