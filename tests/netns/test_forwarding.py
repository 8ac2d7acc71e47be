"""What NAT and TUN rest on, tried on this kernel: no ip_vs, no ipip, no engine is needed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from lvslab import topology
from lvslab.plan.render import keepalived_conf

VIP, GATEWAY = "172.23.1.100/32", "10.23.0.254/32"
#: (256 - 50)/256 s after a farewell, and 2 to 3 s more where nothing was said (RFC 3768);
#: what this machine's scheduling may add.
SKEW, SILENCE, SLACK = 206 / 256, 3.0, 1.5

#: Sends a datagram from the client's address to the VIP in a frame to a MAC address: MAC.
SEND = r"""
import socket, struct, sys
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
source, target = map(socket.inet_aton, ("172.24.1.200", "172.24.1.100"))
udp = struct.pack("!HHHH", 1000, 9999, 13, 0) + b"hello"
head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, source, target)
total = sum(struct.unpack("!10H", head))
total = (total & 0xFFFF) + (total >> 16)
head = head[:10] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + head[12:]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
    s.bind(("eth1", 0x0800))
    s.send(mac + b"\x02\0\0\0\0\x09" + b"\x08\x00" + head + udp)
"""
#: Says when it listens, and then whether a datagram came within a second.
RECEIVE = r"""
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.bind(("0.0.0.0", 9999))
    s.settimeout(1)
    print("listening", flush=True)
    try:
        s.recv(99)
        print("delivered")
    except TimeoutError:
        print("dropped")
"""


class Space:
    """A network namespace."""

    def __init__(self, name: str, stack: ExitStack) -> None:
        self.name = f"fwd{os.getpid()}-{name}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        stack.callback(subprocess.run, ["ip", "netns", "del", self.name], check=False)
        self.ip("link set lo up")

    def inside(self, *argv: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, *argv: str) -> str:
        done = subprocess.run(self.inside(*argv), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def ip(self, words: str) -> str:
        done = subprocess.run(
            ["ip", "-n", self.name, *words.split()], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def linked() -> Iterator[tuple[Space, Space]]:
    """A sender and a real server with two links between them; the second stands for tunl0."""
    with ExitStack() as stack:
        sender, server = Space("a", stack), Space("b", stack)
        for name in ("eth0", "eth1"):
            sender.ip(f"link add {name} type veth peer name {name} netns {server.name}")
            sender.ip(f"link set {name} up")
            server.ip(f"link set {name} up")
        sender.ip("address add 172.24.1.200/16 dev eth0")
        server.ip("address add 172.24.1.10/16 dev eth0")
        yield sender, server


@pytest.mark.parametrize("device", ["lo", "eth1"])
@pytest.mark.parametrize(("everywhere", "own"), [(0, 0), (1, 0), (2, 0), (2, 1)])
def test_what_comes_by_a_link_that_does_not_lead_back(
    linked: tuple[Space, Space], everywhere: int, own: int, device: str
) -> None:
    sender, server = linked
    server.run("sysctl", "-q", "-w", f"net.ipv4.conf.all.rp_filter={everywhere}")
    server.run("sysctl", "-q", "-w", f"net.ipv4.conf.eth1.rp_filter={own}")
    server.ip(f"address add 172.24.1.100/32 dev {device}")
    try:
        mac = server.ip("-o link show eth1").partition("link/ether ")[2].split()[0]
        with subprocess.Popen(
            server.inside(sys.executable, "-c", RECEIVE), stdout=subprocess.PIPE, text=True
        ) as receiver:
            assert receiver.stdout is not None
            assert receiver.stdout.readline() == "listening\n"
            sender.run(sys.executable, "-c", SEND, mac)
            got = receiver.stdout.read().strip()
    finally:
        server.ip(f"address del 172.24.1.100/32 dev {device}")
    # Loose is enough where the link has an address; strict never is, and off always.
    loose = everywhere == 2 and device == "eth1"
    assert got == ("delivered" if everywhere == 0 or loose else "dropped")


@pytest.fixture(scope="module")
def directors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Space]]:
    """Both directors of lvs-nat, with keepalived as it is rendered, but for IPVS."""
    spec = topology.load(topology.builtins()["lvs-nat"])
    folder: Path = tmp_path_factory.mktemp("nat")
    with ExitStack() as stack:
        switch = Space("switch", stack)
        spaces: dict[str, Space] = {}
        for bridge in ("out", "in"):
            switch.ip(f"link add {bridge} type bridge")
            switch.ip(f"link set {bridge} up")
        for director in spec.directors:
            space = spaces[director.name] = Space(director.name, stack)
            for number, bridge, address in (
                (0, "out", f"{director.address}/16"),
                (1, "in", f"{director.inside}/24"),
            ):
                port = f"{director.name}{number}"
                switch.ip(f"link add {port} type veth peer name eth{number} netns {space.name}")
                switch.ip(f"link set {port} master {bridge} up")
                space.ip(f"link set eth{number} up")
                space.ip(f"address add {address} dev eth{number}")
            conf = folder / f"{director.name}.conf"
            whole = keepalived_conf(spec, director, watched=False)
            conf.write_text(whole.partition("\nvirtual_server")[0] + "\n")
            script = f"mount -t tmpfs tmpfs /run && exec keepalived -n -l -D -P -f {conf}"
            keepalived = subprocess.Popen(
                space.inside("unshare", "--mount", "sh", "-c", script),
                stdout=(folder / f"{director.name}.log").open("w"),
                stderr=subprocess.STDOUT,
            )
            stack.callback(keepalived.wait, 20)
            stack.callback(keepalived.send_signal, signal.SIGTERM)
        yield spaces


def held(directors: dict[str, Space]) -> dict[str, set[str]]:
    """Return what each director holds of the two addresses."""
    return {
        name: {
            f"{words[3]} {words[1]}"
            for words in map(str.split, space.ip("-4 -o address").splitlines())
            if words[3] in (VIP, GATEWAY)
        }
        for name, space in directors.items()
    }


BOTH = {f"{VIP} eth0", f"{GATEWAY} eth1"}


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Return how long it took. Fails after ``seconds``."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "too late"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("device", "least", "most"),
    [
        # Out of its own accord: a director without the inside network says goodbye.
        ("eth1", SKEW - 0.1, SKEW),
        ("eth0", SILENCE - 1 + SKEW - 0.1, SILENCE + SKEW),
    ],
)
def test_the_gateway_moves_with_the_vip_whichever_link_is_lost(
    directors: dict[str, Space], device: str, least: float, most: float
) -> None:
    first = directors["lvs1"]
    until(lambda: held(directors) == {"lvs1": BOTH, "lvs2": set()}, 20)
    first.ip(f"link set {device} down")
    try:
        taken = until(lambda: held(directors) == {"lvs1": set(), "lvs2": BOTH}, most + SLACK)
    finally:
        first.ip(f"link set {device} up")
    assert taken >= least
    until(lambda: held(directors) == {"lvs1": BOTH, "lvs2": set()}, 20)
