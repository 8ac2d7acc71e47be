"""What is seen beside the probe: the IPVS table, what services say, the client's ARP entry."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lvslab.lab import Lab
from lvslab.observe.link import AgentLink, Event
from lvslab.observe.session import run_fault

from .proofs import in_node

pytestmark = pytest.mark.engine

VIP = "172.20.1.100"
#: Seconds that an event may take to come; what it says is held against the engine's own clock.
PATIENCE = 30.0
#: The resolution of /proc/uptime, in seconds.
UPTIME = 0.01

Wait = Callable[..., Event]


@contextmanager
def heard(link: AgentLink) -> Iterator[Wait]:
    """Give what waits for an event of a kind with these fields; all that came before is kept."""
    with link.subscribe() as events:
        seen: list[Event] = []

        def wait(ev: str, **fields: Any) -> Event:
            until = time.monotonic() + PATIENCE
            taken = 0
            while True:
                for one in seen[taken:]:
                    if one["ev"] == ev and fields.items() <= one.items():
                        return one
                taken = len(seen)
                event = events.get(max(0.0, until - time.monotonic()))
                assert event is not None, f"no {ev} {fields} in {seen[-20:]}"
                seen.append(event)

        yield wait


def between(lab: Lab, node: str, command: str) -> tuple[float, float]:
    """Run a command in a node; return the engine's clock just before and just after it."""
    out = in_node(lab, node, "sh", "-c", f"cat /proc/uptime; {command}; cat /proc/uptime")
    before, after = (float(line.split()[0]) for line in out.splitlines())
    return before, after


def test_changes_of_the_table_are_told_with_when_they_can_have_been(lab: Lab):
    link = lab.nodes["lvs1"].link()
    real = f"-t {VIP}:80 -r 172.20.1.10:80"
    service = {"vip": VIP, "port": 80, "protocol": "TCP"}
    server = service | {"server": "172.20.1.10", "server_port": 80}
    with heard(link) as wait:
        link.request("watch", seconds=60)
        (row,) = wait("ipvs.table")["table"]
        assert service.items() <= row.items()
        assert {s["address"] for s in row["servers"]} == {"172.20.1.10", "172.20.1.11"}
        for command, fields in (
            (f"ipvsadm -e {real} -g -w 7", {"change": "weight", "weight": 7, "was": 1}),
            (f"ipvsadm -e {real} -m -w 7", {"change": "forward", "was": "Route"}),
            (f"ipvsadm -d {real}", {"change": "removed", "was": 7, "forward": "Masq"}),
            (f"ipvsadm -a {real} -g -w 1", {"change": "added", "weight": 1, "was": None}),
        ):
            before, after = between(lab, "lvs1", command)
            told = wait("ipvs", **server, **fields)
            assert before - UPTIME <= told["t"]
            assert told["since"] <= after + UPTIME
            assert told["since"] < told["t"]
        made = f"ipvsadm -A -u {VIP}:53 -s sh"
        before, after = between(lab, "lvs1", made)
        told = wait("ipvs.service", change="added", port=53, protocol="UDP", scheduler="sh")
        assert told["since"] <= after + UPTIME
        in_node(lab, "lvs1", "ipvsadm", "-D", "-u", f"{VIP}:53")
        wait("ipvs.service", change="removed", port=53)
        counted = {s["server"] for s in wait("ipvs.conns")["servers"]}
        assert counted == {"172.20.1.10", "172.20.1.11"}


def test_what_a_service_says_is_told_and_still_in_the_log(lab: Lab):
    node = lab.nodes["lvs2"]
    link = node.link()
    with heard(link) as wait:
        link.request("service", name="keepalived", action="stop", timeout=30)
        ended = wait("service.exited", service="keepalived")
        last = wait("log", service="keepalived")
        assert last["t"] <= ended["t"] + 1.0
        link.request("service", name="keepalived", action="start", timeout=60)
        started = wait("log", service="keepalived", text=_began(node))
        assert started["t"] >= ended["t"]
        told = {last["text"], started["text"]}
    logged = bytes(node.container.logs(stdout=False, stderr=True)).decode().splitlines()
    assert told <= set(logged)


def _began(node: Any) -> str:
    """Return keepalived's first line of its latest start, as the engine's log has it."""
    logged = bytes(node.container.logs(stdout=False, stderr=True)).decode().splitlines()
    return str([line for line in logged if "Starting Keepalived" in line][-1])


def test_an_outage_has_the_clients_arp_entry_as_a_part(fast: Lab):
    result = run_fault(fast, "lvs1", "link-down", then_heal=True)
    split = result.decomposition
    assert split is not None
    ends = [p.until for p in split.parts]
    assert ends[-3:] == [
        "gratuitous ARP from lvs2",
        "ARP entry of client: lvs2",
        "first good request",
    ]
    assert sum(p.seconds for p in split.parts) == pytest.approx(split.seconds)
    # Each director's table is told at the beginning, so that the recording stands alone.
    told = [e for e in result.events if e.kind == "ipvs.table"]
    assert {e.node for e in told} == {"lvs1", "lvs2"}
    assert result.run.macs.keys() >= {
        link["mac"]
        for name in ("lvs1", "rs1", "client")
        for dev, link in fast.nodes[name].link().request("status")["links"].items()
        if dev == "eth0"
    }
    says = {e.data["text"] for e in result.events if e.kind == "log" and e.node == "lvs2"}
    assert any("MASTER" in text for text in says), says
