"""The operations that a fault is made of (docs/agent.md). Each is safe to do twice."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import struct

from . import children, files, rtnl, state
from .alternate import Alternating
from .loop import Until
from .proto import Refused, now
from .services import STOP_TIMEOUT, processes, signal_pid, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .loop import Loop, Task
    from .services import Supervisor

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 0x1
#: Inode of the machine's own PID namespace (linux/proc_ns.h, PROC_PID_INIT_INO).
_MACHINE_PID_NAMESPACE = 0xEFFFFFFC
#: Seconds that ``run`` gives a program, unless it says otherwise.
RUN_TIMEOUT = 30.0
#: Seconds that recording or restoring a node's state may take.
STATE_TIMEOUT = 30.0
_POWER_OFF_STATUS = 137


class Context:
    """What an operation acts on."""

    def __init__(
        self, loop: Loop, supervisor: Supervisor, interface: str, vips: frozenset[str]
    ) -> None:
        self.loop = loop
        self.supervisor = supervisor
        self.interface = interface
        #: The VIPs that keepalived manages here; empty on a node that is no director.
        self.vips = vips
        #: The state at injection, for ``restore``; the files then, for ``write-back``.
        self.recorded: dict[str, Any] | None = None
        self.files: dict[str, Any] = {}
        #: What goes on until it is healed, by name.
        self.alternating: dict[str, Alternating] = {}
        #: What ``restore`` could not put back, in words.
        self.left: list[str] = []
        #: Processes of the agent that a freeze or power-off must spare (probes).
        self.spared: Callable[[], set[int]] = set
        #: Told what went wrong in something that goes on by itself.
        self.warn: Callable[[str], None] = lambda _what: None
        #: Called by power-off when nothing is left to do but to vanish.
        self.last_words: Callable[[], None] = lambda: None


def set_link(device: str, *, up: bool) -> None:
    """Set an interface up or down by ioctl: microseconds, no fork. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = struct.pack("16sh14x", device.encode(), 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(sock, _SIOCGIFFLAGS, request), 16)
        flags = flags | _IFF_UP if up else flags & ~_IFF_UP
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", device.encode(), flags))


def _on_machine() -> bool:
    return os.stat("/proc/self/ns/pid").st_ino == _MACHINE_PID_NAMESPACE


def remove_stale_pid_files(folder: str = "/run") -> None:
    """Empty /run of the pid files of the life before, as a boot does.

    A container's /run outlives its restart, and its pids begin anew: httpd and keepalived
    would find "their" pid running and refuse to start.
    """
    if folder == "/run" and _on_machine():
        return
    for root, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".pid"):
                os.unlink(os.path.join(root, name))


def _own_namespace() -> None:
    """Refuse to touch *every* process unless these are a container's only."""
    if _on_machine():
        raise Refused(
            "this node shares its processes with the machine: they are not a fault's to stop",
            "run nodes in containers with a PID namespace of their own",
        )


def _others(context: Context) -> set[int]:
    """Return every process of the node but the agent, init and the probes."""
    return set(processes()) - {1, os.getpid()} - context.spared()


def link(context: Context, op: dict[str, Any]) -> None:
    """``link``: an interface up or down."""
    set_link(op.get("dev", context.interface), up=bool(op["up"]))


def restore(context: Context, op: dict[str, Any]) -> Task:
    """``restore``: put back what the recorded state had and the node lacks.

    With ``dev`` only what went with that interface: another fault may have changed the rest
    since. In a child: it takes long enough to make the time stamps of what happens meanwhile
    late.
    """
    device = op.get("dev")
    recorded = context.recorded
    if recorded is None:
        raise Refused("no state was recorded at injection", "use restore in 'heal' only")
    context.left = yield from children.call(
        context.loop,
        context.supervisor,
        lambda: state.restore(recorded, context.supervisor, context.vips, device),
        STATE_TIMEOUT,
    )


def service_stop(context: Context, op: dict[str, Any]) -> Task:
    """``service-stop``: SIGTERM; ``wait`` seconds for the end (0: do not wait)."""
    yield from context.supervisor.stop(op["name"], float(op.get("wait", STOP_TIMEOUT)))


def service_start(context: Context, op: dict[str, Any]) -> Task:
    """``service-start``: as at boot; waits until it is ready."""
    yield from context.supervisor.start_ready(op["name"])


def kill(context: Context, op: dict[str, Any]) -> None:
    """``kill``: a signal to a service's processes."""
    number = _signal(op.get("signal", "KILL"))
    name = op["name"]
    if op.get("if_running") and context.supervisor.get(name).pid is None:
        return
    context.supervisor.kill(name, number, op.get("who", "parent"))


def _signal(number: str | int) -> int:
    if isinstance(number, str):
        try:
            return signal.Signals["SIG" + number.removeprefix("SIG")]
        except KeyError as error:
            raise Refused(f"no signal {number!r}", "KILL, TERM, HUP... or its number") from error
    return number


def service_reload(context: Context, op: dict[str, Any]) -> None:
    """``service-reload``: a signal that makes the service read its files again.

    One that does not run will read them when it is started.
    """
    service = context.supervisor.get(op["name"])
    if service.pid is not None:
        signal_pid(service.pid, _signal(op.get("signal", "HUP")))


