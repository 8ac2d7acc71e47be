"""The user's words: from a topology file to a TopologySpec with every blank filled in."""

from lvslab.topology.init import builtin, builtins, starter
from lvslab.topology.load import load, loads
from lvslab.topology.problems import Problem, TopologyProblems
from lvslab.topology.schema import json_schema
from lvslab.topology.spec import TopologySpec
from lvslab.topology.store import digest, from_json, to_json

__all__ = [
    "Problem",
    "TopologyProblems",
    "TopologySpec",
    "builtin",
    "builtins",
    "digest",
    "from_json",
    "json_schema",
    "load",
    "loads",
    "starter",
    "to_json",
]
