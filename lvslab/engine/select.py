"""Which engine: the user's own Docker if its kernel can do IPVS, else the embedded one.

An explicit choice always wins. ``auto`` says why it refused what it did not take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import docker
import requests
from docker.errors import DockerException

from lvslab import labels
from lvslab.engine.base import Engine
from lvslab.engine.docker_engine import DockerEngine
from lvslab.engine.embedded.manager import Manager
from lvslab.engine.images import ensure_node_image
from lvslab.engine.ipvs_check import probe_ipvs
from lvslab.errors import EngineError, NotFoundError
from lvslab.progress import Progress

Choice = Literal["auto", "docker", "embedded"]
#: How the engine came to be there: ``given`` is the user's own Docker.
How = Literal["given", "running", "lab", "engine", "boot"]

_LAB_MACHINE = "lab-"


@dataclass(frozen=True, slots=True)
class Opened:
    """An engine that is ready to take a lab."""

    engine: Engine
    how: How
    #: Why ``auto`` did not take the user's Docker, if it did not.
    refused: str = ""


def machine_name(lab: str) -> str:
    """Return the name of the embedded machine that carries a lab."""
    return _LAB_MACHINE + lab


def lab_of_machine(machine: str) -> str | None:
    """Return the lab that a machine carries, or None for one that is a plain engine."""
    return machine.removeprefix(_LAB_MACHINE) if machine.startswith(_LAB_MACHINE) else None


def start_engine(
    choice: Choice,
    lab: str,
    *,
    debian: str,
    plan: str | None,
    progress: Progress,
    nodes: int = 0,
) -> Opened:
    """Return an engine for ``up``, with the node image of ``debian`` on it.

    ``plan`` is the plan's digest: an embedded lab that was saved with it is restored, running.
    ``nodes`` is how many containers it must have memory for.
    A lab that is there already keeps its engine. Raises EngineError with what to do.
    """
    manager = Manager(progress)
    name = machine_name(lab)
    refused = ""
    if choice != "embedded" and not (choice == "auto" and manager.exists(name)):
        found = _usable_docker(debian, progress)
        if isinstance(found, DockerEngine):
            return Opened(found, "given")
        if choice == "docker":
            raise found
        refused = found.what
    engine, how = manager.start(name, debian=debian, plan=plan, nodes=nodes)
    return Opened(engine, how, refused)


def _usable_docker(debian: str, progress: Progress) -> DockerEngine | EngineError:
    try:
        engine = DockerEngine.connect()
    except EngineError as error:
        return error
    try:
        ensure_node_image(engine.client, debian, progress)
        with progress.step("trying IPVS on the Docker engine"):
            result = probe_ipvs(engine.client)
    except EngineError as error:
        engine.close()
        return error
    if result.ok:
        return engine
    engine.close()
    return EngineError(
        f"this Docker engine cannot do IPVS: {result.detail}",
        fix=f"{result.fix}, or use --engine embedded",
    )


def would_take(choice: Choice) -> DockerEngine | None:
    """Return the user's own Docker engine if a new lab would go there; builds nothing.

    None also where that cannot be said yet: an engine without a node image was never tried.
    """
    if choice == "embedded":
        return None
    try:
        engine = DockerEngine.connect()
        if choice == "docker" or probe_ipvs(engine.client).ok:
            return engine
    except EngineError:
        return None
    engine.close()
    return None


def open_engine(choice: Choice, lab: str, *, progress: Progress) -> Engine:
    """Return the engine that an existing lab is on.

    Raises NotFoundError when no engine has it, EngineError when its machine was killed.
    """
    manager = Manager(progress)
    if choice != "docker" and manager.exists(machine_name(lab)):
        engine = manager.find(machine_name(lab))
        if engine is None and manager.starting(machine_name(lab)):
            raise EngineError(
                f"the virtual machine of lab {lab} is just being started by another lvslab",
                where=str(manager.paths.machine(machine_name(lab))),
                fix="try again when that lvslab up has ended; lvslab up waits for it",
            )
        if engine is None:
            raise EngineError(
                f"the virtual machine of lab {lab} is not running any more",
                where=str(manager.paths.machine(machine_name(lab))),
                fix="lvslab up brings it back; lvslab teardown removes what is left",
            )
        return engine
    if choice != "embedded":
        try:
            own = DockerEngine.connect()
        except EngineError:
            if choice == "docker":
                raise
        else:
            if lab in _labs_on(own.client):
                return own
            own.close()
    raise NotFoundError(f"there is no lab {lab}", fix="lvslab list shows what there is")


def running_engines(choice: Choice, *, progress: Progress) -> Iterator[tuple[str | None, Engine]]:
    """Yield every engine that may carry labs: (machine name or None for Docker, engine).

    Engines that do not answer are left out. The caller closes each.
    """
    manager = Manager(progress)
    if choice != "docker":
        for machine in manager.machines():
            # A lab on a plain machine is on the engine that DOCKER_HOST names, or on none.
            if not machine.running or lab_of_machine(machine.name) is None:
                continue
            try:
                engine = manager.find(machine.name)
            except EngineError:
                continue
            if engine is not None:
                yield machine.name, engine
    if choice != "embedded":
        try:
            own = DockerEngine.connect()
        except EngineError:
            return
        yield None, own


def _labs_on(client: docker.DockerClient) -> set[str]:
    """The labs of an engine, by their labels; networks count, and so do lone containers."""
    try:
        things = [
            *client.api.networks(filters={"label": labels.LAB}),
            *client.api.containers(all=True, filters={"label": labels.LAB}),
        ]
    except (DockerException, requests.RequestException) as error:
        raise EngineError(f"the Docker engine does not answer: {error}") from error
    return {t["Labels"][labels.LAB] for t in things if t.get("Labels")}
