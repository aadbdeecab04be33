"""What is in a recording: counts and ranges, a unit's story, tables for other tools."""

from stream.replay.inspection.export import export_jsonl, export_parquet
from stream.replay.inspection.rows import Filter, Row, rows
from stream.replay.inspection.summary import Summary
from stream.replay.inspection.words import tables, told

__all__ = ["Filter", "Row", "Summary", "export_jsonl", "export_parquet", "rows", "tables", "told"]
