"""``up``: brings a lab to what its plan says, touching only what differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lvslab import labels
from lvslab.engine.images import ensure_node_image, node_image_ref
from lvslab.errors import CancelledError, ConflictError
from lvslab.lab import make
from lvslab.lab.api import asking, in_parallel
from lvslab.lab.decide import Action, check_conflicts, decide
from lvslab.lab.inventory import FoundContainer, FoundNetwork, Inventory, read
from lvslab.lab.lab import Lab, Node, node_of
from lvslab.lab.ready import wait_ready
from lvslab.lab.teardown import remove_containers, remove_network, teardown
from lvslab.plan.model import Plan

if TYPE_CHECKING:
    import docker

    from lvslab.engine.base import Engine
    from lvslab.progress import Progress

#: Seconds until ``up`` gives up waiting for a lab to be proven ready.
READY_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Changes:
    """What ``up`` would do."""

    actions: tuple[Action, ...]
    #: Nothing of the lab is there yet: a cancelled ``up`` leaves nothing behind.
    fresh: bool

    @property
    def nothing(self) -> bool:
        """Everything is there already."""
        return all(a.verb == "keep" for a in self.actions)


def preview(engine: Engine, plan: Plan) -> Changes:
    """Return exactly what :func:`up` would do now (``--dry-run``); touches nothing.

    Raises ConflictError when something foreign is in the way.
    """
    return _preview(read(engine.client, everything=True), plan)


def _preview(inventory: Inventory, plan: Plan) -> Changes:
    check_conflicts(plan, inventory)
    mine = inventory.of(plan.lab)
    return Changes(tuple(decide(plan, mine, node_image_ref)), fresh=not mine)


def up(
    engine: Engine,
    plan: Plan,
    *,
    progress: Progress,
    timeout: float = READY_TIMEOUT,
    prove: bool = True,
) -> Lab:
    """Bring the lab to its plan and return it, proven ready within ``timeout`` seconds.

    ``prove=False`` returns as soon as everything is started. Raises ConflictError (nothing
    was touched), NotReadyError or LabError (what was made stays: a next ``up`` completes it),
    CancelledError when interrupted: a lab that was not there before is removed again, one that
    was stays.
    """
    with progress.step("looking at what is there"):
        inventory = read(engine.client, everything=True)
    changes = _preview(inventory, plan)
    maker = _Maker(engine, plan, inventory.of(plan.lab), changes, progress)
    try:
        try:
            lab = maker.run()
        except ConflictError:
            # Either foreign, which this says precisely, or our own: the engine has just
            # carried out what an up that was killed had asked for.
            maker.close()
            inventory = read(engine.client, everything=True)
            again = _preview(inventory, plan)
            maker = _Maker(engine, plan, inventory.of(plan.lab), again, progress)
            lab = maker.run()
        if prove:
            wait_ready(lab, timeout=timeout, progress=progress)
    except BaseException as error:
        maker.close()
        if not isinstance(error, KeyboardInterrupt):
            raise
        if changes.fresh:
            teardown(engine, plan.lab, progress=progress)
            raise CancelledError("cancelled: what was begun was removed again") from error
        raise CancelledError(
            f"cancelled: lab {plan.lab} was there before and stays",
            fix="lvslab up completes what was begun",
        ) from error
    return lab


class _Maker:
    """Carries out the actions of one ``up``."""

    def __init__(
        self, engine: Engine, plan: Plan, mine: Inventory, changes: Changes, progress: Progress
    ) -> None:
        self._engine = engine
        self._client: docker.DockerClient = engine.client
        self._plan = plan
        self._mine = mine
        self._actions = changes.actions
        self._progress = progress
        self._nodes: list[Node] = []

    def close(self) -> None:
        """Detach from the nodes that were begun."""
        for node in self._nodes:
            node.close()

    def run(self) -> Lab:
        """Do it all. Raises LabError."""
        # What can fail for want of packages comes before anything is removed.
        images = {
            debian: ensure_node_image(self._client, debian, self._progress)
            for debian in {self._plan.node(a.name).debian for a in self._of("create", "replace")}
        }
        self._clear()
        self._networks()
        by_id = {c.id: c for c in self._mine.containers}
        todo = [a for a in self._actions if a.kind == "node" and a.verb != "remove"]
        nodes = in_parallel(todo, lambda action: self._node(action, by_id, images))
        source = dict(self._plan.networks[0].labels).get(labels.SOURCE)
        return Lab(self._engine, self._plan.lab, nodes, source)

    def _of(self, *verbs: str, kind: str = "node") -> list[Action]:
        return [a for a in self._actions if a.kind == kind and a.verb in verbs]

    def _clear(self) -> None:
        """Remove what is replaced or no longer planned, containers before their networks."""
        nodes = self._of("remove", "replace")
        networks = self._of("remove", "replace", kind="network")
        if not nodes and not networks:
            return
        with self._progress.step(f"removing {', '.join(a.name for a in (*nodes, *networks))}"):
            remove_containers(self._client, [a.id for a in nodes if a.id])
            gone = {a.id for a in networks}
            doomed: list[FoundNetwork] = [n for n in self._mine.networks if n.id in gone]
            in_parallel(doomed, lambda network: remove_network(self._client, network))

    def _networks(self) -> None:
        new = {a.name for a in self._of("create", "replace", kind="network")}
        carrier = self._plan.networks[0].name
        for network in self._plan.networks:
            if network.name in new:
                with self._progress.step(f"creating network {network.name}"):
                    make.make_network(self._client, network)
        wanted = make.source_labels(self._plan).get(labels.SOURCE)
        # A volume from an earlier change outlives a new network, and would be believed.
        stale = carrier not in new and self._mine.source() != wanted
        if stale or (
            self._mine.volumes
            and any(v.labels.get(labels.SOURCE) != wanted for v in self._mine.volumes)
        ):
            make.carry_source(self._client, self._plan)

    def _node(
        self, action: Action, there: dict[str, FoundContainer], images: dict[str, str]
    ) -> Node:
        planned = self._plan.node(action.name)
        if action.verb == "keep":
            return self._begun(there[action.id or ""])
        with self._progress.step(f"starting {action.name}") as step:
            if action.verb == "start":
                node = self._begun(there[action.id or ""])
                if node.container.status == "paused":
                    with asking(f"unpausing {action.name}"):
                        node.container.unpause()
                    return node
            else:
                step.note("creating its container")
                found = make.make_container(self._client, planned, images[planned.debian])
                node = self._begun(found)
                step.note("putting its files in")
                make.put_files(self._client, found.id, planned)
            step.note("starting it")
            node.start()
        return node

    def _begun(self, found: FoundContainer) -> Node:
        node = node_of(self._client, found)
        self._nodes.append(node)
        return node
