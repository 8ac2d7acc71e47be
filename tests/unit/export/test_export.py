"""What an export holds, for the topologies that ship and for one with a bit of everything."""

from __future__ import annotations

import stat
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lvslab.export import ExportedFile, export
from lvslab.export.model import ExportError
from lvslab.export.write import write
from lvslab.plan.render import httpd_conf, keepalived_conf
from lvslab.resources import data_dir
from lvslab.topology import load, loads
from lvslab.topology.spec import TopologySpec

SHIPPED = sorted(data_dir("topologies").glob("*.yaml"))
DOCKERFILE = 'FROM debian\nRUN echo "$HOME"\n'
RICH = """\
network: {subnet: 10.9.0.0/24}
directors: {lvs1: {address: 10.9.0.1, raw: "# costs $5"}, lvs2: 10.9.0.2, lvs3: 10.9.0.3}
real_servers: {rs1: 10.9.0.11, rs2: 10.9.0.12, sorry: 10.9.0.13}
vrrp_instances:
  VI_1:
    vips: [10.9.0.100]
    unicast: true
    auth: {auth_type: PASS, auth_pass: secret}
virtual_servers:
  - vip: 10.9.0.100
    port: 80
    scheduler: wlc
    check: {type: TCP_CHECK, connect_port: 8080}
    real_servers: [rs1, rs2]
    sorry_server: sorry
  - {vip: 10.9.0.100, port: 53, protocol: UDP, scheduler: sh, check: null, real_servers: [rs1]}
"""


@cache
def rich() -> TopologySpec:
    return loads(RICH)


def files_of(spec: TopologySpec, **more: Any) -> dict[str, ExportedFile]:
    return {str(f.path): f for f in export(spec, dockerfile=DOCKERFILE, **more)}


def compose_of(spec: TopologySpec) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(files_of(spec)["docker-compose.yaml"].content)
    return found


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_topology_that_ships_becomes_files_for_each_of_its_machines(path: Path):
    spec = load(path)
    files = files_of(spec, interface="ens3")
    for director in spec.directors:
        conf = files[f"{director.name}/etc/keepalived/keepalived.conf"]
        assert conf.mode == 0o640
        assert "/run/lvslab" not in conf.content
        assert "interface ens3\n" in conf.content
        assert "eth0" not in conf.content
    for server in spec.real_servers:
        below = f"{server.name}/etc/sysctl.d/"
        told = [f.content for name, f in files.items() if name.startswith(below)]
        # With NAT there is nothing to be told.
        assert len(told) == (0 if spec.forwarding == "NAT" else 1)
        for text in told:
            assert "net.ipv4.conf.all.arp_ignore = 1\n" in text
            assert "net.ipv4.conf.all.arp_announce = 2\n" in text
    for name in ("inventory.yaml", "playbook.yaml", "docker-compose.yaml"):
        assert yaml.safe_load(files[name].content)
    for file in files.values():
        assert file.content.endswith("\n")
        assert file.path.name == "playbook.yaml" or "{{" not in file.content


def test_what_a_real_machine_is_told_is_what_the_lab_was_told():
    spec = rich()
    for director in spec.directors:
        lab = keepalived_conf(spec, director)
        real = files_of(spec)[f"{director.name}/etc/keepalived/keepalived.conf"].content
        gone = [line for line in lab.splitlines() if line not in real.splitlines()]
        assert {line.split()[0] for line in gone} == {
            "#",
            "vrrp_notify_fifo",
            "lvs_notify_fifo",
            "checker_log_all_failures",
        }
        assert [line for line in real.splitlines() if line not in lab.splitlines()] == []


def test_each_machine_lets_in_what_it_is_asked_and_nothing_else():
    files = files_of(rich())

    def accepted(node: str) -> list[str]:
        text = files[f"{node}/etc/nftables.d/lvs.nft"].content
        return [line.strip() for line in text.splitlines() if line.endswith("accept")]

    assert accepted("lvs2") == [
        'iifname "eth0" ip saddr { 10.9.0.1, 10.9.0.3 } ip protocol 112 accept',
        'iifname "eth0" ip daddr 10.9.0.100 tcp dport 80 accept',
        'iifname "eth0" ip daddr 10.9.0.100 udp dport 53 accept',
    ]
    assert accepted("rs1") == [
        'iifname "eth0" ip daddr 10.9.0.100 tcp dport 80 accept',
        'iifname "eth0" ip daddr 10.9.0.11 tcp dport 8080 accept',
        'iifname "eth0" ip daddr 10.9.0.100 udp dport 53 accept',
    ]
    assert accepted("sorry") == ['iifname "eth0" ip daddr 10.9.0.100 tcp dport 80 accept']


def test_the_modules_are_those_of_the_schedulers():
    text = files_of(rich())["lvs1/etc/modules-load.d/lvs.conf"].content
    assert text.splitlines()[1:] == ["ip_vs", "ip_vs_sh", "ip_vs_wlc"]


