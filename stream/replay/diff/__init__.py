"""Two sets of decisions, and where they differ: `regrade diff`.

`stream/README.md`, "Two sets of decisions", says what is compared.
"""

from stream.replay.diff.compare import TOLERANCE, Comparison, Pair, Report
from stream.replay.diff.facts import ASPECTS
from stream.replay.diff.sources import Source, source_of

__all__ = ["ASPECTS", "TOLERANCE", "Comparison", "Pair", "Report", "Source", "source_of"]
