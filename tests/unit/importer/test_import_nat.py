"""NAT: the network behind the directors is worked out of what the files say of addresses."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lvslab.conf import load_text
from lvslab.importer import Fate, Imported, Source, import_confs
from lvslab.plan import make_plan
from lvslab.plan.serving import datagrams_at, dns_at, httpd_ports
from lvslab.topology.served import tls_places

from .confs import conf, fate, instance, lab

CORRECT = sorted((Path(__file__).parents[1] / "lint" / "correct").glob("nat-*.conf"))
#: keepalived -t looks for the interfaces; those of the lab's directors are not here.
_NO_LINK = re.compile(r"interface|eth[01]", re.IGNORECASE)


def outer(more: str = "", vips: str = "172.20.1.100", name: str = "VI") -> str:
    return instance(name, more, vips).replace("interface eth1", "interface eth0")


def inner(vips: str = "10.0.0.254", more: str = "") -> str:
    return instance("VI_IN", more, vips, vrid=52)


def group(*names: str, more: str = "") -> str:
    return f"vrrp_sync_group G {{\n group {{\n {' '.join(names)}\n }}\n {more}\n}}\n".replace(
        " ".join(names), "\n".join(names)
    )


def server(
    *reals: str,
    vip: str = "172.20.1.100",
    port: str = "80",
    protocol: str = "TCP",
    head: str = "lb_kind NAT",
    checks: str = "",
) -> str:
    pool = "".join(f" real_server {real} {{\n {checks}\n }}\n" for real in reals)
    return f"virtual_server {vip} {port} {{\n {head}\n protocol {protocol}\n{pool}}}\n"


def inside(made: Imported) -> tuple[str, str]:
    """The network behind the lab's directors, and the gateway in it."""
    assert made.spec.inside is not None
    return str(made.spec.inside.subnet), str(made.spec.inside.gateway)


def ports(made: Imported) -> list[tuple[str, int]]:
    """The members of the first virtual server."""
    return [(str(m.address), m.port) for m in made.spec.virtual_servers[0].members]


@pytest.mark.parametrize("file", CORRECT, ids=lambda f: f.stem)
def test_a_correct_file_is_a_lab_of_its_own_virtual_servers(file: Path, tmp_path: Path):
    made = import_confs([Source("lvs1", load_text(file.read_text(), file.name))], name="x")
    assert not any(e.fate is Fate.UNSUPPORTED for e in made.entries)
    assert not any(text.startswith("rs1, rs2") for text in made.added)
    assert made.spec.forwarding == "NAT"
    (vs,) = made.spec.virtual_servers
    assert vs.key == "172.20.1.100:80"
    assert [m.port for m in vs.members] == [8080, 80]
    make_plan(made.spec, "x", agent_files=())
    if shutil.which("keepalived"):
        written = tmp_path / "keepalived.conf"
        written.write_text(conf(made))
        run = subprocess.run(
            ["keepalived", "-t", "-f", str(written)], capture_output=True, text=True, check=False
        )
        said = (run.stdout + run.stderr).splitlines()
        assert [line for line in said if not _NO_LINK.search(line)] == []


def test_the_gateway_in_the_instance_of_the_vip_is_no_vip_any_more():
    made = lab(outer(vips="172.20.1.100\n 10.0.0.254/24 dev eth1") + server("10.0.0.10 80"))
    assert inside(made) == ("10.0.0.0/24", "10.0.0.254")
    assert made.spec.network.subnet == IPv4Network("172.20.1.0/24")
    assert [str(v) for v in made.spec.vips] == ["172.20.1.100"]
    assert fate(made, "10.0.0.254/24") == (
        "mapped",
        "10.0.0.254/32 dev eth1: the real servers' gateway",
    )
    assert fate(made, "real_server") == ("kept", "")
    assert fate(made, "lb_kind") == ("kept", "")
    assert not any("gateway" in text for text in made.added)
    made = lab(outer(vips="172.20.1.100\n 10.0.0.254/32 dev eth1") + server("10.0.0.10 80"))
    assert fate(made, "10.0.0.254/32") == ("kept", "")


