"""What a fault does outside its node's container: programs in throw-away containers beside it.

A node's own /proc/sys is read-only, its link's other end is in another network namespace, and a
clock is the machine's. What may touch them is given to a container that does this one thing, and is
gone; never is one privileged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from lvslab.faults.model import Operation, Target

#: In an argument: the index, outside, of the other end of the node's interface.
PEER = "{peer}"

#: Says when it began, on the engine's clock. What else is done was done before it was started.
SAY_WHEN = "import time; print(time.monotonic())"

#: Sets the interface of an index up or down: INDEX up|down (netdevice(7)).
LINK = r"""
import fcntl, socket, struct, sys, time
name = socket.if_indextoname(int(sys.argv[1])).encode()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    request = struct.pack("16sh14x", name, 0)
    (flags,) = struct.unpack_from("h", fcntl.ioctl(s, 0x8913, request), 16)
    flags = flags | 1 if sys.argv[2] == "up" else flags & ~1
    print(time.monotonic(), flush=True)
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", name, flags))
"""

#: Forgets whose an address is: ADDRESS INTERFACE (ip-neighbour(8)).
FORGET = r"""
import subprocess, sys, time
print(time.monotonic(), flush=True)
subprocess.check_call(["ip", "neigh", "flush", "to", sys.argv[1], "dev", sys.argv[2]])
"""

#: Adds rules where the node's link ends outside: INDEX RULES, in which {dev} is the link's end.
#: nft takes most of its time to read them; they hold from the end of it on.
RULES = r"""
import socket, subprocess, sys, time
rules = sys.argv[2].replace("{dev}", socket.if_indextoname(int(sys.argv[1])))
if subprocess.run(["nft", rules]).returncode:
    sys.exit(1)
print(time.monotonic())
"""

#: Has nft do as it is told: WORDS.
NFT = r"""
import subprocess, sys, time
print(time.monotonic(), flush=True)
sys.exit(subprocess.run(["nft", sys.argv[1]]).returncode)
"""

#: Moves the clock of the day: SECONDS (clock_settime(2)). The other clocks go on.
CLOCK = r"""
import sys, time
print(time.monotonic(), flush=True)
by = int(float(sys.argv[1]) * 1e9)
time.clock_settime_ns(time.CLOCK_REALTIME, time.clock_gettime_ns(time.CLOCK_REALTIME) + by)
"""


def beside(
    script: str,
    *args: str,
    touches: str | None,
    network: Literal["node", "host"] = "node",
    interface: str = "eth0",
    sysctls: Mapping[str, str] | None = None,
    capabilities: Sequence[str] = (),
    machine: bool = False,
    lasting: bool = False,
) -> Operation:
    """Return the operation that runs a Python script in a throw-away container.

    In the network of the node or in the machine's (``host``); ``sysctls`` are set in the node's.
    ``interface`` is the one whose other end is :data:`PEER`. The script prints when it acts.
    ``lasting``: it stays when the node starts anew, and has to be undone even then.

    ``touches``: what it changes until it is healed; None: nothing that has to be healed.
    ``machine``: it changes what all of the machine has, so it is done on lvslab's own machine
    only; and such a change is relative and lasts, so it must be undone once, and in any case.
    """
    op = {} if touches is None else {"touches": touches}
    return op | {
        "op": "outside",
        "argv": ["python3", "-c", script, *args],
        "network": network,
        "interface": interface,
        "sysctls": dict(sysctls or {}),
        "capabilities": list(capabilities),
        "machine": machine,
        "lasting": lasting or machine,
    }


def at_link(
    target: Target, script: str, *args: str, touches: str, lasting: bool = False
) -> Operation:
    """Return the operation that runs a script where the target's link ends outside.

    ``touches``: what of the link; the rest as for :func:`beside`.
    """
    return beside(
        script,
        *args,
        touches=f"link:{target.interface}:{touches}",
        network="host",
        interface=target.interface,
        capabilities=("NET_ADMIN",),
        lasting=lasting,
    )


def is_outside(op: Operation) -> bool:
    """Whether lvslab does an operation through the engine, not the agent in the node."""
    return op.get("op") == "outside"


def undo_outside(heal: Sequence[Operation], *, prepared: bool) -> list[Operation]:
    """Return what is to be undone outside of a fault, which was perhaps ``prepared`` only.

    What may be done twice is undone in any case.
    """
    return [op for op in heal if is_outside(op) and not (prepared and op.get("machine"))]
