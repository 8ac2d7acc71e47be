"""What a lab cannot have as it is written: what stands in for it, and what is said of it."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.conf import load_text
from lvslab.importer import Fate, Imported, ImportProblem, Source, import_confs
from lvslab.plan import make_plan, render
from lvslab.plan.httpd import ports_of
from lvslab.topology.served import asks, checked_at, statuses, tls_places


def lab(*texts: str, subnet: str | None = None) -> Imported:
    """Import directors lvs1, lvs2, ... of these files."""
    sources = [Source(f"lvs{i}", load_text(t, f"lvs{i}")) for i, t in enumerate(texts, 1)]
    return import_confs(sources, name="x", subnet=IPv4Network(subnet) if subnet else None)


def fate(made: Imported, text: str, node: str = "lvs1") -> tuple[str, str]:
    """What became of the only line that begins so."""
    (found,) = (e for e in made.entries if e.node == node and e.text.startswith(text))
    return found.fate.value, found.note


def conf(made: Imported, index: int = 0) -> str:
    """What that director of the lab is given."""
    return render.keepalived_conf(made.spec, made.spec.directors[index], watched=False)


def instance(name: str = "VI", more: str = "", vips: str = "10.0.0.100", vrid: int = 51) -> str:
    return (
        f"vrrp_instance {name} {{\n interface eth1\n virtual_router_id {vrid}\n {more}\n"
        f" virtual_ipaddress {{\n {vips}\n }}\n}}\n"
    )


def server(
    checks: str, *, port: str = "80", protocol: str = "TCP", head: str = "lb_kind DR"
) -> str:
    return (
        f"virtual_server 10.0.0.100 {port} {{\n {head}\n protocol {protocol}\n"
        f" real_server 10.0.0.11 {port} {{\n {checks}\n }}\n}}\n"
    )


def test_a_check_of_another_service_is_a_connection_to_the_same_port_at_the_same_times():
    text = "SMTP_CHECK {\n helo_name a\n retry 2\n connect_timeout 7\n delay_before_retry 4\n }"
    made = lab(instance() + server(text, port="25"))
    check = made.spec.virtual_servers[0].members[0].check
    assert check is not None
    assert (check.kind, check.retry, check.connect_timeout) == ("TCP_CHECK", 2, 7.0)
    assert check.delay_before_retry == 4.0
    assert fate(made, "SMTP_CHECK")[0] == "stubbed"
    assert fate(made, "helo_name")[0] == "stubbed"
    assert fate(made, "retry 2") == ("kept", "")


def test_a_check_by_udp_is_one_by_tcp_and_httpd_answers_it():
    text = "DNS_CHECK {\n name example.org\n }"
    made = lab(instance() + server(text, port="53", protocol="UDP"))
    check = made.spec.virtual_servers[0].members[0].check
    # keepalived's own for DNS_CHECK would be 3 attempts, delay_loop apart: those of the lab.
    assert check is not None
    assert (check.kind, check.connect_port) == ("TCP_CHECK", 53)
    assert ports_of(made.spec, "rs1") == (53,)


def test_a_ping_is_kept_and_bfd_and_files_are_not():
    made = lab(instance() + server("PING_CHECK {\n retry 4\n }\n BFD_CHECK {\n name b\n }"))
    assert fate(made, "PING_CHECK") == ("kept", "")
    assert "PING_CHECK {\n            retry 4" in conf(made)
    assert fate(made, "BFD_CHECK")[0] == "unsupported"


def test_a_check_over_tls_is_kept_and_the_digest_is_that_of_the_labs_page():
    text = (
        "SSL_GET {\n enable_sni\n url {\n path /a\n digest 0123\n regex hello\n }\n"
        " url {\n path /b\n status_code 302 304\n }\n nb_get_retry 5\n }"
    )
    made = lab(instance() + server(text, port="443"))
    own = hashlib.md5(b"from 10.0.0.11\n", usedforsecurity=False).hexdigest()
    check = made.spec.virtual_servers[0].members[0].check
    assert check is not None
    assert (check.kind, check.path, check.digest, check.retry) == ("SSL_GET", "/a", own, 5)
    assert fate(made, "SSL_GET") == ("kept", "")
    assert fate(made, "enable_sni") == ("kept", "")
    assert fate(made, "nb_get_retry") == ("mapped", "retry 5")
    assert fate(made, "digest")[0] == "mapped"
    assert fate(made, "regex")[0] == "stubbed"
    assert "regex" not in conf(made)
    # keepalived's own: 200 to 299.
    assert check.status_code is None
    # The second URL is asked, too.
    assert conf(made).count("url {") == 2
    assert fate(made, "path /b") == ("kept", "")
    assert fate(made, "status_code 302 304") == ("kept", "")
    assert statuses(made.spec.virtual_servers) == {("rs1", 443): {"/b": 302}}


@pytest.mark.parametrize(
    ("codes", "told", "taken"),
    [
        ("200", ("kept", ""), 200),
        ("503", ("kept", ""), 503),
        ("200-299 301", ("mapped", "status_code 200"), 200),
        ("301-399 204", ("mapped", "status_code 301"), 301),
        ("700 404", ("mapped", "status_code 404"), 404),
        ("OK", ("mapped", "is no status: keepalived ignores it, and so does the lab"), None),
    ],
)
def test_of_several_status_codes_one_is_wanted(
    codes: str, told: tuple[str, str], taken: int | None
):
    made = lab(
        instance() + server(f"HTTP_GET {{\n url {{\n path /\n status_code {codes}\n }}\n }}")
    )
    assert fate(made, "status_code") == told
    (member,) = made.spec.virtual_servers[0].members
    assert member.check is not None
    assert member.check.status_code == taken
    assert conf(made).count("status_code") == (taken is not None)


def test_a_path_has_one_status_whoever_asks():
    one = "HTTP_GET {\n url {\n path /up\n status_code 503\n }\n }"
    other = "HTTP_GET {\n url {\n path /up\n }\n connect_port 80\n }"
    made = lab(instance() + server(one) + server(other, port="81"))
    first, second = (vs.members[0].check for vs in made.spec.virtual_servers)
    assert first is not None
    assert second is not None
    assert (first.status_code, second.status_code) == (503, 503)
    (told,) = (e for e in made.entries if e.text == "url" and e.fate is Fate.STUBBED)
    assert told.note.startswith("status_code 503: another check wants that")


def test_a_port_is_asked_with_tls_or_without():
    secure = "SSL_GET {\n enable_sni\n url {\n path /\n }\n }"
    plain = "HTTP_GET {\n url {\n path /\n }\n connect_port 443\n }"
    made = lab(instance() + server(secure, port="443") + server(plain))
    checks = [vs.members[0].check for vs in made.spec.virtual_servers]
    assert [c.kind for c in checks if c] == ["HTTP_GET", "HTTP_GET"]
    assert fate(made, "SSL_GET")[0] == "stubbed"
    assert fate(made, "enable_sni")[0] == "stubbed"
    assert tls_places(made.spec.virtual_servers) == frozenset()


def test_the_key_files_of_a_checker_are_not_in_the_lab():
    text = "SSL {\n ca /etc/ca.pem\n key /etc/key.pem\n}\n"
    made = lab(text + instance() + server("SSL_GET {\n url {\n path /\n }\n }", port="443"))
    (told,) = (e for e in made.entries if e.text == "SSL")
    assert told.fate is Fate.UNSUPPORTED
    assert "files are not in the lab" in told.note
    assert "ca.pem" not in conf(made)


def test_nb_get_retry_in_tcp_check_is_kept_and_counts_for_nothing():
    made = lab(instance() + server("TCP_CHECK {\n nb_get_retry 3\n }"))
    check = made.spec.virtual_servers[0].members[0].check
    assert check is not None
    assert check.retry == 1
    assert fate(made, "nb_get_retry 3")[0] == "kept"
    assert "reads past it" in fate(made, "nb_get_retry 3")[1]


def test_scripts_fail_when_told_to_and_stand_before_who_names_them():
    text = "vrrp_script chk {\n script /opt/none\n }\n" + instance(more="track_script {\n chk\n }")
    made = lab(text + server("MISC_CHECK {\n misc_path /opt/a.sh\n }"))
    assert fate(made, "script")[1].endswith("/run/lvslab/fail-chk")
    assert fate(made, "misc_path")[1].endswith("/run/lvslab/fail-10.0.0.11")
    written = conf(made)
    assert 'script "/usr/bin/test ! -e /run/lvslab/fail-chk"' in written
    assert 'misc_path "/usr/bin/test ! -e /run/lvslab/fail-10.0.0.11"' in written
    # keepalived forgets a track_script whose script is defined after it.
    assert written.index("vrrp_script chk") < written.index("vrrp_instance VI")


def test_a_script_that_is_given_is_taken_along_and_stays_what_it_was():
    text = 'vrrp_script chk {\n script "/opt/chk.sh -v"\n }\n'
    text += instance(more="track_script {\n chk\n }")
    text += server('MISC_CHECK {\n misc_path "/opt/web.sh 10.0.0.11"\n }')
    program = "#!/bin/sh\nexit 0\n"
    sources = [Source(n, load_text(text, n)) for n in ("lvs1", "lvs2")]
    made = import_confs(sources, name="x", programs={"/opt/chk.sh": program})
    assert fate(made, "script /opt/chk.sh -v")[0] == "kept"
    assert fate(made, "misc_path")[0] == "stubbed"
    assert [d.files for d in made.spec.directors] == [(("/opt/chk.sh", program),)] * 2
    assert 'script "/opt/chk.sh -v"' in conf(made)
    plan = make_plan(made.spec, "x", agent_files=())
    (file,) = (f for f in plan.node("lvs1").files if f.path == "/opt/chk.sh")
    # Else keepalived does not run it.
    assert (file.content.decode(), file.mode) == (program, 0o755)


def test_a_script_that_nobody_runs_is_a_slip_of_the_command_line():
    text = "vrrp_script chk {\n script /opt/chk.sh\n }\n" + instance()
    with pytest.raises(ImportProblem, match=r"runs /opt/chck\.sh") as caught:
        import_confs([Source("a", load_text(text, "a"))], name="x", programs={"/opt/chck.sh": ""})
    assert caught.value.fix == "there are: /opt/chk.sh"


def test_direct_routing_delivers_to_the_port_of_the_virtual_server():
    text = instance() + server("TCP_CHECK {\n }")
    made = lab(text.replace("real_server 10.0.0.11 80", "real_server 10.0.0.11 8080"))
    (member,) = made.spec.virtual_servers[0].members
    assert member.port == 80
    assert member.check is not None
    # What is checked is still what is written.
    assert member.check.connect_port == 8080
    assert fate(made, "real_server")[0] == "mapped"
    assert ports_of(made.spec, "rs1") == (80, 8080)


def test_a_group_is_a_virtual_server_of_each_of_its_addresses():
    group = "virtual_server_group G {\n 10.0.0.100 80\n 10.0.0.101-102 443\n fwmark 3\n}\n"
    body = server("TCP_CHECK {\n }").replace(
        "virtual_server 10.0.0.100 80", "virtual_server group G"
    )
    made = lab(instance() + group + body)
    keys = [vs.key for vs in made.spec.virtual_servers]
    assert keys == ["10.0.0.100:80", "10.0.0.101:443", "10.0.0.102:443"]
    assert fate(made, "virtual_server group")[0] == "mapped"
    assert fate(made, "10.0.0.101-102")[0] == "mapped"
    assert fate(made, "fwmark")[0] == "unsupported"
    assert fate(made, "protocol") == ("kept", "")


def test_without_a_virtual_server_that_the_lab_can_have_two_stand_in():
    made = lab(instance() + server("", head="lb_kind NAT"))
    assert [s.name for s in made.spec.real_servers] == ["rs1", "rs2"]
    assert [vs.key for vs in made.spec.virtual_servers] == ["10.0.0.100:80"]
    assert any(text.startswith("rs1, rs2") for text in made.added)
    # What the stand-in happens to say alike is not said to be the file's.
    assert fate(made, "virtual_server")[0] == "unsupported"
    assert "protocol TCP" not in {e.text for e in made.entries}


def test_lower_case_dr_is_told_as_what_keepalived_takes_it_for():
    made = lab(instance() + server("", head="lb_kind dr"))
    assert "takes 'dr' as NAT" in fate(made, "virtual_server")[1]
    made = lab(instance() + server("", head="lb _kind DR"))
    assert "without lb_kind" in fate(made, "virtual_server")[1]


def test_without_an_instance_one_stands_in_for_all():
    made = lab(server("TCP_CHECK {\n }"), server("TCP_CHECK {\n }"))
    (one,) = made.spec.vrrp_instances
    assert [m.priority for m in one.by_priority()] == [100, 99]
    assert any("no instance of the files holds it" in text for text in made.added)


def test_ipv6_is_told_and_the_rest_is_in_the_lab():
    text = instance("V4", vips="10.0.0.100\n fd00::1/64") + instance("V6", vips="fd00::2", vrid=52)
    group = "vrrp_sync_group G {\n group {\n V4\n V6\n }\n}\n"
    more = "virtual_server fd00::1 80 {\n lb_kind DR\n real_server fd00::9 80 {\n }\n}\n"
    made = lab(group + text + server("TCP_CHECK {\n }") + more)
    assert [i.name for i in made.spec.vrrp_instances] == ["V4"]
    assert fate(made, "fd00::1/64")[0] == "unsupported"
    assert fate(made, "vrrp_instance V6")[0] == "unsupported"
    assert fate(made, "virtual_server fd00::1")[0] == "unsupported"
    assert fate(made, "V6")[0] == "unsupported"
    assert "V6" not in conf(made)


def test_every_interface_is_the_labs_one():
    more = "lvs_sync_daemon_interface eth2\n track_interface {\n eth3\n }"
    made = lab(instance(more=more, vips="10.0.0.100/24 dev eth1.53 label eth1.53:1"))
    assert fate(made, "lvs_sync_daemon_interface")[1] == "lvs_sync_daemon_interface eth0"
    assert fate(made, "track_interface")[0] == "unsupported"
    assert fate(made, "10.0.0.100/24")[1] == "10.0.0.100/32 dev eth0 label eth0:1"
    assert "eth1" not in conf(made)


def test_two_instances_of_one_vrid_get_two_on_the_labs_one_segment():
    made = lab(instance("A") + instance("B", vips="10.0.0.101"))
    assert len({i.vrid for i in made.spec.vrrp_instances}) == 2
    assert [e.fate for e in made.entries if e.text == "virtual_router_id 51"] == [
        Fate.KEPT,
        Fate.MAPPED,
    ]


def test_equal_priorities_are_told_apart_as_keepalived_does():
    more = "priority 100\n unicast_src_ip 10.0.0.{}\n unicast_peer {{\n 10.0.0.{}\n }}"
    made = lab(instance(more=more.format(1, 2)), instance(more=more.format(2, 1)))
    (one,) = made.spec.vrrp_instances
    # The higher address wins.
    assert [(m.director, m.priority) for m in one.by_priority()] == [("lvs2", 100), ("lvs1", 99)]
    assert fate(made, "priority 100")[0] == "mapped"
    assert fate(made, "priority 100", "lvs2") == ("kept", "")
    assert fate(made, "unicast_src_ip") == ("kept", "")


def test_the_prefix_of_a_peer_is_no_part_of_its_address():
    more = "priority {}0\n unicast_src_ip 10.0.0.{}/24\n unicast_peer {{\n 10.0.0.{}/24\n }}"
    made = lab(instance(more=more.format(9, 1, 2)), instance(more=more.format(8, 2, 1)))
    assert fate(made, "unicast_src_ip") == ("mapped", "unicast_src_ip 10.0.0.1")
    assert fate(made, "10.0.0.2/24") == ("mapped", "10.0.0.2")


def test_alone_a_director_has_no_peer():
    more = "unicast_src_ip 10.0.0.1/24\n unicast_peer {\n 10.0.0.2\n }"
    made = lab(instance(more=more))
    assert not made.spec.vrrp_instances[0].unicast
    assert made.spec.directors[0].address == IPv4Address("10.0.0.1")
    assert "--node" in fate(made, "unicast_peer")[1]


def test_nopreempt_of_a_master_does_not_count_as_with_keepalived():
    made = lab(instance(more="state MASTER\n nopreempt"))
    assert not made.spec.vrrp_instances[0].members[0].nopreempt
    assert fate(made, "nopreempt")[0] == "mapped"
    made = lab(instance(more="state BACKUP\n nopreempt"))
    assert made.spec.vrrp_instances[0].members[0].nopreempt


def test_what_lies_elsewhere_is_moved_into_the_network_of_most():
    text = server("TCP_CHECK {\n }").replace(
        "protocol TCP", "protocol TCP\n real_server 110.0.0.12 80 {\n }"
    )
    made = lab(instance() + text)
    assert made.spec.network.subnet == IPv4Network("10.0.0.0/24")
    assert {str(s.address) for s in made.spec.real_servers} == {"10.0.0.11", "10.0.0.253"}
    assert fate(made, "real_server 110.0.0.12") == (
        "mapped",
        "real_server 10.0.0.253 80: in the lab all is one network",
    )


def test_a_sorry_server_on_the_director_itself_is_told():
    made = lab(instance() + server("", head="lb_kind DR\n sorry_server 127.0.0.1 80"))
    assert made.spec.virtual_servers[0].sorry_server is None
    assert "director itself" in fate(made, "sorry_server")[1]


def test_a_director_that_is_a_real_server_gets_an_address_of_its_own():
    made = lab(instance(more="mcast_src_ip 10.0.0.11") + server("TCP_CHECK {\n }"))
    assert made.spec.directors[0].address != IPv4Address("10.0.0.11")
    assert any("a director is no real server" in text for text in made.added)
    assert fate(made, "mcast_src_ip")[0] == "mapped"


def test_what_keepalived_reads_past_does_not_keep_a_lab_from_being():
    head = "lb_kind DR\n lb_algo loadbalance\n persistence_timeout 0\n quorum 0"
    made = lab(instance() + server("TCP_CHECK {\n }", head=head))
    (vs,) = made.spec.virtual_servers
    assert (vs.scheduler, vs.persistence_timeout, vs.quorum) == ("wlc", None, 1)
    for keyword in ("lb_algo", "persistence_timeout", "quorum"):
        assert fate(made, keyword)[0] == "mapped"


def test_what_is_half_written_does_not_keep_a_lab_from_being():
    more = "authentication {\n auth_type PASS\n }\n nopreempt\n preempt_delay 5"
    text = instance(more=more, vips="10.0.0.100\n 10.0.0.100/24")
    made = lab(text + server("TCP_CHECK {\n }", protocol="tpc") + server("", port="x"))
    (one,) = made.spec.vrrp_instances
    assert (one.auth, len(one.vips), one.members[0].preempt_delay) == (None, 1, None)
    (vs,) = made.spec.virtual_servers
    assert vs.protocol == "UDP"
    assert ports_of(made.spec, "rs1") == (80,)


def test_vips_outside_the_adverts_are_among_them():
    text = instance().replace(
        "interface eth1", "interface eth1\n virtual_ipaddress_excluded {\n 10.0.0.101\n }"
    )
    made = lab(text)
    assert [str(v) for v in made.spec.vrrp_instances[0].vips] == ["10.0.0.100/32", "10.0.0.101/32"]
    assert fate(made, "10.0.0.101")[0] == "mapped"


def test_a_process_that_the_lab_does_not_run_is_stood_in_for():
    text = "net_namespace here\nvrrp_track_process p {\n process haproxy\n }\n"
    made = lab(
        text + instance(more="track_process {\n p\n }\n authentication {\n auth_pass 123456789\n }")
    )
    assert fate(made, "process haproxy")[0] == "stubbed"
    assert fate(made, "net_namespace")[0] == "unsupported"
    assert "process keepalived" in conf(made)
    assert "net_namespace" not in conf(made)


CODES = st.sampled_from(["", "200", "404", "200-299 301", "204 503", "301-399", "700", "OK 204"])
URL = st.tuples(st.sampled_from(["/", "/a", "/a?b"]), CODES)
CHECK = st.tuples(
    st.sampled_from(["HTTP_GET", "SSL_GET"]),
    st.sampled_from([None, 80, 443]),
    st.lists(URL, min_size=1, max_size=2),
)
SERVERS = st.dictionaries(
    st.sampled_from([80, 443, 8080]),
    st.dictionaries(st.sampled_from(["10.0.0.11", "10.0.0.12"]), CHECK, min_size=1),
    min_size=1,
)


def written(servers: dict[int, Any]) -> str:
    """Return these virtual servers as keepalived.conf has them."""
    text = ""
    for port, members in servers.items():
        text += f"virtual_server 10.0.0.100 {port} {{\n lb_kind DR\n protocol TCP\n"
        for address, (kind, connect_port, urls) in members.items():
            text += f" real_server {address} {port} {{\n {kind} {{\n"
            text += f" connect_port {connect_port}\n" if connect_port else ""
            for path, codes in urls:
                text += f" url {{\n path {path}\n"
                text += f" status_code {codes}\n }}\n" if codes else " }\n"
            text += " }\n }\n"
        text += "}\n"
    return text


@given(SERVERS, SERVERS)
def test_whatever_is_checked_there_is_a_lab_whose_servers_answer_all_of_it(one, other):
    made = lab(instance() + written(one), instance() + written(other))
    served = made.spec.virtual_servers
    odd, tls = statuses(served), tls_places(served)
    for vs in served:
        for member in vs.members:
            place = checked_at(member)
            assert place is not None
            assert member.check is not None
            assert (member.check.kind == "SSL_GET") == (place in tls)
            for path, codes in asks(member.check):
                assert odd.get(place, {}).get(path, 200) in codes
