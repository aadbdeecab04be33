"""Records that nobody can use, each broken in its own way: what dead letters are for."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from agents.lab.simulator import simulate_unit
from schemas.codec import encode
from schemas.modality import Modality
from schemas.observation import Observation

FIRST_INDEX = 9_000_000
"""Of their units in the simulated population, far from those that cross the line."""
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class DamagedRecord:
    """What a broken station sends."""

    modality: Modality
    """Whose topic it goes to."""
    key: bytes
    value: bytes
    what: str
    """What is wrong with it."""


def damaged_record(seed: int, number: int, sent_at: int) -> DamagedRecord:
    """The damaged record `number` of a line; no two are equal.

    Args:
        sent_at: ms since 1970 UTC; one kind of damage is a clock ahead of it.
    """
    what, modality, spoil = KINDS[number % len(KINDS)]
    unit = simulate_unit(seed, FIRST_INDEX + number, prefix="BAD")
    observation = Observation(
        unit_id=unit.unit_id,
        observation_id=f"{unit.unit_id}/{modality}",
        captured_at=sent_at,
        source="broken-1",
        payload=unit.payload(modality),
    )
    return DamagedRecord(modality, unit.unit_id.encode(), spoil(observation), what)


def _truncated(observation: Observation) -> bytes:
    value = encode(observation)
    return value[: len(value) * 2 // 3]


def _not_a_number(observation: Observation) -> bytes:
    # `NaN` is no JSON, though Python's own writer makes it.
    return b'{"unit_id": "%s", "celsius": [NaN]}' % observation.unit_id.encode()


def _missing_fields(observation: Observation) -> bytes:
    return b'{"unit_id": "%s"}' % observation.unit_id.encode()


def _unknown_encoding(observation: Observation) -> bytes:
    return b"<unit>" + observation.unit_id.encode() + b"</unit>"


def _future(observation: Observation) -> bytes:
    return encode(replace(observation, captured_at=observation.captured_at + DAY_MS))


def _wrong_schema(observation: Observation) -> bytes:
    value = bytearray(encode(observation))
    value[2] ^= 0xFF  # the first byte of the schema's fingerprint
    return bytes(value)


KINDS: tuple[tuple[str, Modality, Callable[[Observation], bytes]], ...] = (
    ("truncated", Modality.VISUAL, _truncated),
    ("a clock one day ahead", Modality.ACOUSTIC, _future),
    ("not a number", Modality.THERMAL, _not_a_number),
    ("another encoding", Modality.TEXT, _unknown_encoding),
    ("an unknown schema", Modality.BATTERY, _wrong_schema),
    ("fields missing", Modality.SPECTRAL, _missing_fields),
)
