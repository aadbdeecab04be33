"""Ways to damage a record, each with the reasons that a dead letter may then give.

Small records: damage then mostly hits structure, and ten thousand of them are sent quickly.
"""

import base64
import json
import random
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from agents.extract.kinds import KINDS as PAYLOAD_KINDS
from schemas.avro import SCHEMAS
from schemas.codec import decode, encode
from schemas.errors import RecordError
from schemas.feature_record import FeatureRecord, Origin, encode_feature_record
from schemas.limits import DEFAULT_LIMITS
from schemas.mark import Mark, encode_mark
from schemas.modality import MODALITIES, Modality
from schemas.observation import (
    Acoustic,
    Battery,
    Observation,
    Payload,
    Spectral,
    Text,
    Thermal,
    Visual,
)
from schemas.single_object import MARKER
from support.sender import Headers

HOUR = 3_600_000
OVERSIZED = 6
"""Few: each has four megabytes."""
DECODE, CLOCK, EXTRACT, ENCODE = "decode", "clock", "extract", "encode"


@dataclass(frozen=True)
class Damaged:
    """A record that nobody can use."""

    kind: str
    modality: Modality | None
    """Of its topic; None: units.features."""
    value: bytes | None = field(repr=False)
    reasons: frozenset[str]
    stage: str = DECODE
    key: bytes | None = None
    headers: Headers = field(default_factory=list)


def damaged_records(count: int, seed: int) -> Iterator[Damaged]:
    """`count` records, all kinds on all topics, with all sorts of keys and headers."""
    chance = random.Random(seed)
    for number in range(count):
        kind, make = "oversized", oversized
        if number >= OVERSIZED:
            kind, make = NAMED[number % len(NAMED)]
        # One modality further each round, so that all kinds meet all topics.
        turn = number + number // len(NAMED)
        record = None
        while record is None:  # the modality cannot be damaged in this way
            record = make(chance, MODALITIES[turn % len(MODALITIES)])
            turn += 1
        changes = {"kind": kind, "key": _key(chance), "headers": _headers(chance)}
        if kind == "null-key-and-value":
            changes["key"] = None
        yield replace(record, **changes)


def _key(chance: random.Random) -> bytes | None:
    return chance.choice([None, b"", b"LT-000017", b"\xff\xfe\x00", b"k" * 2000])


def _headers(chance: random.Random) -> Headers:
    repeated: Headers = [("trace", b"1"), ("trace", b"2"), ("trace", b"1")]
    return chance.choice(
        [
            [],
            repeated,
            [("none", None), ("empty", b""), ("binary", b"\xff\x00\xfe")],
            [("", b"no name"), ("größe", "μ".encode())],
            # Somebody else's dead letter, and names of ours on a record that we did not send.
            [("__connect.errors.topic", b"elsewhere"), ("__connect.errors.offset", b"-1")],
            [("regrade.origin", b"units.visual/0/0"), ("regrade.null", b"key,value")],
        ]
    )


# -- what is damaged --------------------------------------------------------------------------


