"""What is filled in, and that all that keepalived can be told arrives."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from typing import get_args

import pytest

from lvslab.errors import TopologyError
from lvslab.topology import builtin, builtins, digest, from_json, load, loads, starter, to_json
from lvslab.topology.spec import AuthSpec, CheckSpec, GarpSpec, Scheduler, SorryServer, TopologySpec

SMALLEST = "directors: [lvs1, lvs2]\nreal_servers: [rs1, rs2]\nvip: 172.20.1.100\n"
NODES = "directors: [lvs1, lvs2]\nreal_servers: [rs1, rs2]\n"


def addresses(spec: TopologySpec) -> dict[str, str]:
    found = {n.name: str(n.address) for n in spec.directors}
    found |= {n.name: str(n.address) for n in spec.real_servers}
    return found | {n.name: str(n.address) for n in spec.clients}


def test_the_smallest_file():
    spec = loads(SMALLEST, "tiny.yaml")
    assert (spec.name, spec.debian, spec.network.name) == ("tiny", "trixie", "tiny")
    assert spec.network.subnet == IPv4Network("172.20.0.0/16")
    assert spec.network.gateway == IPv4Address("172.20.255.254")
    (instance,) = spec.vrrp_instances
    assert (instance.name, instance.vrid, instance.version) == ("VI_1", 51, 2)
    assert instance.vips == (IPv4Interface("172.20.1.100/32"),)
    assert [(m.director, m.priority, m.state) for m in instance.members] == [
        ("lvs1", 100, "MASTER"),
        ("lvs2", 50, "BACKUP"),
    ]
    (server,) = spec.virtual_servers
    assert (server.key, server.scheduler, server.forwarding) == ("172.20.1.100:80", "rr", "DR")
    assert server.quorum == 1
    assert [(m.server, m.port, m.weight) for m in server.members] == [
        ("rs1", 80, 1),
        ("rs2", 80, 1),
    ]
    assert server.members[0].check == CheckSpec("HTTP_GET")
    assert [c.name for c in spec.clients] == ["client"]


def test_the_articles_lab():
    path = builtin("lvs-dr")
    assert path is not None
    spec = load(path)
    assert addresses(spec) == {
        "lvs1": "172.20.1.1",
        "lvs2": "172.20.1.2",
        "rs1": "172.20.1.10",
        "rs2": "172.20.1.11",
        "client": "172.20.1.200",
    }
    assert spec.network.name == "lvs_dr"
    (instance,) = spec.vrrp_instances
    assert (instance.vrid, instance.version, instance.advert_int) == (51, 2, 1.0)
    assert instance.auth == AuthSpec("PASS", "1111")
    assert [m.priority for m in instance.by_priority()] == [100, 50]
    (server,) = spec.virtual_servers
    assert (server.key, server.scheduler, server.delay_loop) == ("172.20.1.100:80", "rr", 6.0)
    check = server.members[0].check
    assert check is not None
    assert (check.kind, check.status_code, check.retry) == ("HTTP_GET", 200, 3)
    assert (check.delay_before_retry, check.connect_timeout) == (3.0, 3.0)


def test_the_fast_lab():
    spec = load(builtins()["lvs-dr-fast"])
    (instance,) = spec.vrrp_instances
    assert (instance.version, instance.advert_int, instance.auth) == (3, 0.1, None)


def test_active_active_backs_each_other():
    spec = load(builtins()["active-active"])
    assert [i.vrid for i in spec.vrrp_instances] == [51, 52]
    masters = [[m.director for m in i.members if m.state == "MASTER"] for i in spec.vrrp_instances]
    assert masters == [["lvs1"], ["lvs2"]]
    assert [str(v) for v in spec.vips] == ["172.22.1.101", "172.22.1.102"]


def test_no_builtin_shares_its_subnet_with_another():
    subnets = [load(path).network.subnet for path in builtins().values()]
    assert len(subnets) == len(set(subnets)) >= 3
    assert builtin("no-such-lab") is None


def test_addresses_stay_when_a_director_is_added():
    three = loads(SMALLEST.replace("lvs2]", "lvs2, lvs3]"))
    before, after = addresses(loads(SMALLEST)), addresses(three)
    assert after.pop("lvs3") == "172.20.0.3"
    assert after == before


def test_assigned_addresses_skip_what_is_taken():
    spec = loads(
        "network: {subnet: 10.0.0.0/28, gateway: 10.0.0.1}\n"
        "directors: {lvs1: , lvs2: 10.0.0.3}\nreal_servers: [rs1, rs2]\nvip: 10.0.0.2\n"
    )
    assert addresses(spec) == {
        "lvs1": "10.0.0.4",
        "lvs2": "10.0.0.3",
        "rs1": "10.0.0.5",
        "rs2": "10.0.0.6",
        "client": "10.0.0.7",
    }


def test_the_smallest_subnet_is_used_to_the_last_address():
    spec = loads(
        "network: {subnet: 10.0.0.0/29}\ndirectors: [a, b]\nreal_servers: [c]\nvip: 10.0.0.6\n"
    )
    assert str(spec.network.gateway) == "10.0.0.5"
    assert sorted(addresses(spec).values()) == [f"10.0.0.{i}" for i in (1, 2, 3, 4)]


def test_default_priorities_descend_and_respect_those_given():
    def priorities(directors: str):
        spec = loads(f"directors: {directors}\nreal_servers: [rs1]\nvip: 172.20.1.100\n")
        return [m.priority for m in spec.vrrp_instances[0].members]

    assert priorities("[a, b, c, d, e, f, g, h]") == [100, 50, 40, 30, 20, 10, 9, 8]
    assert priorities("{a: {priority: 45}, b: , c: }") == [45, 40, 30]
    assert priorities("{a: , b: {priority: 100}}") == [50, 100]


@pytest.mark.parametrize("setting", ["preempt: false", "preempt_delay: 5"])
def test_no_state_is_master_where_keepalived_would_clear_the_setting(setting: str):
    (instance,) = loads(SMALLEST + f"vrrp: {{{setting}}}\n").vrrp_instances
    assert {m.state for m in instance.members} == {"BACKUP"}
    assert {(m.nopreempt, m.preempt_delay) for m in instance.members} == {
        (True, None) if setting == "preempt: false" else (False, 5.0)
    }


def test_an_instance_overrides_vrrp():
    spec = loads(
        NODES + "vrrp: {version: 3, advert_int: 0.5, preempt_delay: 5, garp: {master_delay: 1}}\n"
        "vrrp_instances:\n"
        "  A: {vips: 172.20.1.100}\n"
        "  B: {vips: 172.20.1.101, version: 2, advert_int: 2, preempt: false, auth: s3cret,\n"
        "      unicast: true, garp: {master_repeat: 2},\n"
        '      label: "eth0:b", raw: "dont_track_primary"}\n'
    )
    a, b = spec.vrrp_instances
    assert (a.vrid, a.version, a.advert_int, a.members[0].preempt_delay) == (51, 3, 0.5, 5.0)
    assert (b.vrid, b.version, b.advert_int, b.unicast) == (52, 2, 2.0, True)
    assert (b.members[0].nopreempt, b.members[0].preempt_delay) == (True, None)
    assert (b.auth, b.label, b.raw) == (AuthSpec("PASS", "s3cret"), "eth0:b", "dont_track_primary")
    assert a.garp == GarpSpec(master_delay=1)
    assert b.garp == GarpSpec(master_delay=1, master_repeat=2)


def test_default_vrids_skip_those_given():
    spec = loads(
        NODES + "vrrp_instances:\n  A: {vips: 172.20.1.100}\n"
        "  B: {vips: 172.20.1.101, vrid: 51}\n  C: {vips: 172.20.1.102}\n"
    )
    assert [i.vrid for i in spec.vrrp_instances] == [52, 51, 53]


def test_only_directors_with_a_priority_take_part_when_priorities_are_given():
    spec = loads(NODES + "vrrp_instances:\n  A: {vips: 172.20.1.100, priorities: {lvs2: 7}}\n")
    assert [(m.director, m.state) for m in spec.vrrp_instances[0].members] == [("lvs2", "MASTER")]


@pytest.mark.parametrize("scheduler", get_args(Scheduler))
def test_every_scheduler(scheduler: str):
    spec = loads(NODES + f"virtual_servers: [{{vip: 172.20.1.100, scheduler: {scheduler}}}]\n")
    assert spec.virtual_servers[0].scheduler == scheduler
    assert spec.vips == (IPv4Address("172.20.1.100"),)


def test_everything_of_a_virtual_server():
    spec = loads("""\
