"""What a verb is: a function in ``lvslab/cli/verbs/``, found and registered without an edit here.

A verb is declared so::

    @verb(panel=LAB, json=True)
    def status(s: Session) -> int | None:
        \"\"\"Show what every node is doing.\"\"\"

The first parameter is the :class:`Session`; the rest are typer's. The options that every verb
has (``--engine``, ``--lab``, ``-v`` and, where it shows something, ``--json``) are added here.
What it returns is the exit code (None is 0). Errors are turned into messages here, too.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Annotated, Any, get_type_hints

import typer

from lvslab.cli import complete
from lvslab.cli.guard import guarded
from lvslab.cli.session import EngineChoice, Session

LAB = "The lab"
FAULTS = "Failures"
LOOK = "Looking inside"
FILES = "Topologies"
MACHINE = "Engine"
#: The order of the groups in ``lvslab --help``.
PANELS = (LAB, FAULTS, LOOK, FILES, MACHINE)


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb as typer is told of it."""

    name: str
    func: Callable[..., int | None]
    panel: str
    group: str | None
    json: bool
    #: Position within its panel, then by name.
    order: int
    #: What ``--lab`` means to it, if not which of the labs there are.
    lab_help: str

    def callback(self) -> Callable[..., None]:
        """Return the function for typer: its options plus the common ones, errors mapped."""

        def run(
            *,
            engine: EngineChoice | None = None,
            lab: str | None = None,
            verbose: bool = False,
            as_json: bool = False,
            ctx: typer.Context,
            **own: object,
        ) -> None:
            common = ctx.obj if isinstance(ctx.obj, dict) else {}
            session = Session(
                engine=engine or common.get("engine") or EngineChoice.auto,
                lab=lab or common.get("lab"),
                verbose=verbose or bool(common.get("verbose")),
                as_json=as_json,
            )
            code = guarded(lambda: self.func(session, **own), session.out)
            if code:
                raise typer.Exit(code)

        own = list(inspect.signature(self.func).parameters.values())[1:]
        hints = get_type_hints(self.func, include_extras=True)
        params = [p.replace(annotation=hints[p.name]) for p in own] + self._common()
        # typer reads __signature__ (and, in some versions, __annotations__ beside it).
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            sorted(params, key=lambda p: p.kind)
        )
        run.__annotations__ = {p.name: p.annotation for p in params}
        run.__doc__ = self.func.__doc__
        return run

    def _common(self) -> list[inspect.Parameter]:
        # Accepted everywhere, so that no order of words is wrong; shown where it means something.
        engine = _engine_option(None, hidden=self.panel == FILES or self.group is not None)
        if self.lab_help:
            lab = _lab_option(None, self.lab_help)
        else:
            lab = _lab_option(None, hidden=self.panel in (FILES, MACHINE))
        options: list[tuple[str, Any, object]] = [
            ("ctx", typer.Context, inspect.Parameter.empty),
            ("engine", Annotated[EngineChoice | None, engine], None),
            ("lab", Annotated[str | None, lab], None),
            ("verbose", VerboseOption, False),
        ]
        if self.json:
            options.append(("as_json", JsonOption, False))
        return [
            inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, annotation=t, default=d)
            for n, t, d in options
        ]


def _engine_option(envvar: str | None, *, hidden: bool = False) -> Any:
    return typer.Option(
        "--engine",
        envvar=envvar,
        help="Which engine (default: auto).",
        show_default=False,
        hidden=hidden,
    )


_WHICH_LAB = "Which lab (default: the only one there is)."


def _lab_option(envvar: str | None, text: str = _WHICH_LAB, *, hidden: bool = False) -> Any:
    return typer.Option(
        "--lab",
        envvar=envvar,
        metavar="NAME",
        autocompletion=complete.labs,
        help=text,
        show_default=False,
        hidden=hidden,
    )


# The environment is read before the verb only: there it must not win over `lvslab --lab X verb`.
CommonEngineOption = Annotated[EngineChoice | None, _engine_option("LVSLAB_ENGINE")]
CommonLabOption = Annotated[str | None, _lab_option("LVSLAB_LAB")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say more of what is being done.")
]
NodeArgument = Annotated[
    str, typer.Argument(metavar="NODE", autocompletion=complete.nodes, help="A node of the lab.")
]
SomeNodeArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[NODE]",
        autocompletion=complete.nodes,
        help="Which node (default: every one that has a fault).",
        show_default=False,
    ),
]
LabArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[LAB]", autocompletion=complete.labs, help=_WHICH_LAB, show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else.")]


def verb(
    *,
    panel: str,
    name: str | None = None,
    group: str | None = None,
    json: bool = False,
    order: int = 50,
    lab_help: str = "",
) -> Callable[[Callable[..., int | None]], Verb]:
    """Declare a function to be a verb; ``group`` makes it ``lvslab GROUP NAME``."""

    def declare(func: Callable[..., int | None]) -> Verb:
        own = name or func.__name__.rstrip("_")
        return Verb(own, func, panel, group, json, order, lab_help)

    return declare


def discover(package: ModuleType) -> Iterator[Verb]:
    """Yield every verb of every module in ``package``, in the order of the help text."""
    found: list[Verb] = []
    for info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        found += [v for v in vars(module).values() if isinstance(v, Verb)]
    yield from sorted(found, key=lambda v: (PANELS.index(v.panel), v.order, v.name))


def register(app: typer.Typer, package: ModuleType) -> None:
    """Put every verb of ``package`` into ``app``; a group's help is its module's docstring."""
    groups: dict[str, typer.Typer] = {}
    for one in discover(package):
        target = app
        if one.group:
            if one.group not in groups:
                doc = inspect.getdoc(inspect.getmodule(one.func)) or ""
                groups[one.group] = typer.Typer(no_args_is_help=True, help=doc.split("\n\n")[0])
                app.add_typer(groups[one.group], name=one.group, rich_help_panel=one.panel)
            target = groups[one.group]
        panel = None if one.group else one.panel
        target.command(one.name, rich_help_panel=panel)(one.callback())
