"""Extraction: payloads of one kind in batches to features, arrays of a fixed shape, before any
learning.

`kinds` is the registry; each payload kind has one file. Everything here is pure: no state, no
randomness, and the same payload and settings give the same bytes, whatever else is in the batch.
"""
