"""Captures on all nodes at once, and requests meanwhile: what the judge is given.

tcpdump runs in each node, and once more in a director on its inside interface; all of them share
the engine's kernel and so its clock. Nothing is slept for: a capture has begun when tcpdump says
that it listens, and is whole when it has the last broadcast, which everybody on the segment gets:
the client's, and in the inside network a real server's.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from lvslab.errors import LabError, LvslabError, NotReadyError
from lvslab.execstream import STDOUT, Demux, ExecStream, start, until_stdin_ends
from lvslab.lab.api import asking, in_parallel
from lvslab.plan.forwarding import REAL_SERVER_SYSCTLS
from lvslab.plan.render import INSIDE_INTERFACE, INTERFACE
from lvslab.prove import frames, pcap
from lvslab.prove.judge import AT
from lvslab.prove.model import NodeState, Setting
from lvslab.topology.served import is_secure, request_to

if TYPE_CHECKING:
    from docker.api import APIClient

    from lvslab.lab.lab import Lab, Node
    from lvslab.topology.spec import Forwarding, TopologySpec, VirtualServerSpec

#: Seconds until every tcpdump must listen; starting one takes seconds on an emulated processor.
START_TIMEOUT = 60.0
#: Seconds until the last broadcast must be in every capture; those that lack it are judged so.
LAST_TIMEOUT = 10.0
#: Seconds that answers to one question by ARP are waited for, and one request.
ARP_SECONDS, DEADLINE = 1.0, 3.0
#: Octets of each frame: headers are enough (14, 20 + 20 in a tunnel, 60).
_SNAP = "128"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was captured, as pcap by node, and what is to be known to read it."""

    setting: Setting
    pcaps: Mapping[str, bytes]
    #: What the client says of its requests: result, server, detail, ms.
    results: tuple[Mapping[str, Any], ...]


