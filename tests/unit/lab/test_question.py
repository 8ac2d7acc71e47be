"""What a client asks a virtual server, and which one is meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lvslab import topology
from lvslab.agent import languages
from lvslab.errors import NotFoundError
from lvslab.lab.answers import virtual_server
from lvslab.lab.conditions import asked, unmet_answers
from lvslab.observe import expect
from lvslab.topology.served import request_to

BOTH = topology.loads("""\
directors: [lvs1]
real_servers: [rs1, rs2]
vip: [172.20.1.100, 172.20.1.101]
virtual_servers:
  - {vip: 172.20.1.100, port: 53, protocol: UDP}
  - {vip: 172.20.1.100, port: 53, check: TCP_CHECK}
  - {vip: 172.20.1.100, port: 514, protocol: UDP}
  - {vip: 172.20.1.100, port: 80, check: {path: /health}}
  - {vip: 172.20.1.101, port: 514, protocol: UDP}
""")
VIP = "172.20.1.100"


def test_each_is_asked_in_what_it_speaks():
    assert [request_to(BOTH, vs) for vs in asked(BOTH)[:4]] == [
        {"vip": VIP, "port": 53, "language": "DNS", "protocol": "UDP"},
        {"vip": VIP, "port": 53, "language": "DNS", "protocol": "TCP"},
        {"vip": VIP, "port": 514, "language": "UDP", "protocol": "UDP"},
        {"vip": VIP, "port": 80, "path": "/health"},
    ]


def test_tls_beside_datagrams_of_the_same_port():
    spec = topology.loads("""\
directors: [lvs1]
real_servers: [rs1]
vip: 172.20.1.100
virtual_servers:
  - {port: 443, protocol: UDP, check: UDP_CHECK}
  - {port: 443, check: {type: SSL_GET, path: /up}}
""")
    assert [request_to(spec, vs) for vs in asked(spec)] == [
        {"vip": VIP, "port": 443, "language": "UDP", "protocol": "UDP"},
        {"vip": VIP, "port": 443, "path": "/up", "tls": True},
    ]
    # Of two that fit, the one that speaks HTTP.
    assert virtual_server(spec, f"{VIP}:443").protocol == "TCP"
    assert virtual_server(spec, f"{VIP}:443/udp").protocol == "UDP"


def test_the_probe_asks_each_by_the_name_that_it_is_told_by():
    orders = expect.orders(BOTH)
    assert orders == [request_to(BOTH, vs) for vs in BOTH.virtual_servers]
    assert list(expect.targets(BOTH)) == [vs.key for vs in BOTH.virtual_servers]
    assert [languages.key(order) for order in orders] == list(expect.targets(BOTH))
    languages.check(orders, lasting=False)
    # Over connections that last it asks HTTP alone.
    for connections in ("kept", "stream"):
        assert list(expect.targets(BOTH, connections)) == [f"{VIP}:80"]
        languages.check(expect.orders(BOTH, connections), lasting=True)


def test_ready_wants_an_answer_over_each_protocol_of_a_port():
    both = {"172.20.0.10", "172.20.0.11"}
    answered = {vs.key: both for vs in BOTH.virtual_servers}
    assert unmet_answers(BOTH, answered) == []
    del answered[f"{VIP}:53/udp"]
    (unmet,) = unmet_answers(BOTH, answered)
    assert unmet.what == f"no request to {VIP}:53/udp was answered by rs1, rs2"


@pytest.mark.parametrize(("scheduler", "unmet"), [("rr", 1), ("wlc", 0), ("lc", 0)])
def test_ready_does_not_wait_for_udp_that_goes_to_who_came_back(scheduler: Any, unmet: int):
    (vs,) = (vs for vs in BOTH.virtual_servers if vs.key == f"{VIP}:514/udp")
    spec = replace(BOTH, virtual_servers=(replace(vs, scheduler=scheduler),))
    assert len(unmet_answers(spec, {vs.key: {"172.20.0.10"}})) == unmet
    assert len(unmet_answers(spec, {})) == 1


@pytest.mark.parametrize(
    ("wanted", "key"),
    [
        (None, f"{VIP}:80"),
        (VIP, f"{VIP}:80"),
        (f"{VIP}:53", f"{VIP}:53/udp"),
        (f"{VIP}:53/udp", f"{VIP}:53/udp"),
        (f"{VIP}:514", f"{VIP}:514/udp"),
        ("172.20.1.101", "172.20.1.101:514/udp"),
    ],
)
def test_which_virtual_server_is_meant(wanted: str | None, key: str):
    assert virtual_server(BOTH, wanted).key == key


def test_where_only_http_will_do_there_is_no_other():
    assert virtual_server(BOTH, None, http=True).key == f"{VIP}:80"
    with pytest.raises(NotFoundError, match="no virtual server over HTTP 172"):
        virtual_server(BOTH, "172.20.1.101", http=True)
