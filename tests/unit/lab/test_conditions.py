from dataclasses import replace

import pytest

from lvslab import topology
from lvslab.lab.conditions import (
    unmet_answers,
    unmet_gateway,
    unmet_holders,
    unmet_services,
    unmet_tables,
    unmet_tunnels,
)
from lvslab.lab.status import Seen, judge

VIP = "172.20.1.100"
YAML = """
name: t
network: {name: n, subnet: 172.20.0.0/16}
directors:
  lvs1: {address: 172.20.1.1, priority: 100}
  lvs2: {address: 172.20.1.2, priority: 50}
real_servers:
  rs1: {address: 172.20.1.10}
  rs2: {address: 172.20.1.11}
clients:
  client: {address: 172.20.1.200}
vrrp_instances:
  VI_1: {vrid: 51, vips: [172.20.1.100]}
virtual_servers:
  - {vip: 172.20.1.100, port: 80, scheduler: rr, real_servers: [rs1, rs2]}
"""


@pytest.fixture(scope="module")
def spec():
    return topology.loads(YAML)


def table(*servers, vip=VIP):
    rows = [
        {"address": a, "port": 80, "forward": "Route", "weight": w, "active": 0, "inactive": 0}
        for a, w in servers
    ]
    return [{"vip": vip, "port": 80, "protocol": "TCP", "scheduler": "rr", "servers": rows}]


FULL = table(("172.20.1.10", 1), ("172.20.1.11", 1))


def director(holds=(), ipvs=FULL, running=True):
    return {
        "holds": list(holds),
        "ipvs": ipvs,
        "services": {"keepalived": {"running": running}},
        "links": {"eth0": {"up": True, "running": True, "mac": "02:00:00:00:00:01"}},
    }


def texts(unmet):
    return [u.what for u in unmet]


def test_all_well(spec):
    says = {"lvs1": director([VIP]), "lvs2": director()}
    assert unmet_holders(spec, says) == unmet_tables(spec, says) == unmet_services(says) == []


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ([], [], f"no director holds the VIP {VIP}"),
        ([VIP], [VIP], f"lvs1 and lvs2 both hold the VIP {VIP}"),
        ([], [VIP], f"the VIP {VIP} is held by lvs2, not by lvs1"),
    ],
)
def test_holders(spec, first, second, text):
    (unmet,) = unmet_holders(spec, {"lvs1": director(first), "lvs2": director(second)})
    assert unmet.what.startswith(text)


def test_without_preemption_any_single_holder_will_do(spec):
    instance = spec.vrrp_instances[0]
    members = tuple(replace(m, nopreempt=True) for m in instance.members)
    spec = replace(spec, vrrp_instances=(replace(instance, members=members),))
    assert unmet_holders(spec, {"lvs1": director(), "lvs2": director([VIP])}) == []


def test_tables_of_every_director(spec):
    says = {
        "lvs1": director([VIP], table(("172.20.1.10", 0), ("172.20.1.11", 1))),
        "lvs2": director((), []),
    }
    assert [(u.node, u.what) for u in unmet_tables(spec, says)] == [
        ("lvs1", f"its IPVS table lists rs1 for {VIP}:80 with weight 0: its check fails"),
        ("lvs2", f"its IPVS table does not have {VIP}:80"),
    ]


def test_a_real_server_that_is_not_listed(spec):
    (unmet,) = unmet_tables(spec, {"lvs1": director([VIP], table(("172.20.1.10", 1)))})
    assert unmet.what == f"its IPVS table does not list rs2 for {VIP}:80"


def test_answers(spec):
    key = f"{VIP}:80"
    assert texts(unmet_answers(spec, {key: {"172.20.1.10"}})) == [
        f"no request to {key} was answered by rs2"
    ]
    assert unmet_answers(spec, {key: {"172.20.1.10", "172.20.1.11"}}) == []


@pytest.mark.parametrize("change", [{"scheduler": "sh"}, {"persistence_timeout": 60}])
def test_one_answer_is_enough_where_a_client_sticks_to_one_server(spec, change):
    vs = replace(spec.virtual_servers[0], **change)
    spec = replace(spec, virtual_servers=(vs,))
    assert unmet_answers(spec, {vs.key: {"172.20.1.10"}}) == []
    assert unmet_answers(spec, {vs.key: set()}) != []


