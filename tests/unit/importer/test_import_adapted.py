"""What a lab cannot have as it is written: what stands in for it, and what is said of it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from lvslab.conf import load_text
from lvslab.conf.commands import command_of
from lvslab.importer import Fate, Imported, ImportProblem, Source, import_confs
from lvslab.plan import make_plan
from lvslab.plan.serving import httpd_ports

from .confs import conf, fate, instance, lab, server


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


def taken_along(script: str, misc_path: str) -> Imported:
    """Import a director of these two lines, with the programs that they run."""
    text = f"vrrp_script chk {{\n script {script}\n }}\n"
    text += instance(more="track_script {\n chk\n }")
    text += server(f"MISC_CHECK {{\n misc_path {misc_path}\n }}")
    programs = {"/opt/chk.sh": "#!/bin/sh\n", "/opt/web.sh": "#!/bin/sh\n"}
    return import_confs([Source("lvs1", load_text(text, "lvs1"))], name="x", programs=programs)


@pytest.mark.parametrize(
    ("script", "misc_path", "written"),
    [
        ("'/opt/chk.sh -v'", "'/opt/web.sh -v'", "/opt/web.sh -v"),
        ("'/opt/chk.sh  \"a  b\"' x", "'/opt/web.sh  \"a  b\"' x", "/opt/web.sh 'a  b'"),
        ("\"/opt/chk.sh 'a  b'\"", "\"/opt/web.sh 'a  b'\"", "/opt/web.sh 'a  b'"),
        ('"/opt"/chk.sh', '"/opt"/web.sh', "/opt/web.sh"),
        # What each version of keepalived makes of an escape, it makes of it in the lab.
        (r'"/opt/chk.sh a\ \ b"', r'"/opt/web.sh a\ \ b"', r"/opt/web.sh a\ \ b"),
        (r'"/opt/chk.sh \"a  b\""', "/opt/web.sh", "/opt/web.sh"),
    ],
)
def test_what_a_script_is_called_with_is_the_same_in_the_lab(
    script: str, misc_path: str, written: str
):
    made = taken_along(script, misc_path)
    assert fate(made, "script")[0] == fate(made, "misc_path")[0] == "kept"
    assert [path for path, _ in made.spec.directors[0].files] == ["/opt/chk.sh", "/opt/web.sh"]
    text = conf(made)
    assert f"    script {script}\n" in text
    assert f'misc_path "{written}"\n' in text
    asked = load_text(f"misc_path {misc_path}", "x").root.children[0]
    (has,) = (n for n in load_text(text, "x").root.walk() if n.keyword == "misc_path")
    assert command_of(has).argv == command_of(asked).argv


def test_an_escaped_blank_is_a_part_of_the_programs_name():
    with pytest.raises(ImportProblem, match=r"runs /opt/web\.sh"):
        taken_along("/opt/chk.sh", r"/opt/web.sh\ -v")


def test_a_check_whose_quotes_a_topology_cannot_say_is_stubbed():
    made = taken_along("/opt/chk.sh", r"""'/opt/web.sh "it\'s"'""")
    what, why = fate(made, "misc_path")
    assert what == "stubbed"
    assert why.startswith("an argument has a quote or a backslash, which no topology can say: ")
    assert 'misc_path "/usr/bin/test ! -e /run/lvslab/fail-10.0.0.11"' in conf(made)


def test_a_script_for_an_instance_that_goes_is_not_run_either():
    made = lab(instance(more="notify_deleted /opt/gone.sh"))
    assert fate(made, "notify_deleted") == ("stubbed", "not run in the lab")
    assert "notify_deleted" not in conf(made)


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
    assert httpd_ports(made.spec, "rs1") == (80, 8080)


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
    made = lab(instance() + server("lvs_method TUN", head="lb_kind DR"))
    assert [s.name for s in made.spec.real_servers] == ["rs1", "rs2"]
    assert [vs.key for vs in made.spec.virtual_servers] == ["10.0.0.100:80"]
    assert any(text.startswith("rs1, rs2") for text in made.added)
    # What the stand-in happens to say alike is not said to be the file's.
    assert fate(made, "virtual_server") == (
        "unsupported",
        "its real servers are reached in more than one way, those of a lab are in one",
    )
    assert "protocol TCP" not in {e.text for e in made.entries}


def test_lower_case_dr_is_told_as_what_keepalived_takes_it_for():
    made = lab(instance() + server("", head="lb_kind dr"))
    assert fate(made, "lb_kind")[0] == "mapped"
    assert "takes 'dr' as NAT" in fate(made, "lb_kind")[1]
    made = lab(instance() + server("", head="lb _kind DR"))
    assert "without lb_kind" in fate(made, "virtual_server")[1]
    assert made.spec.forwarding == "NAT"


def test_beside_direct_routing_it_is_told_as_well_and_left_out():
    made = lab(instance() + server("") + server("", port="81", head="lb_kind dr"))
    assert [vs.port for vs in made.spec.virtual_servers] == [80]
    assert fate(made, "virtual_server 10.0.0.100 81")[0] == "unsupported"
    told = fate(made, "virtual_server 10.0.0.100 81")[1]
    assert "takes 'dr' as NAT" in told
    assert "that of the first: DR" in told


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
    assert httpd_ports(made.spec, "rs1") == (80,)


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
