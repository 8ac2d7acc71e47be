"""The lab serves: who answers for the VIP, by which way the packets go, with what rights."""

from __future__ import annotations

import io
import itertools
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvslab import labels
from lvslab.lab import Lab, lab_status

from .conftest import Cli
from .proofs import FRAMES, WHO_HAS, Beside, beside, container_of, in_node, mac_of, opened

pytestmark = pytest.mark.engine

CLIENT, VIP = "client", "172.20.1.100"
SERVERS = {"rs1": "172.20.1.10", "rs2": "172.20.1.11"}
DIRECTORS = ("lvs1", "lvs2")

#: What Docker leaves a container that asks for nothing, as bits of capabilities(7).
PLAIN = 0xA80425FB
NET_ADMIN, NET_RAW = 1 << 12, 1 << 13
CAPS = {"director": ["NET_ADMIN", "NET_RAW"], "real-server": ["NET_ADMIN"], "client": []}
BITS = {"NET_ADMIN": NET_ADMIN, "NET_RAW": NET_RAW}

#: Counts what passes a director, before routing, where the machine itself sends (IPVS's
#: direct routing does it there), and behind it all.
COUNT = f"""
add table ip proof
add chain ip proof in {{ type filter hook prerouting priority -300; }}
add chain ip proof own {{ type filter hook output priority -300; }}
add chain ip proof out {{ type filter hook postrouting priority 300; }}
add rule ip proof in ip daddr {VIP} tcp dport 80 counter comment "asked"
add rule ip proof in ip saddr {VIP} tcp sport 80 counter comment "answered"
add rule ip proof own ip saddr {VIP} tcp sport 80 counter comment "answered"
add rule ip proof out ip saddr {VIP} tcp sport 80 counter comment "answered"
"""


@pytest.fixture(scope="module")
def served(built: None) -> Iterator[Lab]:
    """The article's lab, for tests that only look."""
    with opened("lvs-dr", "dr") as lab:
        yield lab


@pytest.fixture(scope="module")
def segment(served: Lab) -> Iterator[Beside]:
    """Beside the client: on the segment where the VIP lives."""
    with beside(served, CLIENT) as helper:
        yield helper


def test_requests_are_spread_over_the_real_servers(served: Lab):
    answer = (
        served.nodes[CLIENT]
        .link()
        .request("request", vip=VIP, port=80, path="/", count=20, deadline=2.0, timeout=60)
    )
    results = answer["results"]
    assert [r["result"] for r in results] == ["ok"] * 20
    by = [r["server"] for r in results]
    # rr: they alternate, and each gets half.
    assert sorted(set(by)) == sorted(SERVERS.values())
    assert all(a != b for a, b in itertools.pairwise(by))


def test_the_lab_is_healthy_and_says_so(served: Lab):
    status = lab_status(served)
    assert status.healthy, status.reasons


def who_has(helper: Beside, address: str, count: int = 3) -> list[str]:
    answers: list[str] = helper.python(WHO_HAS, address, str(count), "172.20.1.200")
    return answers


def test_one_director_alone_answers_arp_for_the_vip(served: Lab, segment: Beside):
    # The same question about a real server's own address shows that it hears and answers.
    for name, address in SERVERS.items():
        assert who_has(segment, address, 1) == [mac_of(served, name)]
    assert who_has(segment, VIP) == [mac_of(served, "lvs1")] * 3


def test_requests_go_to_the_director_and_answers_come_from_the_real_servers(
    served: Lab, segment: Beside
):
    seen = segment.python(FRAMES, VIP, "80", "8")
    assert sorted(seen["said"]) == [a for a in sorted(SERVERS.values()) for _ in range(4)]
    assert list(seen["to"]) == [mac_of(served, "lvs1")]
    of = {mac_of(served, name): name for name in SERVERS}
    assert sorted(seen["from"]) == sorted(of)
    # Each connection (its port at the client) was answered by one real server, four by each.
    ports = {of[mac]: set(found) for mac, found in seen["from"].items()}
    assert {name: len(found) for name, found in ports.items()} == {"rs1": 4, "rs2": 4}
    assert not ports["rs1"] & ports["rs2"]


def traffic(lab: Lab, node: str) -> dict[str, int]:
    """Return the octets that a node's eth0 received and sent, from its kernel."""
    read = "cd /sys/class/net/eth0/statistics; cat rx_bytes tx_bytes"
    received, sent = in_node(lab, node, "sh", "-c", read).split()
    return {"rx": int(received), "tx": int(sent)}


def counted(helper: Beside) -> dict[str, int]:
    """Return the packets that COUNT counted, by its comments."""
    found = {"asked": 0, "answered": 0}
    for one in json.loads(helper.run("nft", "-j", "list", "table", "ip", "proof"))["nftables"]:
        if "rule" in one:
            counter = next(e["counter"] for e in one["rule"]["expr"] if "counter" in e)
            found[one["rule"]["comment"]] += counter["packets"]
    return found


