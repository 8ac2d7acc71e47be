"""Which instance of one director is which of another's, and which virtual server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lvslab.conf.models import Instance, VirtualServer
from lvslab.lint.model import Node, Setting


@dataclass(frozen=True)
class Member:
    """A director's part in a group of instances that belong together."""

    node: Node
    instance: Instance


def groups(setting: Setting) -> list[list[Member]]:
    """Return the instances of all directors that belong together, at most one a director.

    By name; else by a VIP in common; else by interface and VRID.
    """
    found: list[list[Member]] = []
    for node in setting.nodes:
        taken: set[int] = set()
        for instance in node.view.instances:
            index = _place(found, node, instance, taken)
            if index is None:
                found.append([])
                index = len(found) - 1
            taken.add(index)
            found[index].append(Member(node, instance))
    return found


def _place(
    found: list[list[Member]], node: Node, instance: Instance, taken: set[int]
) -> int | None:
    vips = {v.ip for v in instance.vips}
    names = {i.name for i in node.view.instances}

    def by_name(other: Instance) -> bool:
        return other.name == instance.name

    def by_vip(other: Instance) -> bool:
        # One that has a namesake here belongs to that.
        return other.name not in names and bool(vips & {v.ip for v in other.vips})

    def by_vrid(other: Instance) -> bool:
        same = other.vrid == instance.vrid and other.interface == instance.interface
        return other.name not in names and instance.vrid is not None and same

    for same in (by_name, by_vip, by_vrid):
        for index, members in enumerate(found):
            own = any(m.node is node for m in members)
            if index not in taken and not own and any(same(m.instance) for m in members):
                return index
    return None


def against_first(setting: Setting) -> Iterator[tuple[Member, Member]]:
    """Yield each instance with that of the first director that has it."""
    for members in groups(setting):
        for member in members[1:]:
            yield members[0], member


def servers(setting: Setting) -> Iterator[tuple[Node, VirtualServer, Node, VirtualServer]]:
    """Yield each virtual server with that of the first director that has it."""
    first: dict[str, tuple[Node, VirtualServer]] = {}
    for node in setting.nodes:
        own: set[str] = set()
        for vs in node.view.virtual_servers:
            if vs.key in own:
                continue  # LVS080
            own.add(vs.key)
            if vs.key in first:
                yield (*first[vs.key], node, vs)
            else:
                first[vs.key] = (node, vs)
