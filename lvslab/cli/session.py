"""What one run of the command line has: its options, its output, its engine and lab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from lvslab.cli import record
from lvslab.cli.output import Output
from lvslab.cli.progress import for_terminal
from lvslab.errors import LvslabError, NotFoundError

if TYPE_CHECKING:
    from lvslab.engine.base import Engine


class EngineChoice(StrEnum):
    """``--engine``: see design decision 8; an explicit choice always wins."""

    auto = "auto"
    docker = "docker"
    embedded = "embedded"


class AmbiguousLabError(LvslabError):
    """Several labs, and none was named."""

    exit_code = 2


class Session:
    """Handed to every verb as its first argument."""

    def __init__(
        self,
        *,
        engine: EngineChoice = EngineChoice.auto,
        lab: str | None = None,
        verbose: bool = False,
        as_json: bool = False,
    ) -> None:
        self.choice = engine
        self.named_lab = lab
        self.verbose = verbose
        self.out = Output(as_json=as_json)
        self.progress = for_terminal(self.out.err, verbose=verbose)

    def lab_name(self) -> str:
        """Return the lab that is meant: the one named, or the only one there is.

        Raises NotFoundError when there is none, AmbiguousLabError when there are several.
        """
        if self.named_lab:
            return self.named_lab
        known = record.load_all()
        if len(known) == 1:
            return next(iter(known))
        if not known:
            raise NotFoundError("no lab is up", fix="bring one up with: lvslab up")
        names = ", ".join(known)
        raise AmbiguousLabError(
            f"there are {len(known)} labs: {names}", fix="say which with --lab NAME or LVSLAB_LAB"
        )

    def choice_for(self, lab: str) -> EngineChoice:
        """Return the engine to look for a lab on: an explicit one, else where it was made."""
        if self.choice is not EngineChoice.auto:
            return self.choice
        known = record.load_all().get(lab)
        if known and known.engine in set(EngineChoice):
            return EngineChoice(known.engine)
        return EngineChoice.auto

    @contextmanager
    def engine(self, lab: str | None) -> Iterator[Engine]:
        """Open the engine of a lab (None: a plain one) and close it at the end.

        Raises EngineError when there is none, saying why and what to do.
        """
        from lvslab.engine import open_engine

        choice = self.choice_for(lab) if lab else self.choice
        engine = open_engine(choice.value, lab, progress=self.progress)
        try:
            yield engine
        finally:
            engine.close()