class Capture:
    """tcpdump on one interface of one node, read by a thread."""

    def __init__(self, node: Node, stream: ExecStream, interface: str = INTERFACE) -> None:
        self.name = node.name if interface == INTERFACE else f"{node.name}{AT}{interface}"
        self._stream = stream
        self.data = b""
        self._said = b""
        self._marks: set[str] = set()
        self._ended = False
        self._changed = threading.Condition()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"capture-{self.name}", daemon=True)
        self._thread.start()

    def until_listening(self, deadline: float) -> None:
        """Wait for tcpdump to have begun. Raises NotReadyError, LabError."""
        with self._changed:
            begun = self._changed.wait_for(
                lambda: self._ended or b"listening on" in self._said, deadline - time.monotonic()
            )
        if self._ended or not begun:
            self._raise("tcpdump did not begin to listen")

    def until_mark(self, mark: str, deadline: float) -> bool:
        """Wait until a question with this mark was captured; return whether it was."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._ended or mark in self._marks, deadline - time.monotonic()
            )

    def stop(self) -> None:
        """End tcpdump and take its last output. Raises LabError when it had failed before."""
        with self._changed:
            failed = self._ended
        self._stream.close_stdin()
        self._thread.join()
        if failed or self._error is not None:
            self._raise("tcpdump ended early")

    def _raise(self, what: str) -> None:
        said = self._said.decode(errors="replace").strip() or str(self._error or "it said nothing")
        raise NotReadyError(f"{what}: {said}", where=self.name, fix="lvslab capture tries it alone")

    def _run(self) -> None:
        demux, reader = Demux(), pcap.Reader(self.name)
        try:
            while data := self._stream.recv():
                for which, payload in demux.feed(data):
                    with self._changed:
                        if which == STDOUT:
                            self.data += payload
                            self._look(reader, payload)
                        else:
                            self._said += payload
                        self._changed.notify_all()
        except (OSError, LvslabError) as error:
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _look(self, reader: pcap.Reader, payload: bytes) -> None:
        for t, raw in reader.feed(payload):
            arp = frames.frame(t, raw).arp
            if arp is not None and arp.opcode == frames.REQUEST:
                self._marks.add(arp.target_mac.replace(":", ""))


@contextmanager
def capturing(
    api: APIClient, nodes: list[Node], client_address: str, *, inside: Sequence[Node] = ()
) -> Iterator[list[Capture]]:
    """Capture on all of these nodes within the with block; ``inside``: on that interface, too."""
    wanted = f"arp or ip proto 4 or (tcp and host {client_address})"
    options = ["-U", "--immediate-mode", "-s", _SNAP, "-Z", "root", "-w", "-", wanted]
    places = [*((n, INTERFACE) for n in nodes), *((n, INSIDE_INTERFACE) for n in inside)]
    opened: list[Any] = []
    lock = threading.Lock()

    def begin(place: tuple[Node, str]) -> Capture:
        node, interface = place
        argv = ["tcpdump", "-i", interface, *options]
        running = start(api, str(node.container.id), until_stdin_ends(argv), stdin=True)
        stream = running.__enter__()
        with lock:
            opened.append(running)
        return Capture(node, stream, interface)

    try:
        with asking("capturing"):
            captures = in_parallel(places, begin)
        yield captures
    finally:
        # Closing the connection ends what was not stopped in order.
        for running in opened:
            running.__exit__(None, None, None)


def record(
    lab: Lab, vs: VirtualServerSpec, count: int, *, forwarding: Forwarding = "DR"
) -> Recorded:
    """Make ``count`` requests to a virtual server and capture them on every node.

    ``forwarding`` is what they are to prove. Raises LabError, NotReadyError, AgentError;
    EngineError when the engine does not answer.
    """
    spec = lab.spec
    client = lab.clients[0] if lab.clients else None
    if client is None:
        raise LabError("the lab has no client: nothing can be asked", fix="give its topology one")
    there = [n for n in (*lab.directors, *lab.real_servers, client) if n.state() == "running"]
    says = dict(zip([n.name for n in there], in_parallel(there, _ping), strict=True))
    # A node that is off, or its link down, sends nothing and has nothing to capture. That no
    # request comes to it is what the proof will say.
    nodes = [n for n in there if INTERFACE in says[n.name]["up"]]
    inside = [
        n for n in there if n.role == "director" and INSIDE_INTERFACE in says[n.name]["up"]
    ] if spec.inside else []  # fmt: skip
    if client not in nodes:
        raise LabError(
            f"is off, or its {INTERFACE} is down", where=client.name, fix="lvslab heal, lvslab up"
        )
    own = str(next(c.address for c in spec.clients if c.name == client.name))
    first, last = (secrets.token_hex(6) for _ in range(2))
    macs = {mac: name for name, one in says.items() for mac in one["macs"]}
    link = client.link()
    # Who asks a whole segment, with which address, and for whom.
    askers = [(client, own, str(vs.vip))]
    gateway = str(spec.inside.gateway) if spec.inside else ""
    if gateway:
        addresses = {r.name: str(r.address) for r in spec.real_servers}
        askers += [(n, addresses[n.name], gateway) for n in nodes if n.role == "real-server"][:1]

    def ask(which: str) -> None:
        in_parallel(askers, lambda asker: _ask(*asker, which))

    with capturing(lab.engine.client.api, nodes, own, inside=inside) as captures:
        begun = time.monotonic() + START_TIMEOUT
        for one in captures:
            one.until_listening(begun)
        ask(first)
        results = link.request(
            "request",
            timeout=count * DEADLINE + 30.0,
            count=count,
            deadline=DEADLINE,
            **request_to(spec, vs),
        )["results"]
        ask(last)
        ended = time.monotonic() + LAST_TIMEOUT
        for one in captures:
            one.until_mark(last, ended)
        for one in captures:
            one.stop()
    setting = Setting(
        vip=str(vs.vip),
        port=vs.port,
        client=client.name,
        client_address=own,
        directors={d.name: str(d.address) for d in spec.directors},
        servers=_servers(spec, vs),
        macs=macs,
        states=_states(n for n in nodes if n.role == "real-server"),
        last_mark=last,
        forwarding=forwarding,
        ports={m.server: m.port for m in vs.members if m.port != vs.port},
        gateway=gateway,
        tls=is_secure(spec.virtual_servers, vs),
    )
    return Recorded(setting, {c.name: c.data for c in captures}, tuple(results))


def _ask(node: Node, own: str, address: str, mark: str) -> None:
    """Have a node ask by a marked broadcast who has an address, and hear every answer."""
    node.link().request(
        "arp",
        timeout=ARP_SECONDS + 30.0,
        address=address,
        own=own,
        mark=mark,
        seconds=ARP_SECONDS,
    )


def _ping(node: Node) -> Mapping[str, Any]:
    says = node.link().request("ping", timeout=30.0)
    if not says.keys() >= {"macs", "up"}:
        raise LabError(
            "its agent is that of an older lvslab", where=node.name, fix="lvslab up renews it"
        )
    return says


def _servers(spec: TopologySpec, vs: VirtualServerSpec) -> dict[str, str]:
    """Return the real servers that requests should come to: those with a weight."""
    names = {m.server for m in vs.members if m.weight > 0}
    return {r.name: str(r.address) for r in spec.real_servers if r.name in names}


def _states(servers: Iterable[Node]) -> dict[str, NodeState]:
    """Return what the real servers say of themselves; one that says nothing is left out."""
    found = {}
    for node in servers:
        try:
            says = node.link().request("status", timeout=30.0)
        except (LabError, DockerException, RequestException):
            continue  # the frames decide; this only helps to name a cause
        found[node.name] = NodeState(
            tuple((a["interface"], a["address"]) for a in says["addresses"]),
            {key: says["sysctls"].get(key, "?") for key, _ in REAL_SERVER_SYSCTLS},
        )
    return found
