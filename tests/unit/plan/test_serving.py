"""Which program of a real server answers at which port."""

from __future__ import annotations

import json

import pytest

from lvslab import topology
from lvslab.agent import datagrams
from lvslab.plan import agent_files, make_plan
from lvslab.plan.model import NODE_FILE
from lvslab.plan.serving import datagram_words, datagrams_at, dns_at, httpd_ports
from lvslab.topology.served import is_secure
from lvslab.topology.spec import TopologySpec
from lvslab.topology.spoken import dns_ports, language


def lab(*servers: str) -> TopologySpec:
    lines = "".join(f"  - {server}\n" for server in servers)
    return topology.loads(f"""\
directors: [lvs1]
real_servers: [rs1, rs2]
vip: 172.20.1.100
virtual_servers:
{lines}""")


def ports(spec: TopologySpec, server: str = "rs1") -> tuple[tuple[int, ...], ...]:
    return httpd_ports(spec, server), dns_at(spec, server), datagrams_at(spec, server)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("{port: 80}", ((80,), (), ())),
        ("{port: 514, protocol: UDP}", ((), (), (514,))),
        ("{port: 514, protocol: UDP, check: UDP_CHECK}", ((), (), (514,))),
        (
            "{port: 514, protocol: UDP, check: {type: UDP_CHECK, connect_port: 515}}",
            ((), (), (514, 515)),
        ),
        # A check by TCP of a UDP service is answered by httpd, unless that port is DNS.
        (
            "{port: 514, protocol: UDP, check: {type: TCP_CHECK, connect_port: 514}}",
            ((514,), (), (514,)),
        ),
        (
            "{port: 53, protocol: UDP, check: {type: TCP_CHECK, connect_port: 53}}",
            ((), (53,), ()),
        ),
        ("{port: 53, protocol: UDP}", ((), (53,), ())),
        ("{port: 53, check: TCP_CHECK}", ((53,), (), ())),
        ("{port: 53, check: DNS_CHECK}", ((), (53,), ())),
        ("{port: 80, check: {type: DNS_CHECK, connect_port: 5353}}", ((80,), (5353,), ())),
        ("{port: 80, check: {type: UDP_CHECK, connect_port: 81}}", ((80,), (), (81,))),
        # Nothing that a DNS server says would do.
        (
            "{port: 53, protocol: UDP, check: {type: UDP_CHECK, require_reply: true}}",
            ((), (), (53,)),
        ),
        (
            "{port: 53, protocol: UDP, check: {type: UDP_CHECK, payload: ab, require_reply: true}}",
            ((), (53,), ()),
        ),
        (
            "{port: 53, protocol: UDP, check: {type: UDP_CHECK, payload: ab, require_reply: cd}}",
            ((), (), (53,)),
        ),
        (
            "{port: 514, protocol: UDP, real_servers: [rs2], sorry_server: rs1}",
            ((), (), (514,)),
        ),
        (
            "{port: 53, protocol: UDP, forwarding: NAT, real_servers: {rs1: {port: 5353}}}",
            ((), (5353,), ()),
        ),
    ],
)
def test_who_answers_where(server: str, expected: tuple[tuple[int, ...], ...]):
    assert ports(lab(server)) == expected


def test_a_port_is_dns_over_both_protocols_and_on_every_real_server():
    spec = lab(
        "{port: 53, protocol: UDP, real_servers: [rs1]}",
        "{port: 53, check: TCP_CHECK}",
        "{port: 80}",
    )
    assert dns_ports(spec.virtual_servers) == {53}
    assert ports(spec, "rs1") == ((80,), (53,), ())
    assert ports(spec, "rs2") == ((80,), (53,), ())
    assert [language(spec, vs) for vs in spec.virtual_servers] == ["DNS", "DNS", "HTTP"]


def test_the_services_of_a_real_server():
    spec = lab(
        "{port: 80}",
        "{port: 53, protocol: UDP, check: DNS_CHECK}",
        "{port: 5353, protocol: UDP, check: DNS_CHECK}",
        "{port: 514, protocol: UDP, check: UDP_CHECK}",
    )
    plan = make_plan(spec, "t", agent_files=agent_files())
    described = next(f for f in plan.node("rs1").files if f.path == NODE_FILE)
    services = {s["name"]: s for s in json.loads(described.content)["services"]}
    assert {name: s["ready"] for name, s in services.items()} == {
        "httpd": {"listen": [80]},
        "dns": {"listen": [53], "udp": [53]},
        "dns-5353": {"listen": [5353], "udp": [5353]},
        "udp": {"udp": [514]},
    }
    assert "--address=/#/172.20.0.10" in services["dns"]["argv"]
    assert services["udp"]["argv"][-2:] == ["172.20.0.10", "514"]
    assert any(f.path.endswith("/agent/datagrams.py") for f in plan.node("rs1").files)


@pytest.mark.parametrize(
    ("check", "payload", "reply"),
    [
        ("payload: 61 62, require_reply: '0102 x3'", b"ab", b"\1\2\3"),
        ("require_reply: 'xxff'", b"keepalived check - keepalived ch", b"\0\xff"),
        ("payload: aa, require_reply: bb, min_reply_length: 3", b"\xaa", b"\xbb\0\0"),
        ("payload: aa, require_reply: bbccdd, max_reply_length: 2", b"\xaa", b"\xbb\xcc"),
    ],
)
def test_a_check_that_compares_octets_gets_those_and_others_are_told_who_it_is(
    check: str, payload: bytes, reply: bytes
):
    spec = lab(f"{{port: 514, protocol: UDP, check: {{type: UDP_CHECK, {check}}}}}")
    (word,) = datagram_words(spec, "rs1")
    port, known = datagrams.parse(word)
    assert (port, known) == (514, {payload: reply})
    assert datagrams.reply_to(payload, "10.0.0.1", known) == reply
    assert datagrams.reply_to(b"else", "10.0.0.1", known) == b"from 10.0.0.1\nelse"


def test_without_such_a_check_there_is_nothing_to_know():
    spec = lab("{port: 514, protocol: UDP, check: {type: UDP_CHECK, require_reply: true}}")
    assert datagram_words(spec, "rs1") == ["514"]


def test_a_service_of_udp_can_be_checked_over_tls():
    spec = lab(
        "{port: 443, protocol: UDP, check: {type: SSL_GET, connect_port: 443, path: /up}}",
        "{port: 53, protocol: UDP, check: DNS_CHECK}",
    )
    assert ports(spec) == ((443,), (53,), (443,))
    node = make_plan(spec, "lab", agent_files=()).node("rs1")
    (told,) = (f.content for f in node.files if f.path == NODE_FILE)
    services = {s["name"]: s for s in json.loads(told)["services"]}
    assert services.keys() == {"httpd", "dns", "udp"}
    assert services["httpd"]["ask"] == {"port": 443, "tls": True, "path": "/"}
    # Its clients send datagrams all the same.
    assert [language(spec, vs) for vs in spec.virtual_servers] == ["UDP", "DNS"]
    assert not any(is_secure(spec.virtual_servers, vs) for vs in spec.virtual_servers)
