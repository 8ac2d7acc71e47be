"""What a run was: all that its figures need and that no event says. First line of a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lvslab.plan.model import Role
from lvslab.timeline.events import TimelineError

#: What a promise is about: how long the client has no answer at all (``outage``), how long
#: until another director takes over while the old one still serves (``takeover``), or how
#: long requests go to a dead real server (``removal``).
Quantity = Literal["outage", "takeover", "removal"]


@dataclass(frozen=True, slots=True)
class Promise:
    """What the protocol promises for this configuration and fault, in seconds."""

    quantity: Quantity
    lower: float
    upper: float
    #: For a person: ``3 x 1 s + 0.805 s skew``.
    formula: str
    why: str = ""


#: How the probe asks (docs/measuring.md).
Connections = Literal["short", "kept", "stream"]

#: Seconds from a promised moment to the client seeing it that belong to no protocol: processes
#: waking up, netlink, ARP. A tenth of it on real hardware, most of it under emulation.
ALLOWANCE = 0.25


@dataclass(frozen=True, slots=True)
class Run:
    """One fault, injected and watched."""

    lab: str
    node: str
    role: Role
    fault: str
    fault_id: str
    client: str
    #: Requests a second, over all targets, and the deadline of each in seconds.
    rate: float
    deadline: float
    #: Each virtual server that was probed, by its key, and how many real servers stand behind it.
    targets: Mapping[str, int]
    vips: tuple[str, ...]
    #: Address of each real server -> its name.
    servers: Mapping[str, str]
    #: The faulted node's own address.
    address: str
    #: None: nothing is promised.
    promise: Promise | None = None
    #: When another director has the VIP, whatever the client notices; None: none will.
    promise_takeover: Promise | None = None
    #: Of the way back; None: nothing is promised.
    promise_back: Promise | None = None
    #: Where in the advert interval the fault was injected, 0 to 1, drawn from ``seed``.
    seed: int | None = None
    phase: float | None = None
    #: Engine clock: when everything was being recorded, and until when.
    recorded_from: float = 0.0
    recorded_until: float = 0.0
    #: Why the recording is not to be trusted, or ended early; empty when it is whole.
    flaws: tuple[str, ...] = ()
    allowance: float = ALLOWANCE
    #: MAC address -> the node that has it; what is not here is told by its address.
    macs: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-able data; :meth:`from_json` reads it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Run:
        """Read what :meth:`to_json` returned. Raises TimelineError when it is not that."""
        values = dict(data)
        try:
            for key in ("promise", "promise_takeover", "promise_back"):
                if values.get(key) is not None:
                    values[key] = Promise(**values[key])
            for key in ("vips", "flaws"):
                values[key] = tuple(values[key])
            return cls(**values)
        except (TypeError, KeyError) as error:
            raise TimelineError(f"not the description of a run: {error}") from None