def test_the_vips_are_on_lo_in_each_of_the_three_ways():
    files = files_of(load(data_dir("topologies") / "active-active.yaml"))
    networkd = files["rs1/etc/systemd/network/10-lvs-lo.network"].content
    manager = files["rs1/etc/NetworkManager/system-connections/lvs-lo.nmconnection"]
    ifupdown = files["rs1/etc/network/interfaces.d/lvs-lo"].content
    for vip in ("172.22.1.101", "172.22.1.102"):
        assert f"Address={vip}/32\n" in networkd
        assert f"={vip}/32\n" in manager.content
        assert f"    address {vip}/32\n" in ifupdown
    # lo keeps what makes it lo.
    assert "address1=127.0.0.1/8\n" in manager.content
    assert manager.mode == 0o600


def test_compose_gives_every_node_what_the_lab_gives_it():
    spec = rich()
    whole = compose_of(spec)
    services, configs = whole["services"], whole["configs"]
    assert set(services) == {"lvs1", "lvs2", "lvs3", "rs1", "rs2", "sorry", "client"}
    assert not any("privileged" in s for s in services.values())
    assert services["lvs1"]["cap_add"] == ["NET_ADMIN", "NET_RAW"]
    assert "cap_add" not in services["client"]
    for server in spec.real_servers:
        service = services[server.name]
        assert service["sysctls"]["net.ipv4.conf.all.arp_ignore"] == "1"
        assert "ip address replace 10.9.0.100/32 dev lo" in service["command"][-1]
    (pool,) = whole["networks"]["segment"]["ipam"]["config"]
    assert "10.9.0.100" in pool["aux_addresses"].values()

    def told(name: str) -> str:
        # As Compose reads it: $$ is a dollar.
        content = configs[name]["content"]
        assert "$" not in content.replace("$$", "")
        return str(content.replace("$$", "$"))

    assert told("lvs1-keepalived") == keepalived_conf(spec, spec.directors[0], watched=False)
    assert told("rs1-httpd") == httpd_conf(spec.real_servers[0], (80, 8080))
    assert told("rs1-page") == "from 10.9.0.11\n"
    assert services["lvs1"]["build"]["dockerfile_inline"].replace("$$", "$") == DOCKERFILE


UDP = """\
directors: [lvs1]
real_servers: [rs1, rs2]
vip: 172.20.1.100
virtual_servers:
  - {port: 53, protocol: UDP, check: DNS_CHECK, real_servers: [rs1]}
  - {port: 514, protocol: UDP, check: {type: UDP_CHECK, connect_port: 515}, real_servers: [rs1]}
  - {port: 80, real_servers: [rs2]}
"""


def test_what_is_udp_is_let_in_as_udp_also_by_its_check():
    text = files_of(loads(UDP))["rs1/etc/nftables.d/lvs.nft"].content
    assert [line.split("daddr ")[1] for line in text.splitlines() if "daddr" in line] == [
        "172.20.1.100 udp dport 53 accept",
        "172.20.0.10 udp dport 53 accept",
        "172.20.1.100 udp dport 514 accept",
        "172.20.0.10 udp dport 515 accept",
    ]


def test_compose_serves_udp_and_dns_as_the_lab_does():
    whole = compose_of(loads(UDP))
    shell = whole["services"]["rs1"]["command"][-1]
    assert subprocess.run(["sh", "-nc", shell], check=False).returncode == 0
    dns, datagrams = shell.split("; ")[-2:]
    assert dns.startswith("dnsmasq --keep-in-foreground")
    assert dns.endswith(" & true")
    assert datagrams == "exec python3 -u /opt/lvslab/datagrams.py 172.20.0.10 514 515"
    program = whole["configs"]["datagrams"]["content"].replace("$$", "$")
    compile(program, "datagrams.py", "exec")
    assert "from ." not in program
    assert whole["services"]["rs1"]["configs"] == [
        {"source": "datagrams", "target": "/opt/lvslab/datagrams.py"}
    ]
    assert "exec apache2" in whole["services"]["rs2"]["command"][-1]


def test_a_director_gets_the_programs_that_its_scripts_are():
    spec = rich()
    first, *others = spec.directors
    program = '#!/bin/sh\ntest "$1" = up\n'
    changed = replace(first, files=(("/usr/local/bin/chk", program),))
    spec = replace(spec, directors=(changed, *others))
    files = {f.path.as_posix(): f for f in export(spec, dockerfile=DOCKERFILE)}
    there = files["lvs1/usr/local/bin/chk"]
    assert (there.content, there.mode) == (program, 0o755)
    hosts = yaml.safe_load(files["inventory.yaml"].content)["all"]["children"]["directors"]["hosts"]
    assert hosts["lvs1"]["lvs_programs"] == ["/usr/local/bin/chk"]
    assert "lvs_programs" not in hosts["lvs2"]
    whole = yaml.safe_load(files["docker-compose.yaml"].content)
    (mounted,) = (c for c in whole["services"]["lvs1"]["configs"] if c["target"].endswith("chk"))
    assert mounted["mode"] == 0o755
    assert whole["configs"][mounted["source"]]["content"].replace("$$", "$") == program