def test_an_instance_of_the_gateway_alone_goes_into_that_of_the_vips():
    text = outer() + inner() + group("VI", "VI_IN") + server("10.0.0.10 80")
    made = lab("global_defs {\n lvs_sync_daemon eth0 VI_IN\n}\n" + text)
    assert [i.name for i in made.spec.vrrp_instances] == ["VI"]
    assert inside(made)[1] == "10.0.0.254"
    told, note = fate(made, "vrrp_instance VI_IN")
    assert told == "mapped"
    assert "in the instance of the VIPs, VI" in note
    assert fate(made, "vrrp_sync_group")[0] == "mapped"
    # Told with its block.
    assert not [e for e in made.entries if e.text == "virtual_router_id 52"]
    assert fate(made, "lvs_sync_daemon")[1] == "lvs_sync_daemon eth0 VI"
    assert "VI_IN" not in conf(made)


def test_a_gateway_that_moves_by_itself_is_told_not_to_do_so_in_the_lab():
    made = lab(outer() + inner() + server("10.0.0.10 80"))
    told, note = fate(made, "vrrp_instance VI_IN")
    assert told == "unsupported"
    assert "nothing keeps the two together" in note


def test_a_sync_group_that_tracks_something_stays():
    text = "vrrp_script chk {\n script /x\n }\n" + outer() + inner() + server("10.0.0.10 80")
    made = lab(text + group("VI", "VI_IN", more="track_script {\n chk\n }"))
    assert fate(made, "vrrp_sync_group") == ("kept", "")
    assert fate(made, "VI_IN")[0] == "mapped"


def test_without_one_a_gateway_is_assigned_and_told():
    made = lab(outer() + server("10.0.0.10 80", "10.0.1.11 81"))
    assert inside(made) == ("10.0.0.0/23", "10.0.1.254")
    assert any("gateway 10.0.1.254" in text for text in made.added)
    assert ports(made) == [("10.0.0.10", 80), ("10.0.1.11", 81)]


def test_of_several_addresses_inside_the_first_is_the_gateway():
    vips = "172.20.1.100\n 10.0.0.253\n 10.0.0.254"
    made = lab(outer(vips=vips) + server("10.0.0.10 80"))
    assert inside(made)[1] == "10.0.0.253"
    assert fate(made, "10.0.0.254")[0] == "unsupported"
    # In the instance of the VIPs it is more likely than in another before it.
    made = lab(inner("10.0.0.253") + outer(vips="172.20.1.100\n 10.0.0.254") + server("10.0.0.9 1"))
    assert inside(made)[1] == "10.0.0.254"
    assert fate(made, "vrrp_instance VI_IN")[0] == "unsupported"


def test_a_vip_that_is_served_is_no_gateway():
    both = server("10.0.0.10 80") + server("10.0.0.10 80", vip="10.0.0.100")
    made = lab(outer(vips="172.20.1.100\n 10.0.0.100 dev eth1") + both)
    assert inside(made) == ("10.0.0.0/24", "10.0.0.254")
    # Where clients of the lab are.
    assert [str(vs.vip) for vs in made.spec.virtual_servers] == ["172.20.1.100", "172.20.1.253"]
    assert fate(made, "virtual_server 10.0.0.100") == (
        "mapped",
        "virtual_server 172.20.1.253 80: in the lab VIPs, clients and directors are in one network",
    )


def test_on_one_segment_the_real_servers_get_a_network_of_their_own():
    text = outer() + server("172.20.1.10 8080", "172.20.1.11 80", head="sorry_server 172.20.1.9 81")
    made = lab(text, text)
    assert made.spec.network.subnet == IPv4Network("172.20.1.0/24")
    assert inside(made) == ("10.20.0.0/24", "10.20.0.254")
    assert ports(made) == [("10.20.0.10", 8080), ("10.20.0.11", 80)]
    sorry = made.spec.virtual_servers[0].sorry_server
    assert sorry is not None
    assert (str(sorry.address), sorry.port) == ("10.20.0.9", 81)
    for node in ("lvs1", "lvs2"):
        assert fate(made, "real_server 172.20.1.10", node) == (
            "mapped",
            "10.20.0.10 8080: behind the directors in the lab",
        )
    assert any(text.startswith("10.20.0.0/24, a network for") for text in made.added)


def test_two_interfaces_in_one_network_have_a_gateway_too():
    vips = "172.20.1.100\n 172.20.1.254 dev eth1"
    made = lab(outer(vips=vips) + server("172.20.1.130 80"))
    assert inside(made) == ("10.20.0.0/24", "10.20.0.254")
    assert fate(made, "172.20.1.254")[0] == "mapped"
    assert [str(v) for v in made.spec.vips] == ["172.20.1.100"]
    # On the VIP's own interface it is one more VIP.
    made = lab(outer(vips=vips.replace("eth1", "eth0")) + server("172.20.1.130 80"))
    assert [str(v) for v in made.spec.vips] == ["172.20.1.100", "172.20.1.254"]


