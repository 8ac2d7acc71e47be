"""The one root of every error that lvslab raises on purpose.

Each error says what is wrong, where, and what to do next, and carries the exit code with
which the command line ends. The library never prints and never exits: ``cli/`` does both.
"""

from __future__ import annotations

#: The command line or a file given is wrong (EX_USAGE of sysexits.h). Not 2, which typer has for
#: it: 0 to 3 are the verdicts of ``lvslab test``, and a CI job must tell a recording that
#: says nothing from a scenario that cannot be read.
USAGE = 64


class LvslabError(Exception):
    """What is wrong (``what``), where (``where``) and what to do about it (``fix``).

    ``exit_code`` is what the command line returns; see docs/exit-codes.md.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, fix: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.fix = fix

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  {self.fix}" if self.fix else head


class TopologyError(LvslabError):
    """A topology file that cannot be used: syntax, types, or a contradiction in it."""

    exit_code = USAGE


class EngineError(LvslabError):
    """No usable engine: not there, no ip_vs, cannot be built, died."""

    exit_code = 4


class LabError(LvslabError):
    """The lab could not be brought to, or is not in, the state that was asked for."""

    exit_code = 5


class ConflictError(LabError):
    """Something that lvslab did not make stands where the lab would go. Nothing was touched."""


class NotReadyError(LabError):
    """A condition did not become true before its deadline."""


class AgentError(LabError):
    """The program inside a node refused a command, or does not answer."""


class FaultError(LabError):
    """A fault that does not exist, or makes no sense on the node it was aimed at."""

    exit_code = USAGE


class NotFoundError(LvslabError):
    """No such lab, node or file."""

    exit_code = 6


class NotMeasuredError(LvslabError):
    """A figure was asked for that the recording does not have, or that it cannot be relied on for.

    Ends with 2, as a scenario whose recording cannot tell does.
    """

    exit_code = 2


class CancelledError(LvslabError):
    """The user pressed Ctrl-C (or the process got SIGTERM) and what was begun was undone."""

    exit_code = 130
