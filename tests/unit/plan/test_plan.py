"""A topology becomes networks and nodes; digests change with what matters and only then."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from lvslab import labels, topology
from lvslab.plan import FilePlan, Plan, agent_files, make_plan, plan_dict
from lvslab.plan.model import NODE_FILE
from lvslab.plan.serving import httpd_ports
from lvslab.topology.spec import CheckSpec, RealServerSpec, TopologySpec
from tests.unit.plan import specs

AGENT = (FilePlan("/opt/lvslab/agent/__main__.py", b"pass\n"),)


def plan(spec: TopologySpec, lab: str = "lab") -> Plan:
    return make_plan(spec, lab, agent_files=AGENT)


def file(made: Plan, node: str, path: str) -> str:
    (found,) = [f for f in made.node(node).files if f.path == path]
    return found.content.decode()


def described(made: Plan, node: str) -> Any:
    return json.loads(file(made, node, NODE_FILE))


def changed(before: TopologySpec, after: TopologySpec) -> set[str]:
    old = {n.name: n.digest for n in plan(before).nodes}
    return {n.name for n in plan(after).nodes if old.get(n.name) != n.digest}


def test_the_article_is_five_containers_on_one_network():
    made = plan(specs.article(), "mine")
    assert [(n.name, n.role, n.container, n.hostname) for n in made.nodes] == [
        ("lvs1", "director", "mine-lvs1", "lvs1"),
        ("lvs2", "director", "mine-lvs2", "lvs2"),
        ("rs1", "real-server", "mine-rs1", "rs1"),
        ("rs2", "real-server", "mine-rs2", "rs2"),
        ("client", "client", "mine-client", "client"),
    ]
    (network,) = made.networks
    assert network.name == "lvslab-mine-lvs_dr"
    assert network.reserved == (("vip-172.20.1.100", specs.VIP),)
    assert {i.network for n in made.nodes for i in n.interfaces} == {network.name}
    assert made.node("rs2").interfaces[0].address == specs.RS2


def test_privileges_and_sysctls_are_the_least_that_do():
    made = plan(specs.article())
    assert {n.name: n.cap_add for n in made.nodes} == {
        "lvs1": ("NET_ADMIN", "NET_RAW"),
        "lvs2": ("NET_ADMIN", "NET_RAW"),
        "rs1": ("NET_ADMIN",),
        "rs2": ("NET_ADMIN",),
        "client": (),
    }
    assert dict(made.node("lvs1").sysctls) == {"net.ipv4.vs.expire_nodest_conn": "1"}
    assert dict(made.node("rs1").sysctls) == {
        "net.ipv4.conf.all.arp_ignore": "1",
        "net.ipv4.conf.all.arp_announce": "2",
    }
    assert made.node("client").sysctls == ()


def test_a_director_is_told_of_its_service_and_fifos():
    node = described(plan(specs.active_active()), "lvs1")
    (service,) = node["services"]
    assert service["argv"][0] == "keepalived"
    assert "-n" in service["argv"]
    assert service["ready"] == {"vrrp": 2}
    conf = file(plan(specs.active_active()), "lvs1", service["argv"][-1])
    assert f"vrrp_notify_fifo {node['vrrp_fifo']}\n" in conf
    assert f"lvs_notify_fifo {node['lvs_fifo']}\n" in conf
    assert node["vips"] == ["172.20.1.100", "172.20.1.101"]
    assert node["lo_vips"] == []
    assert node["virtual_servers"] == [
        {"vip": "172.20.1.100", "port": 80, "protocol": "TCP"},
        {"vip": "172.20.1.101", "port": 80, "protocol": "TCP"},
    ]


def test_a_real_server_holds_its_vips_on_lo_and_says_who_it_is():
    made = plan(specs.article())
    node = described(made, "rs1")
    assert node["lo_vips"] == ["172.20.1.100"]
    assert node["services"][0]["ready"] == {"listen": [80]}
    assert file(made, "rs1", "/var/www/html/index.html") == "from 172.20.1.10\n"
    assert "\nListen 0.0.0.0:80 http\n" in file(made, "rs1", node["services"][0]["argv"][-1])


def shipped(name: str) -> TopologySpec:
    return topology.load(topology.builtins()[name])


def test_with_nat_the_directors_are_in_both_networks_and_the_real_servers_behind_them():
    made = plan(shipped("lvs-nat"), "mine")
    outside, inside = made.networks
    assert (outside.name, inside.name) == ("lvslab-mine-lvs_nat", "lvslab-mine-lvs_nat-inside")
    where = {n.name: [(i.network, str(i.address)) for i in n.interfaces] for n in made.nodes}
    assert where == {
        "lvs1": [(outside.name, "172.23.1.1"), (inside.name, "10.23.0.1")],
        "lvs2": [(outside.name, "172.23.1.2"), (inside.name, "10.23.0.2")],
        "rs1": [(inside.name, "10.23.0.10")],
        "rs2": [(inside.name, "10.23.0.11")],
        "client": [(outside.name, "172.23.1.200")],
    }
    # The engine gives the containers this gateway, and its own bridge another address.
    assert {name: str(a) for name, a in inside.reserved} == {"DefaultGatewayIPv4": "10.23.0.254"}
    assert str(inside.gateway) == "10.23.0.253"
    # One network carries the topology.
    assert [labels.SOURCE in dict(n.labels) for n in made.networks] == [True, False]


def test_with_nat_directors_route_and_real_servers_know_no_vip():
    made = plan(shipped("lvs-nat"))
    assert dict(made.node("lvs2").sysctls) == {"net.ipv4.ip_forward": "1"}
    assert made.node("rs1").sysctls == ()
    assert described(made, "lvs1")["vips"] == ["172.23.1.100", "10.23.0.254"]
    server = described(made, "rs2")
    assert (server["vips"], server["lo_vips"]) == (["10.23.0.254"], [])
    assert server["services"][0]["ready"] == {"listen": [8080]}
    assert described(made, "client")["vips"] == ["172.23.1.100"]


def test_the_topologys_own_word_on_forwarding_counts():
    spec = replace(shipped("lvs-nat"), director_sysctls=(("net.ipv4.ip_forward", "0"),))
    assert plan(spec).node("lvs1").sysctls == (("net.ipv4.ip_forward", "0"),)


def test_with_tun_a_real_server_makes_its_end_of_the_tunnel_first():
    made = plan(shipped("lvs-tun"))
    assert len(made.networks) == 1
    rs1 = made.node("rs1")
    assert dict(rs1.sysctls) == {
        "net.ipv4.conf.all.arp_ignore": "1",
        "net.ipv4.conf.all.arp_announce": "2",
        "net.ipv4.conf.all.rp_filter": "2",
    }
    direct = plan(specs.article()).node("rs1").command
    assert rs1.command == ("/bin/sh", "/etc/lvslab/tunnel.sh", *direct)
    script = file(made, "rs1", "/etc/lvslab/tunnel.sh")
    assert "ip address replace 172.24.1.100/32 dev tunl0\n" in script
    assert script.endswith('\nexec "$@"\n')
    assert described(made, "rs1")["lo_vips"] == []
    assert made.node("lvs1").command == made.node("client").command == direct


def test_what_came_later_is_in_no_plan_that_does_not_need_it():
    """Labs that were saved before NAT was there are still found by their digest."""
    stored = topology.to_json(shipped("lvs-dr"))
    assert "inside" not in stored
    assert topology.digest(shipped("lvs-dr")) == (
        "1b50a5a9beeb1a7f8c8cf894862f9354abf981405a9da3a7f6878df5e1b8fcc1"
    )


def test_httpd_listens_where_pools_and_checks_and_sorry_want_it():
    made = plan(specs.rich())
    listens = {
        name: described(made, name)["services"][0]["ready"]["listen"]
        for name in ("rs1", "rs2", "rs3", "sorry")
    }
    assert listens == {"rs1": [80, 8080], "rs2": [80, 8081], "rs3": [80], "sorry": [80]}
    assert described(made, "sorry")["lo_vips"] == ["172.20.1.100"]


def test_a_real_server_in_no_pool_runs_nothing():
    spec = specs.article()
    idle = RealServerSpec("rs3", spec.network.gateway - 1)
    made = plan(replace(spec, real_servers=(*spec.real_servers, idle)))
    assert described(made, "rs3")["services"] == []
    assert described(made, "rs3")["lo_vips"] == []


def test_a_client_is_told_the_vips_and_runs_nothing():
    node = described(plan(specs.article()), "client")
    assert node["vips"] == ["172.20.1.100"]
    assert node["services"] == []
    assert node["vrrp_fifo"] is None


def test_the_agent_of_this_installation_goes_into_every_node():
    files = agent_files()
    assert "/opt/lvslab/agent/__init__.py" in {f.path for f in files}
    made = make_plan(specs.article(), "lab", agent_files=files)
    for node in made.nodes:
        assert set(files) <= set(node.files)
        assert "PYTHONPATH=/opt/lvslab" in node.command


def weight_of_rs2(spec: TopologySpec) -> TopologySpec:
    (vs,) = spec.virtual_servers
    members = (vs.members[0], replace(vs.members[1], weight=7))
    return replace(spec, virtual_servers=(replace(vs, members=members),))


def priority_of_lvs2(spec: TopologySpec) -> TopologySpec:
    (vi,) = spec.vrrp_instances
    members = (vi.members[0], replace(vi.members[1], priority=60))
    return replace(spec, vrrp_instances=(replace(vi, members=members),))


def check_on_another_port(spec: TopologySpec) -> TopologySpec:
    (vs,) = spec.virtual_servers
    check = CheckSpec("TCP_CHECK", connect_port=81)
    members = (vs.members[0], replace(vs.members[1], check=check))
    return replace(spec, virtual_servers=(replace(vs, members=members),))


def client_moved(spec: TopologySpec) -> TopologySpec:
    return replace(spec, clients=(replace(spec.clients[0], address=specs.CLIENT + 1),))


ALL = {"lvs1", "lvs2", "rs1", "rs2", "client"}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda s: s, set()),
        (lambda s: replace(s, name="renamed"), set()),
        (weight_of_rs2, {"lvs1", "lvs2"}),
        (priority_of_lvs2, {"lvs2"}),
        (check_on_another_port, {"lvs1", "lvs2", "rs2"}),
        (client_moved, {"client"}),
        (lambda s: replace(s, director_sysctls=()), {"lvs1", "lvs2"}),
        (lambda s: replace(s, debian="bookworm"), ALL),
        (lambda s: replace(s, network=replace(s.network, name="other")), ALL),
    ],
)
def test_a_digest_changes_with_what_matters_and_only_then(edit, expected):
    assert changed(specs.article(), edit(specs.article())) == expected


def test_a_changed_agent_changes_every_node():
    before = plan(specs.article())
    other = (replace(AGENT[0], content=b"raise\n"),)
    after = make_plan(specs.article(), "lab", agent_files=other)
    assert not {n.digest for n in before.nodes} & {n.digest for n in after.nodes}
    assert before.digest != after.digest


def test_a_plan_is_the_same_every_time():
    assert plan(specs.rich()) == plan(specs.rich())


def test_labels_find_everything_and_the_network_carries_the_topology():
    spec = specs.article()
    made = plan(spec)
    for part in (*(n.labels for n in made.networks), *(n.labels for n in made.nodes)):
        carried = dict(part)
        assert carried[labels.LAB] == "lab"
        assert carried[labels.TOPOLOGY] == topology.digest(spec)
    for node in made.nodes:
        carried = dict(node.labels)
        assert carried[labels.NODE] == node.name
        assert carried[labels.ROLE] == node.role
        assert carried[labels.PLAN] == node.digest
    (network,) = made.networks
    assert topology.from_json(dict(network.labels)[labels.SOURCE]) == spec


def test_the_networks_digest_outlives_an_edit_of_anything_else():
    def digest(spec: TopologySpec) -> str:
        return dict(plan(spec).networks[0].labels)[labels.PLAN]

    spec = specs.article()
    assert digest(weight_of_rs2(spec)) == digest(spec)
    moved = replace(spec.network, gateway=spec.network.gateway - 1)
    assert digest(replace(spec, network=moved)) != digest(spec)


def test_the_description_is_json_with_files_only_on_request():
    made = plan(specs.article())
    without = plan_dict(made)
    assert json.loads(json.dumps(without)) == without
    assert "content" not in without["nodes"][0]["files"][0]
    conf = next(
        f for f in plan_dict(made, files=True)["nodes"][0]["files"] if "keepalived" in f["path"]
    )
    assert conf["content"].startswith("# keepalived.conf of lvs1")
    assert without["nodes"][0]["labels"][labels.NODE] == "lvs1"


def test_httpd_listens_where_a_udp_service_is_checked():
    spec = topology.loads("""\
directors: [lvs1]
real_servers: [rs1]
vip: 172.20.1.100
virtual_servers:
  - {port: 53, protocol: UDP, check: {type: TCP_CHECK, connect_port: 5353}}
""")
    assert httpd_ports(spec, "rs1") == (5353,)
