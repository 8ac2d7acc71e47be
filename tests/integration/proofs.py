"""Looking at a lab from beside it: helpers in the nodes' own network namespaces.

The nodes keep the rights that they were designed with; what looks at packets or drops them
is a throw-away container that shares a node's network, made from the same image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from docker.models.containers import Container

from lvslab.engine.embedded.manager import Manager
from lvslab.engine.select import machine_name
from lvslab.lab import Lab
from lvslab.progress import Silent

from .conftest import bring_up

#: Asks the whole segment for an address and prints each answer: argv is ADDRESS COUNT OWN.
WHO_HAS = r"""
import json, socket, struct, sys, time
address, count = socket.inet_aton(sys.argv[1]), int(sys.argv[2])
mac = bytes.fromhex(open("/sys/class/net/eth0/address").read().strip().replace(":", ""))
mine = sys.argv[3]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
s.bind(("eth0", 0x0806))
# EtherType ARP; Ethernet, IPv4, 6 and 4 octets, opcode 1 (RFC 826).
ask = b"\xff" * 6 + mac + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1)
ask += mac + socket.inet_aton(mine) + b"\0" * 6 + address
answers = []
for _ in range(count):
    s.send(ask)
    until = time.monotonic() + 1.0
    while (left := until - time.monotonic()) > 0:
        s.settimeout(left)
        try:
            got = s.recv(128)
        except TimeoutError:
            break
        opcode, sender, theirs = struct.unpack("!H6s4s", got[20:32])
        if opcode == 2 and theirs == address:
            answers.append(sender.hex(":"))
print(json.dumps(answers))
"""

#: Makes requests and reads the frames that they and their answers travel in: VIP PORT COUNT.
FRAMES = r"""
import json, socket, struct, sys, urllib.request
vip, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind(("eth0", 3))
said = []
for _ in range(count):
    with urllib.request.urlopen(f"http://{vip}:{port}/", timeout=5) as answer:
        said.append(answer.read().decode().split()[-1])
s.setblocking(False)
there, back, raw = {}, {}, socket.inet_aton(vip)
while True:
    try:
        got = s.recv(2048)
    except BlockingIOError:
        break
    # IPv4 without options carrying TCP (RFC 791): addresses at 26 and 30, ports at 34 and 36.
    if got[12:15] != b"\x08\x00\x45" or got[23] != 6:
        continue
    source, target = struct.unpack("!HH", got[34:38])
    if got[30:34] == raw and target == port:
        there.setdefault(got[0:6].hex(":"), []).append(source)
    elif got[26:30] == raw and source == port:
        back.setdefault(got[6:12].hex(":"), []).append(target)
print(json.dumps({"said": said, "to": there, "from": back}))
"""


@contextmanager
def opened(name: str | Path, lab: str) -> Iterator[Lab]:
    """Bring a shipped topology, or one in a file, up for a with block; its machine ends with it."""
    made = bring_up(name, lab)
    try:
        yield made
    finally:
        made.close()
        Manager(Silent()).stop(machine_name(lab))


@contextmanager
def written(text: str, lab: str, folder: Path) -> Iterator[Lab]:
    """The same of a topology that a test has as text, put into a file of the folder."""
    path = folder / f"{lab}.yaml"
    path.write_text(text)
    with opened(path, lab) as made:
        yield made


class Beside:
    """A container in a node's network, with the rights to look at and filter its packets."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def run(self, *argv: str, check: bool = True) -> str:
        """Run a command in it and return its output; a failure fails the test."""
        return run_in(self._container, *argv, check=check)

    def python(self, program: str, *argv: str) -> Any:
        """Run a program that prints JSON and return that."""
        return json.loads(self.run("python3", "-c", program, *argv))


@contextmanager
def beside(lab: Lab, node: str) -> Iterator[Beside]:
    """Give a container in ``node``'s network, removed at the end of the with block."""
    client = lab.engine.client
    of = container_of(lab, node)
    made = client.containers.run(
        of.attrs["Config"]["Image"],
        ["sleep", "infinity"],
        detach=True,
        init=True,
        network_mode=f"container:{of.id}",
        cap_add=["NET_ADMIN", "NET_RAW"],
    )
    try:
        yield Beside(made)
    finally:
        made.remove(force=True)


def container_of(lab: Lab, node: str) -> Container:
    """Return a node's container with all that the engine says of it."""
    container = lab.nodes[node].container
    container.reload()
    return container


def run_in(container: Container, *argv: str, check: bool = True) -> str:
    """Run a command in a container and return its stdout; a failure fails the test."""
    done = container.exec_run(list(argv), demux=True)
    out, err = (part.decode() if part else "" for part in cast("Any", done.output))
    if check:
        assert done.exit_code == 0, f"{argv}: {done.exit_code}\n{out}\n{err}"
    return out


def in_node(lab: Lab, node: str, *argv: str) -> str:
    """Run a command in a node itself and return its stdout."""
    return run_in(lab.nodes[node].container, *argv)


def mac_of(lab: Lab, node: str) -> str:
    """Return the address of a node's eth0 as its kernel has it."""
    return in_node(lab, node, "cat", "/sys/class/net/eth0/address").strip()
