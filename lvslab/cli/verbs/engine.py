"""The embedded engine: one small virtual machine per lab, or a plain Docker engine with ip_vs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lvslab.cli.session import Session
from lvslab.cli.verb import MACHINE, verb
from lvslab.errors import EngineError, NotFoundError

if TYPE_CHECKING:
    from lvslab.engine.embedded.manager import MachineInfo

#: The machine of ``lvslab engine start``, when none is named.
PLAIN = "plain"
DEBIAN: Literal["bookworm", "trixie"] = "trixie"


def _machines(incomplete: str) -> list[str]:
    from lvslab.engine.embedded.paths import default_paths

    try:
        names = [p.parent.name for p in default_paths().run.glob("*/machine.json")]
    except OSError:
        return []
    return sorted(n for n in names if n.startswith(incomplete))


NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="[NAME]", autocompletion=_machines, help="Which machine; a lab's has its name."
    ),
]
DebianOption = Annotated[
    Literal["bookworm", "trixie"],
    typer.Option("--debian", help="The release of the node image that is on its disk."),
]


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _state(machine: MachineInfo) -> str:
    return "being started" if machine.starting else "running" if machine.running else "dead"


@verb(panel=MACHINE, group="engine", json=True, order=10)
def build(
    s: Session,
    debian: DebianOption = DEBIAN,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Even if it is there.")] = False,
) -> None:
    """Build the machine's disk from Debian packages, once; minutes, and then never again."""
    from lvslab.engine.embedded.manager import Manager

    tools, disk = Manager(s.progress).build(debian, rebuild=rebuild)
    s.out.data({"disk": disk.folder, "qemu": tools.qemu_version})
    s.out.text(f"{disk.folder}, QEMU {tools.qemu_version}")
    s.out.next("lvslab up", "lvslab engine start")


@verb(panel=MACHINE, group="engine", name="list", json=True, order=20)
def list_(s: Session) -> None:
    """List the machines, and what is kept in the cache."""
    from lvslab.engine.embedded.manager import Manager

    manager = Manager(s.progress)
    machines = manager.machines()
    entries = [
        {"kind": e.kind, "what": e.facts.get("what"), "bytes": e.size(), "path": e.path}
        for e in manager.cache.entries()
    ]
    s.out.data({"machines": machines, "cache": entries})
    if machines:
        rows = ((m.name, _state(m), m.pid, _size(m.rss), str(m.folder)) for m in machines)
        s.out.table(("MACHINE", "STATE", "PID", "MEMORY", "FOLDER"), rows)
    else:
        s.out.text("no machine")
    if entries and s.out.tells:
        s.out.text()
        s.out.table(
            ("CACHED", "OF", "SIZE", "FOLDER"),
            (
                (e["kind"], e["what"], _size(int(str(e["bytes"]))), Path(str(e["path"])).name)
                for e in entries
            ),
        )
    s.out.next("lvslab engine start", "lvslab engine clean")


@verb(panel=MACHINE, group="engine", json=True, order=30)
def start(s: Session, name: NameArgument = PLAIN, debian: DebianOption = DEBIAN) -> None:
    """Start a machine: a plain Docker engine with ip_vs, for anything."""
    from lvslab.engine.embedded.manager import Manager

    engine, how = Manager(s.progress).start(name, debian=debian)
    try:
        info = engine.info()
        s.out.data({"name": name, "how": how, "engine": info})
        s.out.text(f"{name}: {info.name}, Linux {info.kernel}")
    finally:
        engine.close()
    argument = "" if name == PLAIN else f" {name}"
    s.out.next(f'eval "$(lvslab engine env{argument})"', f"lvslab engine stop{argument}")


@verb(panel=MACHINE, group="engine", json=True, order=40)
def stop(
    s: Session,
    name: NameArgument = PLAIN,
    all_: Annotated[bool, typer.Option("--all", help="Every machine.")] = False,
) -> None:
    """End a machine and delete what belongs to it, the lab in it included."""
    from lvslab import record
    from lvslab.engine.embedded.manager import Manager
    from lvslab.engine.select import lab_of_machine

    manager = Manager(s.progress)
    wanted = [m.name for m in manager.machines()] if all_ else [name]
    stopped = [one for one in wanted if manager.stop(one)]
    if not stopped and not all_:
        raise NotFoundError(f"there is no machine {name!r}", fix="lvslab engine list")
    for one in stopped:
        lab = lab_of_machine(one)
        if lab:
            record.forget(lab)
    s.out.data({"stopped": stopped})
    s.out.text(f"stopped {', '.join(stopped)}" if stopped else "no machine was there")
    s.out.next("lvslab engine list")


@verb(panel=MACHINE, group="engine", json=True, order=50)
def env(s: Session, name: NameArgument = PLAIN) -> None:
    """Print what makes any Docker client use a machine: eval "$(lvslab engine env)"."""
    from lvslab.engine.embedded.manager import Manager

    engine = Manager(s.progress).find(name)
    if engine is None:
        raise EngineError(
            f"no machine {name!r} is running", fix=f"start it with: lvslab engine start {name}"
        )
    engine.close()
    s.out.data({"DOCKER_HOST": engine.docker_host})
    if s.out.tells:
        # A DOCKER_CONTEXT beside it only makes docker warn.
        s.out.raw(f"export DOCKER_HOST='{engine.docker_host}'; unset DOCKER_CONTEXT")


@verb(panel=MACHINE, group="engine", json=True, order=60)
def clean(
    s: Session,
    all_: Annotated[bool, typer.Option("--all", help="The disks too, not only states.")] = False,
) -> None:
    """Delete saved states from the cache; running machines keep what they need."""
    from lvslab.engine.embedded.manager import Manager

    gone = Manager(s.progress).clean(everything=all_)
    s.out.data({"deleted": gone})
    s.out.text(f"deleted {len(gone)} from the cache" + "".join(f"\n  {g}" for g in gone))
    s.out.next("lvslab engine build", "lvslab up")
