"""UDP and DNS on a real engine: who answers, as whom, and what the checks do when nobody does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lvslab import topology
from lvslab.lab import Lab, lab_status
from lvslab.lab.answers import ask, virtual_server
from lvslab.observe.expect import checked_after
from lvslab.timeline import checkbounds
from lvslab.timeline.bound import Bound
from lvslab.timeline.checkbounds import Answer
from lvslab.timeline.run import ALLOWANCE
from lvslab.topology.spec import CheckSpec, VirtualServerSpec
from lvslab.topology.spoken import Language, language

from .playing import Seen, failed, play, play_out
from .proofs import in_node, opened
from .test_observing import PATIENCE, heard

pytestmark = pytest.mark.engine

VIP = "172.29.1.100"
#: Every way of checking: silence has failed, only a closed port has, certain octets; DNS over
#: both protocols. 41 is ``A``. Of a closed port a kernel tells a host six times, and then once a
#: second (net.ipv4.icmp_ratelimit, XRLIM_BURST_FACTOR): three checks each 4 s are within that.
TOPOLOGY = """
name: {name}
debian: {debian}
network: {{subnet: 172.29.0.0/16}}
directors: {{lvs1: {{address: 172.29.1.1}}}}
real_servers: [rs1, rs2]
clients: {{client: {{address: 172.29.1.200}}}}
vrrp_instances: {{VI_1: {{vips: [172.29.1.100], version: 3, advert_int: 0.1}}}}
virtual_servers:
  - port: 514
    protocol: UDP
    forwarding: {forwarding}
    delay_loop: 4
    check: {{type: UDP_CHECK, payload: 41, require_reply: true, connect_timeout: 2, {retries}}}
  - port: 515
    protocol: UDP
    forwarding: {forwarding}
    delay_loop: 4
    check: {{type: UDP_CHECK, connect_timeout: 2, {retries}}}
  - port: 516
    protocol: UDP
    forwarding: {forwarding}
    delay_loop: 4
    check:
      type: UDP_CHECK
      payload: 41
      require_reply: 42xx
      min_reply_length: 3
      max_reply_length: 8
      connect_timeout: 2
      retry: 1
      delay_before_retry: 0.5
  - port: 53
    protocol: UDP
    forwarding: {forwarding}
    delay_loop: 0.5
    check: {{type: DNS_CHECK, connect_timeout: 2, {retries}}}
  - port: 53
    forwarding: {forwarding}
    delay_loop: 0.5
    # Four attempts of the two until both have failed: more would not be told of the closed port.
    check: {{type: DNS_CHECK, dns_type: AAAA, name: www.example.org, connect_timeout: 2, {retries}}}
"""
RETRIES = "retry: 1, delay_before_retry: 0.5"
#: Seconds after which a kernel tells a host of six closed ports at once again.
RESTED = 7.0
WAYS = [("DR", "trixie"), ("DR", "bookworm"), ("NAT", "trixie"), ("TUN", "trixie")]
#: Requests a second over the five virtual servers: some meet rs1 before it is removed.
RATE = 50.0

#: Sends datagrams from sockets that take an answer from anybody, and prints from whom it came:
#: VIP PORT COUNT.
SOURCES = r"""
import json, socket, sys
seen = []
for _ in range(int(sys.argv[3])):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(b"hello", (sys.argv[1], int(sys.argv[2])))
        data, peer = s.recvfrom(2048)
        seen.append([*peer, data.decode()])
