"""One node alone: journal, restart, power-off, set-up, what refuses what."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .rig import VIP, Line, Node, Rig, rig

LINK_DOWN: dict[str, Any] = {
    "fault": "link-down",
    "ops": [{"op": "link", "dev": "eth0", "up": False}],
    "heal": [{"op": "link", "dev": "eth0", "up": True}, {"op": "restore"}],
}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path) as opened:
        yield opened


@pytest.fixture
def node(opened: Rig) -> Node:
    services = [opened.httpd("172.20.1.10")]
    node = opened.node("rs1", "172.20.1.10", role="real-server", lo_vips=[VIP], services=services)
    node.start()
    node.event("service.ready", service="httpd")
    return node


def killed_agent(node: Node) -> None:
    node.survive()
    mark = node.mark()
    os.kill(node.agent_pid(), signal.SIGKILL)
    node.event("agent.ready", since=mark)


def test_status_of_a_real_server(node: Node) -> None:
    status = node.do("status")
    assert status["lo_vips"] == [VIP]
    assert status["holds"] == []
    assert status["http"]["ok"] is True
    assert status["listening"] == [80]
    assert {"interface": "lo", "address": f"{VIP}/32"} in status["addresses"]
    assert status["links"]["eth0"]["running"] is True


def test_the_journal_survives_the_agent(node: Node) -> None:
    before = node.do("state")
    node.do("inject", fault_id="a", **LINK_DOWN)
    killed_agent(node)
    entries = node.do("journal")["entries"]
    assert [entry["fault_id"] for entry in entries] == ["a"]
    assert node.do("status")["links"]["eth0"]["up"] is False
    assert node.do("heal")["healed"] == ["a"]
    after = node.do("state")
    # The services of an agent that was killed are nobody's: a container would have ended.
    assert {**after, "processes": {}} == {**before, "processes": {}}


def test_killed_in_the_middle_of_injecting(node: Node) -> None:
    routes = node.do("state")["routes"]
    slow = LINK_DOWN["ops"] + [{"op": "run", "argv": ["sleep", "60"]}]
    mark = node.mark()
    node.send("inject", fault_id="b", **LINK_DOWN | {"ops": slow})
    node.event("link", since=mark, interface="eth0", up=False)
    killed_agent(node)
    assert [entry["fault_id"] for entry in node.do("journal")["entries"]] == ["b"]
    assert node.do("heal", fault_id="b")["healed"] == ["b"]
    assert node.do("state")["routes"] == routes


def test_power_off(node: Node) -> None:
    before = node.do("state")
    reply = node.do("inject", fault="power-off", fault_id="p", ops=[{"op": "power-off"}], heal=[])
    injected = node.event("fault.injected", id="p")
    assert injected["t"] == reply["t"]
    assert node.ended() == 137
    assert "state DOWN" in node.ip("link", "show", "eth0")
    # What an engine does when it starts the container again, in a namespace of its own.
    node.ip("link", "set", "eth0", "up")
    node.ip("route", "add", "default", "via", "172.20.0.254")
    mark = node.mark()
    node.start()
    healed = node.event("fault.healed", since=mark, id="p")
    assert healed["by"] == "restart"
    assert node.do("journal")["entries"] == []
    node.event("service.ready", since=mark, service="httpd")
    node.event("link", since=mark, running=True) if not _running(node) else None
    assert node.do("state") == before


def _running(node: Node) -> bool:
    return bool(node.do("status")["links"]["eth0"]["running"])


def test_newest_first_and_one_by_name(node: Node) -> None:
    sysctl = "net/ipv4/conf/eth0/arp_notify"
    for fault_id, value in (("one", 1), ("two", 2)):
        node.do(
            "inject",
            fault="sysctl",
            fault_id=fault_id,
            ops=[{"op": "sysctl", "key": sysctl, "value": value % 2}],
            heal=[{"op": "restore"}],
        )
    assert node.ask("inject", fault_id="two", **LINK_DOWN)["ok"] is False
    assert node.do("state")["sysctls"][sysctl] == "0"
    assert node.do("heal", fault_id="two")["healed"] == ["two"]
    assert node.do("state")["sysctls"][sysctl] == "1"
    assert node.do("heal")["healed"] == ["one"]
    assert node.do("state")["sysctls"][sysctl] == "0"


def test_service_that_ends_is_not_restarted(node: Node) -> None:
    mark = node.mark()
    node.do(
        "inject",
        fault="kill",
        fault_id="k",
        ops=[{"op": "kill", "name": "httpd", "signal": "TERM", "who": "parent"}],
        heal=[{"op": "service-start", "name": "httpd"}],
    )
    exited = node.event("service.exited", since=mark)
    assert exited["status"] == -15
    assert node.do("status")["http"]["ok"] is False
    assert node.events("service.started", mark) == []
    node.do("heal")
    assert node.do("status")["http"]["ok"] is True


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ({"do": "sing"}, "no command 'sing'"),
        ({"do": "service", "name": "mysqld", "action": "stop"}, "no service 'mysqld'"),
        ({"do": "probe.renew", "probe": "x"}, "no probe 'x' runs"),
        ({"do": "watch", "seconds": 1}, "does not watch packets"),
        (
            {"do": "inject", "fault": "f", "fault_id": "f", "ops": [{"op": "explode"}]},
            "no operation 'explode'",
        ),
        ({"do": "inject", "fault": "f", "fault_id": "f"}, "'ops'"),
        (
            {"do": "inject", "fault": "f", "fault_id": "f"}
            | {"ops": [{"op": "sysctl", "key": "../etc/passwd", "value": 1}]},
            "not a sysctl",
        ),
    ],
)
def test_refusals(node: Node, command: Line, said: str) -> None:
    reply = node.ask(command.pop("do"), **command)
    assert reply["ok"] is False
    assert said in reply["error"]
    assert reply["fix"]
    assert node.do("journal")["entries"] == []


def test_the_end_of_stdin_is_not_the_end_of_the_node(node: Node) -> None:
    node.do("ping")
    node.close_stdin()
    mark = node.mark()
    node.ip("address", "add", "172.20.1.77/32", "dev", "eth0")
    added = node.event("addr.add", since=mark, address="172.20.1.77/32")
    assert added["vip"] is False
    node.ip("link", "set", "eth0", "down")
    node.event("link", since=mark, up=False)


def test_whoever_opens_a_fifo_next_is_heard(opened: Rig, tmp_path: Path) -> None:
    node = opened.node("client", "172.20.1.20", role="client")
    os.mkfifo(tmp_path / "stdin")
    read_end = os.open(tmp_path / "stdin", os.O_RDONLY | os.O_NONBLOCK)
    node.start(stdin=read_end)
    os.close(read_end)
    for ident in ("first", "second"):
        (tmp_path / "stdin").write_text(f'{{"id": "{ident}", "do": "ping"}}\n')
        reply = node.wait(lambda line, ident=ident: line.get("re") == ident)  # type: ignore[misc]
        assert reply["ok"] is True


def test_lines_that_are_no_commands_are_refused_and_no_more(node: Node) -> None:
    mark = node.mark()
    node.write(b"hello\n[1]\n\xc3\x28\n\n")
    for said in ("JSONDecodeError", "a command is a JSON object", "UnicodeDecodeError"):
        node.wait(lambda line, said=said: said in line.get("error", ""), since=mark)  # type: ignore[misc]
    assert node.do("ping")["macs"] == [node.do("status")["links"]["eth0"]["mac"]]
