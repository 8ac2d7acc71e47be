"""Checks over TLS and checks that want another status than 200, answered by real servers.

One lab of two virtual servers: port 443 over TLS, checked by SSL_GET; port 8080, checked by a path
that has to be gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from lvslab.lab import Lab, lab_status
from lvslab.lab.answers import ask, virtual_server
from lvslab.observe.session import run_fault
from lvslab.plan.render import CERTIFICATE, KEY
from lvslab.prove.capture import record
from lvslab.prove.judge import judge, read
from lvslab.report.terminal import closing
from lvslab.timeline.result import FaultResult, removal_times

from .proofs import in_node, written
from .small import VIP, head

pytestmark = pytest.mark.engine

GONE = "/gone?for=good"
LAB = (
    head("tls", directors=2)
    + f"""
virtual_servers:
  - port: 443
    delay_loop: 1
    check: {{type: SSL_GET, connect_timeout: 1, retry: 1, delay_before_retry: 0.5}}
  - port: 8080
    delay_loop: 1
    check:
      {{path: "{GONE}", status_code: 404, connect_timeout: 1, retry: 1, delay_before_retry: 0.5}}
director_sysctls: {{net.ipv4.vs.expire_nodest_conn: 1}}
"""
)


@pytest.fixture(scope="module")
def lab(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    # Up is proven ready: each real server has answered the client, over TLS at port 443.
    with written(LAB, "tls", tmp_path_factory.mktemp("topology")) as made:
        yield made


def measured(lab: Lab, node: str, fault: str, **more: Any) -> FaultResult:
    """Play a fault; a run that calls itself inconclusive is repeated once."""
    for _ in range(2):
        result = run_fault(lab, node, fault, then_heal=True, **more)
        print("\n".join(closing(result)))
        if result.verdict.outcome != "inconclusive":
            break
    status = lab_status(lab)
    assert status.healthy, status.reasons
    return result


def weights(lab: Lab, director: str) -> dict[int, dict[str, int]]:
    table = lab.nodes[director].link().request("status", timeout=60)["ipvs"]
    return {row["port"]: {s["address"]: s["weight"] for s in row["servers"]} for row in table}


@pytest.mark.parametrize("port", [443, 8080])
def test_each_real_server_answers_its_share(lab: Lab, port: int) -> None:
    answers = ask(lab, lab.nodes["client"], virtual_server(lab.spec, f"{VIP}:{port}"), 10)
    assert (answers.served_by, answers.failed) == ({"rs1": 5, "rs2": 5}, {})


def test_every_check_passes_with_what_it_wants(lab: Lab) -> None:
    everyone = {"172.29.1.10": 1, "172.29.1.11": 1}
    for director in ("lvs1", "lvs2"):
        assert weights(lab, director) == {443: everyone, 8080: everyone}
        conf = in_node(lab, director, "cat", "/etc/keepalived/keepalived.conf")
        assert conf.count("SSL_GET {") == 2
        assert conf.count(f"path {GONE}\n                status_code 404") == 2
    assert lab_status(lab).healthy


def test_it_is_tls_and_the_certificate_is_the_servers_own(lab: Lab) -> None:
    def curl(*words: str) -> str:
        return in_node(lab, "client", "curl", "-s", "-m", "10", *words)

    page = curl("-k", "-w", "%{http_code} %{ssl_verify_result}", f"https://{VIP}/")
    # 18: a certificate that is signed by itself (X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT).
    assert re.fullmatch(r"from 172\.29\.1\.1[01]\n200 18", page)
    assert "plain HTTP" in curl(f"http://{VIP}:443/")
    assert curl("-o", "/dev/null", "-w", "%{http_code}", f"http://{VIP}:8080{GONE}") == "404"
    assert curl("-o", "/dev/null", "-w", "%{http_code}", f"http://{VIP}:8080/gone") == "200"
    keys = set()
    for server, address in (("rs1", "172.29.1.10"), ("rs2", "172.29.1.11")):
        said = in_node(lab, server, "openssl", "x509", "-in", CERTIFICATE, "-noout", "-text")
        assert f"DNS:{server}, IP Address:{address}, IP Address:{VIP}" in said
        assert "ASN1 OID: prime256v1" in said
        assert in_node(lab, server, "stat", "-c", "%a %U", KEY).strip() == "600 root"
        keys.add(in_node(lab, server, "sha256sum", KEY))
    assert len(keys) == 2


def test_direct_routing_is_proved_over_tls(lab: Lab) -> None:
    vs = virtual_server(lab.spec, f"{VIP}:443")
    recorded = record(lab, vs, 6)
    assert recorded.setting.tls
    proof = judge(recorded.setting, read(recorded.pcaps))
    assert proof.proved, proof.breaks
    assert {s.name: s.served for s in proof.servers} == {"rs1": 3, "rs2": 3}


def test_a_web_server_that_stops_is_removed_within_the_bound(lab: Lab) -> None:
    result = measured(lab, "rs1", "httpd-stop")
    assert result.verdict.outcome == "within", result.verdict
    assert set(removal_times(result)) == {"lvs1", "lvs2"}
    # It has the certificate that it had.
    assert in_node(lab, "rs1", "stat", "-c", "%h", CERTIFICATE).strip() == "1"


def test_a_failover_is_within_its_bound(lab: Lab) -> None:
    result = measured(lab, "lvs1", "link-down")
    assert result.verdict.outcome == "within", result.verdict
    late = [e.data["start"] - e.data["due"] for e in result.events if e.kind == "probe.result"]
    print(f"the schedule was late by {max(late):.3f} s at most")


@pytest.mark.parametrize(
    ("fault", "params", "results"),
    [
        ("httpd-hang", {}, {"timeout", "late"}),
        ("httpd-status", {"status": 503}, {"bad", "late", "reset"}),
    ],
)
def test_what_is_wrong_behind_tls_is_noticed(
    lab: Lab, fault: str, params: dict[str, Any], results: set[str]
) -> None:
    result = measured(lab, "rs1", fault, params=params)
    assert set(removal_times(result)) == {"lvs1", "lvs2"}
    until = result.heal_t
    assert until is not None
    failed = {
        e.data["result"]
        for e in result.events
        if e.kind == "probe.result"
        and result.fault_t <= e.data["start"] < until - 1.0
        and e.data["result"] != "ok"
        and e.data["target"] == f"{VIP}:443"
    }
    assert failed
    assert failed <= results


def test_a_slow_web_server_is_slow_over_tls_and_stays(lab: Lab) -> None:
    result = run_fault(lab, "rs1", "httpd-slow", hold=5.0, params={"delay": 0.1})
    assert not removal_times(result)
    assert result.heal_t is not None
    slow = [
        e.data["end"] - e.data["start"]
        for e in result.events
        if e.kind == "probe.result"
        and e.data["server"] == "172.29.1.10"
        and e.data["target"] == f"{VIP}:443"
        and result.fault_t + 1.5 <= e.data["start"] < result.heal_t - 1.0
    ]
    assert slow
    # The handshake's answer waits, and then that of the request.
    assert min(slow) >= 0.2
