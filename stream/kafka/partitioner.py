"""The home partition: where all observations of a unit meet, whoever sent them.

Kafka's clients hash keys differently (Java and aiokafka murmur2, librdkafka CRC32, Sarama FNV-1a),
so nobody's choice of partition is trusted: it is recomputed from the payload's `unit_id`.
"""

from aiokafka.partitioner import murmur2


def home_partition(unit_id: str, partitions: int) -> int:
    """The one of `partitions` that Java's default partitioner gives to the key `unit_id`."""
    # Java's toPositive masks the sign bit; abs() would differ for every negative hash.
    return (int(murmur2(unit_id.encode())) & 0x7FFFFFFF) % partitions
