"""What the steps of resolving share: the file, what is wrong so far, who has which address."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from lvslab.topology.models import Topology
from lvslab.topology.problems import Problem, did_you_mean, shown
from lvslab.topology.yamltree import Document, Path


@dataclass(slots=True)
class Context:
    """One resolving. Problems are collected, not raised, so that all are told at once."""

    document: Document
    model: Topology
    subnet: IPv4Network
    problems: list[Problem] = field(default_factory=list)
    #: Address -> what has it.
    used: dict[IPv4Address, str] = field(default_factory=dict)

    def bad(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        """Note a problem at a path."""
        self.problems.append(self.document.problem(path, message, hint, key=key))

    def claim(
        self, address: IPv4Address, owner: str, path: Path, inside: IPv4Network | None = None
    ) -> None:
        """Give an address to its owner, or note why that cannot be.

        It has to be in the network of all nodes, or in the ``inside`` one where that is given.
        """
        what = f"{owner} {address}"
        subnet = inside or self.subnet
        if address not in subnet:
            given = self.model.inside if inside else self.model.network
            key = "inside.subnet" if inside else "network.subnet"
            hint = "" if given and given.subnet else f"the default; '{key}' sets another"
            name = "inside subnet" if inside else "subnet"
            self.bad(path, f"{what} is outside the {name} {subnet}", hint)
        elif address == subnet.network_address:
            self.bad(path, f"{what} is the network's own address")
        elif address == subnet.broadcast_address:
            self.bad(path, f"{what} is the broadcast address of {subnet}")
        elif address in self.used:
            self.bad(path, f"{what} is taken: {self.used[address]} has it")
        else:
            self.used[address] = owner

    def free(
        self, names: Iterable[str], subnet: IPv4Network, first: int
    ) -> Iterator[tuple[str, IPv4Address]]:
        """Yield an address for each name, one after the other, skipping those that are used.

        They begin at ``first`` where the subnet has room for that. Whoever takes one notes it in
        ``used`` before asking on, and has made sure that there is one left.
        """
        hosts = subnet.num_addresses - 2
        offset = first if subnet.prefixlen <= 24 else 1
        for name in names:
            while (address := subnet.network_address + offset) in self.used:
                # Past the end it goes on at the start.
                offset = offset % hosts + 1
            yield name, address
            offset = offset % hosts + 1

    def last_free(self, subnet: IPv4Network) -> IPv4Address:
        """Return the last host address that nobody has."""
        address = subnet.broadcast_address - 1
        while address in self.used:
            address -= 1
        return address

    def reference(
        self, name: str, known: Iterable[str], what: str, path: Path, *, key: bool = True
    ) -> bool:
        """Return whether a name is known; note a problem when it is not."""
        known = list(known)
        if name in known:
            return True
        several = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        hint = did_you_mean(name, known) or f"there {'is' if len(known) == 1 else 'are'} {several}"
        self.bad(path, f"no {what} is called {shown(name)}", hint, key=key)
        return False
