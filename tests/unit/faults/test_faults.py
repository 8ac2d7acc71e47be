from __future__ import annotations

import re
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lvslab.errors import FaultError
from lvslab.faults import registry
from lvslab.faults.model import Fault, Target, target_of
from lvslab.plan.render import keepalived_conf
from lvslab.plan.serving import udp_services
from lvslab.topology import builtins, load, loads
from lvslab.topology.spec import (
    ClientSpec,
    DirectorSpec,
    NetworkSpec,
    RealServerSpec,
    TopologySpec,
)
from tests.unit.plan import specs

ROOT = Path(__file__).resolve().parents[3]
SPEC = TopologySpec(
    name="lab",
    debian="bookworm",
    network=NetworkSpec("net", IPv4Network("172.20.0.0/16"), IPv4Address("172.20.0.1")),
    directors=(DirectorSpec("lvs1", IPv4Address("172.20.1.1"), "lvs1"),),
    real_servers=(RealServerSpec("rs1", IPv4Address("172.20.1.10")),),
    clients=(ClientSpec("client", IPv4Address("172.20.1.50")),),
    vrrp_instances=(),
    virtual_servers=(),
)


def module(name: str, **attributes: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(attributes)
    return made


def fault(name: str, **kwargs: object) -> Fault:
    base: dict[str, object] = {
        "summary": "s",
        "expect": {"director": "e"},
        "inject": lambda target: [],
        "heal": lambda target: [],
    }
    return Fault(name=name, **{**base, **kwargs})  # type: ignore[arg-type]


def test_every_fault_of_the_issue_is_there_with_its_default_first() -> None:
    director = [f.name for f in registry.faults_for("director")]
    assert director == [
        "link-down",
        "carrier-loss",
        "clock-step",
        "config-drift",
        "cpu-starve",
        "freeze",
        "garp-lost",
        "inside-link-down",
        "keepalived-child-kill",
        "keepalived-crash",
        "keepalived-kill",
        "keepalived-stop",
        "netem",
        "partition",
        "power-off",
        "priority-change",
        "reboot",
        "reload",
        "script-fail",
        "vip-steal",
    ]
    server = [f.name for f in registry.faults_for("real-server")]
    assert server == [
        "httpd-stop",
        "arp-flux",
        "carrier-loss",
        "clock-step",
        "cpu-starve",
        "dns-hang",
        "dns-stop",
        "drain",
        "freeze",
        "httpd-flap",
        "httpd-hang",
        "httpd-slow",
        "httpd-status",
        "link-down",
        "lo-mask",
        "netem",
        "partition",
        "power-off",
        "reboot",
        "rs-without-vip",
        "udp-hang",
        "udp-stop",
        "vip-steal",
    ]
    assert registry.faults_for("client") == ()


def test_every_operation_is_one_that_the_agent_documents() -> None:
    rows = re.findall(
        r"^\| (`[a-z-]+`(?: / `[a-z-]+`)?) \|([^|]*)\|",
        (ROOT / "docs/agent.md").read_text().split("## Operations")[1],
        re.MULTILINE,
    )
    documented = {
        op: set(re.findall(r"`(\w+)`", parameters)) | {"op"}
        for ops, parameters in rows
        for op in re.findall(r"`([a-z-]+)`", ops)
    }
    assert "kill" in documented
    for one, target in aimed():
        assert one.parts(target)
        for part in one.parts(target):
            for op in part.inject + part.heal:
                assert set(op) <= documented[op["op"]] | {"touches"}, (one.name, op)


#: What a fault must be told before it does anything.
GIVEN: dict[str, dict[str, Any]] = {"netem": {"loss": 10}}
NOT_A_SERVER: dict[str, dict[str, Any]] = {"partition": {"what": "all"}}


@cache
def lab() -> TopologySpec:
    return load(builtins()["lvs-dr"])


@cache
def nat() -> TopologySpec:
    return load(builtins()["lvs-nat"])


@cache
def beside() -> TopologySpec:
    """rs1 serves all three, DNS at two ports; rs2 HTTP alone, rs3 UDP, rs4 DNS."""
    return loads("""\
directors: [lvs1]
real_servers: [rs1, rs2, rs3, rs4]
vip: 172.20.1.100
virtual_servers:
  - {port: 53, protocol: UDP, real_servers: [rs1, rs4]}
  - {port: 5353, protocol: UDP, check: DNS_CHECK, real_servers: [rs1]}
  - {port: 514, protocol: UDP, real_servers: [rs1, rs3]}
  - {port: 80, real_servers: [rs1, rs2]}
""")


def aimed() -> list[tuple[Fault, Target]]:
    """Return every fault, aimed at a node of each role that it makes sense on."""
    found = []
    for name, known in registry.all_faults().items():
        spec = lab() if known.speaks in (None, "HTTP") else beside()
        if known.link == "inside":
            spec = nat()
        for node in ("lvs1", "rs1"):
            if target_of(spec, node).role in known.roles:
                given = GIVEN.get(name) or (NOT_A_SERVER.get(name) if node == "rs1" else None)
                found.append(registry.choose(spec, node, name, given))
    return found


def test_what_heals_undoes_what_was_injected() -> None:
    undo = {
        "service-stop": "service-start",
        "kill": "service-start",
        "freeze": "thaw",
        "link": "link",
        "address": "address",
        "write": "write-back",
        "alternate": "alternate-end",
    }
    # keepalived itself sees to it that its VIP comes back; a reload leaves nothing.
    alone = {("reload", "director"), ("vip-steal", "director")}
    for known, target in aimed():
        if known.engine_heal or (known.name, target.role) in alone:
            assert known.heal_ops(target) == []
            continue
        for part in known.parts(target):
            kinds = [op["op"] for op in part.heal]
            for op in part.inject:
                if op["op"] == "service-reload":
                    assert op in part.heal, known.name
                elif (op["op"], op.get("signal")) == ("kill", "STOP"):
                    (back,) = (heal for heal in part.heal if heal.get("name") == op.get("name"))
                    assert {**op, "signal": "CONT"}.items() >= back.items() - {("if_running", True)}
                elif op["op"] in ("run", "outside"):
                    # What it made is removed, if it says that it made something.
                    touched = {o.get("touches") for o in part.heal if o["op"] == op["op"]}
                    assert op.get("touches") is None or op["touches"] in touched, known.name
                else:
                    assert undo[op["op"]] in kinds, known.name
                if op["op"] == "write":
                    assert {"op": "write-back", "path": op["path"]} in part.heal
                if op["op"] == "link":
                    # Of the outer link, too, the default route.
                    only = {"dev": op["dev"]} if op["dev"] == "eth1" else {}
                    assert part.heal[-1] == {"op": "restore", **only}


@pytest.mark.parametrize(
    ("node", "name", "given", "what"),
    [
        ("rs1", "partition", {}, "a real server has no adverts to lose"),
        ("lvs1", "netem", {}, "nothing is asked of it"),
        ("rs1", "netem", {"loss": 1, "only": "vrrp"}, "sends no adverts"),
        ("lvs1", "netem", {"jitter": 1}, "say delay, too"),
        ("lvs1", "netem", {"loss": 101}, "less than or equal to 100"),
        ("lvs1", "config-drift", {"what": "mtu"}, "parameter 'what' of fault 'config-drift'"),
        ("rs1", "httpd-status", {"status": "200"}, "parameter 'status'"),
    ],
)
def test_a_target_or_parameter_without_sense_is_refused(
    node: str, name: str, given: dict[str, Any], what: str
) -> None:
    with pytest.raises(FaultError, match=what) as caught:
        registry.choose(lab(), node, name, given)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("topology", "name", "what"),
    [
        ("lvs-nat", "rs-without-vip", "with NAT it has no VIP"),
        ("lvs-nat", "lo-mask", "with NAT it has no VIP"),
        ("lvs-nat", "arp-flux", "with NAT it has no VIP"),
        ("lvs-nat", "vip-steal", "with NAT it has no VIP"),
        ("lvs-tun", "lo-mask", "its VIP is on tunl0"),
    ],
)
def test_what_a_real_server_does_not_have_cannot_be_broken(
    topology: str, name: str, what: str
) -> None:
    with pytest.raises(FaultError, match=what):
        registry.choose(load(builtins()[topology]), "rs1", name)


