"""Topologies in Python, for tests of what is made from them: the article's, and its relatives."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from lvslab.topology.spec import (
    AuthSpec,
    CheckSpec,
    ClientSpec,
    DirectorSpec,
    GarpSpec,
    NetworkSpec,
    PoolMember,
    RealServerSpec,
    SorryServer,
    TopologySpec,
    VirtualServerSpec,
    VrrpInstanceSpec,
    VrrpMember,
)

VIP = IPv4Address("172.20.1.100")
LVS1, LVS2 = IPv4Address("172.20.1.1"), IPv4Address("172.20.1.2")
RS1, RS2 = IPv4Address("172.20.1.10"), IPv4Address("172.20.1.11")
CLIENT = IPv4Address("172.20.1.200")


def member(director: str, address: IPv4Address, priority: int, **changes) -> VrrpMember:
    made = VrrpMember(director, address, priority, "BACKUP", nopreempt=False, preempt_delay=None)
    return replace(made, **changes)


def instance(**changes) -> VrrpInstanceSpec:
    made = VrrpInstanceSpec(
        name="VI_1",
        vrid=51,
        version=2,
        advert_int=1.0,
        vips=(IPv4Interface(f"{VIP}/32"),),
        members=(member("lvs1", LVS1, 100), member("lvs2", LVS2, 50)),
        unicast=False,
    )
    return replace(made, **changes)


def pool(**changes) -> tuple[PoolMember, ...]:
    made = (
        PoolMember("rs1", RS1, 80, 1, inhibit_on_failure=False, check=CheckSpec("HTTP_GET")),
        PoolMember("rs2", RS2, 80, 1, inhibit_on_failure=False, check=CheckSpec("HTTP_GET")),
    )
    return tuple(replace(m, **changes) for m in made)


def virtual_server(**changes) -> VirtualServerSpec:
    made = VirtualServerSpec(
        vip=VIP,
        port=80,
        protocol="TCP",
        scheduler="rr",
        scheduler_flags=(),
        forwarding="DR",
        delay_loop=6.0,
        persistence_timeout=None,
        persistence_granularity=None,
        quorum=1,
        hysteresis=0,
        alpha=False,
        omega=False,
        ops=False,
        members=pool(),
    )
    return replace(made, **changes)


def article(**changes) -> TopologySpec:
    """As topologies/lvs-dr.yaml."""
    made = TopologySpec(
        name="lvs-dr",
        debian="trixie",
        network=NetworkSpec("lvs_dr", IPv4Network("172.20.0.0/16"), IPv4Address("172.20.255.254")),
        directors=(DirectorSpec("lvs1", LVS1, "lvs1"), DirectorSpec("lvs2", LVS2, "lvs2")),
        real_servers=(RealServerSpec("rs1", RS1), RealServerSpec("rs2", RS2)),
        clients=(ClientSpec("client", CLIENT),),
        vrrp_instances=(instance(),),
        virtual_servers=(virtual_server(),),
        director_sysctls=(("net.ipv4.vs.expire_nodest_conn", "1"),),
    )
    return replace(made, **changes)


def fast() -> TopologySpec:
    """As topologies/lvs-dr-fast.yaml: VRRPv3, 0.1 s adverts, fast checks."""
    check = CheckSpec("HTTP_GET", connect_timeout=0.5, retry=1, delay_before_retry=0.2)
    return article(
        name="lvs-dr-fast",
        vrrp_instances=(instance(version=3, advert_int=0.1),),
        virtual_servers=(virtual_server(delay_loop=0.5, members=pool(check=check)),),
    )


def active_active() -> TopologySpec:
    """As topologies/active-active.yaml: two VIPs, each director backs the other."""
    other = IPv4Address("172.20.1.101")
    return article(
        name="active-active",
        vrrp_instances=(
            instance(),
            instance(
                name="VI_2",
                vrid=52,
                vips=(IPv4Interface(f"{other}/32"),),
                members=(member("lvs1", LVS1, 50), member("lvs2", LVS2, 100)),
            ),
        ),
        virtual_servers=(virtual_server(), virtual_server(vip=other)),
    )


def rich() -> TopologySpec:
    """Every keyword that the templates know, and a raw block in every place for one."""
    checks = (
        CheckSpec(
            "HTTP_GET",
            path="/health",
            status_code=204,
            digest="9b3a0c85a887a256d6939da88aabd8cd",
            virtualhost="www.example.org",
            connect_port=8080,
            connect_timeout=0.25,
            raw="warmup 0",
        ),
        CheckSpec("TCP_CHECK", connect_port=8081, retry=0, delay_before_retry=1.5),
        CheckSpec(
            "MISC_CHECK",
            misc_path="/bin/true -x",
            misc_timeout=2.0,
            misc_dynamic=True,
            retry=2,
            delay_before_retry=1.0,
        ),
    )
    servers = tuple(RealServerSpec(f"rs{n}", IPv4Address(f"172.20.1.{9 + n}")) for n in range(1, 5))
    members = tuple(
        PoolMember(
            server.name,
            server.address,
            80,
            weight=n,
            inhibit_on_failure=n == 1,
            check=check,
            raw="uthreshold 100\nlthreshold 50" if n == 2 else "",
        )
        for n, (server, check) in enumerate(zip(servers, (*checks, None), strict=True))
    )
    sorry = RealServerSpec("sorry", IPv4Address("172.20.1.20"))
    return article(
        name="rich",
        directors=(
            DirectorSpec("lvs1", LVS1, "router-1", raw="vrrp_script ok {\n  script /bin/true\n}"),
            DirectorSpec("lvs2", LVS2, "router-2"),
        ),
        real_servers=(*servers, sorry),
        vrrp_instances=(
            instance(
                vips=(IPv4Interface(f"{VIP}/32"), IPv4Interface("172.20.1.101/32")),
                members=(
                    member("lvs1", LVS1, 100, nopreempt=True),
                    member("lvs2", LVS2, 50, state="BACKUP", preempt_delay=2.5),
                ),
                unicast=True,
                auth=AuthSpec("PASS", "secret"),
                garp=GarpSpec(1, 2, 60, 1, 3, 1, 0.001),
                label="eth0:1",
                raw="debug 0",
            ),
        ),
        virtual_servers=(
            virtual_server(
                scheduler="sh",
                scheduler_flags=("sh-port", "sh-fallback"),
                delay_loop=1.5,
                persistence_timeout=60,
                persistence_granularity="255.255.255.0",
                quorum=2,
                hysteresis=1,
                alpha=True,
                omega=True,
                members=members,
                sorry_server=SorryServer(sorry.name, sorry.address, 80, inhibit=True),
                raw="ha_suspend",
            ),
            virtual_server(port=53, protocol="UDP", ops=True, members=pool(port=53, check=None)),
        ),
        global_raw="vrrp_priority -5\nmax_auto_priority -1",
    )
