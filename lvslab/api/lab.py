"""A lab in a program: brought up, looked at, broken, measured, torn down."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from lvslab import durations
from lvslab.api.results import Measured, Output, Played, Result
from lvslab.api.scenario import Scenario
from lvslab.api.topology import Topology, topology_of
from lvslab.errors import CancelledError, FaultError, LabError
from lvslab.lab import Lab as CoreLab
from lvslab.lab import lab_status, lifecycle
from lvslab.lab.answers import Answers, ask, virtual_server
from lvslab.lab.api import asking
from lvslab.observe import healing
from lvslab.observe.session import inject_only, run_fault
from lvslab.progress import Progress, Silent
from lvslab.record import Choice
from lvslab.scenario.judge import judge
from lvslab.scenario.roles import nodes_of
from lvslab.scenario.run import ScenarioRun
from lvslab.scenario.setting import READY_TIMEOUT, made_with, make_ready
from lvslab.scenario.single import history_of
from lvslab.scenario.spec import DIRECTORS, SERVERS

if TYPE_CHECKING:
    from lvslab.lab import LabStatus
    from lvslab.observe.healing import Healed
    from lvslab.observe.watching import OnEvent

OnResult = Callable[[Result], None]
#: How often what a disturbed recording cannot tell is done once more, unless it is said.
AGAIN = 2


class Lab:
    """A lab that is up. Made by :meth:`up` or :meth:`attach`; a context manager.

    Nodes are named as in the topology; where one is to be broken, so are roles:
    ``active_director``, ``backup_director``, ``any_real_server``.
    """

    def __init__(
        self,
        core: CoreLab,
        topology: Topology,
        *,
        how: str,
        keep: bool,
        choice: Choice,
        progress: Progress,
        on_result: OnResult | None,
    ) -> None:
        #: The house's own lab; another one after :meth:`reset`.
        self.core = core
        self.topology = topology
        #: How it came up: ``lab`` (restored), ``engine`` or ``boot`` (made), ``given`` (on the
        #: user's own Docker), ``running`` (was there).
        self.how = how
        #: Whether it stays when the with block ends.
        self.keep = keep
        self._choice, self._progress = choice, progress
        self._on_result = on_result
        self._is_down = False

    @classmethod
    def up(
        cls,
        topology: Topology | str | Path,
        *,
        engine: Choice = "auto",
        name: str | None = None,
        keep: bool | None = None,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> Lab:
        """Bring a lab up, proven ready: one that was built before is restored, in seconds.

        ``engine``: ``auto``, ``docker`` (the one of your environment) or ``embedded``. ``name``:
        what the lab is called, instead of as its topology. ``keep``: whether it stays at the end
        of a with block; None: if it was running before. ``progress`` is told what is being
        done, ``on_result`` of every measurement. One that does not come up is removed again.

        Raises TopologyError, EngineError, ConflictError, LabError, NotReadyError.
        """
        wanted = topology_of(topology)
        wanted = wanted.named(name or wanted.name)
        progress = progress or Silent()
        brought = _bring_up(wanted, engine, progress)
        kept = not brought.fresh if keep is None else keep
        return cls(
            brought.lab,
            wanted,
            how=brought.how,
            keep=kept,
            choice=engine,
            progress=progress,
            on_result=on_result,
        )

    @classmethod
    def attach(
        cls,
        name: str,
        *,
        engine: Choice = "auto",
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> Lab:
        """Return a lab that is up, as ``lvslab up`` leaves it; it stays up at the end.

        Raises NotFoundError, EngineError.
        """
        progress = progress or Silent()
        core = lifecycle.open_lab(name, engine, progress=progress)
        return cls(
            core,
            Topology(core.spec, source=f"{name} (lab)"),
            how="running",
            keep=True,
            choice=engine,
            progress=progress,
            on_result=on_result,
        )

    @property
    def name(self) -> str:
        """What it is called, for ``lvslab --lab`` too."""
        return self.core.name

    # --- looking ------------------------------------------------------------------------

    def status(self) -> LabStatus:
        """Return how every node is: ``healthy``, ``reasons``, ``directors``... Raises LabError."""
        return lab_status(self.core)

    def holders(self) -> dict[str, list[str]]:
        """Return the directors that have each VIP now: one, if all is well. Raises LabError."""
        shown = self.status().directors
        return {vip: [d.name for d in shown if vip in d.holds] for vip in self.topology.vips}

    def curl(self, n: int = 1, *, vip: str | None = None) -> Answers:
        """Send ``n`` requests through a VIP (``VIP[:PORT]``, or the first), one after the other.

        ``served_by`` and ``shares`` of what is returned say who answered, ``failed`` what failed.
        Raises NotFoundError, AgentError.
        """
        return ask(self.core, self.core.a_client(), virtual_server(self.core.spec, vip), n)

    def exec(self, node: str, command: Sequence[str] | str, *, check: bool = True) -> Output:
        """Run a command in a node, or a line of shell, and return what it wrote.

        Raises NotFoundError, and LabError where it ends with something else than 0, unless
        ``check`` is False.
        """
        argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
        container = self.core.running(node).container
        with asking(f"running {argv[0]} in {node}"):
            done = cast("Any", container.exec_run(argv, demux=True))
        out, err = ((part or b"").decode(errors="replace") for part in done.output)
        if check and done.exit_code:
            raise LabError(
                f"{' '.join(argv)!r} ended with {done.exit_code}: {(err or out).strip()}",
                where=node,
                fix="give check=False where that is what you want",
            )
        return Output(done.exit_code, out, err)

    # --- breaking -----------------------------------------------------------------------

    def fail(
        self,
        node: str,
        fault: str | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        hold: float | str | None = None,
        heal: bool = False,
        rate: float | None = None,
        deadline: float = 1.0,
        seed: int | None = None,
        again: int = AGAIN,
        on_event: OnEvent | None = None,
    ) -> Measured:
        """Break a node at a random moment, watch from the client, and return what was measured.

        ``fault``: link-down for a director and httpd-stop for a real server (dns-stop or udp-stop
        for one without a web server), unless named;
        ``params``: its own, as ``lvslab faults FAULT`` lists them.
        ``hold``: heal it after so long (15, or "15s") and watch the way back; ``heal``: the
        same, as soon as the outcome is settled. Without either it is left in: :meth:`heal`.
        ``rate`` in requests a second (50, or 10 over TLS), ``deadline`` of each in seconds;
        ``seed`` decides the phase (random when None; recorded). ``again``: how often it is healed
        and done once more while the recording was disturbed, by a machine that is busy; never for
        what it tells.

        Raises FaultError, NotReadyError, AgentError.
        """
        seed = secrets.randbits(32) if seed is None else seed
        name, made = self._who(node, seed), made_with(self.core)
        while True:
            with _interruptible():
                result = run_fault(
                    self.core,
                    name,
                    fault,
                    params=params,
                    hold=_seconds(hold),
                    then_heal=heal,
                    rate=rate,
                    deadline=deadline,
                    on_event=on_event,
                    seed=seed,
                )
            history = history_of(result, self.core.spec, made, params)
            measured = Played.of(history).fault()
            self._tell(measured)
            if not measured.disturbed or again <= 0:
                return measured
            again -= 1
            self.ready()

    def inject(
        self, node: str, fault: str | None = None, *, params: Mapping[str, Any] | None = None
    ) -> str:
        """Break a node and measure nothing; return the fault. Raises FaultError, AgentError."""
        return inject_only(self.core, self._who(node, None), fault, params).name

    def heal(self, node: str | None = None) -> list[Healed]:
        """Undo every fault in a node, or in all: back to exactly what was there.

        :meth:`ready` waits until the lab serves again. Raises FaultError, AgentError.
        """
        with self._progress.step(f"healing {node or 'every node'}"):
            return healing.heal(self.core, node)

    def ready(self, *, timeout: float = READY_TIMEOUT) -> None:
        """Heal what there is, and prove the lab ready within ``timeout`` seconds.

        Raises AgentError, NotReadyError with the condition that does not hold.
        """
        make_ready(self.core, progress=self._progress, timeout=timeout)

    def play(
        self,
        scenario: Scenario | str | Path,
        *,
        seed: int | None = None,
        index: int = 0,
        again: int = AGAIN,
        on_event: OnEvent | None = None,
    ) -> Played:
        """Play a scenario on this lab and judge it by this lab's topology.

        The lab is healed and proven ready first, and every fault is healed at the end. ``seed``
        and ``index`` decide phases and choices (random when None; recorded). ``again``: how often
        it is played once more while the verdict on a whole recording is inconclusive.

        Raises TopologyError where it does not fit the lab, NotReadyError, AgentError. What goes
        wrong while it is played is in the verdict: inconclusive, or aborted.
        """
        chosen = scenario if isinstance(scenario, Scenario) else Scenario.load(scenario)
        spec = chosen.on(self.core.spec)
        while True:
            if spec.origin == "restored":
                self.reset()
            else:
                self.ready()
            made = made_with(self.core)
            with self._progress.step(f"playing {spec.name}"), _interruptible():
                run = ScenarioRun(
                    self.core, spec, seed=seed, index=index, made=made, on_event=on_event
                )
                played = Played(judge(run.play()))
            self._tell(played)
            whole = played.history.ending == "whole"
            if played.verdict != "inconclusive" or not whole or again <= 0:
                return played
            again -= 1

    # --- its end ------------------------------------------------------------------------

    def reset(self) -> None:
        """Put the lab back to how it was when it came up.

        On the embedded engine its saved state is restored, whatever was done to it since; on
        another it is healed and proven ready. One that was torn down is brought up again.
        Raises EngineError, AgentError, NotReadyError.
        """
        kind = self.core.engine.kind
        if kind != "embedded" and not self._is_down:
            self.ready()
            return
        if not self._is_down:
            self.down()
        brought = _bring_up(self.topology, kind, self._progress)
        self.core, self.how, self._is_down = brought.lab, brought.how, False

    def down(self) -> None:
        """Tear the lab down; it and all that belongs to it is gone then. Raises LabError."""
        kind = self.core.engine.kind
        self.close()
        lifecycle.tear_down(self.name, kind, progress=self._progress)
        self._is_down = True

    def close(self) -> None:
        """Detach from the lab and leave it up."""
        self.core.close()
        self.core.engine.close()

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.keep:
            self.close()
        else:
            self.down()

    def __repr__(self) -> str:
        return f"<Lab {self.name} of {self.topology.source}>"

    def _who(self, node: str, seed: int | None) -> str:
        """Return the node that a role is now. Raises FaultError."""
        if node in self.core.nodes or node not in (*DIRECTORS, *SERVERS):
            return node
        held: dict[str, list[str]] = {}
        for vip, names in self.holders().items():
            for name in names:
                held.setdefault(name, []).append(vip)
        found = nodes_of(node, self.core.spec, held, random.Random(seed))
        if len(found) != 1:
            raise FaultError(
                f"{node} is {len(found)} nodes: {', '.join(found)}",
                fix="break one at a time, or play a scenario",
            )
        return found[0]

    def _tell(self, result: Result) -> None:
        if self._on_result is not None:
            self._on_result(result)


def _bring_up(topology: Topology, engine: Choice, progress: Progress) -> lifecycle.Brought:
    with _interruptible():
        return lifecycle.bring_up(
            topology.spec,
            topology.plan(),
            engine,
            source=topology.source,
            progress=progress,
            undo=True,
        )


def _seconds(duration: float | str | None) -> float | None:
    if not isinstance(duration, str):
        return duration
    seconds = durations.parse(duration)
    if seconds is None:
        raise FaultError(f"{duration!r} is not a duration", fix="write 500ms, 10s or 2m, or 10.0")
    return seconds


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be Ctrl-C: a program that catches errors, as a test run does, must end."""
    try:
        yield
    except CancelledError as error:
        raise KeyboardInterrupt(str(error)) from error