@pytest.mark.parametrize(("topology", "dev"), [("lvs-dr", "lo"), ("lvs-tun", "tunl0")])
def test_the_vip_is_taken_from_where_it_is_and_put_back_there(topology: str, dev: str) -> None:
    fault, target = registry.choose(load(builtins()[topology]), "rs1", "rs-without-vip")
    (taken,), (back,) = fault.inject_ops(target), fault.heal_ops(target)
    assert (taken["dev"], taken["present"]) == (dev, False)
    assert (back["dev"], back["present"]) == (dev, True)


def test_no_password_drifts_where_there_is_none() -> None:
    with pytest.raises(FaultError, match="no authentication"):
        registry.choose(load(builtins()["lvs-dr-fast"]), "lvs1", "config-drift", {"what": "auth"})


@pytest.mark.parametrize("what", ["vrid", "auth", "advert_int", "vips", "version", "unicast"])
def test_a_drifted_configuration_is_another(what: str) -> None:
    fault, target = registry.choose(lab(), "lvs2", "config-drift", {"what": what})
    me = next(d for d in lab().directors if d.name == "lvs2")
    written = fault.inject_ops(target)[0]["content"]
    ours = set(keepalived_conf(lab(), me).splitlines())
    assert set(written.splitlines()) != ours


def test_default_is_taken_when_none_is_named() -> None:
    assert registry.choose(SPEC, "lvs1")[0].name == "link-down"
    assert registry.choose(specs.article(), "rs1")[0].name == "httpd-stop"


