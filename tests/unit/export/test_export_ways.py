"""What holds of an export whichever way a topology forwards: files, Compose, Ansible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from jinja2 import Environment, StrictUndefined

from lvslab.conf import load_text
from lvslab.export import ExportedFile
from lvslab.importer import Fate, Imported, Source, import_confs
from lvslab.plan import make_plan
from lvslab.plan.build import TUNNEL_SCRIPT
from lvslab.plan.model import NodePlan
from lvslab.plan.render import keepalived_conf
from lvslab.topology import load, loads
from lvslab.topology.spec import TopologySpec

from .ways import OTHERS, SHIPPED, TEXTS, TOPOLOGIES, files_of, rich, text_of


@pytest.fixture(params=list(TEXTS))
def spec(request: pytest.FixtureRequest) -> TopologySpec:
    return loads(TEXTS[request.param], "here")


def compose_of(spec: TopologySpec) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text_of(spec, "docker-compose.yaml"))
    return found


def imported(spec: TopologySpec, files: dict[str, ExportedFile]) -> Imported:
    confs = {d: files[f"{d.name}/etc/keepalived/keepalived.conf"].content for d in spec.directors}
    sources = [Source(d.name, load_text(t, d.name), d.address) for d, t in confs.items()]
    return import_confs(sources, name=spec.name, subnet=spec.network.subnet)


def test_the_keepalived_conf_that_is_exported_is_that_of_the_lab(spec: TopologySpec):
    files = files_of(spec)
    for director in spec.directors:
        exported = files[f"{director.name}/etc/keepalived/keepalived.conf"].content
        assert exported == keepalived_conf(spec, director, watched=False)


@pytest.mark.parametrize("name", [p.stem for p in SHIPPED])
@pytest.mark.parametrize("others", [False, True], ids=["eth", "ens"])
def test_what_is_exported_can_be_imported_and_is_the_topology_again(name: str, others: bool):
    spec = load(TOPOLOGIES / f"{name}.yaml")
    more = OTHERS.get(spec.forwarding, {"interface": "ens3"}) if others else {}
    made = imported(spec, files_of(spec, **more))
    # Clients, the network's name and its gateway are in no keepalived.conf.
    equal = replace(
        made.spec,
        network=spec.network,
        clients=spec.clients,
        director_sysctls=spec.director_sysctls,
    )
    assert equal == spec
    told = {Fate.KEPT, Fate.MAPPED} if others else {Fate.KEPT}
    assert {e.fate for e in made.entries} == told


def test_what_a_topology_has_besides_comes_back_as_far_as_a_file_can_say_it():
    spec = rich("NAT")
    made = imported(spec, files_of(spec)).spec
    assert made.inside is not None
    assert spec.inside is not None
    assert made.inside.gateway == spec.inside.gateway
    # Of a real server that serves nothing no file knows, nor what the real servers are called.
    mine, theirs = (
        [
            (vs.key, vs.scheduler, [(m.address, m.port, m.check) for m in vs.members])
            for vs in s.virtual_servers
        ]
        for s in (spec, made)
    )
    assert mine == theirs


def test_compose_makes_what_the_plan_makes(spec: TopologySpec):
    whole = compose_of(spec)
    plan = make_plan(spec, "lab", agent_files=())
    pools = {name: net["ipam"]["config"][0] for name, net in whole["networks"].items()}
    # The engine numbers interfaces by the networks' names, if it is not told.
    names = sorted(pools)
    planned = dict(zip(names, plan.networks, strict=True))
    for name, network in planned.items():
        assert pools[name] == {
            "subnet": str(network.subnet),
            "gateway": str(network.gateway),
            "aux_addresses": {n: str(a) for n, a in network.reserved},
        }
    assert sorted(n.name for n in plan.networks) == [n.name for n in plan.networks]
    called = {network.name: name for name, network in planned.items()}
    for node in plan.nodes:
        service = whole["services"][node.name]
        places = [(called[i.network], str(i.address)) for i in node.interfaces]
        told = service["networks"]
        assert [(n, told[n]["ipv4_address"]) for n in told] == places
        options = [told[n].get("driver_opts") for n in told]
        assert options == (
            [None]
            if len(places) == 1
            else [
                {"com.docker.network.endpoint.ifname": "eth0"},
                {"com.docker.network.endpoint.ifname": "eth1"},
            ]
        )
        assert service.get("sysctls", {}) == dict(node.sysctls)
        assert service.get("cap_add", []) == capabilities(spec, node)
        assert "privileged" not in service


def capabilities(spec: TopologySpec, node: NodePlan) -> list[str]:
    """Those of the lab, whose faults need one where nothing else does."""
    plain = node.role == "real-server" and spec.forwarding == "NAT"
    return [] if plain else list(node.cap_add)


def test_compose_makes_the_end_of_the_tunnel_as_the_lab_does():
    spec = rich("TUN")
    whole = compose_of(spec)
    plan = make_plan(spec, "lab", agent_files=())
    for server in spec.real_servers:
        service = whole["services"][server.name]
        first, second, *rest = service["command"]
        assert [first, second] == ["/bin/sh", TUNNEL_SCRIPT]
        assert rest[:2] == ["sh", "-ec"]
        assert " dev lo" not in rest[2]
        (source,) = (c["source"] for c in service["configs"] if c["target"] == TUNNEL_SCRIPT)
        text = whole["configs"][source]["content"].replace("$$", "$")
        (script,) = (f for f in plan.node(server.name).files if f.path == TUNNEL_SCRIPT)
        assert text == script.content.decode()
    assert "ip_vs and ipip (modprobe -a ip_vs ipip)" in text_of(spec, "docker-compose.yaml")


def test_compose_gives_real_servers_of_nat_no_vip():
    spec = rich("NAT")
    services = compose_of(spec)["services"]
    for server in spec.real_servers:
        assert "ip address" not in services[server.name]["command"][-1]
    assert services["idle"]["command"] == ["sh", "-ec", "exec sleep infinity"]
    assert "Compose 2.27.1 or later" in text_of(spec, "docker-compose.yaml")
    assert "Compose 2.23.1 or later" in text_of(rich("DR"), "docker-compose.yaml")


def tasks_of(spec: TopologySpec) -> Iterator[tuple[dict[str, Any], str, Callable[[str], str]]]:
    """Yield each task, for each of its machines and managers, with what fills in its variables."""
    files = files_of(spec)
    inventory = yaml.safe_load(files["inventory.yaml"].content)["all"]["children"]
    for play in yaml.safe_load(files["playbook.yaml"].content):
        variables = play.get("vars", {})
        chosen = next((v for v in variables if v.endswith("_by")), None)
        managers = variables[chosen.replace("_by", "_files")] if chosen else {"": ""}
        for host, known in inventory[play["hosts"]]["hosts"].items():
            for manager in managers:
                values = {**variables, **known, "inventory_hostname": host}
                if chosen:
                    values[chosen] = manager
                for task in (*play["tasks"], *play["handlers"]):
                    items = task.get("loop", [""])
                    for item in items if isinstance(items, list) else known.get("lvs_programs", []):
                        given = {**values, "item": item}
                        yield task, host, _filled(given)


def _filled(values: dict[str, Any]) -> Callable[[str], str]:
    environment = Environment(undefined=StrictUndefined)
    return lambda text: environment.from_string(text).render(**values)


def test_the_playbook_puts_in_place_every_file_of_a_machine_and_no_other(spec: TopologySpec):
    files = files_of(spec)
    names = {*(d.name for d in spec.directors), *(r.name for r in spec.real_servers)}
    wanted = {name for name in files if name.partition("/")[0] in names}
    put = set()
    for task, host, filled in tasks_of(spec):
        copy = task.get("ansible.builtin.copy")
        if copy is None:
            continue
        source, target = filled(copy["src"]), filled(copy["dest"])
        put.add(source)
        assert source == f"{host}{target}"
        assert int(filled(copy["mode"]), 8) == files[source].mode
    assert put == wanted


NM_LOAD = "nmcli connection load /etc/NetworkManager/system-connections/lvs-{0}.nmconnection"


@pytest.mark.parametrize(
    ("way", "subject", "ifupdown"),
    [
        ("NAT", "inside", "ip route replace default via 192.168.6.125 dev eth0"),
        ("TUN", "tunl0", "ifup --all"),
    ],
    ids=["NAT", "TUN"],
)
def test_what_makes_an_interface_take_its_file_is_run_by_a_shell(
    way: str, subject: str, ifupdown: str
):
    spec = rich(way)
    run = [
        filled(task["ansible.builtin.shell"])
        for task, host, filled in tasks_of(spec)
        if host == "rs1" and "ansible.builtin.shell" in task
    ]
    manager = f"{NM_LOAD} && nmcli connection up lvs-{{0}}".format(subject)
    assert run == ["networkctl reload", manager, ifupdown]
    modules = [
        task["ansible.builtin.command"]
        for task, host, _ in tasks_of(spec)
        if host == "rs1" and "modprobe" in str(task.get("ansible.builtin.command"))
    ]
    assert modules == (["modprobe ipip"] * 3 if way == "TUN" else [])


def test_real_servers_of_nat_are_reached_through_a_director():
    def real_servers(way: str) -> dict[str, Any]:
        whole = yaml.safe_load(text_of(rich(way), "inventory.yaml"))
        found: dict[str, Any] = whole["all"]["children"]["real_servers"]
        return found

    assert real_servers("NAT")["vars"] == {"ansible_ssh_common_args": "-o ProxyJump=10.9.0.1"}
    assert real_servers("NAT")["hosts"]["rs1"] == {"ansible_host": "192.168.6.10"}
    assert "vars" not in real_servers("TUN")