def real_server(**change):
    return {
        "http": {"ok": True, "ms": 1.0},
        "lo_vips": [VIP],
        "services": {"httpd": {"running": True}},
        "sysctls": {"net.ipv4.conf.all.arp_ignore": "1", "net.ipv4.conf.all.arp_announce": "2"},
        "links": {"eth0": {"up": True, "running": True, "mac": "02:00:00:00:00:02"}},
    } | change


def lab(**change):
    client = {"neigh": {VIP: {"mac": "02:00:00:00:00:01", "state": "REACHABLE"}}, "links": {}}
    seen = {
        "lvs1": Seen("running", director([VIP])),
        "lvs2": Seen("running", {**director(), "links": {}}),
        "rs1": Seen("running", real_server()),
        "rs2": Seen("running", real_server()),
        "client": Seen("running", client),
    }
    return seen | change


def test_a_healthy_lab(spec):
    status = judge("t", spec, lab())
    assert status.healthy
    assert status.reasons == ()
    assert status.clients[0].arp[VIP]["node"] == "lvs1"
    assert status.real_servers[0].listed_in == (
        f"lvs1 {VIP}:80 weight 1",
        f"lvs2 {VIP}:80 weight 1",
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"http": {"ok": False, "detail": "refused"}}, "rs1: httpd does not answer: refused"),
        ({"lo_vips": []}, f"rs1: does not have the VIP {VIP} on lo"),
        ({"services": {"httpd": {"running": False}}}, "rs1: httpd does not run"),
        (
            {"links": {"eth0": {"up": False, "running": False, "mac": "x"}}},
            "rs1: eth0 is down",
        ),
        ({"journal": [{"fault": "freeze"}]}, "rs1: the fault freeze is not healed"),
    ],
)
def test_what_is_wrong_with_a_real_server(spec, change, reason):
    status = judge("t", spec, lab(rs1=Seen("running", real_server(**change))))
    assert not status.healthy
    assert status.reasons == (reason,)


def test_arp_sysctl_lost(spec):
    bad = real_server(
        sysctls={"net.ipv4.conf.all.arp_ignore": "0", "net.ipv4.conf.all.arp_announce": "2"}
    )
    (reason,) = judge("t", spec, lab(rs2=Seen("running", bad))).reasons
    assert reason.startswith("rs2: net.ipv4.conf.all.arp_ignore is 0, not 1")


def test_a_powered_off_node_is_shown_as_such(spec):
    status = judge("t", spec, lab(lvs1=Seen("exited", None, "the node is not running (exited)")))
    assert status.directors[0].state == "exited"
    assert "lvs1: the node is not running (exited)" in status.reasons
    assert f"no director holds the VIP {VIP}" in status.reasons


def test_a_node_without_container(spec):
    seen = lab()
    del seen["client"]
    status = judge("t", spec, seen)
    assert status.clients[0].state == "missing"
    assert status.reasons == ("client: it has no container",)


def test_plain_data(spec):
    shown = judge("t", spec, lab()).as_dict()
    assert shown["directors"][0]["holds"] == (VIP,)
    assert shown["healthy"] is True


GATEWAY, NAT_VIP, TUN_VIP = "10.23.0.254", "172.23.1.100", "172.24.1.100"


@pytest.fixture(scope="module")
def nat():
    return topology.load(topology.builtins()["lvs-nat"])


@pytest.fixture(scope="module")
def tun():
    return topology.load(topology.builtins()["lvs-tun"])


def router(*holds, forward="1"):
    return director(holds) | {"sysctls": {"net.ipv4.ip_forward": forward}}


def test_with_nat_the_gateway_is_where_the_vip_is(nat):
    assert unmet_gateway(nat, {"lvs1": router(NAT_VIP, GATEWAY), "lvs2": router()}) == []
    assert unmet_gateway(nat, {"lvs1": router(), "lvs2": router(NAT_VIP, GATEWAY)}) == []


@pytest.mark.parametrize(
    ("first", "second", "who"),
    [
        ((NAT_VIP,), (), "no director, the VIP 172.23.1.100 by lvs1"),
        ((NAT_VIP,), (GATEWAY,), "lvs2, the VIP 172.23.1.100 by lvs1"),
        ((NAT_VIP, GATEWAY), (GATEWAY,), "lvs1 and lvs2, the VIP 172.23.1.100 by lvs1"),
        ((), (GATEWAY,), "lvs2, the VIP 172.23.1.100 by none"),
    ],
)
def test_a_gateway_that_parted_from_the_vip(nat, first, second, who):
    (unmet,) = unmet_gateway(nat, {"lvs1": router(*first), "lvs2": router(*second)})
    assert unmet.what == f"the real servers' gateway {GATEWAY} is held by {who}"


