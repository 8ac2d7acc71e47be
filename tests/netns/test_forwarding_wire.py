"""A proof of NAT from what a real kernel puts on the wire: nftables stands in for IPVS.

Its DNAT gives the same frames: destination rewritten to a real server, the answer's source
rewritten to the VIP, the client's port kept. So the judge is tried without an engine.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lvslab.prove.judge import judge, read
from lvslab.prove.model import Proof, Setting
from tests.unit.prove.test_forwarding import CLIENT, GATEWAY, NAT, VIP

from .test_forwarding import Space

#: Node -> (segment, address) of eth0, eth1.
NODES = {
    "client": [("out", f"{CLIENT}/16")],
    "lvs1": [("out", "172.23.1.1/16"), ("in", "10.23.0.1/24")],
    "lvs2": [("out", "172.23.1.2/16"), ("in", "10.23.0.2/24")],
    "rs1": [("in", "10.23.0.10/24")],
    "rs2": [("in", "10.23.0.11/24")],
}
PORTS = {"rs1": 80, "rs2": 8080}
MARK = "0102030405ff"
DNAT = f"""
table ip lvs {{
  chain pre {{
    type nat hook prerouting priority -100
    ip daddr {VIP} tcp dport 80 dnat to numgen inc mod 2 map \\
      {{ 0 : 10.23.0.10 . 80, 1 : 10.23.0.11 . 8080 }}
  }}
}}
"""
#: Writes what passes an interface as pcap until its standard input ends: INTERFACE FILE.
SNIFF = r"""
import select, socket, struct, sys, time
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s, open(
    sys.argv[2], "wb"
) as out:
    s.bind((sys.argv[1], 3))
    out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    print("listening", flush=True)
    while True:
        ready, _, _ = select.select([s, sys.stdin], [], [])
        if s in ready:
            frame, t = s.recv(65535)[:128], time.time()
            head = int(t), int(t % 1 * 1e6), len(frame), len(frame)
            out.write(struct.pack("<IIII", *head) + frame)
        elif sys.stdin in ready:
            break