def test_a_smaller_subnet_leaves_room_for_the_real_servers_own():
    made = lab(outer() + server("172.20.1.200 80"), subnet="172.20.1.0/25")
    assert inside(made)[0] == "172.20.1.128/25"
    assert ports(made) == [("172.20.1.200", 80)]


def test_a_real_server_on_the_vips_segment_is_moved_behind_with_the_others():
    made = lab(outer() + server("10.0.0.10 80", "172.20.1.12 80"))
    assert inside(made)[0] == "10.0.0.0/24"
    assert ports(made) == [("10.0.0.10", 80), ("10.0.0.12", 80)]
    assert fate(made, "real_server 10.0.0.10") == ("kept", "")


def test_two_ports_of_one_address_in_a_pool_are_two_servers():
    made = lab(
        outer() + server("10.0.0.10 1060", "10.0.0.10 2060") + server("10.0.0.10 5", port="5")
    )
    assert ports(made) == [("10.0.0.10", 1060), ("10.0.0.11", 2060)]
    assert fate(made, "real_server 10.0.0.10 2060")[1].startswith("10.0.0.11 2060: ")
    assert fate(made, "real_server 10.0.0.10 5") == ("kept", "")


def test_a_server_without_a_port_has_that_of_the_virtual_server():
    made = lab(outer() + server("10.0.0.10", head="sorry_server 10.0.0.9"))
    assert ports(made) == [("10.0.0.10", 80)]
    assert fate(made, "real_server")[0] == "mapped"
    assert fate(made, "sorry_server") == (
        "mapped",
        "10.0.0.9 80: the port of the virtual server: keepalived takes it as well",
    )


def test_virtual_servers_of_another_instance_have_no_gateway():
    text = outer() + outer(vips="172.20.1.101", name="VB").replace("_id 51", "_id 53")
    made = lab(text + server("10.0.0.10 80") + server("10.0.0.10 80", vip="172.20.1.101"))
    assert [str(vs.vip) for vs in made.spec.virtual_servers] == ["172.20.1.100"]
    told, note = fate(made, "virtual_server 172.20.1.101")
    assert (told, "one gateway" in note) == ("unsupported", True)
    assert [i.name for i in made.spec.vrrp_instances] == ["VI", "VB"]


def test_vips_that_no_instance_holds_go_where_the_gateway_is():
    made = lab(inner(more="advert_int 3") + server("10.0.0.10 80"))
    (one,) = made.spec.vrrp_instances
    assert (one.name, one.advert_int) == ("VI_IN", 3.0)
    assert [str(v.ip) for v in one.vips] == ["172.20.1.100"]
    assert inside(made)[1] == "10.0.0.254"
    assert any(text.startswith("172.20.1.100 in VI_IN") for text in made.added)
    assert not any("LAB" in text for text in made.added)
    made = lab(server("10.0.0.10 80"))
    assert [i.name for i in made.spec.vrrp_instances] == ["LAB"]


def test_the_inside_interface_is_tracked_once_and_keeps_being_so():
    vips = "172.20.1.100\n 10.0.0.254 dev bond1"
    track = "track_interface {\n eth0\n bond1\n bond2\n }"
    made = lab(outer(track, vips) + server("10.0.0.10 80"))
    assert fate(made, "track_interface") == ("kept", "")
    assert fate(made, "bond1") == ("mapped", "eth1: the inside interface")
    assert fate(made, "eth0")[0] == fate(made, "bond2")[0] == "unsupported"
    assert conf(made).count("track_interface") == 1
    assert not any("track_interface" in text for text in made.added)
    made = lab(outer("track_interface {\n eth1\n }") + server("10.0.0.10 80"))
    assert fate(made, "eth1") == ("kept", "")


def test_what_tracks_otherwise_than_the_lab_is_told():
    made = lab(outer("track_interface {\n eth1 weight -20\n }") + server("10.0.0.10 80"))
    assert "without a weight" in fate(made, "track_interface")[1]
    assert any("track_interface eth1" in text for text in made.added)
    made = lab(outer() + server("10.0.0.10 80"))
    assert any("track_interface eth1" in text for text in made.added)


