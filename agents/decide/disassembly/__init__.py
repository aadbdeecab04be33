"""Disassembly: which components of a unit are worth removing, and in which order."""

from agents.decide.disassembly.plan import plan_disassembly
from agents.decide.disassembly.table import DisassemblyError, DisassemblyTable, Family, Goal, Part

__all__ = ["DisassemblyError", "DisassemblyTable", "Family", "Goal", "Part", "plan_disassembly"]