"""
ASK = "import sys; sys.path.insert(0, sys.argv[1]); from agent import arp; "
ASK += "arp.ask('eth0', sys.argv[2], sys.argv[3], bytes.fromhex(sys.argv[4]), 0.3)"
SERVE = r"""
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Page)
print("listening", flush=True)
server.serve_forever()
"""
FETCH = "import sys, urllib.request\n"
FETCH += "for _ in range(4):\n  try: urllib.request.urlopen(sys.argv[1], timeout=1).read()\n"
FETCH += "  except OSError: pass\n"
AGENT = str(Path(__file__).resolve().parents[2] / "lvslab")


@dataclass
class Wired:
    spaces: dict[str, Space]
    setting: Setting
    folder: Path

    def prove(self, setting: Setting | None = None) -> Proof:
        """Capture on every interface while the client asks, and judge."""
        names = {
            node if number == 0 else f"{node}@eth{number}": (self.spaces[node], f"eth{number}")
            for node, links in NODES.items()
            for number in range(len(links))
        }
        with ExitStack() as stack:
            for name, (space, interface) in names.items():
                file = str(self.folder / f"{name}.pcap")
                listening(stack, space, SNIFF, interface, file)
            for node, own, address in (
                ("client", CLIENT, VIP),
                ("rs1", "10.23.0.10", GATEWAY),
            ):
                self.ask(node, own, address, "000000000000")
            self.spaces["client"].run(sys.executable, "-c", FETCH, f"http://{VIP}/")
            self.ask("client", CLIENT, VIP, MARK)
            self.ask("rs1", "10.23.0.10", GATEWAY, MARK)
        recorded = {name: (self.folder / f"{name}.pcap").read_bytes() for name in names}
        return judge(setting or self.setting, read(recorded))

    def ask(self, node: str, own: str, address: str, mark: str) -> None:
        self.spaces[node].run(sys.executable, "-c", ASK, AGENT, own, address, mark)


def listening(stack: ExitStack, space: Space, script: str, *words: str) -> None:
    """Run a script in a namespace until the stack ends, once it has said that it listens."""
    process = subprocess.Popen(
        space.inside(sys.executable, "-c", script, *words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    stack.enter_context(process)
    assert process.stdin is not None
    assert process.stdout is not None
    if script is SERVE:
        stack.callback(process.kill)
    else:
        stack.callback(process.stdin.close)
    assert process.stdout.readline() == "listening\n"


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    with ExitStack() as stack:
        switch = Space("sw", stack)
        for bridge in ("out", "in"):
            switch.ip(f"link add {bridge} type bridge")
            switch.ip(f"link set {bridge} up")
        spaces, macs = {}, {}
        for node, links in NODES.items():
            space = spaces[node] = Space(node, stack)
            for number, (bridge, address) in enumerate(links):
                port = f"{node}{number}"
                switch.ip(f"link add {port} type veth peer name eth{number} netns {space.name}")
                switch.ip(f"link set {port} master {bridge} up")
                space.ip(f"link set eth{number} up")
                space.ip(f"address add {address} dev eth{number}")
                shown = space.ip(f"-o link show eth{number}")
                macs[shown.partition("link/ether ")[2].split()[0]] = node
        for director in ("lvs1", "lvs2"):
            spaces[director].run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        spaces["lvs1"].run("nft", DNAT)
        spaces["lvs1"].ip(f"address add {VIP}/32 dev eth0")
        spaces["lvs1"].ip(f"address add {GATEWAY}/32 dev eth1")
        for server, number in PORTS.items():
            spaces[server].ip(f"route add default via {GATEWAY}")
            listening(stack, spaces[server], SERVE, str(number))
        setting = replace(NAT, macs=macs, last_mark=MARK)
        yield Wired(spaces, setting, tmp_path_factory.mktemp("wire"))


def found(proof: Proof) -> list[tuple[str, str]]:
    return [(b.kind, b.node) for b in proof.breaks]


def test_nat_is_proved_from_real_frames(wired: Wired) -> None:
    proof = wired.prove()
    assert proof.proved, proof.breaks
    assert set(proof.answers.values()) == set(proof.gateway_answers.values()) == {"lvs1"}
    assert [(s.served, s.requests) for s in proof.servers] == [(2, 2), (2, 2)]
    path = proof.servers[1].path
    assert path is not None
    assert [h.receiver for h in path.hops] == ["lvs1", "rs2", "lvs1", "client"]
    assert all(h.arrived for h in path.hops)
    as_dr = wired.prove(replace(wired.setting, forwarding="DR"))
    assert found(as_dr) == [("nat", "lvs1"), ("answer-via-director", "lvs1")]


def test_an_answer_that_takes_the_other_director_is_seen(wired: Wired) -> None:
    rs1 = wired.spaces["rs1"]
    rs1.ip("route replace default via 10.23.0.2")
    try:
        proof = wired.prove()
    finally:
        rs1.ip(f"route replace default via {GATEWAY}")
    assert found(proof) == [("answer-past-director", "rs1")]
    assert "to lvs2" in proof.breaks[0].what
    assert {s.name for s in proof.servers if s.proved} == {"rs2"}


def test_a_gateway_that_stayed_behind_is_seen(wired: Wired) -> None:
    first, second = wired.spaces["lvs1"], wired.spaces["lvs2"]
    first.ip(f"address del {GATEWAY}/32 dev eth1")
    second.ip(f"address add {GATEWAY}/32 dev eth1")
    for server in ("rs1", "rs2"):
        wired.spaces[server].ip("neigh flush dev eth0")
    try:
        proof = wired.prove()
    finally:
        second.ip(f"address del {GATEWAY}/32 dev eth1")
        first.ip(f"address add {GATEWAY}/32 dev eth1")
        for server in ("rs1", "rs2"):
            wired.spaces[server].ip("neigh flush dev eth0")
    assert found(proof)[0] == ("answer-past-director", "lvs2")
    said = f"lvs2 answers ARP for the real servers' gateway {GATEWAY}, lvs1 for the VIP"
    assert proof.breaks[0].what == said
    assert not any(s.proved for s in proof.servers)
    assert wired.prove().proved