def test_answers_do_not_pass_through_the_director(served: Lab):
    size, count = 300_000, 6
    for name in SERVERS:
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            info = tarfile.TarInfo("big")
            info.size, info.mode = size, 0o644
            tar.addfile(info, io.BytesIO(b"x" * size))
        container_of(served, name).put_archive("/var/www/html", archive.getvalue())
    with beside(served, "lvs1") as helper:
        helper.run("nft", COUNT)
        before = {name: traffic(served, name) for name in ("lvs1", CLIENT)}
        urls = [f"http://{VIP}/big"] * count
        outputs = [word for _ in urls for word in ("-o", "/dev/null")]
        got = in_node(served, CLIENT, "curl", "-sf", "-w", "%{size_download}\n", *outputs, *urls)
        after = {name: traffic(served, name) for name in ("lvs1", CLIENT)}
        packets = counted(helper)
    assert got.split() == [str(size)] * count
    moved = {
        name: {way: after[name][way] - before[name][way] for way in ("rx", "tx")} for name in after
    }
    assert moved[CLIENT]["rx"] > size * count
    # What passed the director is the client's half of it: requests and acknowledgements, and
    # in the same time its own checks and adverts.
    assert moved["lvs1"]["rx"] < size * count / 5, moved
    assert moved["lvs1"]["tx"] < size * count / 5, moved
    assert packets["asked"] > 4 * count
    assert packets["answered"] == 0


def ipvsadm(lab: Lab, director: str) -> dict[str, dict[str, tuple[str, int]]]:
    """Return {"TCP VIP:PORT scheduler": {real server: (forwarding, weight)}} by ipvsadm."""
    table: dict[str, dict[str, tuple[str, int]]] = {}
    for line in in_node(lab, director, "ipvsadm", "-Ln").splitlines():
        words = line.split()
        if words[0] in ("TCP", "UDP"):
            rows = table[" ".join(words)] = {}
        elif words[0] == "->" and words[1][0].isdigit():
            rows[words[1]] = (words[2], int(words[3]))
    return table


@pytest.mark.parametrize("director", DIRECTORS)
def test_the_table_in_the_kernel_is_the_topology(served: Lab, director: str):
    wanted = {
        f"{vs.protocol} {vs.vip}:{vs.port} {vs.scheduler}": {
            f"{m.address}:{m.port}": ("Route", m.weight) for m in vs.members
        }
        for vs in served.spec.virtual_servers
    }
    assert [len(rows) for rows in wanted.values()] == [2]
    assert ipvsadm(served, director) == wanted


@pytest.mark.parametrize("server", SERVERS)
def test_a_real_server_has_the_vip_and_keeps_quiet_about_it(served: Lab, server: str):
    shown = json.loads(in_node(served, server, "ip", "-j", "-4", "addr"))
    held = {
        (link["ifname"], a["local"], a["prefixlen"]) for link in shown for a in link["addr_info"]
    }
    assert held == {("lo", "127.0.0.1", 8), ("lo", VIP, 32), ("eth0", SERVERS[server], 16)}
    conf = "/proc/sys/net/ipv4/conf/all"
    assert in_node(served, server, "cat", f"{conf}/arp_ignore").strip() == "1"
    assert in_node(served, server, "cat", f"{conf}/arp_announce").strip() == "2"


def test_one_director_alone_holds_the_vip(served: Lab):
    held = {
        name: re.findall(rf"inet {VIP}/(\d+)", in_node(served, name, "ip", "-4", "addr"))
        for name in (*DIRECTORS, CLIENT)
    }
    assert held == {"lvs1": ["32"], "lvs2": [], CLIENT: []}


def test_nothing_is_privileged_and_no_node_has_more_than_it_needs(served: Lab):
    assert len(served.nodes) == 5
    for name, node in served.nodes.items():
        host = container_of(served, name).attrs["HostConfig"]
        added = sorted(cap.removeprefix("CAP_") for cap in host["CapAdd"] or [])
        assert host["Privileged"] is False, name
        assert added == CAPS[node.role], name
        assert not host["Binds"], name
        assert not host["Devices"], name
        assert not host["SecurityOpt"], name
        shared = (host["PidMode"], host["IpcMode"], host["UsernsMode"])
        assert "host" not in shared, name
        assert host["NetworkMode"] != "host", name
        status = in_node(served, name, "cat", "/proc/1/status")
        (effective,) = re.findall(r"^CapEff:\s*(\w+)$", status, re.MULTILINE)
        wanted = PLAIN
        for cap in added:
            wanted |= BITS[cap]
        assert int(effective, 16) == wanted, name


def test_keepalived_itself_is_asked_about_files_where_a_lab_runs(
    served: Lab, cli: Cli, tmp_path: Path
):
    mine = tmp_path / "keepalived.conf"
    mine.write_text(in_node(served, "lvs1", "cat", "/etc/keepalived/keepalived.conf"))
    fine = json.loads(cli("lint", str(mine), "--keepalived", "--json", check=False).stdout)
    version = in_node(served, "lvs1", "sh", "-c", "keepalived -v 2>&1").split()[1].lstrip("v")
    (asked,) = fine["keepalived"].values()
    assert asked == {"version": version, "exit_code": 0, "says": []}
    wrong = mine.read_text().replace("lb_kind DR", "lb_kind dr\n    no_such_word 1")
    mine.write_text(wrong)
    number = 1 + wrong[: wrong.index("no_such_word")].count("\n")
    found = json.loads(cli("lint", str(mine), "--json", check=False).stdout)
    (unknown,) = [f for f in found["findings"] if f["rule"] == "LVS001"]
    assert unknown["line"] == number
    assert "no_such_word" in unknown["keepalived"]
    assert not json.loads(cli("lint", str(mine), "--no-keepalived", "--json", check=False).stdout)[
        "keepalived_asked"
    ]
    # What asked is gone.
    ids = served.engine.client.api.containers(all=True, filters={"label": labels.CHECK})
    assert ids == []
