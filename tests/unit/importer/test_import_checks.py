"""The checks of an import: which are what they were, and who answers them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvslab.importer import Fate, Imported
from lvslab.plan import make_plan
from lvslab.plan.httpd import HTTPD_CONF, httpd_of
from lvslab.plan.model import NODE_FILE
from lvslab.plan.serving import datagrams_at, dns_at, httpd_ports
from lvslab.topology.served import asks, checked_at, statuses, tls_places
from lvslab.topology.spec import CheckSpec

from .confs import conf, fate, instance, lab, server


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


def checked(text: str, port: str = "514") -> tuple[Imported, CheckSpec]:
    """Import a UDP virtual server with that check."""
    made = lab(instance() + server(text, port=port, protocol="UDP"))
    check = made.spec.virtual_servers[0].members[0].check
    assert check is not None
    return made, check


def test_a_dns_check_is_kept_and_a_dns_server_answers_it():
    made, check = checked("DNS_CHECK {\n type A\n name example.org\n }", port="53")
    assert (check.kind, check.connect_port) == ("DNS_CHECK", None)
    assert (check.dns_type, check.name, check.retry) == ("A", "example.org", 3)
    # keepalived's own for DNS_CHECK: attempts are a delay_loop apart.
    assert check.delay_before_retry == made.spec.virtual_servers[0].delay_loop
    for line in ("DNS_CHECK", "type A", "name example.org"):
        assert fate(made, line)[0] == "kept"
    assert (httpd_ports(made.spec, "rs1"), dns_at(made.spec, "rs1")) == ((), (53,))


def test_of_a_dns_check_only_what_keepalived_takes_counts():
    made, check = checked("DNS_CHECK {\n type aaaa\n type PTR\n name a..b\n name c\n name d\n }")
    assert (check.dns_type, check.name) == ("AAAA", "c")
    assert fate(made, "type aaaa") == ("mapped", "type AAAA")
    for line in ("type PTR", "name a..b", "name d"):
        assert fate(made, line)[0] == "mapped"


def test_a_udp_check_is_kept_with_what_it_sends_and_wants():
    text = "payload deadbeef\n require_reply 66xx\n min_reply_length 2\n max_reply_length 64"
    made, check = checked(f"UDP_CHECK {{\n {text}\n retry 1\n }}")
    assert (check.kind, check.payload, check.require_reply) == ("UDP_CHECK", "deadbeef", "66xx")
    assert (check.min_reply_length, check.max_reply_length, check.retry) == (2, 64, 1)
    for line in ("UDP_CHECK", "payload", "require_reply", "min_reply", "max_reply", "retry"):
        assert fate(made, line)[0] == "kept"
    assert (httpd_ports(made.spec, "rs1"), datagrams_at(made.spec, "rs1")) == ((), (514,))


def test_octets_are_those_that_keepalived_reads():
    made, check = checked("UDP_CHECK {\n payload DE A 0b1\n require_reply 1X 2\n }")
    # Each digit alone is an octet (parser.c, read_hex_str()).
    assert (check.payload, check.require_reply) == ("de0a0b01", "1x02")
    assert fate(made, "payload")[0] == "mapped"
    broken, check = checked("UDP_CHECK {\n payload xyz\n require_reply no\n }")
    assert (check.payload, check.require_reply) == (None, True)
    assert [fate(broken, line)[0] for line in ("payload", "require_reply")] == ["mapped", "mapped"]


def test_lengths_that_keepalived_does_not_look_at_or_nothing_has():
    made, check = checked("UDP_CHECK {\n require_reply\n min_reply_length 3\n }")
    assert (check.require_reply, check.min_reply_length) == (True, None)
    assert fate(made, "require_reply")[0] == "kept"
    assert fate(made, "min_reply_length")[0] == "mapped"
    made, check = checked("UDP_CHECK {\n require_reply 66\n min_reply_length 300\n }")
    assert check.min_reply_length is None
    assert fate(made, "min_reply_length")[0] == "unsupported"


def test_direct_routing_delivers_datagrams_to_the_port_of_the_virtual_server():
    text = instance() + server("UDP_CHECK {\n }", port="514", protocol="UDP")
    made = lab(text.replace("real_server 10.0.0.11 514", "real_server 10.0.0.11 5514"))
    (member,) = made.spec.virtual_servers[0].members
    assert member.check is not None
    assert (member.port, member.check.connect_port) == (514, 5514)
    assert datagrams_at(made.spec, "rs1") == (514, 5514)


def test_dns_over_both_protocols_is_two_virtual_servers():
    text = "DNS_CHECK {\n }"
    made = lab(instance() + server(text, port="53", protocol="UDP") + server(text, port="53"))
    assert [vs.protocol for vs in made.spec.virtual_servers] == ["UDP", "TCP"]
    assert (httpd_ports(made.spec, "rs1"), dns_at(made.spec, "rs1")) == ((), (53,))


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


#: QUIC beside TLS, DNS over both protocols, a path that has to be gone, and a service of UDP whose
#: check asks its status page over TLS.
EVERYTHING = (
    server("SSL_GET {\n url {\n path /up\n }\n }", port="443")
    + server("UDP_CHECK {\n payload 0102\n require_reply 03xx\n }", port="443", protocol="UDP")
    + server("DNS_CHECK {\n type A\n name example.org\n }", port="53", protocol="UDP")
    + server("DNS_CHECK {\n }", port="53")
    + server("HTTP_GET {\n url {\n path /gone\n status_code 404 410\n }\n }")
    + server(
        "SSL_GET {\n connect_port 8443\n url {\n path /status\n status_code 503\n }\n }",
        port="514",
        protocol="UDP",
    )
)


def test_every_kind_of_check_in_one_file_is_answered():
    made = lab(instance() + EVERYTHING)
    assert {e.fate for e in made.entries} <= {Fate.KEPT, Fate.MAPPED}
    checks = [(vs.key, m.check) for vs in made.spec.virtual_servers for m in vs.members]
    assert [(key, c.kind, c.connect_port) for key, c in checks if c] == [
        ("10.0.0.100:443", "SSL_GET", None),
        ("10.0.0.100:443/udp", "UDP_CHECK", None),
        ("10.0.0.100:53/udp", "DNS_CHECK", None),
        ("10.0.0.100:53", "DNS_CHECK", None),
        ("10.0.0.100:80", "HTTP_GET", None),
        ("10.0.0.100:514/udp", "SSL_GET", 8443),
    ]
    plan = make_plan(made.spec, "x", agent_files=()).node("rs1")
    files = {f.path: f.content.decode() for f in plan.files}
    services = json.loads(files[NODE_FILE])["services"]
    assert [(s["name"], s["ready"]) for s in services] == [
        ("httpd", {"listen": [80, 443, 8443]}),
        ("dns", {"listen": [53], "udp": [53]}),
        ("udp", {"udp": [443, 514]}),
    ]
    assert services[2]["argv"][-2:] == ["443:0102=0300", "514"]
    httpd = httpd_of(made.spec, made.spec.real_servers[0])
    assert (httpd.tls, httpd.odd) == ((443, 8443), {80: {"/gone": 404}, 8443: {"/status": 503}})
    assert [line for line in files[HTTPD_CONF].splitlines() if "Listen" in line] == [
        f"Listen 0.0.0.0:{port} http" for port in (80, 443, 8443)
    ]
    hosts = files[HTTPD_CONF].split("<VirtualHost *:")[1:]
    assert [(host.split(">")[0], "SSLEngine on" in host) for host in hosts] == [
        ("80", False),
        ("443", True),
        ("8443", True),
    ]


CODES = st.sampled_from(["", "200", "404", "200-299 301", "204 503", "301-399", "700", "OK 204"])
URL = st.tuples(st.sampled_from(["/", "/a", "/a?b"]), CODES)
CHECK = st.tuples(
    st.sampled_from(["HTTP_GET", "SSL_GET"]),
    st.sampled_from([None, 80, 443]),
    st.lists(URL, min_size=1, max_size=2),
)
SERVERS = st.dictionaries(
    st.tuples(st.sampled_from([80, 443, 8080]), st.sampled_from(["TCP", "UDP"])),
    st.dictionaries(st.sampled_from(["10.0.0.11", "10.0.0.12"]), CHECK, min_size=1),
    min_size=1,
)


def written(servers: dict[tuple[int, str], Any]) -> str:
    """Return these virtual servers as keepalived.conf has them."""
    text = ""
    for (port, protocol), members in servers.items():
        text += f"virtual_server 10.0.0.100 {port} {{\n lb_kind DR\n protocol {protocol}\n"
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
            assert place[1] in httpd_ports(made.spec, member.server)
            for path, codes in asks(member.check):
                assert odd.get(place, {}).get(path, 200) in codes
