"""What public configurations have and the lab must not read otherwise than keepalived does."""

from __future__ import annotations

from ipaddress import IPv4Network

from lvslab.plan.serving import httpd_ports

from .confs import conf, fate, instance, lab, server


def test_behind_a_tunnel_real_servers_of_another_network_are_moved_and_told():
    text = server("TCP_CHECK {\n }", head="lb_kind TUN").replace("10.0.0.11", "192.168.56.11")
    made = lab(instance() + text)
    assert made.spec.forwarding == "TUN"
    assert made.spec.network.subnet == IPv4Network("10.0.0.0/24")
    assert [str(s.address) for s in made.spec.real_servers] == ["10.0.0.253"]
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
