from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from lvslab import labels
from lvslab.errors import ConflictError
from lvslab.lab.decide import check_conflicts, decide
from lvslab.lab.inventory import FoundContainer, FoundNetwork, FoundVolume, Inventory
from lvslab.plan.model import InterfacePlan, NetworkPlan, NodePlan, Plan

IMAGE = "lvslab-node:trixie-0123"


def node(name, digest="d1"):
    own = {labels.LAB: "a", labels.NODE: name, labels.PLAN: digest}
    return NodePlan(
        name=name,
        role="director",
        container=f"a-{name}",
        hostname=name,
        debian="trixie",
        interfaces=(InterfacePlan("net", IPv4Address("10.0.0.1")),),
        cap_add=(),
        sysctls=(),
        files=(),
        command=("true",),
        labels=tuple(own.items()),
        digest=digest,
    )


NETWORK = NetworkPlan(
    name="net",
    subnet=IPv4Network("10.0.0.0/24"),
    gateway=IPv4Address("10.0.0.254"),
    reserved=(),
    labels=((labels.LAB, "a"), (labels.PLAN, "n1")),
)
PLAN = Plan("a", (NETWORK,), (node("lvs1"), node("rs1")), "p")


def container(name, *, digest="d1", state="running", image=IMAGE, lab="a"):
    own = {labels.LAB: lab, labels.NODE: name, labels.PLAN: digest}
    return FoundContainer(f"id-{name}", f"{lab}-{name}", image, state, own)


def network(*, digest="n1", name="net", lab="a", subnet="10.0.0.0/24"):
    own = {labels.LAB: lab, labels.PLAN: digest} if lab else {}
    return FoundNetwork(f"id-{name}", name, (IPv4Network(subnet),), own)


def verbs(inventory, plan=PLAN):
    return {a.name: a.verb for a in decide(plan, inventory, lambda debian: IMAGE)}


def test_nothing_there_is_all_created():
    assert verbs(Inventory()) == {"net": "create", "lvs1": "create", "rs1": "create"}


def test_what_matches_is_kept():
    there = Inventory((container("lvs1"), container("rs1")), (network(),))
    assert verbs(there) == {"net": "keep", "lvs1": "keep", "rs1": "keep"}


def test_what_differs_is_replaced_alone():
    there = Inventory((container("lvs1", digest="old"), container("rs1")), (network(),))
    assert verbs(there) == {"net": "keep", "lvs1": "replace", "rs1": "keep"}


def test_a_new_image_replaces():
    there = Inventory((container("lvs1", image="lvslab-node:trixie-old"),), (network(),))
    assert verbs(there)["lvs1"] == "replace"


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        ("running", "keep"),
        ("exited", "start"),
        ("paused", "start"),
        # Its files may be missing, or the engine may be starting it this very moment.
        ("created", "replace"),
        ("dead", "replace"),
        ("removing", "replace"),
    ],
)
def test_states(state, verb):
    assert verbs(Inventory((container("lvs1", state=state),), (network(),)))["lvs1"] == verb


@pytest.mark.parametrize("networks", [(), (network(digest="old"),)])
def test_a_new_network_renews_the_nodes_in_it(networks):
    there = Inventory((container("lvs1"), container("rs1")), networks)
    assert verbs(there)["lvs1"] == verbs(there)["rs1"] == "replace"


def test_what_is_no_longer_planned_is_removed():
    there = Inventory(
        (container("lvs1"), container("rs1"), container("rs9")), (network(), network(name="old"))
    )
    assert verbs(there) | {} == {
        "net": "keep", "old": "remove", "lvs1": "keep", "rs1": "keep", "rs9": "remove",
    }  # fmt: skip


def test_another_labs_things_are_not_looked_at():
    there = Inventory((container("rs9", lab="b"),), (network(name="x", lab="b"),))
    assert set(verbs(there)) == {"net", "lvs1", "rs1"}


def test_a_second_container_of_a_node_is_surplus():
    twice = Inventory((container("lvs1"), replace(container("lvs1"), id="second")), (network(),))
    actions = [a for a in decide(PLAN, twice, lambda d: IMAGE) if a.name == "lvs1"]
    assert {(a.verb, a.id) for a in actions} == {("keep", "id-lvs1"), ("remove", "second")}


def test_no_conflict_with_oneself():
    check_conflicts(PLAN, Inventory((container("lvs1"),), (network(),)))


def test_foreign_container_with_a_nodes_name():
    foreign = FoundContainer("x", "a-rs1", "debian", "exited", {})
    with pytest.raises(ConflictError, match=r"'a-rs1' was not made by lvslab.*'rs1'"):
        check_conflicts(PLAN, Inventory((foreign,)))


def test_container_of_another_lab_with_a_nodes_name():
    theirs = replace(container("x", lab="b"), name="a-rs1")
    with pytest.raises(ConflictError, match="lab 'b'") as caught:
        check_conflicts(PLAN, Inventory((theirs,)))
    assert caught.value.fix == "lvslab teardown --lab b"


def test_foreign_network_with_the_name():
    with pytest.raises(ConflictError, match="network 'net' was not made by lvslab"):
        check_conflicts(PLAN, Inventory((), (network(lab=None, subnet="10.9.0.0/24"),)))


@pytest.mark.parametrize("lab", [None, "b"])
def test_subnet_in_use(lab):
    other = network(name="other", lab=lab, subnet="10.0.0.0/16")
    with pytest.raises(ConflictError, match=r"/24 is in use.*'other' has 10\.0\.0\.0/16"):
        check_conflicts(PLAN, Inventory((), (other,)))


def test_dockers_own_network_is_not_to_be_removed_but_moved():
    bridge = network(name="bridge", lab=None, subnet="10.0.0.0/16")
    with pytest.raises(ConflictError) as caught:
        check_conflicts(PLAN, Inventory((), (bridge,)))
    fix = caught.value.fix or ""
    assert "bip in /etc/docker/daemon.json" in fix
    assert "network rm" not in fix


def test_subnet_beside_is_no_conflict():
    check_conflicts(PLAN, Inventory((), (network(name="other", lab=None, subnet="10.0.1.0/24"),)))


def test_the_volumes_topology_is_the_newer():
    on_network = replace(network(), labels={labels.LAB: "a", labels.SOURCE: "old"})
    volume = FoundVolume("v", {labels.LAB: "a", labels.SOURCE: "new"})
    assert Inventory((), (on_network,)).source() == "old"
    assert Inventory((), (on_network,), (volume,)).source() == "new"
    assert Inventory((container("lvs1"),)).source() is None