print(json.dumps(seen))
"""


def way_of(folder: Path, forwarding: str, debian: str) -> Path:
    name = f"udp-{forwarding.lower()}-{debian[0]}"
    text = TOPOLOGY.format(name=name, debian=debian, forwarding=forwarding, retries=RETRIES)
    file = folder / f"{name}.yaml"
    file.write_text(text)
    return file


@pytest.fixture(scope="module", params=WAYS, ids="-".join)
def served(
    built: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """A lab of UDP alone for each way of forwarding, proven ready: each real server answered."""
    file = way_of(tmp_path_factory.mktemp("udp"), *request.param)
    with opened(file, file.stem) as lab:
        yield lab


def addresses(lab: Lab) -> dict[str, str]:
    return {r.name: str(r.address) for r in lab.spec.real_servers}


def table(lab: Lab) -> dict[tuple[str, int], list[str]]:
    """Return the real servers that the director lists, by protocol and port."""
    rows = lab.nodes["lvs1"].link().request("status", timeout=60)["ipvs"]
    return {
        (row["protocol"], row["port"]): sorted(s["address"] for s in row["servers"]) for row in rows
    }


def test_it_is_healthy_and_the_table_is_the_topology(served: Lab):
    status = lab_status(served)
    assert status.healthy, status.reasons
    both = sorted(addresses(served).values())
    ports = [("UDP", 514), ("UDP", 515), ("UDP", 516), ("UDP", 53), ("TCP", 53)]
    assert table(served) == dict.fromkeys(ports, both)
    for server in served.real_servers:
        says = server.link().request("status", timeout=60)
        assert {514, 515, 516, 53} <= set(says["listening_udp"])
        assert 53 in says["listening"]
        assert set(says["services"]) == {"dns", "udp"}


@pytest.mark.parametrize("target", ["514/udp", "515/udp", "516/udp", "53/udp", "53"])
def test_each_real_server_has_its_share_through_the_vip(served: Lab, target: str):
    vs = virtual_server(served.spec, f"{VIP}:{target}")
    assert vs.key == f"{VIP}:{target}" or target == "53"
    answers = ask(served, served.a_client(), vs, 8)
    # rr, and each request has a source port of its own: they alternate.
    assert answers.failed == {}, answers.results
    assert answers.served_by == {"rs1": 4, "rs2": 4}


def test_answers_come_from_the_vip_whoever_gave_them(served: Lab):
    told = in_node(served, "client", "python3", "-c", SOURCES, VIP, "514", "6")
    seen = json.loads(told)
    assert {(peer, port) for peer, port, _ in seen} == {(VIP, 514)}
    assert {text for _, _, text in seen} == {f"from {a}\nhello" for a in addresses(served).values()}


@pytest.fixture(scope="module")
def direct(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The lab of direct routing, for the tests that break something and put it back.

    Each check has been made once: a first one that fails removes its real server at once.
    """
    file = way_of(tmp_path_factory.mktemp("udp"), "DR", "trixie")
    with opened(file, "udp-broken") as lab:
        status = lab.nodes["lvs1"].link().request("status", timeout=60)
        wait(lab, checked_after(lab.spec), since=status["services"]["keepalived"]["since"])
        yield lab


def wait(lab: Lab, seconds: float, since: float | None = None) -> None:
    """Wait so long on the engine's clock; from now on, unless a moment is given."""
    link = lab.nodes["lvs1"].link()
    with link.subscribe() as events:
        link.request("watch", seconds=30)
        while True:
            event = events.get(PATIENCE)
            assert event is not None
            since = float(event["t"]) if since is None else since
            if event["t"] >= since + seconds:
                return


def of(lab: Lab, target: str) -> tuple[VirtualServerSpec, CheckSpec]:
    """Return a virtual server and the check of its members."""
    vs = virtual_server(lab.spec, f"{VIP}:{target}")
    check = vs.members[0].check
    assert check is not None
    return vs, check


def row(lab: Lab, vs: VirtualServerSpec, server: str) -> dict[str, Any]:
    """Return what an event of the table says of a real server."""
    return {
        "vip": VIP,
        "port": vs.port,
        "protocol": vs.protocol,
        "server": addresses(lab)[server],
    }


def within(told: dict[str, Any], since: float, bound: Bound) -> None:
    """Hold a change of the table against what the check promises."""
    print(bound.formula, "->", round(told["since"] - since, 3), round(told["t"] - since, 3))
    # Between the two polls it happened: neither after the one nor before the other.
    assert told["since"] - since <= bound.high + ALLOWANCE
    assert told["t"] - since >= bound.low - ALLOWANCE


# Not 515, where silence is success: a kernel that has told one host of six closed ports is silent
# for a second, and on a busy machine a check falls into it (docs/topology.md).
of_both = pytest.mark.parametrize(("service", "target"), [("udp", "514/udp"), ("dns", "53/udp")])


@of_both
def test_a_service_that_stops_is_removed_within_its_bound_and_comes_back(
    direct: Lab, service: str, target: str
):
    vs, check = of(direct, target)
    server = row(direct, vs, "rs1")
    rs1 = direct.nodes["rs1"].link()
    with (
        heard(direct.nodes["lvs1"].link()) as changes,
        heard(rs1) as node,
    ):
        direct.nodes["lvs1"].link().request("watch", seconds=90)
        changes("ipvs.table")
        rs1.request("service", name=service, action="stop", timeout=30)
        ended = node("service.exited", service=service)
        gone = changes("ipvs", change="removed", **server)
        within(gone, ended["t"], checkbounds.rs_removed(check, vs.delay_loop, "refused"))
        # The other one serves all of it.
        answers = ask(direct, direct.a_client(), vs, 4)
        assert (answers.served_by, answers.failed) == ({"rs2": 4}, {})
        rs1.request("service", name=service, action="start", timeout=60)
        started = node("service.started", service=service)
        back = changes("ipvs", change="added", **server)
        # An attempt that finds the port closed has failed at once.
        bound = checkbounds.rs_back(check, vs.delay_loop, attempt=0.0)
        ready = node("service.ready", service=service)
        assert back["t"] >= started["t"]
        assert back["since"] - ready["t"] <= bound.high + ALLOWANCE
    answers = ask(direct, direct.a_client(), vs, 8)
    assert answers.failed == {}
    assert set(answers.served_by) == {"rs1", "rs2"}


