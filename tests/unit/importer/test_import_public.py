"""What public configurations have and the lab must not read otherwise than keepalived does."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from lvslab.conf import load_text
from lvslab.importer import ImportProblem, Source, import_confs
from lvslab.importer.whole import text_of
from lvslab.plan.serving import httpd_ports
from lvslab.topology import loads

from .confs import conf, fate, instance, lab, server


def test_behind_a_tunnel_real_servers_of_another_network_are_moved_and_told():
    more = "}\n real_server 192.168.56.12 80 {\n }\n real_server 192.168.56.13 80 {"
    text = server(more, head="lb_kind TUN").replace("10.0.0.11", "192.168.56.11")
    made = lab(instance() + text)
    assert made.spec.forwarding == "TUN"
    # The VIPs come first, though most addresses are elsewhere.
    assert made.spec.network.subnet == IPv4Network("10.0.0.0/24")
    addresses = [str(s.address) for s in made.spec.real_servers]
    assert addresses == ["10.0.0.253", "10.0.0.252", "10.0.0.251"]
    assert fate(made, "real_server 192.168.56.11") == (
        "mapped",
        "real_server 10.0.0.253 80: in the lab all is one network",
    )


def test_a_tunnel_delivers_to_the_port_of_the_virtual_server_and_the_old_one_is_checked():
    text = server("TCP_CHECK {\n }", head="lb_kind TUN").replace("10.0.0.11 80", "10.0.0.11 8080")
    made = lab(instance() + text)
    assert fate(made, "real_server") == (
        "mapped",
        "port 80: a tunnel delivers to that one, whatever is written here",
    )
    assert "real_server 10.0.0.11 80 {" in conf(made)
    assert "connect_port 8080" in conf(made)
    assert httpd_ports(made.spec, "rs1") == (80, 8080)


def test_of_an_instance_that_is_written_twice_the_first_counts_as_with_keepalived():
    text = instance(more="priority 120") + instance(more="priority 99", vips="10.0.0.101")
    (one,) = load_text(text).view.instances
    assert (one.priority, [v.ip for v in one.vips]) == (120, ["10.0.0.100"])
    made = lab(text, instance(more="priority 110"))
    assert [m.priority for m in made.spec.vrrp_instances[0].by_priority()] == [120, 110]
    assert fate(made, "priority 120") == ("kept", "")
    told = [e for e in made.entries if e.node == "lvs1" and e.text == "vrrp_instance VI"]
    assert [e.fate.value for e in told] == ["kept", "mapped"]
    assert "keepalived ignores this" in told[1].note
    assert "10.0.0.101" not in conf(made)


def test_two_global_defs_are_one():
    made = lab("global_defs {\n router_id a\n}\nglobal_defs {\n umask 022\n}\n" + instance())
    told = [e.fate.value for e in made.entries if e.text == "global_defs"]
    assert told == ["kept", "mapped"]
    assert fate(made, "umask") == ("kept", "")
    assert conf(made).count("umask 022") == 1


def test_notify_fifos_are_the_labs_own():
    lines = [f"{of}notify_fifo{s} /x" for of in ("", "vrrp_", "lvs_") for s in ("", "_script")]
    text = "global_defs {\n umask 022\n " + "\n ".join(lines) + "\n}\n" + instance()
    made = lab(text)
    for line in lines:
        assert fate(made, line) == (
            "stubbed",
            "the lab's directors have FIFOs of their own, which its agent reads",
        )
    assert "/x" not in conf(made)
    assert "umask 022" in conf(made)


def test_every_port_is_none_that_a_lab_serves_at():
    made = lab(instance() + server("TCP_CHECK {\n }", port="0") + server("", port="81"))
    assert [vs.key for vs in made.spec.virtual_servers] == ["10.0.0.100:81"]
    assert fate(made, "virtual_server 10.0.0.100 0") == (
        "unsupported",
        "a lab serves at a port: import it with one of those that are served",
    )
    # What is in it goes with it.
    assert not [e for e in made.entries if e.text == "TCP_CHECK"]
    made = lab(instance() + server("TCP_CHECK {\n }", port="0"))
    assert [s.name for s in made.spec.real_servers] == ["rs1", "rs2"]
    assert made.added[0].startswith("rs1, rs2 and port 80 of each VIP")


def test_port_0_of_a_real_server_is_that_of_its_virtual_server():
    text = server("TCP_CHECK {\n }").replace("10.0.0.11 80", "10.0.0.11 0")
    for head in ("lb_kind DR", "lb_kind NAT"):
        made = lab(instance() + text.replace("lb_kind DR", head))
        (member,) = made.spec.virtual_servers[0].members
        assert member.port == 80
        assert member.check is not None
        assert member.check.connect_port is None


BLANKS = ("\u00a0", "\u3000", "\ufeff")


@pytest.mark.parametrize("blank", BLANKS)
def test_a_blank_of_a_web_page_is_part_of_a_word_for_keepalived_and_kept(blank: str):
    text = f"{blank}! head\n" + instance(more=f"{blank}comment no more")
    made = lab(text)
    assert fate(made, f"{blank}comment")[0] == "kept"
    assert f"{blank}comment no more" in conf(made)
    # And the lab's file is read as what it was.
    assert loads(text_of(made.document)) == made.spec


def test_a_line_that_no_file_of_the_lab_can_hold_is_left_out_where_keepalived_reads_past_it():
    text = instance().encode() + b"caf\xe9 {\n a \x01\n}\n"
    made = import_confs([Source("lvs1", load_text(text, "lvs1"))], name="x")
    assert fate(made, "caf")[0] == "mapped"
    assert not [e for e in made.entries if e.text.startswith("a ")]
    with pytest.raises(ImportProblem, match=r"U\+0001") as caught:
        lab(instance(more="priority 100\n notify_master /x\n dont_track_primary \x01"))
    assert caught.value.where == "lvs1:6:2"


def test_a_value_that_no_lab_can_have_is_told_with_its_line():
    with pytest.raises(ImportProblem, match="one plain word") as caught:
        lab("global_defs {\n router_id LVS\u3000\n}\n" + instance())
    assert caught.value.where == "lvs1:2:2"


def test_a_group_is_in_the_lab_if_a_virtual_server_of_it_is():
    group = "virtual_server_group {} {{\n 10.0.0.{} 8080\n}}\n"
    text = group.format("G", 101) + group.format("H", 102) + group.format("I", 103)
    used = "virtual_server group {} {{\n lb_kind {}\n real_server 10.0.0.11 8080 {{\n }}\n}}\n"
    made = lab(instance() + server("") + text + used.format("G", "NAT") + used.format("H", "DR"))
    gone = ("unsupported", "the virtual_server that uses it is not in the lab")
    assert fate(made, "virtual_server_group G") == gone
    assert "10.0.0.101 8080" not in {e.text for e in made.entries}
    assert fate(made, "10.0.0.102") == ("mapped", "a virtual_server in the lab")
    idle = ("mapped", "no virtual_server uses it, in the lab as well")
    assert fate(made, "virtual_server_group I") == fate(made, "10.0.0.103") == idle


def test_what_a_virtual_server_says_for_its_checks_is_in_each_of_them():
    head = "lb_kind DR\n retry 4\n delay_before_retry 7\n connect_timeout 9"
    made = lab(instance() + server("TCP_CHECK {\n retry 2\n }\n PING_CHECK {\n }", head=head))
    told = ("mapped", "in each check that has none of its own")
    assert fate(made, "retry 4") == fate(made, "delay_before_retry 7") == told
    written = load_text(conf(made)).root.all("virtual_server")[0].all("real_server")[0]
    for check, retry in zip(written.all("TCP_CHECK", "PING_CHECK"), ("2", "4"), strict=True):
        found = {n.keyword: n.arg() for n in check.children}
        assert found == {"retry": retry, "delay_before_retry": "7", "connect_timeout": "9"}


def test_of_two_equal_keywords_the_later_one_counts():
    made = lab(instance() + server("TCP_CHECK {\n connect_timeout 4\n connect_timeout 10\n }"))
    after = "of several the last one counts, in the lab as well"
    assert fate(made, "connect_timeout 4") == ("mapped", after)
    assert fate(made, "connect_timeout 10") == ("kept", "")
    head = "lb_kind NAT\n lb_kind DR\n lb_kind dr\n lb_algo wrr\n lb_algo none"
    made = lab(instance() + server("TCP_CHECK {\n }", head=head))
    assert made.spec.forwarding == "DR"
    assert made.spec.virtual_servers[0].scheduler == "wrr"
    assert fate(made, "lb_kind dr") == fate(made, "lb_algo none")
    assert fate(made, "lb_kind dr")[0] == "mapped"


def test_a_second_keyword_of_a_line_is_read_past():
    check = "HTTP_GET {\n url {\n path /health status_code 404\n }\n }"
    made = lab(instance() + server(check))
    assert fate(made, "path /health") == (
        "mapped",
        "path /health: keepalived reads past 'status_code 404' in this line",
    )
    assert "404" not in conf(made)


@pytest.mark.parametrize(
    ("written", "weight"), [("5\u3000", 5), ("x", 0), ("-5", 1), ("3000000000", 1)]
)
def test_a_weight_that_is_no_number_is_what_keepalived_reads_of_it(written: str, weight: int):
    text = server(f"weight {written}\n }}\n real_server 10.0.0.12 80 {{")
    made = lab(instance() + text.replace("{{", "{").replace("}}", "}"))
    assert made.spec.virtual_servers[0].members[0].weight == weight
    assert fate(made, "weight")[0] == "mapped"


def test_a_priority_that_is_none_is_the_default_and_a_time_with_a_rest_is_not_guessed():
    made = lab(instance(more="priority 99\u3000") + server("TCP_CHECK {\n retry 2\n }"))
    assert made.spec.vrrp_instances[0].members[0].priority == 100
    assert fate(made, "priority")[0] == "mapped"
    made = lab(instance() + server("TCP_CHECK {\n connect_timeout 3\u3000\n }"))
    assert fate(made, "connect_timeout")[0] == "unsupported"


def test_a_label_that_is_the_interfaces_own_name_is_none():
    made = lab(instance(vips="10.0.0.100/16 brd 10.0.255.255 dev eth1 label eth1"))
    assert fate(made, "10.0.0.100") == ("mapped", "10.0.0.100/32 dev eth0")


def test_a_second_attempt_at_once_is_told():
    made = lab(instance() + server("TCP_CHECK {\n delay_before_retry 0\n }"))
    assert fate(made, "delay_before_retry")[0] == "unsupported"
    check = made.spec.virtual_servers[0].members[0].check
    assert check is not None
    assert check.delay_before_retry == 1


def test_nb_get_retry_is_a_retry_of_http_alone():
    made = lab(instance() + server("TCP_CHECK {\n retry 2\n nb_get_retry 5\n }"))
    assert fate(made, "retry 2") == ("kept", "")
    assert fate(made, "nb_get_retry 5")[0] == "kept"
    made = lab(instance() + server("HTTP_GET {\n retry 2\n nb_get_retry 5\n }"))
    assert fate(made, "retry 2")[0] == "mapped"
    assert fate(made, "nb_get_retry 5") == ("mapped", "retry 5")


def test_vips_that_one_director_alone_has_are_told_with_their_lines():
    text = server("TCP_CHECK {\n }")
    with pytest.raises(ImportProblem) as caught:
        lab(instance() + text, instance(vips="10.0.0.101") + text.replace(".100", ".101"))
    assert caught.value.what == (
        "vrrp_instance VI of lvs2 has 10.0.0.101, and that of lvs1 has 10.0.0.100 (lvs1:6:2)"
    )
    assert caught.value.where == "lvs2:6:2"
    made = lab(instance(vips="10.0.0.100\n 10.0.0.101") + text, instance(vips="10.0.0.101") + text)
    assert made.added[0].startswith("10.0.0.100 in VI of lvs2: its file has not what that of lvs1")


def test_of_equal_priorities_it_is_said_which_wins_and_of_raw_text_whose_it_is():
    made = lab(instance(more="src=1"), instance(more="src=2"))
    assert fate(made, "src=1")[0] == "kept"
    assert fate(made, "src=2", "lvs2") == (
        "unsupported",
        "the lab has one text of this for all directors, that of lvs1",
    )
    made = lab(instance(more="priority 90"), instance(more="priority 90"))
    assert fate(made, "priority 90") == ("kept", "")
    assert fate(made, "priority 90", "lvs2")[1].endswith("keepalived has the higher address win")
