"""What the steps of resolving share: the file, what is wrong so far, who has which address."""

from __future__ import annotations

from collections.abc import Iterable
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

    def claim(self, address: IPv4Address, owner: str, path: Path) -> None:
        """Give an address to its owner, or note why that cannot be."""
        what = f"{owner} {address}"
        if address not in self.subnet:
            hint = "" if self.model.network.subnet else "the default; 'network.subnet' sets another"
            self.bad(path, f"{what} is outside the subnet {self.subnet}", hint)
        elif address == self.subnet.network_address:
            self.bad(path, f"{what} is the network's own address")
        elif address == self.subnet.broadcast_address:
            self.bad(path, f"{what} is the broadcast address of {self.subnet}")
        elif address in self.used:
            self.bad(path, f"{what} is taken: {self.used[address]} has it")
        else:
            self.used[address] = owner

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
