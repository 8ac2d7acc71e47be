"""keepalived.conf files -> a topology: equal where lvslab wrote them, told where it cannot be."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from lvslab.conf import load_text
from lvslab.importer import Fate, Imported, ImportProblem, Source, import_confs
from lvslab.importer.addresses import around
from lvslab.importer.whole import text_of
from lvslab.plan.render import keepalived_conf
from lvslab.resources import data_dir
from lvslab.topology import load, loads
from lvslab.topology.spec import TopologySpec

SHIPPED = sorted(data_dir("topologies").glob("*.yaml"))
RICH = """\
network: {subnet: 10.9.0.0/24}
directors: {lvs1: 10.9.0.1, lvs2: 10.9.0.2, lvs3: 10.9.0.3}
real_servers: {rs1: 10.9.0.11, rs2: 10.9.0.12, rs3: 10.9.0.13}
vrrp_instances:
  VI_1:
    vips: [10.9.0.100]
    unicast: true
    preempt: false
    label: "eth0:1"
    garp: {master_delay: 2, master_refresh: 60}
    auth: {auth_type: PASS, auth_pass: secret}
    raw: "garp_extra 1\\n"
virtual_servers:
  - vip: 10.9.0.100
    port: 80
    scheduler: sh
    scheduler_flags: [sh-port]
    quorum: 2
    hysteresis: 1
    check: {type: TCP_CHECK, connect_port: 8080, retry: 0}
    real_servers: {rs1: 3, rs2: {weight: 0, inhibit_on_failure: true}}
    sorry_server: rs3
    persistence_timeout: 60
  - vip: 10.9.0.100
    port: 53
    protocol: UDP
    ops: true
    real_servers: [rs1]
  - vip: 10.9.0.100
    port: 443
    check: {type: SSL_GET, path: /up, status_code: 503}
    real_servers: [rs1, rs2]
