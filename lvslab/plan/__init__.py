"""Topology -> plan: everything that must exist because of a topology, as plain data."""

from lvslab.plan.agentfiles import agent_files
from lvslab.plan.build import make_plan
from lvslab.plan.describe import plan_dict
from lvslab.plan.model import FilePlan, InterfacePlan, NetworkPlan, NodePlan, Plan, Role

__all__ = [
    "FilePlan",
    "InterfacePlan",
    "NetworkPlan",
    "NodePlan",
    "Plan",
    "Role",
    "agent_files",
    "make_plan",
    "plan_dict",
]
