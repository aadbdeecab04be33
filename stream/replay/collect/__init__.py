"""Collects training data from a running line: paired records, without labels, for nothing.

What belongs to one unit is what the join has found out; its decisions say so and name where every
observation came from. Its features lie on `units.features` still. So this reads the one topic and
then the other, and extracts nothing.
"""

from stream.replay.collect.collect import Collected, collect
from stream.replay.collect.passages import DecidedPassage, RecentPassages
from stream.replay.collect.units import Units

__all__ = ["Collected", "DecidedPassage", "RecentPassages", "Units", "collect"]
