"""Every label that lvslab puts on what it makes in an engine.

Status and teardown find things by these labels alone, never by the topology file, and
nothing that lacks them is ever touched.
"""

from __future__ import annotations

PREFIX = "io.lvslab."

#: The lab's name. Its presence is what makes a container or network lvslab's own.
LAB = PREFIX + "lab"
#: The node's name within its lab (``lvs1``).
NODE = PREFIX + "node"
#: ``director``, ``real-server`` or ``client``.
ROLE = PREFIX + "role"
#: Digest of the resolved topology that the thing was made from.
TOPOLOGY = PREFIX + "topology"
#: Digest of everything that this one thing was planned to be: it differs, it is replaced.
PLAN = PREFIX + "plan"
#: The resolved topology as JSON (on the network only), so that every verb works without the YAML.
SOURCE = PREFIX + "source"
#: The lvslab version that made it.
VERSION = PREFIX + "version"
#: On images that lvslab built: what they are for (``node``).
IMAGE = PREFIX + "image"

#: On a throw-away container that tries something of the engine: what (``ipvs``).
CHECK = PREFIX + "check"


def of_lab(lab: str) -> dict[str, str]:
    """Return the filter (docker SDK ``filters=``) that finds everything of one lab."""
    return {"label": f"{LAB}={lab}"}