"""
REAL = """\
global_defs {
   router_id LB1
   notification_email {
     ops@example.com
   }
   enable_script_security
}
vrrp_script chk {
    script "/usr/bin/killall -0 nginx"
    weight -20
}
vrrp_instance VI_1 {
    state BACKUP
    interface ens192
    virtual_router_id 61
    priority PRIORITY
    advert_int ADVERT
    track_script {
        chk
    }
    notify_master "/etc/keepalived/master.sh"
    virtual_ipaddress {
        10.1.1.10/24 dev ens192 label ens192:vip
    }
}
virtual_server 10.1.1.10 443 {
    delay_loop 5
    lvs_sched wlc
    lvs_method DR
    protocol TCP
    real_server 10.1.1.21 443 {
        weight 10
        TCP_CHECK {
            nb_get_retry 2
        }
    }
    real_server 10.1.1.22 443 {
        weight 20
        SSL_GET {
            url {
              path /health
              status_code 200
            }
        }
    }
}
virtual_server 10.1.1.10 8080 {
    lb_kind NAT
    real_server 10.1.1.21 80 {
    }
}
"""


def imported(spec: TopologySpec) -> Imported:
    """What comes of the files that real directors would be given."""
    sources = [
        Source(d.name, load_text(keepalived_conf(spec, d, watched=False), d.name), d.address)
        for d in spec.directors
    ]
    return import_confs(sources, name=spec.name, subnet=spec.network.subnet)


def real(advert: str = "1") -> Imported:
    texts = {
        "lb1": REAL.replace("PRIORITY", "101").replace("ADVERT", "1"),
        "lb2": REAL.replace("PRIORITY", "100").replace("ADVERT", advert),
    }
    return import_confs([Source(n, load_text(t, n)) for n, t in texts.items()], name="real")


def fates(made: Imported, node: str = "lb1") -> dict[str, tuple[str, str]]:
    return {e.text: (e.fate.value, e.note) for e in made.entries if e.node == node}


@pytest.mark.parametrize(
    "text", [*(p.read_text() for p in SHIPPED), RICH], ids=[*(p.stem for p in SHIPPED), "rich"]
)
def test_what_lvslab_wrote_comes_back_as_it_was(text: str):
    spec = loads(text, "here")
    made = imported(spec)
    # Clients, the network's name and its gateway are in no keepalived.conf.
    equal = replace(
        made.spec,
        network=spec.network,
        clients=spec.clients,
        debian=spec.debian,
        director_sysctls=spec.director_sysctls,
    )
    assert {d.name: keepalived_conf(equal, d) for d in equal.directors} == {
        d.name: keepalived_conf(spec, d) for d in spec.directors
    }
    assert equal == spec
    assert {e.fate for e in made.entries} == {Fate.KEPT}


def test_beside_a_tunnel_direct_routing_is_left_out_and_said():
    spec = load(data_dir("topologies") / "lvs-tun.yaml")
    conf = keepalived_conf(spec, spec.directors[0], watched=False)
    head, _, server = conf.rpartition("\nvirtual_server ")
    other = server.replace(" 80 {", " 81 {").replace("lb_kind TUN", "lb_kind DR")
    made = import_confs(
        [
            Source(
                "lvs1", load_text(f"{head}\nvirtual_server {server}\nvirtual_server {other}", "x")
            )
        ],
        name="both",
    )
    assert made.spec.forwarding == "TUN"
    assert [vs.port for vs in made.spec.virtual_servers] == [80]
    assert fates(made, "lvs1")["virtual_server 172.24.1.100 81"] == (
        "unsupported",
        "it forwards by DR, and a lab in one way, here that of the first: TUN; import it by itself",
    )


def test_the_file_that_is_written_means_the_same(tmp_path: Path):
    made = real()
    file = tmp_path / "real.yaml"
    file.write_text(text_of(made.document, "# head\n"))
    assert load(file) == made.spec


def test_what_is_under_test_is_as_it_was():
    (instance,) = real().spec.vrrp_instances
    assert (instance.vrid, instance.version, instance.advert_int) == (61, 2, 1.0)
    assert [m.priority for m in instance.by_priority()] == [101, 100]
    (vs,) = real().spec.virtual_servers
    assert (vs.scheduler, vs.delay_loop) == ("wlc", 5.0)
    first, second = vs.members
    assert (first.weight, second.weight) == (10, 20)
    assert first.check is not None
    # keepalived's own: connect_timeout 5, delay_before_retry 1 (keepalived.conf(5)).
    # nb_get_retry is a name of HTTP_GET's: in TCP_CHECK keepalived reads past it.
    assert (first.check.retry, first.check.connect_timeout) == (1, 5.0)
    assert second.check is not None
    assert (second.check.kind, second.check.path) == ("SSL_GET", "/health")


def test_every_line_is_told_what_became_of_it():
    found = fates(real())
    assert found["virtual_router_id 61"] == ("kept", "")
    assert found["interface ens192"] == ("mapped", "interface eth0")
    assert found["lvs_sched wlc"] == ("mapped", "lb_algo wlc")
    assert found["10.1.1.10/24 dev ens192 label ens192:vip"] == (
        "mapped",
        "10.1.1.10/32 dev eth0 label eth0:vip",
    )
    assert found["script /usr/bin/killall -0 nginx"] == (
        "stubbed",
        "succeeds in the lab until its director has /run/lvslab/fail-chk",
    )
    assert found["notification_email"][0] == "stubbed"
    assert found["notify_master /etc/keepalived/master.sh"][0] == "stubbed"
    assert found["enable_script_security"] == ("kept", "")
    assert found["nb_get_retry 2"][0] == "kept"
    assert found["SSL_GET"] == ("kept", "")
    assert found["virtual_server 10.1.1.10 8080"] == (
        "unsupported",
        "it forwards by NAT, and a lab in one way, here that of the first: DR; import it by itself",
    )
    # Lines of a block that is not there are told with it.
    assert "ops@example.com" not in found
    assert "real_server 10.1.1.21 80" not in found


def test_directors_that_differ_are_told_so_and_not_made_equal_in_silence():
    assert fates(real(advert="3"), "lb2")["advert_int 3"] == (
        "unsupported",
        "the lab has: advert_int 1",
    )


def test_the_subnet_is_the_smallest_that_has_them_all():
    some = [IPv4Address(a) for a in ("10.1.1.10", "10.1.2.21")]
    assert around(some) == IPv4Network("10.1.0.0/22")
    assert around(some[:1]) == IPv4Network("10.1.1.0/24")
    # An address at the edge of a network can be no node's: 10.1.1.255 ends the /23, too.
    assert around([IPv4Address("10.1.1.255")]) == IPv4Network("10.1.0.0/22")
    with pytest.raises(ImportProblem, match="no network in common"):
        around([IPv4Address("10.0.0.1"), IPv4Address("192.168.0.1")])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "there is no vrrp_instance"),
        ("vrrp_instance A {\n}\n", "there is no vrrp_instance"),
        ("vrrp_instance A {\n virtual_ipaddress {\n fd00::1\n }\n}", "there is no vrrp_instance"),
    ],
)
def test_of_what_is_no_director_no_lab_is_made(text: str, what: str):
    with pytest.raises(ImportProblem, match=what):
        import_confs([Source("lb1", load_text(text, "lb1"))], name="x")
