"""A plan made real on an engine: brought up, proven ready, looked at, torn down."""

from lvslab.lab.converge import Changes, preview, up
from lvslab.lab.decide import Action
from lvslab.lab.lab import Lab, LabSummary, Node
from lvslab.lab.status import LabStatus, lab_status
from lvslab.lab.teardown import teardown

__all__ = [
    "Action",
    "Changes",
    "Lab",
    "LabStatus",
    "LabSummary",
    "Node",
    "lab_status",
    "preview",
    "teardown",
    "up",
]
