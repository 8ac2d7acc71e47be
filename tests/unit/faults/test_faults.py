from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import ModuleType

import pytest

from lvslab.errors import FaultError
from lvslab.faults import registry
from lvslab.faults.model import Fault, Target, target_of
from lvslab.topology.spec import (
    ClientSpec,
    DirectorSpec,
    NetworkSpec,
    RealServerSpec,
    TopologySpec,
)

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
    assert [f.name for f in registry.faults_for("director")] == [
        "link-down",
        "freeze",
        "keepalived-crash",
        "keepalived-kill",
        "keepalived-stop",
        "power-off",
    ]
    assert [f.name for f in registry.faults_for("real-server")] == [
        "httpd-stop",
        "freeze",
        "link-down",
        "power-off",
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
    for name in registry.all_faults():
        for node in ("lvs1", "rs1"):
            if target_of(SPEC, node).role not in registry.get(name).roles:
                continue
            chosen, target = registry.choose(SPEC, node, name)
            assert chosen.inject_ops(target)
            for op in chosen.inject_ops(target) + chosen.heal_ops(target):
                assert set(op) <= documented[op["op"]], (name, op)


def test_what_heals_undoes_what_was_injected() -> None:
    undo = {
        "service-stop": "service-start",
        "kill": "service-start",
        "freeze": "thaw",
        "link": "link",
    }
    for name, known in registry.all_faults().items():
        for role in known.roles:
            target = Target("n", role)
            if known.engine_heal:
                assert known.heal_ops(target) == []
                continue
            healing = known.heal_ops(target)
            for op in known.inject_ops(target):
                (match,) = [h for h in healing if h["op"] == undo[op["op"]]]
                assert match.get("name") == op.get("name"), name
                if op["op"] == "link":
                    assert (op["up"], match["up"]) == (False, True)
                    assert healing[-1] == {"op": "restore"}


def test_default_is_taken_when_none_is_named() -> None:
    assert registry.choose(SPEC, "lvs1")[0].name == "link-down"
    assert registry.choose(SPEC, "rs1")[0].name == "httpd-stop"


@pytest.mark.parametrize(
    ("node", "name", "what", "fix"),
    [
        (
            "rs1",
            "keepalived-crash",
            "makes no sense on rs1, which is a real server",
            "on rs1: httpd-stop, freeze, link-down, power-off; "
            "keepalived-crash can be aimed at: lvs1",
        ),
        (
            "lvs1",
            "httpd-stop",
            "makes no sense on lvs1, which is a director",
            "can be aimed at: rs1",
        ),
        ("client", None, "client is a client", "aim at one of lvs1, rs1"),
        ("client", "link-down", "client is a client", "aim at one of lvs1, rs1"),
        ("lvs9", None, "no node 'lvs9'", "nodes: lvs1, rs1, client"),
        ("lvs1", "linkdown", "no fault 'linkdown'", "did you mean 'link-down'? supported: freeze,"),
        ("lvs1", "zzz", "no fault 'zzz'", "supported: freeze,"),
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
