"""``python3 -m agent``: the main process of a node."""

from __future__ import annotations

import json
import os
import sys

from .core import Agent

#: Where the node's description and the journal are, and the variables that say otherwise.
NODE_FILE = "/etc/lvslab/node.json"
JOURNAL = "/var/lib/lvslab/journal"


def main() -> int:
    """Run the agent; return its exit status (2: the node's description cannot be used)."""
    path = os.environ.get("LVSLAB_NODE_FILE", NODE_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            spec = json.load(file)
        agent = Agent(spec, os.environ.get("LVSLAB_JOURNAL", JOURNAL))
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.stderr.write(f"lvslab agent: {path}: {error!r}\n")
        return 2
    agent.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