@pytest.mark.parametrize(
    ("node", "name"),
    [("rs1", "httpd-stop"), ("rs2", "httpd-stop"), ("rs3", "udp-stop"), ("rs4", "dns-stop")],
)
def test_the_default_of_a_real_server_stops_what_it_serves(node: str, name: str) -> None:
    assert registry.choose(beside(), node)[0].name == name


def test_what_stands_in_for_a_default_is_of_its_role() -> None:
    for known in registry.all_faults().values():
        assert bool(known.default_for) or not known.or_else
        for name in known.or_else:
            assert registry.get(name).roles >= known.default_for
    # Where nothing will do, the default says why.
    with pytest.raises(FaultError, match="fault 'httpd-stop' makes no sense on rs1: it serves no"):
        registry.choose(SPEC, "rs1")


@pytest.mark.parametrize(
    ("name", "services"),
    [
        ("dns-stop", ["dns", "dns-5353"]),
        ("dns-hang", ["dns", "dns-5353"]),
        ("udp-stop", ["udp"]),
        ("udp-hang", ["udp"]),
    ],
)
def test_every_service_of_a_language_is_hit_and_no_other(name: str, services: list[str]) -> None:
    fault, target = registry.choose(beside(), "rs1", name)
    known = {s["name"] for s in udp_services(beside(), "rs1", IPv4Address("172.20.0.10"))}
    for ops in (fault.inject_ops(target), fault.heal_ops(target)):
        assert [op["name"] for op in ops] == services
        assert set(services) <= known


@pytest.mark.parametrize(
    ("node", "name", "why"),
    [
        ("rs2", "dns-stop", "it has no DNS server, only HTTP at port 80"),
        ("rs3", "dns-hang", "it has no DNS server, only UDP at port 514"),
        ("rs4", "udp-stop", "it answers no plain datagrams, only DNS at port 53"),
        ("rs2", "udp-hang", "it answers no plain datagrams, only HTTP at port 80"),
    ],
)
def test_what_is_not_served_cannot_be_stopped(node: str, name: str, why: str) -> None:
    with pytest.raises(FaultError, match=why) as caught:
        registry.choose(beside(), node, name)
    assert name not in str(caught.value.fix)