directors: {lvs1: {router_id: LVS_1, raw: "# end"}}
real_servers: {rs1: {weight: 3}, rs2: , rs3: , spare: }
vip: 172.20.1.100
global_raw: vrrp_garp_master_delay 1
director_sysctls: {net.ipv4.vs.expire_nodest_conn: 1}
virtual_servers:
  - port: 443
    scheduler: mh
    scheduler_flags: [mh-port, mh-fallback]
    delay_loop: 1.5
    persistence_timeout: 300
    persistence_granularity: 255.255.255.0
    quorum: 3
    hysteresis: 1
    alpha: true
    omega: true
    inhibit_on_failure: true
    sorry_server: {server: spare, inhibit: true}
    check: {type: HTTP_GET, path: /up, status_code: 204, virtualhost: www, connect_timeout: 1}
    raw: ha_suspend
    real_servers:
      rs1: {inhibit_on_failure: false, check: {retry: 1}}
      rs2: {weight: 0, raw: "notify_up /bin/true", check: {type: MISC_CHECK, misc_path: /bin/x y,
            misc_timeout: 5, misc_dynamic: true}}
      rs3: 7
  - {port: 53, protocol: UDP, ops: true}
""")
    server, dns = spec.virtual_servers
    assert spec.directors[0].router_id == "LVS_1"
    assert spec.director_sysctls == (("net.ipv4.vs.expire_nodest_conn", "1"),)
    assert server.scheduler_flags == ("mh-port", "mh-fallback")
    assert (server.persistence_timeout, server.persistence_granularity) == (300, "255.255.255.0")
    assert (server.quorum, server.hysteresis, server.alpha, server.omega) == (3, 1, True, True)
    spare = next(s.address for s in spec.real_servers if s.name == "spare")
    assert server.sorry_server == SorryServer("spare", spare, 443, inhibit=True)
    one, two, three = server.members
    http = CheckSpec("HTTP_GET", "/up", 204, virtualhost="www", connect_timeout=1.0)
    assert (one.weight, two.weight, three.weight) == (3, 0, 7)
    assert (one.inhibit_on_failure, two.inhibit_on_failure) == (False, True)
    assert three.check == http
    assert one.check == CheckSpec(
        "HTTP_GET", "/up", 204, virtualhost="www", connect_timeout=1.0, retry=1
    )
    assert two.check == CheckSpec(
        "MISC_CHECK", misc_path="/bin/x y", misc_timeout=5.0, misc_dynamic=True
    )
    assert {m.port for m in server.members} == {443}
    assert (dns.protocol, dns.ops, dns.members[0].check) == ("UDP", True, None)
    assert from_json(to_json(spec)) == spec


def test_a_sorry_server_is_left_out_of_a_pool_that_is_not_spelled_out():
    spec = loads(SMALLEST + "virtual_servers: [{sorry_server: rs2}]\n")
    assert [m.server for m in spec.virtual_servers[0].members] == ["rs1"]


def test_text_stays_text():
    spec = loads(SMALLEST + "vrrp: {auth: 0111}\n")
    assert spec.vrrp_instances[0].auth == AuthSpec("PASS", "0111")
    assert loads(SMALLEST + "vrrp: {auth: 1111}\n").vrrp_instances[0].auth == AuthSpec(
        "PASS", "1111"
    )


def test_the_digest_is_that_of_the_meaning():
    spelled = loads(
        "directors:\n  lvs1: {priority: 100}\n  lvs2: 172.20.0.2\n"
        "real_servers: [rs1, rs2]\nvip: [172.20.1.100/32] # the same\nname: text\n"
    )
    assert digest(spelled) == digest(loads(SMALLEST, "text.yaml"))
    assert digest(spelled) != digest(loads(SMALLEST, "other.yaml"))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": 1}', "not json", "\x00"])
def test_a_foreign_label_is_an_error_of_ours(text: str):
    with pytest.raises(TopologyError, match="not a stored topology"):
        from_json(text)


@pytest.mark.parametrize("name", ["lab", "my lab", "1.5", "true", "none", "x" * 99, "---", "42"])
def test_the_starter_is_valid_whatever_it_is_called(name: str):
    spec = loads(starter(name))
    assert spec == loads(starter(spec.name))
    effective = [
        line for line in starter(name).splitlines() if line.strip() and line.strip()[0] != "#"
    ]
    assert len(effective) <= 12


def test_the_name_comes_from_the_file(tmp_path: Path):
    path = tmp_path / "my lab (2).yaml"
    path.write_text(SMALLEST)
    assert load(path).name == "my-lab-2"
    assert load(path, name="given").name == "given"


NAT = NODES + "vip: 172.20.1.100\nvirtual_servers: [{forwarding: NAT}]\n"


def test_nat_alone_makes_a_network_behind_the_directors():
    spec = loads(NAT)
    assert spec.inside is not None
    assert spec.forwarding == "NAT"
    assert spec.inside.subnet == IPv4Network("10.20.0.0/24")
    assert (str(spec.inside.gateway), str(spec.inside.bridge)) == ("10.20.0.254", "10.20.0.253")
    assert [str(d.inside) for d in spec.directors] == ["10.20.0.1", "10.20.0.2"]
    assert addresses(spec) == {
        "lvs1": "172.20.0.1",
        "lvs2": "172.20.0.2",
        "rs1": "10.20.0.10",
        "rs2": "10.20.0.11",
        "client": "172.20.0.200",
    }
    assert spec.gateway_instance == "VI_1"
    assert from_json(to_json(spec)) == spec


def test_inside_addresses_skip_what_is_taken_and_use_the_smallest_network_to_the_last():
    spec = loads(
        NAT + "inside: {subnet: 10.9.0.0/29, gateway: 10.9.0.1}\n"
        "network: {subnet: 172.20.1.96/29}\n"
    )
    assert spec.inside is not None
    assert str(spec.inside.bridge) == "10.9.0.6"
    assert [str(d.inside) for d in spec.directors] == ["10.9.0.2", "10.9.0.3"]
    assert [str(r.address) for r in spec.real_servers] == ["10.9.0.4", "10.9.0.5"]


def test_nat_alone_may_change_the_port():
    (vs,) = loads(
        "directors: [a, b]\nreal_servers: [rs1, rs2, sorry]\nvip: 172.20.1.100\n"
        "virtual_servers: [{port: 80, forwarding: NAT, real_servers: {rs1: {port: 8080}, rs2: },"
        " sorry_server: {server: sorry, port: 81}}]\n"
    ).virtual_servers
    assert [(m.server, m.port) for m in vs.members] == [("rs1", 8080), ("rs2", 80)]
    assert vs.sorry_server is not None
    assert vs.sorry_server.port == 81
    # The virtual server's own, written out, is no other.
    loads(SMALLEST + "virtual_servers: [{port: 80, real_servers: {rs1: {port: 80}}}]\n")


@pytest.mark.parametrize("method", ["DR", "TUN"])
def test_nothing_is_inside_without_nat(method: str):
    spec = loads(SMALLEST + f"virtual_servers: [{{forwarding: {method}}}]\n")
    assert (spec.forwarding, spec.inside, spec.gateway_instance) == (method, None, None)
    assert {d.inside for d in spec.directors} == {None}
