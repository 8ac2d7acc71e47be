"""What ``from lvslab import Lab, Topology, Scenario`` gives: the house, for Python programs.

A thin front (docs/python.md): each class here holds the house's own data and hands over to it.
Nothing prints; every error is an LvslabError; Ctrl-C stays a KeyboardInterrupt.
"""

from lvslab.api.lab import Lab
from lvslab.api.results import Between, Measured, Output, Played
from lvslab.api.scenario import Scenario
from lvslab.api.topology import Topology
from lvslab.errors import LvslabError, NotMeasuredError
from lvslab.lab.answers import Answers

__all__ = [
    "Answers",
    "Between",
    "Lab",
    "LvslabError",
    "Measured",
    "NotMeasuredError",
    "Output",
    "Played",
    "Scenario",
    "Topology",
]