def freeze(context: Context, op: dict[str, Any]) -> None:
    """``freeze``: SIGSTOP to every process of the node, as often as new ones appear."""
    del op
    _own_namespace()
    stopped: set[int] = set()
    while new := _others(context) - stopped:
        for pid in new:
            signal_pid(pid, signal.SIGSTOP)
        stopped |= new


def thaw(context: Context, op: dict[str, Any]) -> None:
    """``thaw``: SIGCONT to every process of the node."""
    del op
    _own_namespace()
    for pid in _others(context):
        signal_pid(pid, signal.SIGCONT)


def power_off(context: Context, op: dict[str, Any]) -> None:
    """``power-off``: as the mains being cut. Does not return."""
    del op
    _own_namespace()
    context.last_words()
    # The link first: the kernel closes a killed process's connections, and a machine
    # without power says no farewell to anyone.
    set_link(context.interface, up=False)
    os.kill(-1, signal.SIGKILL)  # every process but this one and PID 1 (kill(2))
    os._exit(_POWER_OFF_STATUS)


def sysctl(context: Context, op: dict[str, Any]) -> None:
    """``sysctl``: write one setting."""
    del context
    with open(state.sysctl_path(op["key"]), "w", encoding="ascii") as file:
        file.write(str(op["value"]))


def address(context: Context, op: dict[str, Any]) -> None:
    """``address``: an IPv4 address is on an interface, or is not. ``must``: it has to be there."""
    ip, prefix = op["address"], int(op.get("prefix", 32))
    device = op.get("dev", context.interface)
    if op["present"]:
        rtnl.add_address(ip, prefix, device)
    elif not rtnl.delete_address(ip, prefix, device) and op.get("must"):
        raise Refused(f"{ip} is not on {device}", "lvslab status shows who holds it")


def write(context: Context, op: dict[str, Any]) -> None:
    """``write``: a file, whole. What it was is in the journal, for ``write-back``."""
    del context
    files.write(op["path"], op["content"])


def write_back(context: Context, op: dict[str, Any]) -> None:
    """``write-back``: a file as it was at the injection, or gone where there was none."""
    files.write(op["path"], context.files[op["path"]])


def alternate(context: Context, op: dict[str, Any]) -> None:
    """``alternate``: one operation, then another, in turn, until ``alternate-end``."""
    one, other = dict(op["one"]), dict(op["other"])
    check(one)
    check(other)
    key = op["name"]
    if key in context.alternating:
        return
    running = Alternating(
        ((one, float(op["one_for"])), (other, float(op["other_for"]))),
        lambda inner: perform(context, inner),
        context.warn,
    )
    context.alternating[key] = running
    context.loop.spawn(running.task())


def alternate_end(context: Context, op: dict[str, Any]) -> Task:
    """``alternate-end``: no more of it; what is being done is waited for."""
    running = context.alternating.pop(op["name"], None)
    if running is not None:
        yield from running.end()


def outside(context: Context, op: dict[str, Any]) -> None:
    """``outside``: what lvslab does through the engine; here only so that it is remembered."""
    del context, op


def run(context: Context, op: dict[str, Any]) -> Task:
    """``run``: a program that must exit 0 within ``timeout`` seconds."""
    argv = [str(word) for word in op["argv"]]
    timeout = float(op.get("timeout", RUN_TIMEOUT))
    # Into memory: a pipe would have to be read along, or fill and block the program.
    output = os.memfd_create("run")
    try:
        pid = spawn(argv, output)
        status: list[int] = []
        context.supervisor.adopt(pid, status.append)
        if not (yield Until(lambda: bool(status), now() + timeout)):
            signal_pid(pid, signal.SIGKILL)
            raise Refused(f"{argv} took longer than {timeout:g} s", "it was killed")
        if status[0] != 0:
            said = os.pread(output, 2000, 0).decode(errors="replace").strip()
            raise Refused(f"{argv} ended with {status[0]}: {said}", "see what it says")
    finally:
        os.close(output)


#: Operation -> what does it. None is returned where nothing has to be waited for.
OPERATIONS: dict[str, Callable[[Context, dict[str, Any]], Task | None]] = {
    "link": link,
    "restore": restore,
    "service-stop": service_stop,
    "service-start": service_start,
    "service-reload": service_reload,
    "kill": kill,
    "freeze": freeze,
    "thaw": thaw,
    "power-off": power_off,
    "sysctl": sysctl,
    "address": address,
    "write": write,
    "write-back": write_back,
    "alternate": alternate,
    "alternate-end": alternate_end,
    "outside": outside,
    "run": run,
}


def check(op: dict[str, Any]) -> str:
    """Return the operation's name. Raises Refused where there is no such operation."""
    name = op.get("op") if isinstance(op, dict) else None
    if name not in OPERATIONS:
        raise Refused(f"no operation {name!r}", "one of " + ", ".join(OPERATIONS))
    return str(name)


def perform(context: Context, op: dict[str, Any]) -> Task:
    """Task: do one operation. Raises Refused, whatever went wrong."""
    name = check(op)
    try:
        task = OPERATIONS[name](context, op)
        if task is not None:
            yield from task
    except OSError as error:
        raise Refused(f"{name}: {error}", "see docs/agent.md, Operations") from error
    except (KeyError, ValueError, TypeError) as error:
        raise Refused(f"{name}: {error!r} in {op}", "see docs/agent.md, Operations") from error
