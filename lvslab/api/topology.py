"""A topology in a program: read, changed, and asked what it promises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from lvslab import topology as topologies
from lvslab.errors import NotFoundError, TopologyError
from lvslab.plan import Plan, agent_files, make_plan
from lvslab.plan.render import keepalived_conf
from lvslab.timeline.promises import Promised, all_of
from lvslab.topology import overlay
from lvslab.topology.load import read_text
from lvslab.topology.spec import TopologySpec
from lvslab.topology.values import check_name
from lvslab.topology.yamltree import parse

#: How mistakes in what ``changed`` is given are placed: in it, written as YAML.
_CHANGES = "changes"


class Topology:
    """Directors, real servers, VIPs and all that keepalived is told; immutable.

    Made by :meth:`load`, :meth:`builtin` or :meth:`from_text`.
    """

    def __init__(self, spec: TopologySpec, text: str | None = None, source: str = "") -> None:
        """``text`` is what it was read from, as YAML; without it, it cannot be changed."""
        #: The topology with every blank filled in.
        self.spec = spec
        #: The file that it was read from, or the name of one that ships with lvslab.
        self.source = source or spec.name
        self._text = text

    @classmethod
    def load(cls, where: str | Path) -> Topology:
        """Read a file; or, by its bare name, a topology that ships with lvslab.

        Raises NotFoundError, and TopologyError with everything that is wrong in it, each with
        file, line and column.
        """
        path = Path(where)
        if not path.exists() and path.name == str(where) and not path.suffix:
            return cls.builtin(path.name)
        text = read_text(path)
        return cls(topologies.loads(text, str(path)), text, str(path))

    @classmethod
    def builtin(cls, name: str) -> Topology:
        """Return one that ships: ``lvs-dr``, ``lvs-dr-fast``... Raises NotFoundError."""
        shipped = topologies.builtins()
        if name not in shipped:
            raise NotFoundError(
                f"no file and no topology is called {name!r}",
                fix=f"give a file, or one of: {', '.join(shipped)}",
            )
        text = read_text(shipped[name])
        return cls(topologies.loads(text, str(shipped[name])), text, name)

    @classmethod
    def from_text(cls, text: str, *, name: str | None = None) -> Topology:
        """Read YAML text. ``name``: what it is called, whatever it says. Raises TopologyError."""
        return cls(topologies.loads(text, "<text>", name=name), text, "<text>")

    @property
    def name(self) -> str:
        """What it calls itself; a lab made of it is called so unless it is given a name."""
        return self.spec.name

    @property
    def directors(self) -> list[str]:
        """Names of the nodes that run keepalived."""
        return [d.name for d in self.spec.directors]

    @property
    def real_servers(self) -> list[str]:
        """Names of the nodes that answer requests."""
        return [r.name for r in self.spec.real_servers]

    @property
    def clients(self) -> list[str]:
        """Names of the nodes that send them."""
        return [c.name for c in self.spec.clients]

    @property
    def vips(self) -> list[str]:
        """Every VIP."""
        return [str(v) for v in self.spec.vips]

    def changed(self, changes: Mapping[str, Any]) -> Topology:
        """Return this topology with some of it said differently, as a scenario's ``with:`` does.

        Laid over what was written, key by key: over a list, over each of its items; anything
        but a mapping replaces what was there. Raises TopologyError.
        """
        if self._text is None:
            raise TopologyError(
                "this topology was read from a running lab, not from a file: it cannot be changed",
                where=self.source,
                fix="change the one that the lab was made of",
            )
        try:
            said = yaml.safe_dump(dict(changes), sort_keys=False)
        except yaml.YAMLError as error:
            raise TopologyError(
                f"not what YAML can say: {error}",
                where=_CHANGES,
                fix="give mappings, lists, text and numbers",
            ) from error
        base, over = parse(self._text, self.source), parse(said, _CHANGES)
        spec = topologies.loads(self._text, self.source, changes=over)
        merged = overlay.plain(overlay.lay_over(base, over))
        name = str(changes.get("name", self.name))
        text = yaml.safe_dump(merged | {"name": name}, sort_keys=False)
        return Topology(replace(spec, name=name), text, self.source)

    def named(self, name: str) -> Topology:
        """Return the same for a lab of another name. Raises TopologyError."""
        check_name(name)
        return Topology(replace(self.spec, name=name), self._text, self.source)

    def bounds(self, fault: str | None = None) -> list[Promised]:
        """Return what VRRP and the checks promise, from an event to its effect, in seconds.

        Each has ``what``, ``of``, ``fault``, and ``bound`` with ``low``, ``high``, ``formula``
        and ``why``. ``fault``: only what that fault shows.
        """
        return [p for p in all_of(self.spec) if fault in (None, p.fault)]

    def plan(self) -> Plan:
        """Return everything that a lab of it consists of; no engine is asked."""
        return make_plan(self.spec, self.name, agent_files=agent_files())

    def keepalived_conf(self, director: str) -> str:
        """Return a director's keepalived.conf. Raises NotFoundError."""
        for one in self.spec.directors:
            if one.name == director:
                return keepalived_conf(self.spec, one)
        raise NotFoundError(
            f"no director {director!r}", fix=f"there are: {', '.join(self.directors)}"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topology) and self.spec == other.spec

    def __hash__(self) -> int:
        return hash(self.spec)

    def __repr__(self) -> str:
        return f"<Topology {self.name} from {self.source}>"


def topology_of(said: Topology | str | Path) -> Topology:
    """Return a topology as it is, or the one that is meant. Raises NotFoundError, TopologyError."""
    return said if isinstance(said, Topology) else Topology.load(said)
