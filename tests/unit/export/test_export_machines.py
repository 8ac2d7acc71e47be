"""What machines are given with NAT and with TUN: rules, sysctls, interfaces, the check list."""

from __future__ import annotations

import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from lvslab.export.model import ExportError
from lvslab.plan import make_plan
from lvslab.topology import loads
from lvslab.topology.spec import TopologySpec

from .ways import OTHERS, TEXTS, files_of, rich, text_of


@pytest.fixture(params=list(TEXTS))
def spec(request: pytest.FixtureRequest) -> TopologySpec:
    return loads(TEXTS[request.param], "here")


def accepted(text: str, chain: str) -> list[str]:
    _, found, rest = text.partition(f"    chain {chain} {{\n")
    lines = rest.partition("\n    }")[0].splitlines() if found else []
    return [line.strip() for line in lines if line.endswith("accept")]


def test_with_nat_a_director_lets_the_answers_through_and_hears_adverts_outside():
    spec = rich("NAT")
    text = text_of(spec, "lvs2/etc/nftables.d/lvs.nft", **OTHERS["NAT"])
    assert accepted(text, "input") == [
        'iifname "ens3" ip saddr { 10.9.0.1, 10.9.0.3 } ip protocol 112 accept',
        'iifname "ens3" ip protocol igmp accept',
        'iifname "ens3" ip daddr 10.9.0.100 tcp dport 80 accept',
        'iifname "ens3" ip daddr 10.9.0.101 udp dport 53 accept',
    ]
    way = 'iifname "ens4" oifname "ens3" ip saddr'
    assert accepted(text, "forward") == [
        f"{way} 192.168.6.10 tcp sport 80 accept",
        f"{way} 192.168.6.11 tcp sport 8080 accept",
        f"{way} 192.168.6.12 tcp sport 80 accept",
        f"{way} 192.168.6.10 udp sport 53 accept",
    ]