def png(side: int = 8) -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (side, side, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


RAMP = np.linspace(0, 1, 32, dtype=np.float32)
PAYLOADS: dict[Modality, Payload] = {
    Modality.VISUAL: Visual(png(), "image/png"),
    Modality.SPECTRAL: Spectral(RAMP, 900 + 700 * RAMP**2, "nm"),
    Modality.TEXT: Text("bat swolen, kbd ok – lid cracked", "en-GB"),
    Modality.THERMAL: Thermal(np.full((4, 5), 21.5, dtype=np.float32)),
    Modality.ACOUSTIC: Acoustic(np.zeros(256, dtype=np.float32), 16_000),
    Modality.BATTERY: Battery(np.arange(8, dtype=np.int32), 4 - RAMP[:8], 0.1 + RAMP[:8]),
}
BLOB = {
    Modality.VISUAL: "image",
    Modality.SPECTRAL: "intensities",
    Modality.THERMAL: "celsius",
    Modality.ACOUSTIC: "samples",
    Modality.BATTERY: "capacity_ah",
}


def whole(chance: random.Random, modality: Modality, ahead: int = 0) -> Observation:
    number = chance.randrange(10**6)
    now = time.time_ns() // 1_000_000
    return Observation(f"BAD-{number}", f"bad-{number}", now + ahead, "cam-2", PAYLOADS[modality])


def encoded(chance: random.Random, observation: Observation) -> bytes:
    return encode(observation, chance.choice(["avro", "json"]))


def as_json(chance: random.Random, modality: Modality) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(encode(whole(chance, modality), "json"))
    return fields


def is_refused(value: bytes, modality: Modality) -> bool:
    try:
        decode(value, modality)
    except RecordError:
        return True
    return False


def refused(modality: Modality, value: bytes | None, *reasons: str) -> Damaged:
    """A record of which we know that its bytes do not decode."""
    assert value is None or is_refused(value, modality), value[:200]
    return Damaged("", modality, value, frozenset(reasons))


# -- the kinds --------------------------------------------------------------------------------

FLIPPED = ("malformed", "invalid-field", "unknown-encoding", "unknown-schema", "too-large")


def truncated(chance: random.Random, modality: Modality) -> Damaged:
    value = encoded(chance, whole(chance, modality))
    cut = value[: chance.randrange(2, len(value))]
    return refused(modality, cut, "malformed")


def bits_flipped(chance: random.Random, modality: Modality) -> Damaged:
    while True:
        value = bytearray(encoded(chance, whole(chance, modality)))
        for _ in range(chance.choice([1, 1, 2, 8, 64])):
            value[chance.randrange(len(value))] ^= 1 << chance.randrange(8)
        if is_refused(bytes(value), modality):  # or nobody can tell that it is damaged
            return refused(modality, bytes(value), *FLIPPED, "not-supported")


def noise(chance: random.Random, modality: Modality) -> Damaged:
    value = b"\x7f" + chance.randbytes(chance.randrange(300))
    return refused(modality, value, "unknown-encoding")


def random_avro_body(chance: random.Random, modality: Modality) -> Damaged:
    value = SCHEMAS[modality].header + b"\xff" * 11 + chance.randbytes(200)
    return refused(modality, value, "malformed", "invalid-field")


def something_follows(chance: random.Random, modality: Modality) -> Damaged:
    value = encoded(chance, whole(chance, modality)) + chance.choice([b"\x00", b"}", b"[1]"])
    return refused(modality, value, "malformed")


def wrong_type(chance: random.Random, modality: Modality) -> Damaged:
    fields = as_json(chance, modality)
    name = chance.choice(["unit_id", "observation_id", "captured_at", "source"])
    fields[name] = chance.choice([None, True, 1.5, [], {}, [1], {"a": 1}])
    return refused(modality, json.dumps(fields).encode(), "invalid-field")


def wrong_payload_type(chance: random.Random, modality: Modality) -> Damaged:
    fields = as_json(chance, modality)
    name = BLOB.get(modality, "text")
    fields[name] = chance.choice([None, True, 12, {"a": 1}, ["1"], [[]]])
    return refused(modality, json.dumps(fields).encode(), "invalid-field")


def field_missing(chance: random.Random, modality: Modality) -> Damaged:
    fields = as_json(chance, modality)
    del fields[chance.choice([name for name in fields if name != "modality"])]
    return refused(modality, json.dumps(fields).encode(), "invalid-field")


def not_a_number(chance: random.Random, modality: Modality) -> Damaged | None:
    if modality in (Modality.VISUAL, Modality.TEXT):
        return None
    fields = as_json(chance, modality)
    bad = chance.choice([float("nan"), float("inf"), float("-inf")])
    if chance.random() < 0.5 and modality is not Modality.ACOUSTIC:  # as PCM16 it has no NaN
        fields[BLOB[modality]] = _base64(np.full(len(RAMP[:20]), bad, dtype="<f4").tobytes())
        reasons = ["invalid-field"]
    else:
        fields[BLOB[modality]] = [bad] * 20
        reasons = ["malformed"]
    return refused(modality, json.dumps(fields).encode(), *reasons)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def oversized(chance: random.Random, modality: Modality) -> Damaged:
    fields = as_json(chance, modality) | {"more": "x" * DEFAULT_LIMITS.record_bytes}
    return refused(modality, json.dumps(fields).encode(), "too-large")


def deep_json(chance: random.Random, modality: Modality) -> Damaged:
    depth = chance.choice([33, 1_000, 50_000])
    fields = json.dumps(as_json(chance, modality))[:-1]
    opened = chance.choice(["[" * depth, '{"a":' * depth, "[" * depth + "]" * depth + "}"])
    return refused(modality, f'{fields},"deep":{opened}'.encode(), "too-large")


def too_much(chance: random.Random, modality: Modality) -> Damaged | None:
    fields = as_json(chance, modality)
    if modality is Modality.TEXT:
        fields["text"] = "x" * (DEFAULT_LIMITS.text_characters + 1)
    elif modality is Modality.VISUAL:
        fields["image"] = _base64(_bomb())
    else:
        return None
    return refused(modality, json.dumps(fields).encode(), "too-large")


def _bomb() -> bytes:
    """A PNG whose header promises 50,000 x 50,000 pixels."""
    image = png()
    header = b"IHDR" + struct.pack(">II", 50_000, 50_000) + image[24:29]
    return image[:12] + header + struct.pack(">I", zlib.crc32(header)) + image[33:]


def no_value(chance: random.Random, modality: Modality) -> Damaged:
    return Damaged("", modality, chance.choice([None, b""]), frozenset({"empty"}))


def neither_key_nor_value(chance: random.Random, modality: Modality) -> Damaged:
    return Damaged("", modality, None, frozenset({"empty"}))


def clock_ahead(chance: random.Random, modality: Modality) -> Damaged:
    ahead = chance.choice([HOUR, 24 * HOUR, 20 * 365 * 24 * HOUR])
    value = encoded(chance, whole(chance, modality, ahead))
    return Damaged("", modality, value, frozenset({"clock-skew"}), CLOCK)


def confluent_framed(chance: random.Random, modality: Modality) -> Damaged:
    body = encode(whole(chance, modality))[10:]
    return refused(modality, b"\x00" + struct.pack(">I", 17) + body, "not-supported")


def claim_check(chance: random.Random, modality: Modality) -> Damaged | None:
    if modality in (Modality.TEXT, Modality.BATTERY):
        return None
    reference = {"uri": "s3://b/k", "sha256": "0" * 64, "size": 9, "media_type": "image/png"}
    fields = as_json(chance, modality) | {BLOB[modality]: reference}
    return refused(modality, json.dumps(fields).encode(), "not-supported")


def unknown_fingerprint(chance: random.Random, modality: Modality) -> Damaged:
    value = encode(whole(chance, modality))
    return refused(modality, MARKER + chance.randbytes(8) + value[10:], "unknown-schema")


def other_modality(chance: random.Random, modality: Modality) -> Damaged:
    other = chance.choice([m for m in MODALITIES if m is not modality])
    value = encoded(chance, whole(chance, other))
    return refused(modality, value, "unknown-schema", "invalid-field")


def picture_destroyed(chance: random.Random, modality: Modality) -> Damaged:
    """Its header is in order; only who decodes the pixels can tell."""
    image = bytearray(png(64))
    image[60 : len(image) - 12] = bytes(len(image) - 72)
    seen = whole(chance, Modality.VISUAL)
    broken = Observation(
        seen.unit_id,
        seen.observation_id,
        seen.captured_at,
        seen.source,
        Visual(bytes(image), "image/png"),
    )
    reasons = frozenset({"unusable-payload"})
    return Damaged("", Modality.VISUAL, encoded(chance, broken), reasons, EXTRACT)


def misread(chance: random.Random, modality: Modality) -> Damaged:
    nobody = replace(whole(chance, modality), unit_id=chance.choice(["NOREAD", "noread", "000000"]))
    return Damaged("", modality, encoded(chance, nobody), frozenset({"misread"}))


# On units.features, where only workers write.


def feature_record(chance: random.Random, modality: Modality, **changes: Any) -> bytes:
    kind, seen = PAYLOAD_KINDS[modality], whole(chance, modality)
    record = FeatureRecord(
        seen.unit_id,
        modality,
        seen.observation_id,
        seen.captured_at,
        seen.source,
        Origin("elsewhere", 0, chance.randrange(10**6)),
        kind.fingerprint,
        np.zeros(kind.shape, np.float16),
    )
    return encode_feature_record(replace(record, **changes))


def no_feature_record(chance: random.Random, modality: Modality) -> Damaged:
    record, mark = feature_record(chance, modality), encode_mark(Mark("worker", 3, {"t": 1}, ()))
    value, reason = chance.choice(
        [
            (None, "empty"),
            (b"", "empty"),
            (chance.randbytes(9), "unknown-schema"),
            (encoded(chance, whole(chance, modality)), "unknown-schema"),
            (record[: chance.randrange(11, len(record))], "malformed"),
            (mark[:-1], "malformed"),
            (mark + b"more", "malformed"),
        ]
    )
    return Damaged("", None, value, frozenset({reason}))


def other_features(chance: random.Random, modality: Modality) -> Damaged:
    value = feature_record(chance, modality, fingerprint="0123456789abcdef")
    return Damaged("", None, value, frozenset({"other-features"}), ENCODE)


def wrong_shape(chance: random.Random, modality: Modality) -> Damaged:
    value = feature_record(chance, modality, features=np.zeros((2, 3), np.float16))
    return Damaged("", None, value, frozenset({"invalid-field"}), ENCODE)


KINDS: dict[str, Callable[[random.Random, Modality], Damaged | None]] = {
    "truncated": truncated,
    "bits-flipped": bits_flipped,
    "noise": noise,
    "random-avro-body": random_avro_body,
    "something-follows": something_follows,
    "wrong-type": wrong_type,
    "wrong-payload-type": wrong_payload_type,
    "field-missing": field_missing,
    "not-a-number": not_a_number,
    "deep-json": deep_json,
    "too-much": too_much,
    "no-value": no_value,
    "null-key-and-value": neither_key_nor_value,
    "clock-ahead": clock_ahead,
    "confluent-framed": confluent_framed,
    "claim-check": claim_check,
    "unknown-fingerprint": unknown_fingerprint,
    "other-modality": other_modality,
    "picture-destroyed": picture_destroyed,
    "misread": misread,
    "no-feature-record": no_feature_record,
    "other-features": other_features,
    "wrong-shape": wrong_shape,
}
NAMED = list(KINDS.items())
