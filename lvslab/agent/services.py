"""The node's services: started, stopped, killed, reaped; never restarted.

A service that ends unasked is reported and stays ended: the lab shows what keepalived
itself does, not what a supervisor would do about it.
"""

from __future__ import annotations

import os
import signal

from .loop import Until
from .proto import Refused, now

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .logs import Logs
    from .loop import Task

#: Seconds that a service is given to become ready, unless its ``ready`` says otherwise.
READY_TIMEOUT = 30.0
#: Seconds between SIGTERM and giving up waiting, unless the operation says otherwise. Apache needs
#: up to ten: it kills children that are still busy after nine (httpd 2.4, server/mpm_unix.c,
#: ap_reclaim_child_processes).
STOP_TIMEOUT = 20.0
#: Seconds that a dead service's remaining processes are given to end by themselves.
LEFTOVER_TIMEOUT = 5.0
#: States of /proc/net/tcp and /proc/net/udp (net/tcp_states.h): TCP_LISTEN; TCP_CLOSE, which a UDP
#: socket has that is bound and connected to nobody.
_LISTEN, _BOUND = "0A", "07"
#: Child of keepalived -> where it writes its pid, newest version first.
_PID_FILES = {
    "vrrp": ("/run/keepalived/vrrp.pid", "/run/keepalived_vrrp.pid", "/run/vrrp.pid"),
    "checkers": (
        "/run/keepalived/checkers.pid",
        "/run/keepalived_checkers.pid",
        "/run/checkers.pid",
    ),
}


