"""What is probed, how often, and whom one waits for: of every language."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvslab.errors import FaultError
from lvslab.faults.registry import choose
from lvslab.observe import expect
from lvslab.timeline.run import Connections, Run
from lvslab.topology import loads
from lvslab.topology.spec import TopologySpec

from ..plan import specs

ALL = loads("""\
directors: [lvs1, lvs2]
real_servers: [rs1, rs2]
vip: 172.20.1.100
virtual_servers:
  - {port: 80, delay_loop: 6}
  - {port: 53, protocol: UDP, delay_loop: 60, check: {type: DNS_CHECK, connect_timeout: 1}}
  - {port: 514, protocol: UDP, check: UDP_CHECK}
""")
UDP = replace(ALL, virtual_servers=ALL.virtual_servers[1:])
VIP = "172.20.1.100"


def described(
    spec: TopologySpec, fault: str, connections: Connections = "short", injecting: float = 0.0
) -> Run:
    """Return the run of a fault of rs1, with what is promised."""
    _, target = choose(spec, "rs1", fault)
    run = expect.describe(
        spec,
        target,
        fault,
        fault_id="x",
        targets=expect.targets(spec, connections),
        rate=50.0,
        deadline=1.0,
        seed=1,
    )
    return expect.with_promises(spec, run, {"lvs1": (VIP,)}, injecting)


def test_every_virtual_server_is_probed_and_a_lab_needs_no_http():
    keys = [f"{VIP}:80", f"{VIP}:53/udp", f"{VIP}:514/udp"]
    assert expect.targets(ALL) == dict.fromkeys(keys, 2)
    assert expect.targets(UDP) == dict.fromkeys(keys[1:], 2)
    expect.require(UDP)
    assert (expect.usual_rate(ALL), expect.usual_rate(UDP)) == (50.0, 50.0)


@pytest.mark.parametrize(
    ("spec", "connections", "what"),
    [
        (UDP, "kept", "no virtual server over HTTP, and kept connections are of no other"),
        (UDP, "stream", "no virtual server over HTTP, and stream connections are of no other"),
        (replace(UDP, virtual_servers=()), "short", "the lab has no virtual server: nothing can"),
        (replace(UDP, virtual_servers=()), "kept", "the lab has no virtual server: nothing can"),
        (replace(ALL, clients=()), "short", "the lab has no client: nothing can be measured"),
    ],
)
def test_where_there_is_nothing_to_ask_one_is_told(
    spec: TopologySpec, connections: Connections, what: str
):
    with pytest.raises(FaultError, match=what) as caught:
        expect.require(spec, connections)
    assert caught.value.fix


def test_what_is_promised_is_of_what_is_probed():
    # Silence is success to the check of 514: it never notices, and there is no bound.
    assert described(ALL, "freeze").promise is None
    # Over connections that last neither 514 nor 53 is asked.
    kept = described(ALL, "freeze", "kept").promise
    assert kept is not None
    assert kept.upper == pytest.approx(27.0)
    dns = described(ALL, "dns-stop").promise
    assert dns is not None
    assert dns.quantity == "removal"
    assert dns.upper == pytest.approx(69.0)


def test_a_server_that_took_long_to_end_was_asked_in_vain_meanwhile():
    # D 6, R 3, B 3: 15 s where it refuses at once, and what is allowed for anyway is no delay.
    for injecting, upper in ((0.0, 15.0), (0.2, 15.0), (5.9, 15.0), (7.5, 16.5)):
        promise = described(specs.article(), "httpd-stop", injecting=injecting).promise
        assert promise is not None
        assert promise.upper == pytest.approx(upper), injecting
    # Of what is not told to end it says nothing.
    frozen = described(specs.article(), "freeze", injecting=7.5).promise
    assert frozen == described(specs.article(), "freeze").promise


@pytest.mark.parametrize(
    ("scheduler", "protocol", "waited"),
    [
        ("rr", "UDP", True),
        ("wrr", "UDP", True),
        # Its connections are open for minutes: one that comes back gets all of them.
        ("wlc", "UDP", False),
        ("lc", "UDP", False),
        ("wlc", "TCP", True),
        ("sed", "TCP", False),
        ("sh", "UDP", False),
    ],
)
def test_who_must_be_seen_answering(scheduler: str, protocol: str, waited: bool):
    vs = specs.virtual_server(scheduler=scheduler, protocol=protocol)
    spec = specs.article(virtual_servers=(vs,))
    both = {str(specs.RS1), str(specs.RS2)} if waited else set()
    assert expect.expected_servers(spec) == {vs.key: both}
    assert expect.expected_servers(spec, without="rs1") == {vs.key: both - {str(specs.RS1)}}
