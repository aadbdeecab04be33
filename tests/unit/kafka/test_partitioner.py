"""The home partition is what Java's default partitioner, and aiokafka's, would choose."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import UNIT_ID
from stream.kafka.partitioner import home_partition

# Kafka's own UtilsTest.testMurmur2: key and hash, as a signed 32-bit integer.
JAVA = [
    ("21", -973932308),
    ("foobar", -790332482),
    ("a-little-bit-long-string", -985981536),
    ("a-little-bit-longer-string", -1486304829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ("abc", 479470107),
]


@pytest.mark.parametrize(("key", "signed_hash"), JAVA)
@pytest.mark.parametrize("partitions", [1, 2, 6, 7, 64, 1000])
def test_agrees_with_java(key: str, signed_hash: int, partitions: int) -> None:
    positive = signed_hash & 0x7FFFFFFF  # Java's Utils.toPositive
    assert home_partition(key, partitions) == positive % partitions


@given(st.from_regex(UNIT_ID, fullmatch=True), st.integers(1, 500))
def test_agrees_with_aiokafka(unit_id: str, partitions: int) -> None:
    everyone = list(range(partitions))
    theirs = DefaultPartitioner()(unit_id.encode(), everyone, everyone)
    assert home_partition(unit_id, partitions) == theirs


def test_spreads_units_evenly() -> None:
    counts = [0] * 6
    for number in range(6000):
        counts[home_partition(f"LT-{number:06}", 6)] += 1
    assert min(counts) > 800
