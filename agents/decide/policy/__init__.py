"""The decision policy: what a unit is worth where, and what must never happen to it."""

from agents.decide.policy.policy import Policy, Verdict
from agents.decide.policy.table import Family, HardRule, OptionTable, PolicyError

__all__ = ["Family", "HardRule", "OptionTable", "Policy", "PolicyError", "Verdict"]