@of_both
def test_a_service_that_hangs_is_removed_where_an_answer_is_required(
    direct: Lab, service: str, target: str
):
    vs, check = of(direct, target)
    server = row(direct, vs, "rs1")
    rs1 = direct.nodes["rs1"].link()
    stop, go = (
        {"op": "kill", "name": service, "signal": signal, "who": "all"}
        for signal in ("STOP", "CONT")
    )
    with heard(direct.nodes["lvs1"].link()) as changes:
        direct.nodes["lvs1"].link().request("watch", seconds=90)
        changes("ipvs.table")
        hung = rs1.request("inject", fault="hang", fault_id="h", ops=[stop], heal=[go], timeout=60)
        try:
            gone = changes("ipvs", change="removed", **server)
            within(gone, hung["t"], checkbounds.rs_removed(check, vs.delay_loop, "timeout"))
            if service == "udp":
                # Silence is success to a UDP_CHECK that requires no reply.
                assert addresses(direct)["rs1"] in table(direct)["UDP", 515]
        finally:
            rs1.request("heal", fault_id="h", timeout=60)
        changes("ipvs", change="added", **server)


def keys_of(lab: Lab, spoken: Language) -> set[str]:
    """Return the virtual servers of one language, as the probe calls them."""
    return {vs.key for vs in lab.spec.virtual_servers if language(lab.spec, vs) == spoken}


def removed_within(seen: Seen, target: str, answer: Answer) -> None:
    """Hold the removal of rs1 from one virtual server against what its check promises."""
    vs, check = of(seen.lab, target)
    gone = seen.events("ipvs", "lvs1", change="removed", **row(seen.lab, vs, "rs1"))
    assert gone, target
    within(
        {**gone[0].data, "t": gone[0].t},
        seen.result.fault_t,
        checkbounds.rs_removed(check, vs.delay_loop, answer),
    )


def test_a_stopped_dns_server_costs_its_share_of_the_questions(direct: Lab):
    wait(direct, RESTED)
    # That the verdict is "within" is play_out's to say.
    seen = play_out(direct, "rs1", "dns-stop", rate=RATE)
    for target in ("53/udp", "53"):
        removed_within(seen, target, "refused")
    lost = failed(seen.answers())
    assert {e.data["target"] for e in lost} == keys_of(direct, "DNS")
    kinds = {e.data["result"] for e in lost}
    # TCP is refused each time, and UDP six times; a question that was being answered is cut off.
    assert {"refused"} <= kinds <= {"refused", "timeout", "reset", "bad", "late"}


def test_a_hung_dns_server_answers_nobody_until_it_is_removed(direct: Lab):
    seen = play_out(direct, "rs1", "dns-hang", rate=RATE)
    for target in ("53/udp", "53"):
        removed_within(seen, target, "timeout")
    lost = failed(seen.answers())
    assert {e.data["target"] for e in lost} == keys_of(direct, "DNS")
    assert {e.data["result"] for e in lost} <= {"timeout", "late"}


def test_a_stopped_udp_server_is_removed_by_the_checks_that_want_an_answer(direct: Lab):
    wait(direct, RESTED)
    seen = play(direct, "rs1", "udp-stop", hold=8.0, rate=RATE)
    # Of 515 nothing is demanded, for the reason above; so neither is the verdict on all of it.
    for target in ("514/udp", "516/udp"):
        removed_within(seen, target, "refused")
    lost = failed(seen.answers())
    assert {e.data["target"] for e in lost} == keys_of(direct, "UDP")
    assert {"refused"} <= {e.data["result"] for e in lost} <= {"refused", "timeout", "late"}
    later = failed(seen.answers(after=4.5 + 2 * ALLOWANCE))
    assert {e.data["target"] for e in later} <= {f"{VIP}:515/udp"}


def test_a_hung_udp_server_stays_where_silence_is_success(direct: Lab):
    seen = play(direct, "rs1", "udp-hang", hold=12.0, rate=RATE)
    assert seen.result.verdict.outcome == "no-bound"
    for target in ("514/udp", "516/udp"):
        removed_within(seen, target, "timeout")
    deaf, _ = of(direct, "515/udp")
    assert not seen.events("ipvs", "lvs1", change="removed", **row(direct, deaf, "rs1"))
    lost = failed(seen.answers())
    assert {e.data["target"] for e in lost} == keys_of(direct, "UDP")
    assert {e.data["result"] for e in lost} <= {"timeout", "late"}
    # Two attempts of 2 s, 0.5 s between them, after up to 4 s.
    later = seen.answers(after=8.5 + 2 * ALLOWANCE)
    assert {e.data["target"] for e in failed(later)} == {deaf.key}
    servers = {e.data["server"] for e in later if e.data["target"] == deaf.key}
    assert servers == {addresses(direct)["rs2"], None}


def test_the_topology_is_one_that_can_be_read_back():
    """Of what is above, without an engine."""
    for forwarding, debian in WAYS:
        text = TOPOLOGY.format(name="x", debian=debian, forwarding=forwarding, retries=RETRIES)
        assert len(topology.loads(text).virtual_servers) == 5