def test_it_is_written_once_and_not_over_something_else(tmp_path: Path):
    files = export(rich(), dockerfile=DOCKERFILE)
    write(files, tmp_path / "new/there")
    conf = tmp_path / "new/there/lvs1/etc/keepalived/keepalived.conf"
    assert stat.S_IMODE(conf.stat().st_mode) == 0o640
    assert {f.path.as_posix() for f in files} == {
        p.relative_to(tmp_path / "new/there").as_posix()
        for p in (tmp_path / "new/there").rglob("*")
        if p.is_file()
    }
    conf.write_text("mine")
    with pytest.raises(ExportError, match="files in it already"):
        write(files, tmp_path / "new/there")
    assert conf.read_text() == "mine"
    write(files, tmp_path / "new/there", force=True)
    assert conf.read_text() != "mine"
    with pytest.raises(ExportError, match="cannot be written"):
        write(files, conf / "below-a-file")


SECURE = """\
network: {subnet: 10.9.0.0/24}
directors: {lvs1: 10.9.0.1}
real_servers: {rs1: 10.9.0.11}
vip: 10.9.0.100
virtual_servers:
  - {port: 443, check: {type: SSL_GET, path: /up, status_code: 503}}
"""


def test_tls_and_statuses_are_exported_and_no_key_is():
    spec = loads(SECURE, "secure")
    files = {f.path.as_posix(): f.content for f in export(spec, dockerfile=DOCKERFILE)}
    compose = yaml.safe_load(files["docker-compose.yaml"])
    service = compose["services"]["rs1"]
    assert service["command"][-1].endswith(
        "exec /bin/sh /etc/lvslab/httpd.sh apache2 -D FOREGROUND -f /etc/lvslab/httpd.conf"
    )
    targets = {one["target"]: one["source"] for one in service["configs"]}
    assert targets.keys() == {
        "/etc/lvslab/httpd.conf",
        "/etc/lvslab/httpd.sh",
        "/var/www/html/index.html",
        "/var/www/answers/503.asis",
    }
    script = compose["configs"][targets["/etc/lvslab/httpd.sh"]]["content"]
    assert "subjectAltName=DNS:rs1,IP:10.9.0.11,IP:10.9.0.100" in script
    assert 'exec "$$@"' in script
    assert "curl -s -k https://10.9.0.100:443/" in files["docker-compose.yaml"]
    assert "rs1 speaks TLS at port 443" in files["CHECKLIST.md"]
    assert "rs1 answers `/up` at port 443 with 503" in files["CHECKLIST.md"]
    assert "from a client, over TLS, are answered" in files["CHECKLIST.md"]
    assert "ip daddr 10.9.0.11 tcp dport 443" in files["rs1/etc/nftables.d/lvs.nft"]
    assert not any("PRIVATE KEY" in content for content in files.values())


TOGETHER = """\
directors: [lvs1]
real_servers: [rs1]
vip: 172.20.1.100
virtual_servers:
  - {port: 443, protocol: UDP, check: UDP_CHECK}
  - {port: 53, protocol: UDP, check: DNS_CHECK}
  - {port: 443, check: SSL_GET}
"""


def test_compose_serves_tls_beside_udp_and_dns():
    spec = loads(TOGETHER)
    whole = compose_of(spec)
    service = whole["services"]["rs1"]
    shell = service["command"][-1]
    assert subprocess.run(["sh", "-nc", shell], check=False).returncode == 0
    dns, datagrams, httpd = shell.split("; ")[-3:]
    assert dns.startswith("dnsmasq ")
    assert datagrams == "python3 -u /opt/lvslab/datagrams.py 172.20.0.10 443 & true"
    assert httpd == (
        "exec /bin/sh /etc/lvslab/httpd.sh apache2 -D FOREGROUND -f /etc/lvslab/httpd.conf"
    )
    assert [one["source"] for one in service["configs"]] == [
        "datagrams",
        "rs1-httpd",
        "rs1-page",
        "rs1-httpd-sh",
    ]
    # Whoever is asked first in the file, curl speaks HTTP.
    files = files_of(spec)
    assert "curl -s -k https://172.20.1.100:443/\n" in files["docker-compose.yaml"].content
    checklist = files["CHECKLIST.md"].content
    assert "172.20.1.100:443: requests from a client, over TLS, are answered" in checklist
    assert "172.20.1.100:443/udp: requests from a client are answered" in checklist
