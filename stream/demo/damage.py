"""Records that nobody can use, each broken in its own way: what dead letters are for."""

from collections.abc import Callable
from dataclasses import replace

from agents.lab.simulator import simulate_unit
from schemas.codec import encode
from schemas.modality import Modality
from schemas.observation import Observation

FIRST_INDEX = 9_000_000
"""Of their units in the simulated population, far from those that cross the line."""
DAY_MS = 86_400_000

KINDS: tuple[tuple[Modality, Callable[[Observation], bytes]], ...] = (
    # Cut short.
    (Modality.VISUAL, lambda seen: encode(seen)[:-100]),
    # A clock one day ahead.
    (Modality.ACOUSTIC, lambda seen: encode(replace(seen, captured_at=seen.captured_at + DAY_MS))),
    # `NaN` is no JSON, though Python's own writer makes it.
    (Modality.THERMAL, lambda seen: f'{{"unit_id": "{seen.unit_id}", "celsius": [NaN]}}'.encode()),
    # Another encoding.
    (Modality.TEXT, lambda seen: f"<unit>{seen.unit_id}</unit>".encode()),
    # The fingerprint of no schema.
    (Modality.BATTERY, lambda seen: encode(seen)[:2] + bytes(8) + encode(seen)[10:]),
    # Fields are missing.
    (Modality.SPECTRAL, lambda seen: f'{{"unit_id": "{seen.unit_id}"}}'.encode()),
)
"""Whose topic a kind goes to, and what a broken station of it makes of an observation."""


def damaged_record(seed: int, number: int, sent_at_ms: int) -> tuple[Modality, str, bytes]:
    """Returns modality, unit_id and value of the damaged record `number`; no two are equal."""
    modality, spoil = KINDS[number % len(KINDS)]
    unit = simulate_unit(seed, FIRST_INDEX + number, prefix="BAD")
    name = f"{unit.unit_id}/{modality}"
    seen = Observation(unit.unit_id, name, sent_at_ms, "broken-1", unit.payload(modality))
    return modality, unit.unit_id, spoil(seen)
