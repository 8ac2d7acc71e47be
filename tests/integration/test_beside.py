"""TLS, DNS and datagrams of one real server: beside each other, and each with its own checks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lvslab import topology
from lvslab.lab import Lab, lab_status
from lvslab.lab.answers import ask, virtual_server
from lvslab.timeline import checkbounds

from .proofs import written
from .small import VIP, head
from .test_observing import heard
from .test_udp import table, within

pytestmark = pytest.mark.engine

#: 443 over both protocols, as HTTP/3 has it; 514 is UDP, and its check asks a page over TLS.
LAB = (
    head("beside", directors=1)
    + """
virtual_servers:
  - port: 443
    delay_loop: 1
    check: {type: SSL_GET, connect_timeout: 1, retry: 1, delay_before_retry: 0.5}
  - port: 443
    protocol: UDP
    delay_loop: 4
    check: {type: UDP_CHECK, payload: 41, require_reply: true, connect_timeout: 2, retry: 1}
  - port: 53
    protocol: UDP
    delay_loop: 1
    check: {type: DNS_CHECK, dns_type: A, connect_timeout: 2, retry: 1}
  - port: 514
    protocol: UDP
    delay_loop: 1
    check:
      type: SSL_GET
      connect_port: 8443
      path: /status
      status_code: 503
      connect_timeout: 1
      retry: 1
      delay_before_retry: 0.5
"""
)
EVERYONE = ["172.29.1.10", "172.29.1.11"]
KEYS = [("TCP", 443), ("UDP", 443), ("UDP", 53), ("UDP", 514)]
#: What a check of httpd keeps in the table.
BY_HTTPD = ["443", "514/udp"]


@pytest.fixture(scope="module")
def lab(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with written(LAB, "beside", tmp_path_factory.mktemp("topology")) as made:
        yield made


def test_every_check_passes_and_every_program_runs(lab: Lab) -> None:
    status = lab_status(lab)
    assert status.healthy, status.reasons
    assert table(lab) == dict.fromkeys(KEYS, EVERYONE)
    for server in lab.real_servers:
        says = server.link().request("status", timeout=60)
        assert set(says["services"]) == {"httpd", "dns", "udp"}
        assert {53, 443, 8443} <= set(says["listening"])
        assert {53, 443, 514} <= set(says["listening_udp"])
        # Over TLS, which its first port speaks.
        assert says["http"]["ok"], says["http"]


@pytest.mark.parametrize("target", ["443", "443/udp", "53/udp", "514/udp"])
def test_each_real_server_has_its_share_of_each(lab: Lab, target: str) -> None:
    vs = virtual_server(lab.spec, f"{VIP}:{target}")
    assert vs.key == f"{VIP}:{target}"
    answers = ask(lab, lab.a_client(), vs, 8)
    assert (answers.served_by, answers.failed) == ({"rs1": 4, "rs2": 4}, {}), answers.results


def test_without_httpd_what_it_is_asked_for_goes_and_the_rest_stays(lab: Lab) -> None:
    rs1, lvs1 = lab.nodes["rs1"].link(), lab.nodes["lvs1"].link()
    with heard(lvs1) as changes, heard(rs1) as node:
        lvs1.request("watch", seconds=90)
        changes("ipvs.table")
        rs1.request("service", name="httpd", action="stop", timeout=30)
        ended = node("service.exited", service="httpd")
        try:
            for target in BY_HTTPD:
                vs = virtual_server(lab.spec, f"{VIP}:{target}")
                check = vs.members[0].check
                assert check is not None
                server: dict[str, Any] = {
                    "port": vs.port,
                    "protocol": vs.protocol,
                    "server": EVERYONE[0],
                }
                gone = changes("ipvs", change="removed", **server)
                within(gone, ended["t"], checkbounds.rs_removed(check, vs.delay_loop, "refused"))
            left = dict.fromkeys(KEYS, EVERYONE)
            left |= dict.fromkeys([("TCP", 443), ("UDP", 514)], EVERYONE[1:])
            assert table(lab) == left
        finally:
            rs1.request("service", name="httpd", action="start", timeout=60)
        for target in BY_HTTPD:
            vs = virtual_server(lab.spec, f"{VIP}:{target}")
            changes(
                "ipvs",
                change="added",
                port=vs.port,
                protocol=vs.protocol,
                server=EVERYONE[0],
            )
    assert table(lab) == dict.fromkeys(KEYS, EVERYONE)


def test_the_topology_is_one_that_can_be_read_back() -> None:
    """Of what is above, without an engine."""
    spec = topology.loads(LAB)
    assert [(vs.protocol, vs.port) for vs in spec.virtual_servers] == KEYS
