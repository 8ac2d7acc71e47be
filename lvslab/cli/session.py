"""What one run of the command line has: its options, its output, its engine and lab."""

from __future__ import annotations

from enum import StrEnum

from lvslab import record
from lvslab.cli.output import Output
from lvslab.cli.progress import for_terminal
from lvslab.errors import USAGE, LvslabError


class EngineChoice(StrEnum):
    """``--engine``: see design decision 8; an explicit choice always wins."""

    auto = "auto"
    docker = "docker"
    embedded = "embedded"


class AmbiguousLabError(LvslabError):
    """Several labs, and none was named."""

    exit_code = USAGE


class Session:
    """Handed to every verb as its first argument."""

    def __init__(
        self,
        *,
        engine: EngineChoice = EngineChoice.auto,
        lab: str | None = None,
        verbose: bool = False,
        as_json: bool = False,
        quiet: bool = False,
    ) -> None:
        """``quiet``: nothing on stdout at all (a verb within a verb that gives JSON)."""
        self.choice = engine
        self.named_lab = lab
        self.verbose = verbose
        self.out = Output(as_json=as_json, quiet=quiet)
        self.progress = for_terminal(self.out.err, verbose=verbose)

    def choice_for(self, lab: str) -> EngineChoice:
        """Return the engine to look for a lab on: an explicit one, else where it was made."""
        return EngineChoice(record.engine_for(self.choice.value, lab))
