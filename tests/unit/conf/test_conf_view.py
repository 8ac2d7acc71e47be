"""What a configuration means: defaults and inheritance of keepalived 2.2."""

from __future__ import annotations

from pathlib import Path

from lvslab.conf import load_text
from lvslab.conf.models import View
from lvslab.plan.render import keepalived_conf
from lvslab.topology import builtins
from lvslab.topology import load as load_topology

CORRECT = Path(__file__).parent.parent / "lint" / "correct"


def view(text: str) -> View:
    return load_text(text).view


def test_defaults():
    one = view("vrrp_instance V {\n}\n").instances[0]
    assert (one.state, one.priority, one.version, one.advert_int) == ("BACKUP", 100, 2, 1.0)
    vs = view("virtual_server 10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n TCP_CHECK {\n}\n}\n}\n")
    server = vs.virtual_servers[0]
    assert (server.protocol, server.method, server.scheduler) == ("UDP", "NAT", "wlc")
    check = server.real_servers[0].checks[0]
    assert (check.retry, check.delay_before_retry, check.delay_loop) == (1, 1.0, 60.0)
    assert check.connect_timeout == 5.0


def test_a_check_inherits_and_overrides():
    text = """
    virtual_server 10.0.0.1 80 {
        delay_loop 6
        retry 5
        real_server 10.0.0.2 80 {
            retry 4
            TCP_CHECK {
            }
            HTTP_GET {
                retry 2
            }
        }
        real_server 10.0.0.3 80 {
            DNS_CHECK {
            }
        }
    }
    """
    first, second = view(text).virtual_servers[0].real_servers
    assert [c.retry for c in first.checks] == [4, 2]
    assert [c.delay_before_retry for c in first.checks] == [1.0, 3.0]
    assert second.checks[0].retry == 5
    assert second.checks[0].delay_before_retry == 6.0


def test_ipv6_is_version_3_and_the_global_version_counts():
    text = "global_defs {\n vrrp_version 3\n}\nvrrp_instance V {\n}\n"
    assert view(text).instances[0].version == 3
    text = "vrrp_instance V {\n version 2\n virtual_ipaddress {\n fd00::1\n}\n}\n"
    assert view(text).instances[0].version == 3


def test_values_say_where_they_are():
    one = view("vrrp_instance V {\n    priority 7\n}\n").instances[0]
    assert (one.at("priority").line, one.at("priority").column) == (2, 14)
    assert one.at("advert_int").line == 1


def test_what_a_topology_renders_reads_as_the_topology():
    for path in builtins().values():
        spec = load_topology(path)
        # With NAT, the real servers' gateway is held with the VIPs.
        behind = [str(spec.inside.gateway)] if spec.inside else []
        for director in spec.directors:
            seen = view(keepalived_conf(spec, director))
            own = [
                (i.name, i.vrid, m.priority, i.advert_int, [*(str(v.ip) for v in i.vips), *behind])
                for i in spec.vrrp_instances
                for m in i.members
                if m.director == director.name
            ]
            assert own == [
                (i.name, i.vrid, i.priority, i.advert_int, [v.ip for v in i.vips])
                for i in seen.instances
            ]
            assert [
                (str(v.vip), v.port, v.scheduler, v.forwarding, [str(m.address) for m in v.members])
                for v in spec.virtual_servers
            ] == [
                (v.target, v.port, v.scheduler, v.method, [r.address for r in v.real_servers])
                for v in seen.virtual_servers
            ]


def test_a_sequence_makes_real_servers():
    text = (CORRECT / "sequence.conf").read_text()
    servers = view(text).virtual_servers[0].real_servers
    assert [s.address for s in servers] == [f"172.20.1.{n}" for n in range(10, 14)]


def test_nb_get_retry_is_a_name_of_http_get_only():
    text = (
        "virtual_server 10.0.0.1 80 {\n real_server 10.0.0.2 80 {\n"
        " %s {\n nb_get_retry 7\n}\n}\n}\n"
    )
    counts = {
        kind: view(text % kind).virtual_servers[0].real_servers[0].checks[0].retry
        for kind in ("HTTP_GET", "SSL_GET", "TCP_CHECK")
    }
    assert counts == {"HTTP_GET": 7, "SSL_GET": 7, "TCP_CHECK": 1}


def test_a_check_tries_again_at_once_where_that_is_written_and_a_server_has_no_retry_of_0():
    # read_timer() of all three takes 0, read_unsigned_strvec() that of the check only.
    checks = "TCP_CHECK {\n }\n TCP_CHECK {\n retry 0\n }\n"
    text = "virtual_server 10.0.0.1 80 {\n delay_before_retry 0\n retry 0\n"
    text += f" real_server 10.0.0.2 80 {{\n {checks} }}\n}}\n"
    (real,) = load_text(text).view.virtual_servers[0].real_servers
    assert [(c.retry, c.delay_before_retry) for c in real.checks] == [(1, 0.0), (0, 0.0)]
