"""A lab without containers: network and PID namespaces on one bridge, an agent in each.

The kernel needs no ip_vs: directors hold the VIP and answer on it themselves.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]
VIP = "172.20.1.100"
GATEWAY = "172.20.0.254"
_PACKAGE = Path(__file__).resolve().parents[2] / "lvslab"

_HTTPD = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"from " + sys.argv[1].encode() + b"\\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
Server(("", 80), Page).serve_forever()
"""

_KEEPALIVED = """
global_defs {{
    router_id {name}
    vrrp_notify_fifo {fifo}
}}
vrrp_instance VI_1 {{
    state {state}
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int {advert}
    virtual_ipaddress {{
        172.20.1.100/32 dev eth0
    }}
}}
"""


def why_not() -> str | None:
    """Return why these tests cannot run here, or None."""
    if os.geteuid() != 0:
        return "not root"
    missing = [tool for tool in ("keepalived", "ip", "nft", "unshare") if not shutil.which(tool)]
    if missing:
        return "not installed: " + ", ".join(missing)
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        return "no network namespaces"
    return None


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


_NUMBERS = itertools.count()


class Node:
    """One namespace with an agent in it."""

    def __init__(self, rig: Rig, name: str, address: str, spec: Line) -> None:
        self.name = name
        self.address = address
        self.netns = f"{rig.prefix}-{name}"
        self.folder = rig.folder / name
        self.folder.mkdir()
        self.lines: list[Line] = []
        self._changed = threading.Condition()
        self._ids = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        spec = {"node": name, "lab": "test", "interface": "eth0", "vips": [VIP]} | spec
        (self.folder / "node.json").write_text(json.dumps(spec))
        _run("ip", "netns", "add", self.netns)
        _run(
            *("ip", "link", "add", "eth0", "netns", self.netns),
            *("type", "veth", "peer", "name", name, "netns", rig.switch),
        )
        _run("ip", "-n", rig.switch, "link", "set", name, "master", "br0", "up")
        for arguments in (
            "link set lo up",
            "link set eth0 up",
            f"address add {address}/16 dev eth0",
            f"route add default via {GATEWAY}",
        ):
            _run("ip", "-n", self.netns, *arguments.split())

    def start(self, stdin: int = subprocess.PIPE) -> None:
        """Start the agent and wait until it says that it is ready."""
        script = (
            "mount -t tmpfs tmpfs /run && mkdir /run/keepalived && "
            f"while :; do {sys.executable} -m agent; status=$?; "
            f"[ $status = 137 ] && [ -e {self.folder}/respawn ] || exit $status; done"
        )
        environment = os.environ | {
            "PYTHONPATH": str(_PACKAGE),
            "LVSLAB_NODE_FILE": str(self.folder / "node.json"),
            "LVSLAB_JOURNAL": str(self.folder / "journal"),
        }
        self._process = subprocess.Popen(
            [
                "ip",
                "netns",
                "exec",
                self.netns,
                "unshare",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
                "sh",
                "-c",
                script,
            ],
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "log").open("ab"),
        )
        before = len(self.lines)
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()
        self.wait(lambda line: line.get("ev") == "agent.ready", since=before)

    def stop(self) -> None:
        """SIGKILL PID 1 of the node: everything in it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._reader is not None
            self._reader.join(10)
            self._process = None

    def terminate(self) -> None:
        """SIGTERM to the agent."""
        os.kill(self.agent_pid(), signal.SIGTERM)

    def survive(self) -> None:
        """From now on the node lives on, and starts another agent, when its agent is killed."""
        (self.folder / "respawn").touch()

    def ended(self) -> int:
        """Wait for the node's end; return its exit status."""
        assert self._process is not None
        return self._process.wait(20)

    def pids(self) -> list[int]:
        """Return the processes in this node's network namespace, the agent's parents included."""
        return [int(pid) for pid in _run("ip", "netns", "pids", self.netns).split()]

    def agent_pid(self) -> int:
        """Return the agent's pid as the machine sees it: the oldest of its command line."""
        for pid in sorted(self.pids()):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if words[1:3] == [b"-m", b"agent"]:
                return pid
        raise AssertionError(f"{self.name}: no agent; {self.log()}")

    def log(self) -> str:
        """Return what the services and the agent wrote."""
        return (self.folder / "log").read_text()[-3000:]

    def mark(self) -> int:
        """Return a position in the lines, for ``since``."""
        return len(self.lines)

    def wait(
        self, wanted: Callable[[Line], bool], *, since: int = 0, seconds: float = 20.0
    ) -> Line:
        """Return the first line from ``since`` on that is wanted; AssertionError after a while."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                for line in self.lines[since:]:
                    if wanted(line):
                        return line
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise AssertionError(
                        f"{self.name}: nothing of the kind in {self.lines[since:][-20:]}\n"
                        + self.log()
                    )

    def event(self, ev: str, *, since: int = 0, seconds: float = 20.0, **fields: Any) -> Line:
        """Wait for an event with these fields."""
        return self.wait(
            lambda line: line.get("ev") == ev and fields.items() <= line.items(),
            since=since,
            seconds=seconds,
        )

    def events(self, ev: str, since: int = 0) -> list[Line]:
        """Return the events of a name that were seen so far."""
        return [line for line in self.lines[since:] if line.get("ev") == ev]

    def send(self, do: str, **fields: Any) -> int:
        """Send a command; return its id."""
        self._ids += 1
        self.write(json.dumps({"id": self._ids, "do": do} | fields).encode() + b"\n")
        return self._ids

    def write(self, data: bytes) -> None:
        """Write to the agent's stdin."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def ask(self, do: str, *, patience: float = 40.0, **fields: Any) -> Line:
        """Send a command and return its whole reply."""
        ident = self.send(do, **fields)
        return self.wait(lambda line: line.get("re") == ident, seconds=patience)

    def do(self, do: str, **fields: Any) -> Line:
        """Send a command that must succeed; return its result."""
        reply = self.ask(do, **fields)
        assert reply["ok"], reply
        result: Line = reply["result"]
        return result

    def ip(self, *arguments: str) -> str:
        """Run ``ip`` in the node."""
        return _run("ip", "-n", self.netns, *arguments)

    def nft(self, rules: str) -> None:
        """Run ``nft`` in the node."""
        _run("ip", "netns", "exec", self.netns, "nft", rules)

    def close_stdin(self) -> None:
        """Close the agent's stdin."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for raw in process.stdout:
            with self._changed:
                self.lines.append(json.loads(raw))
                self._changed.notify_all()


class Rig:
    """A bridge and the nodes on it."""

    def __init__(self, folder: Path, advert: float = 1) -> None:
        self.folder = folder
        self.prefix = f"lvt{os.getpid()}x{next(_NUMBERS)}"
        self.switch = f"{self.prefix}-sw"
        self.advert = advert
        self.nodes: dict[str, Node] = {}
        _run("ip", "netns", "add", self.switch)
        _run("ip", "-n", self.switch, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", self.switch, "link", "set", "br0", "up")
        _run("ip", "-n", self.switch, "address", "add", f"{GATEWAY}/16", "dev", "br0")

    def node(self, name: str, address: str, **spec: Any) -> Node:
        """Add a node; it is not started."""
        self.nodes[name] = node = Node(self, name, address, spec)
        return node

    def director(self, name: str, address: str, priority: int) -> Node:
        """Add a director that also answers HTTP itself."""
        fifo = "/run/lvslab/vrrp.fifo"
        folder = self.folder / f"{name}-conf"
        folder.mkdir()
        (folder / "keepalived.conf").write_text(
            _KEEPALIVED.format(
                name=name,
                fifo=fifo,
                priority=priority,
                advert=self.advert,
                state="MASTER" if priority == 100 else "BACKUP",
            )
        )
        argv = ["keepalived", "-n", "-l", "-D", "-f", str(folder / "keepalived.conf")]
        keepalived = {"name": "keepalived", "argv": argv, "ready": {"vrrp": 1}}
        services = [keepalived, self.httpd(address)]
        return self.node(name, address, role="director", services=services, vrrp_fifo=fifo)

    def httpd(self, address: str) -> Line:
        """Return a service that says who it is."""
        argv = [sys.executable, "-c", _HTTPD, address]
        return {"name": "httpd", "argv": argv, "ready": {"listen": 80}}

    def close(self) -> None:
        """End every process and namespace of the rig."""
        for node in self.nodes.values():
            node.stop()
            for pid in node.pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for name in (*(node.netns for node in self.nodes.values()), self.switch):
            _run("ip", "netns", "delete", name)


@contextlib.contextmanager
def rig(folder: Path, advert: float = 1) -> Iterator[Rig]:
    """Open a rig and close it whatever happens."""
    opened = Rig(folder, advert)
    try:
        yield opened
    finally:
        opened.close()


def pair(opened: Rig) -> tuple[Node, Node, Node]:
    """Return two directors, the first being MASTER, and a client; all started."""
    lvs1 = opened.director("lvs1", "172.20.1.1", 100)
    lvs2 = opened.director("lvs2", "172.20.1.2", 50)
    client = opened.node("client", "172.20.1.20", role="client")
    for node in (lvs1, lvs2, client):
        node.start()
    lvs1.event("addr.add", vip=True)
    lvs1.event("service.ready", service="httpd")
    lvs2.event("service.ready", service="httpd")
    return lvs1, lvs2, client