class Service:
    """One service as node.json describes it, and its process."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.name: str = spec["name"]
        self.argv: list[str] = list(spec["argv"])
        self.ready: dict[str, Any] = dict(spec.get("ready") or {})
        self.pid: int | None = None
        #: How to ask it for a page, where it is not the first port, without TLS, for "/".
        self.ask: dict[str, Any] = dict(spec.get("ask") or {})
        #: Its last process: leader of the session that all its processes are in.
        self.session: int | None = None
        #: Whether it runs and was told to end: it will, and nothing takes that back.
        self.ending = False
        #: When it was started or ended.
        self.since = now()
        #: Reports on keepalived's FIFO since the start; counted by whoever reads the FIFO.
        self.reported = 0

    def ports(self) -> list[int]:
        """Return the TCP ports that it listens on once it is ready."""
        ports = self.ready.get("listen", [])
        return [ports] if isinstance(ports, int) else list(ports)


def spawn(argv: list[str], output: int) -> int:
    """Start a program with its output on a descriptor; return its pid. Raises OSError.

    posix_spawn, because a fork of the agent costs more than the program's own start on an
    emulated processor.
    """
    return os.posix_spawnp(
        argv[0],
        argv,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_DUP2, output, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )


def signal_pid(pid: int, number: int) -> bool:
    """Send a signal; return whether the process was there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _stat(pid: int) -> list[bytes]:
    """Return the fields of /proc/PID/stat from the state on; none when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name, in parentheses, may hold anything: fields count from its end.
            return file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def processes() -> dict[int, tuple[int, int]]:
    """Return pid -> (parent's pid, session) of every process that can be seen and is no zombie."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields and fields[0] != b"Z":
                found[int(entry)] = int(fields[1]), int(fields[3])
    return found


def descendants(root: int) -> list[int]:
    """Return the pids below a process, parents before children."""
    parents = processes()
    found = [root]
    for pid in found:
        found.extend(child for child, (parent, _) in parents.items() if parent == pid)
    return found[1:]


def in_session(session: int) -> list[int]:
    """Return the processes of a session."""
    return [pid for pid, (_, of) in processes().items() if of == session]


def _is_stopped(pid: int) -> bool:
    """Return whether a process is stopped by a signal: it will not see another but SIGKILL."""
    return _stat(pid)[:1] == [b"T"]


def command_line(pid: int) -> list[str]:
    """Return a process's argv; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return [word.decode(errors="replace") for word in file.read().split(b"\0")[:-1]]
    except (FileNotFoundError, ProcessLookupError):
        return []


def parse_listening(text: str, state: str = _LISTEN) -> set[int]:
    """Return the ports of /proc/net/tcp, tcp6, udp or udp6 that something listens on."""
    ports = set()
    for line in text.splitlines()[1:]:
        words = line.split()
        if len(words) > 3 and words[3] == state:
            ports.add(int(words[1].rpartition(":")[2], 16))
    return ports


def listening(protocol: str = "tcp") -> list[int]:
    """Return the ports of a protocol, tcp or udp, that something on this node listens on."""
    ports: set[int] = set()
    state = _LISTEN if protocol == "tcp" else _BOUND
    for path in (f"/proc/net/{protocol}", f"/proc/net/{protocol}6"):
        try:
            with open(path, encoding="ascii") as file:
                ports |= parse_listening(file.read(), state)
        except FileNotFoundError:
            continue
    return sorted(ports)


def _named_child(who: str, below: list[int]) -> int:
    """Return the pid of keepalived's child of that name. Raises Refused."""
    for path in _PID_FILES[who]:
        try:
            with open(path, encoding="ascii") as file:
                pid = int(file.read())
        except (OSError, ValueError):
            continue  # another version's place
        if pid in below:
            return pid
    raise Refused(f"keepalived has no {who} process", "lvslab logs says why")


class Supervisor:
    """Owns every child process of the agent."""

    def __init__(
        self, specs: list[dict[str, Any]], emit: Callable[..., None], logs: Logs | None = None
    ) -> None:
        self._emit = emit
        #: What takes the services' output; None: it goes where the agent's own errors go.
        self._logs = logs
        self.services = {spec["name"]: Service(spec) for spec in specs}
        self._others: dict[int, Callable[[int], None]] = {}

    def get(self, name: str) -> Service:
        """Return a service. Raises Refused."""
        if name not in self.services:
            known = ", ".join(sorted(self.services)) or "none"
            raise Refused(f"no service {name!r} on this node", f"there is: {known}")
        return self.services[name]

    def start(self, name: str) -> None:
        """Start a service; one that runs is left alone. A failure is reported as its exit."""
        service = self.get(name)
        if service.pid is not None:
            return
        service.reported = 0
        try:
            output = 2 if self._logs is None else self._logs.output(name)
            service.pid = spawn(service.argv, output)
        except OSError as error:
            self._emit(
                "service.exited",
                service=name,
                pid=None,
                status=127,
                error=f"{service.argv[0]}: {error.strerror}",
            )
            raise Refused(
                f"{service.argv[0]} cannot be started: {error.strerror}",
                "check that the image has it, and the service's argv in node.json",
            ) from error
        service.session = service.pid
        service.since = now()
        self._emit("service.started", service.since, service=name, pid=service.pid)

    def adopt(self, pid: int, on_exit: Callable[[int], None]) -> None:
        """Have ``on_exit(status)`` called when a child that is no service ends."""
        self._others[pid] = on_exit

    def reap(self) -> None:
        """Collect every child that has ended."""
        while True:
            try:
                pid, raw = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            t = now()
            status = os.waitstatus_to_exitcode(raw)
            on_exit = self._others.pop(pid, None)
            if on_exit is not None:
                on_exit(status)
            for service in self.services.values():
                if service.pid == pid:
                    service.pid, service.since, service.ending = None, t, False
                    if self._logs is not None:
                        self._logs.ended(service.name)
                    self._emit("service.exited", t, service=service.name, pid=pid, status=status)

    def is_ready(self, service: Service) -> bool:
        """Return whether everything in the service's ``ready`` holds."""
        if service.pid is None:
            return False
        ready = service.ready
        ports = service.ports()
        if ports and not set(ports) <= set(listening()):
            return False
        datagrams = ready.get("udp", [])
        if datagrams and not set(datagrams) <= set(listening("udp")):
            return False
        if "file" in ready and not os.path.exists(ready["file"]):
            return False
        return service.reported >= int(ready.get("vrrp", 0))

    def start_ready(self, name: str) -> Task:
        """Task: start a service and wait until it is ready. Raises Refused.

        One that was told to end does so first, though it still serves: a moment later it would,
        and nobody would start it. What the service left behind ends first, too: keepalived's
        children outlive a killed parent for a second, and a new keepalived refuses to start
        beside them. What does not end by itself is killed, as an init system would do.
        """
        service = self.get(name)
        if (service.pid is None or service.ending) and service.session is not None:
            session = service.session
            gone = yield Until(lambda: not in_session(session), now() + LEFTOVER_TIMEOUT, poll=True)
            if not gone:
                for pid in in_session(session):
                    signal_pid(pid, signal.SIGKILL)
                yield Until(lambda: not in_session(session), now() + 1.0, poll=True)
            # No process is left, but for one that nobody has asked after yet.
            self.reap()
        self.start(name)
        yield from self.wait_ready(name)

    def wait_ready(self, name: str) -> Task:
        """Task: wait until a service is ready. Raises Refused when it ends or takes too long."""
        service = self.get(name)
        timeout = float(service.ready.get("timeout", READY_TIMEOUT))
        done = yield Until(
            lambda: service.pid is None or self.is_ready(service), now() + timeout, poll=True
        )
        if service.pid is None:
            raise Refused(f"{name} ended while starting", "its log lines say why: lvslab logs")
        if not done:
            raise Refused(
                f"{name} was not ready after {timeout:g} s: {service.ready}",
                "its log lines may say why: lvslab logs",
            )
        self._emit("service.ready", service=name, pid=service.pid)

    def stop(self, name: str, wait: float = STOP_TIMEOUT) -> Task:
        """Task: SIGTERM a service and wait ``wait`` seconds for its end, or do not (0).

        Raises Refused when it does not end, or cannot.
        """
        service = self.get(name)
        if service.pid is None:
            return
        if _is_stopped(service.pid):
            raise Refused(
                f"{name} cannot end: a signal has stopped its process", "heal what froze it first"
            )
        service.ending = signal_pid(service.pid, signal.SIGTERM)
        if wait <= 0:
            return
        ended = yield Until(lambda: service.pid is None, now() + wait)
        if not ended:
            raise Refused(
                f"{name} did not end within {wait:g} s of SIGTERM",
                "its log lines may say why: lvslab logs",
            )

    def kill(self, name: str, number: int, who: str) -> None:
        """Send a signal to a service's parent process, its children, one of these, or all.

        ``vrrp`` and ``checkers`` are keepalived's, known by the pid files it writes.
        ``all-no-cleanup`` ignores ``number``: the parent is stopped first, or it would start
        a new child or clean up; then everything gets SIGKILL. The children's
        PR_SET_PDEATHSIG then finds nobody. Raises Refused.
        """
        service = self.get(name)
        if service.pid is None:
            raise Refused(f"{name} does not run", "heal the node first")
        below = descendants(service.pid)
        if who not in (*_PID_FILES, "children") and number in (signal.SIGKILL, signal.SIGTERM):
            service.ending = True
        if who in _PID_FILES:
            signal_pid(_named_child(who, below), number)
        elif who == "all":
            for pid in (service.pid, *below):
                signal_pid(pid, number)
        elif who == "parent":
            signal_pid(service.pid, number)
        elif who == "children":
            for pid in below:
                signal_pid(pid, number)
        elif who == "all-no-cleanup":
            signal_pid(service.pid, signal.SIGSTOP)
            for pid in descendants(service.pid):
                signal_pid(pid, signal.SIGKILL)
            signal_pid(service.pid, signal.SIGKILL)
        else:
            raise Refused(
                f"kill: unknown who {who!r}",
                "parent, children, vrrp, checkers, all or all-no-cleanup",
            )

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """Return {name: {pid, running, since}}."""
        return {
            name: {"pid": s.pid, "running": s.pid is not None, "since": round(s.since, 6)}
            for name, s in self.services.items()
        }