@pytest.mark.parametrize(
    "name", ["httpd-stop", "httpd-hang", "httpd-slow", "httpd-status", "httpd-flap", "cpu-starve"]
)
def test_a_fault_of_the_web_server_wants_one(name: str) -> None:
    udp = loads("""\
directors: [lvs1]
real_servers: [rs1, rs2]
vip: 172.20.1.100
virtual_servers:
  - {port: 53, protocol: UDP, real_servers: [rs1]}
  - {port: 514, protocol: UDP, real_servers: [rs1]}
  - {port: 80, real_servers: [rs2]}
""")
    with pytest.raises(
        FaultError, match="no web server, only DNS at port 53, UDP at port 514"
    ) as why:
        registry.choose(udp, "rs1", name)
    # What is proposed instead is not refused there, too.
    for other in str(why.value.fix).removeprefix("on rs1: ").split(", "):
        assert registry.choose(udp, "rs1", other)[0].name == other
    assert registry.choose(udp, "rs2", name)[0].name == name
    assert registry.choose(udp, "rs1", "freeze")[0].name == "freeze"


@pytest.mark.parametrize(
    ("node", "name", "what", "fix"),
    [
        (
            "rs1",
            "keepalived-crash",
            "makes no sense on rs1, which is a real server",
            "aim it at one of lvs1; 'lvslab faults' lists those for a real server",
        ),
        (
            "lvs1",
            "httpd-stop",
            "makes no sense on lvs1, which is a director",
            "aim it at one of rs1; 'lvslab faults' lists those for a director",
        ),
        ("client", None, "client is a client", "aim at one of lvs1, rs1"),
        ("client", "link-down", "client is a client", "aim at one of lvs1, rs1"),
        ("lvs9", None, "no node 'lvs9'", "nodes: lvs1, rs1, client"),
        ("lvs1", "linkdown", "no fault 'linkdown'", "did you mean 'link-down'?"),
        ("lvs1", "zzz", "no fault 'zzz'", "'lvslab faults' lists them"),
    ],
)
def test_refuses_with_what_would_make_sense(
    node: str, name: str | None, what: str, fix: str
) -> None:
    with pytest.raises(FaultError) as caught:
        registry.choose(SPEC, node, name)
    assert what in caught.value.what
    assert fix in (caught.value.fix or "")
    assert caught.value.exit_code == 64


def test_the_inside_link_is_there_with_nat_alone() -> None:
    fault, target = registry.choose(nat(), "lvs2", "inside-link-down")
    assert [op["dev"] for op in fault.inject_ops(target)] == ["eth1"]
    with pytest.raises(FaultError, match="its lab has one network"):
        registry.choose(lab(), "lvs1", "inside-link-down")


def test_two_faults_of_one_name_are_refused() -> None:
    with pytest.raises(FaultError, match="b: fault 'x' is already defined in a"):
        registry.collect([module("a", FAULT=fault("x")), module("b", FAULT=fault("x"))])


def test_two_defaults_of_one_role_are_refused() -> None:
    director = frozenset({"director"})
    with pytest.raises(FaultError, match="'x' is"):
        registry.collect(
            [
                module("a", FAULT=fault("x", default_for=director)),
                module("b", FAULT=fault("y", default_for=director)),
            ]
        )


def test_a_default_for_a_role_it_does_not_fit_is_refused() -> None:
    with pytest.raises(FaultError, match="makes no sense"):
        registry.collect([module("a", FAULT=fault("x", default_for=frozenset({"client"})))])


def test_a_file_that_defines_no_fault_is_not_skipped() -> None:
    with pytest.raises(FaultError, match="broken: defines no fault"):
        registry.collect([module("broken", FUALT=fault("x"))])


def test_every_fault_has_its_section_in_the_documentation() -> None:
    text = (ROOT / "docs/faults.md").read_text()
    assert set(re.findall(r"^## `([a-z-]+)`", text, re.MULTILINE)) == set(registry.all_faults())