def test_a_directors_addresses_are_on_the_side_that_they_are_on():
    more = "priority {}0\n unicast_src_ip 172.20.1.{}\n unicast_peer {{\n 172.20.1.{}\n }}"
    within = "priority {}0\n unicast_src_ip 10.0.0.{}\n unicast_peer {{\n 10.0.0.{}\n }}"
    rest = group("VI", "VI_IN") + server("10.0.0.10 80")
    made = lab(
        outer(more.format(9, 1, 2)) + inner(more=within.format(9, 3, 4)) + rest,
        outer(more.format(8, 2, 1)) + inner(more=within.format(8, 4, 3)) + rest,
    )
    assert [(str(d.address), str(d.inside)) for d in made.spec.directors] == [
        ("172.20.1.1", "10.0.0.3"),
        ("172.20.1.2", "10.0.0.4"),
    ]
    assert fate(made, "unicast_src_ip") == ("kept", "")


def test_adverts_on_the_inside_link_are_told_to_take_the_other():
    within = "priority {}0\n unicast_src_ip 10.0.0.{}\n unicast_peer {{\n 10.0.0.{}\n }}"
    made = lab(
        outer(within.format(9, 3, 4)) + server("10.0.0.10 80"),
        outer(within.format(8, 4, 3)) + server("10.0.0.10 80"),
    )
    assert made.spec.network.subnet == IPv4Network("172.20.1.0/24")
    assert [d.inside for d in made.spec.directors] == [
        IPv4Address("10.0.0.3"),
        IPv4Address("10.0.0.4"),
    ]
    assert fate(made, "unicast_src_ip")[0] == "mapped"


def test_checks_over_tls_of_dns_and_of_datagrams_are_answered_behind_nat():
    url = "url {\n path /a\n digest 0123\n status_code 404\n }"
    text = outer() + server("172.20.1.10 8443", port="443", checks=f"SSL_GET {{\n {url}\n }}")
    text += server("172.20.1.10 5353", port="53", protocol="UDP", checks="DNS_CHECK {\n type A\n }")
    text += server("172.20.1.10 5514", port="514", protocol="UDP", checks="UDP_CHECK {\n }")
    made = lab(text)
    assert not any(e.fate is Fate.UNSUPPORTED for e in made.entries)
    assert tls_places(made.spec.virtual_servers) == {("rs1", 8443)}
    assert (httpd_ports(made.spec, "rs1"), dns_at(made.spec, "rs1")) == ((8443,), (5353,))
    assert datagrams_at(made.spec, "rs1") == (5514,)
    check = made.spec.virtual_servers[0].members[0].check
    assert check is not None
    # That of the page with the address that the server has in the lab.
    assert check.digest == hashlib.md5(b"from 10.20.0.10\n", usedforsecurity=False).hexdigest()
    assert check.status_code == 404


def test_a_connection_to_a_server_of_udp_is_made_to_its_own_port():
    made = lab(outer() + server("10.0.0.10 5514", protocol="UDP", checks="TCP_CHECK {\n }"))
    check = made.spec.virtual_servers[0].members[0].check
    assert check is not None
    assert check.connect_port == 5514


def test_nat_that_is_not_written_is_what_keepalived_makes_of_it():
    made = lab(outer() + server("10.0.0.10 8080", head=""))
    assert (made.spec.forwarding, ports(made)) == ("NAT", [("10.0.0.10", 8080)])
    assert "without lb_kind keepalived takes NAT" in fate(made, "virtual_server")[1]
    made = lab(outer() + server("10.0.0.10 8080", head="lb_kind nat"))
    assert fate(made, "lb_kind") == ("mapped", "keepalived takes 'nat' as NAT: was DR meant?")


def test_the_method_of_the_first_counts():
    other = server("10.0.0.11 81", port="81", head="lb_kind DR")
    made = lab(outer() + server("10.0.0.10 80") + other)
    assert [vs.port for vs in made.spec.virtual_servers] == [80]
    assert [str(s.address) for s in made.spec.real_servers] == ["10.0.0.10"]
    assert "that of the first: NAT" in fate(made, "virtual_server 172.20.1.100 81")[1]


def test_what_counts_for_nothing_is_kept_as_with_direct_routing():
    head = "lb_kind NAT\n nat_mask 255.255.255.0\n virtualhost a\n persistence_timeout 50"
    made = lab(outer() + server("10.0.0.10 80", head=head))
    assert fate(made, "nat_mask")[0] == fate(made, "virtualhost")[0] == "kept"
    assert fate(made, "persistence_timeout") == ("kept", "")