@pytest.mark.parametrize(
    ("way", "node", "wanted"),
    [
        (
            "NAT",
            "rs1",
            [
                'iifname "ens3" ip daddr 192.168.6.10 tcp dport 80 accept',
                'iifname "ens3" ip daddr 192.168.6.10 tcp dport 8081 accept',
                'iifname "ens3" ip daddr 192.168.6.10 udp dport 53 accept',
            ],
        ),
        ("NAT", "sorry", ['iifname "ens3" ip daddr 192.168.6.12 tcp dport 80 accept']),
        ("NAT", "idle", []),
        (
            "TUN",
            "rs1",
            [
                'iifname "ens3" ip saddr { 10.9.0.1, 10.9.0.2, 10.9.0.3 } ip protocol 4 accept',
                'iifname { "tunl0", "lvs-tunl" } ip daddr 10.9.0.100 tcp dport 80 accept',
                'iifname "ens3" ip daddr 10.9.0.10 tcp dport 8081 accept',
                'iifname { "tunl0", "lvs-tunl" } ip daddr 10.9.0.101 udp dport 53 accept',
                'iifname "ens3" ip daddr 10.9.0.10 udp dport 53 accept',
            ],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_real_server_lets_in_what_its_way_brings(way: str, node: str, wanted: list[str]):
    more = OTHERS.get(way, {"interface": "ens3"})
    text = text_of(rich(way), f"{node}/etc/nftables.d/lvs.nft", **more)
    assert accepted(text, "input") == wanted
    assert "chain forward" not in text


def _spaces() -> bool:
    """Say whether nft can be asked, which wants a network namespace of its own."""
    words = ["unshare", "-rn", "nft", "list", "ruleset"]
    found = all(map(shutil.which, ("unshare", "nft")))
    return found and subprocess.run(words, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not _spaces(), reason="needs nft, and a namespace to run it in")
def test_nft_takes_the_rules(spec: TopologySpec, tmp_path: Path):
    rules = [f for name, f in files_of(spec).items() if name.endswith(".nft")]
    assert len(rules) == len(spec.directors) + len(spec.real_servers)
    # All of them are in one table, and nothing in them knows of another.
    whole = tmp_path / "all.nft"
    whole.write_text("".join(f.content for f in rules))
    words = ["unshare", "-rn", "nft", "-c", "-f", str(whole)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("way", ["NAT", "TUN", "DR"])
def test_the_sysctls_are_those_of_the_lab(way: str):
    spec = rich(way)
    plan, files = make_plan(spec, "lab", agent_files=()), files_of(spec)
    for node in plan.nodes:
        told = dict(
            line.split(" = ")
            for name, file in files.items()
            if name.startswith(f"{node.name}/etc/sysctl.d/")
            for line in file.content.splitlines()
            if not line.startswith("#")
        )
        assert told == dict(node.sysctls)
    assert ("net.ipv4.ip_forward" in dict(plan.node("lvs1").sysctls)) == (way == "NAT")


def sections(text: str) -> ConfigParser:
    found = ConfigParser(interpolation=None, strict=False)
    found.read_string(text)
    return found


def test_real_servers_of_nat_have_the_gateway_in_each_of_the_three_ways():
    files = files_of(rich("NAT"), **OTHERS["NAT"])
    networkd = sections(files["rs2/etc/systemd/network/10-lvs-inside.network"].content)
    assert networkd["Match"]["Name"] == "ens3"
    assert dict(networkd["Network"]) == {"address": "192.168.6.11/23", "gateway": "192.168.6.125"}
    file = files["rs2/etc/NetworkManager/system-connections/lvs-inside.nmconnection"]
    assert file.mode == 0o600
    manager = sections(file.content)
    assert manager["connection"]["interface-name"] == "ens3"
    assert manager["ipv4"]["address1"] == "192.168.6.11/23,192.168.6.125"
    ifupdown = files["rs2/etc/network/interfaces.d/lvs-inside"].content
    assert "iface ens3 inet static\n    address 192.168.6.11/23\n" in ifupdown
    assert "    gateway 192.168.6.125\n" in ifupdown
    # No VIP is anywhere on it.
    told = "".join(f.content for name, f in files.items() if name.startswith("rs2/"))
    assert "10.9.0.10" not in told


def test_real_servers_of_a_tunnel_have_the_vips_on_it_in_each_of_the_three_ways():
    files = files_of(rich("TUN"))
    networkd = files["rs1/etc/systemd/network/10-lvs-tunl0.network"].content
    assert "[Match]\nName=tunl0\n" in networkd
    file = files["rs1/etc/NetworkManager/system-connections/lvs-tunl0.nmconnection"]
    assert file.mode == 0o600
    manager = sections(file.content)
    assert manager["connection"]["type"] == "ip-tunnel"
    # nmcli --offline of NetworkManager 1.42 refuses a tunnel without a remote.
    assert dict(manager["ip-tunnel"]) == {"mode": "1", "local": "10.9.0.10", "remote": "0.0.0.0"}
    ifupdown = files["rs1/etc/network/interfaces.d/lvs-tunl0"].content
    assert "    up ip link set tunl0 up\n" in ifupdown
    for vip in ("10.9.0.100", "10.9.0.101"):
        assert f"Address={vip}/32\n" in networkd
        assert f"{vip}/32" in dict(manager["ipv4"]).values()
        assert f"    up ip address replace {vip}/32 dev tunl0\n" in ifupdown
    assert files["rs1/etc/modules-load.d/lvs.conf"].content.splitlines()[1:] == ["ipip"]
    assert not any("/lvs-lo" in name or "90-lvs-dr" in name for name in files)


def test_the_check_list_is_that_of_the_way():
    nat = text_of(rich("NAT"), "CHECKLIST.md", **OTHERS["NAT"])
    for line in (
        "| lvs2 | director | 10.9.0.2/24 | 192.168.6.2/23 |",
        "`arping -D -c 3 -I ens4 192.168.6.125` must hear nobody",
        "says `default via 192.168.6.125 dev ens3`",
        "`sysctl -n net.ipv4.ip_forward` says 1",
        "has the gateway 192.168.6.125: `ip -4 addr show dev ens4` on each",
        "each by `Masq`.",
        "The same with its `ens4`",
    ):
        assert line in nat
    assert "arp_ignore" not in nat
    assert "on lo" not in nat
    tun = text_of(rich("TUN"), "CHECKLIST.md")
    for line in (
        "`sysctl -n net.ipv4.conf.all.rp_filter` says 2.",
        "rs1: 10.9.0.100/32, 10.9.0.101/32\n",
        "Protocol 4 is let in from the directors",
        "each by `Tunnel`.",
        "X-Long",
        "an end of its own, `lvs-tunl`",
    ):
        assert line in tun
    # What serves nothing has no VIP.
    assert "   idle: " not in tun
    assert "ip_forward" not in tun
    direct = text_of(rich("DR"), "CHECKLIST.md")
    assert "`ip -4 addr show dev lo` has:" in direct
    assert "tunl0" not in direct
    assert "   idle: " not in direct


def test_interfaces_that_no_director_has_are_refused():
    with pytest.raises(ExportError, match="no director has an inside interface") as caught:
        files_of(rich("TUN"), inside_interface="ens4")
    assert "ens4" in str(caught.value)
    assert "leave it out" in str(caught.value)
    # What is not said is eth1.
    for more in ({"interface": "eth1"}, {"interface": "x", "inside_interface": "x"}):
        with pytest.raises(ExportError, match="--inside-interface"):
            files_of(rich("NAT"), **more)
