"""From the command line to a lab on its engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lvslab import record
from lvslab.cli.session import AmbiguousLabError, Session
from lvslab.errors import NotFoundError

if TYPE_CHECKING:
    from lvslab.engine.base import Engine
    from lvslab.lab import Lab, LabSummary


def lab_name(s: Session) -> str:
    """Return the lab that is meant: the one named, or the only one there is.

    Raises NotFoundError when there is none, AmbiguousLabError when there are several.
    """
    if s.named_lab:
        return s.named_lab
    # What this user brought up is known without asking; else somebody's may be there.
    known = sorted(record.load_all()) or sorted({one.name for one, _ in there(s)})
    if len(known) == 1:
        return known[0]
    if not known:
        raise NotFoundError("no lab is up", fix="bring one up with: lvslab up")
    raise AmbiguousLabError(
        f"there are {len(known)} labs: {', '.join(known)}",
        fix="say which with --lab NAME or LVSLAB_LAB",
    )


def there(s: Session) -> Iterator[tuple[LabSummary, str]]:
    """Yield every lab on every engine that answers, with the engine's kind."""
    from lvslab.engine.select import running_engines
    from lvslab.lab import Lab

    for _, engine in running_engines(s.choice.value, progress=s.progress):
        try:
            for one in Lab.list_all(engine):
                yield one, engine.kind
        finally:
            engine.close()


@contextmanager
def on_engine(s: Session, lab: str) -> Iterator[Engine]:
    """Open the engine that a lab is on, and close it at the end.

    Raises NotFoundError when none has it, EngineError when its machine was killed.
    """
    from lvslab.engine.select import open_engine

    engine = open_engine(s.choice_for(lab).value, lab, progress=s.progress)
    try:
        yield engine
    finally:
        engine.close()


@contextmanager
def opened(s: Session) -> Iterator[Lab]:
    """Open the lab that is meant, and detach from it at the end.

    Raises NotFoundError, AmbiguousLabError, EngineError.
    """
    from lvslab.lab import Lab

    name = lab_name(s)
    with on_engine(s, name) as engine, Lab.find(engine, name) as lab:
        yield lab