def test_a_director_that_does_not_route_would_lose_the_answers_of_nat(nat, spec):
    says = {"lvs1": router(NAT_VIP, GATEWAY), "lvs2": router(forward="0")}
    assert [(u.node, u.what) for u in unmet_gateway(nat, says)] == [
        ("lvs2", "its net.ipv4.ip_forward is 0: no answer gets through it")
    ]
    assert unmet_gateway(spec, {"lvs1": router(VIP, forward="0")}) == []


def tunnelled(vip=TUN_VIP, device="tunl0", up=True):
    link = {"up": True, "running": True, "mac": "02:00:00:00:00:02"}
    return real_server(
        lo_vips=[],
        addresses=[{"interface": device, "address": f"{vip}/32"}],
        links={"eth0": link, "tunl0": {"up": up, "running": up, "mac": "00:00:00:00"}},
    )


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (real_server(), "has no tunl0: the engine's kernel lacks ipip"),
        (tunnelled(up=False), "tunl0 is down"),
        (tunnelled(device="lo"), f"does not have the VIP {TUN_VIP} on tunl0"),
        (tunnelled(vip="172.24.1.99"), f"does not have the VIP {TUN_VIP} on tunl0"),
    ],
)
def test_a_real_server_that_cannot_take_requests_out_of_the_tunnel(tun, spec, status, what):
    says = {"rs1": status, "rs2": tunnelled()}
    assert [(u.node, u.what) for u in unmet_tunnels(tun, says)] == [("rs1", what)]
    assert unmet_tunnels(spec, says) == []


def inside(spec, holder, gateway_mac):
    """What the nodes of a healthy lab say; real servers know their gateway by ``gateway_mac``."""
    rows = [
        {"address": str(m.address), "port": m.port, "forward": "x", "weight": 1, "active": 0}
        for m in spec.virtual_servers[0].members
    ]
    vip = str(spec.vips[0])
    full = [{"vip": vip, "port": 80, "protocol": "TCP", "scheduler": "rr", "servers": rows}]
    two = {n: {"up": True, "running": True, "mac": f"02:00:00:00:0{n[-1]}:01"} for n in
           ("eth0", "eth1")}  # fmt: skip
    lone = {"eth0": {"up": True, "running": True, "mac": "02:00:00:00:00:07"}}
    server = real_server(lo_vips=[], links=lone)
    server["neigh"] = {GATEWAY: {"mac": gateway_mac, "state": "REACHABLE"}}
    return {
        "lvs1": Seen("running", router(*holder) | {"ipvs": full, "links": two}),
        "lvs2": Seen("running", router() | {"ipvs": full, "links": {}}),
        "rs1": Seen("running", server),
        "rs2": Seen("running", server),
        "client": Seen("running", {"links": {}}),
    }


def test_a_healthy_lab_of_nat(nat):
    status = judge("t", nat, inside(nat, (NAT_VIP, GATEWAY), "02:00:00:00:01:01"))
    assert (status.forwarding, status.healthy, status.reasons) == ("NAT", True, ())
    rs1 = status.real_servers[0]
    assert (rs1.vips, rs1.sysctls) == ((), {})
    assert (rs1.gateway["address"], rs1.gateway["node"]) == (GATEWAY, "lvs1")


def test_a_lab_of_nat_without_its_gateway_is_not_healthy(nat):
    status = judge("t", nat, inside(nat, (NAT_VIP,), None))
    assert status.reasons == (
        f"lvs1: the real servers' gateway {GATEWAY} is held by no director, the VIP {NAT_VIP} by "
        "lvs1",
    )
    assert status.real_servers[0].gateway["node"] is None


def test_a_lab_of_tunnels(tun):
    seen = inside(tun, (TUN_VIP,), None) | {
        "rs1": Seen("running", tunnelled()),
        "rs2": Seen("running", tunnelled(up=False)),
    }
    status = judge("t", tun, seen)
    assert status.real_servers[0].vips == (TUN_VIP,)
    assert status.reasons == ("rs2: tunl0 is down",)
