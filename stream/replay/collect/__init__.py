"""Collects training data from a running line: paired records, without labels, for nothing.

What belongs to one unit is what the join has found out; its decisions say so and name every
observation's record. So this reads `routing.decisions`, then the records, and keeps their features.
"""

from stream.replay.collect.collect import Collected, collect
from stream.replay.collect.passages import DecidedPassage, RecentPassages, Used
from stream.replay.collect.units import Units

__all__ = [
    "Collected",
    "DecidedPassage",
    "RecentPassages",
    "Units",
    "Used",
    "collect",
]
