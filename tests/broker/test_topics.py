"""Topics on a broker: created once, checked, and named when they are wrong."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from schemas.limits import Limits
from stream.errors import BrokerUnreachable, CoPartitionError, MissingTopicError
from stream.kafka.connection import client_options
from stream.kafka.topics import Topics, check_topics, create_topics
from stream.settings import Settings


async def make(settings: Settings, **partitions: int) -> None:
    """Topics with other partition counts than `create_topics` gives.

    `create_topics`, which each test calls next, waits until the broker shows them.
    """
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.create_topics(
        [
            NewTopic(f"{settings.topic_prefix}{name.replace('_', '.')}", count, 1)
            for name, count in partitions.items()
        ]
    )
    await admin.close()


async def test_creates_all_topics_with_the_same_partition_count(settings: Settings) -> None:
    created = await create_topics(settings)
    assert set(created) == set(Topics.of(settings).all)
    report = await check_topics(settings)
    assert report.ok
    assert report.warnings == ()
    assert report.homes == 6
    assert {state.partitions for state in report.topics} == {6}


async def test_creating_again_changes_nothing(settings: Settings, topics: Topics) -> None:
    assert await create_topics(settings.model_copy(update={"partitions": 3})) == ()
    assert (await check_topics(settings)).homes == 6


async def test_creates_only_what_is_missing(settings: Settings) -> None:
    await make(settings, units_visual=6)
    created = await create_topics(settings)
    assert len(created) == len(Topics.of(settings).all) - 1
    assert (await check_topics(settings)).ok


async def test_topics_take_the_largest_record_and_its_dead_letter(
    settings: Settings, topics: Topics
) -> None:
    report = await check_topics(settings)
    sizes = {state.name: int(state.config["max.message.bytes"]) for state in report.topics}
    visual, dead = sizes[f"{topics.prefix}units.visual"], sizes[topics.dead_letter]
    assert settings.limits.record_bytes < visual < dead


async def test_missing_topics_are_named_and_not_created_by_looking(settings: Settings) -> None:
    for _ in range(2):
        report = await check_topics(settings)
        assert [type(problem) for problem in report.problems] == [MissingTopicError]
    message = str(report.problems[0])
    assert f"{settings.topic_prefix}units.visual" in message
    assert "regrade topics create" in message
    with pytest.raises(MissingTopicError):
        _ = report.homes


async def test_features_and_decisions_must_have_one_partition_count(settings: Settings) -> None:
    await make(settings, units_features=3, routing_decisions=4)
    await create_topics(settings)
    [problem] = (await check_topics(settings)).problems
    assert isinstance(problem, CoPartitionError)
    prefix = settings.topic_prefix
    found = f"{prefix}units.features has 3 and {prefix}routing.decisions has 4"
    assert found in str(problem)


async def test_all_other_topics_may_have_any(settings: Settings) -> None:
    await make(settings, units_text=3, units_visual=11, units_late=1)
    await create_topics(settings)
    report = await check_topics(settings)
    assert (report.ok, report.homes) == (True, 6)
    assert {s.name: s.partitions for s in report.topics}[f"{settings.topic_prefix}units.text"] == 3


@pytest.mark.real_kafka
async def test_what_will_lose_records_is_warned_of(settings: Settings) -> None:
    topics = Topics.of(settings)
    wrong = {
        topics.late: {"cleanup.policy": "compact"},
        topics.dead_letter: {"retention.ms": "80000"},
        topics.features: {"message.timestamp.type": "CreateTime"},
    }
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    new = [NewTopic(name, 6, 1, topic_configs=configs) for name, configs in wrong.items()]
    await admin.create_topics(new)
    await admin.close()
    await create_topics(settings)
    report = await check_topics(settings)
    assert report.ok
    told = "\n".join(report.warnings)
    assert f"{topics.late} is compacted" in told
    assert f"{topics.dead_letter} keeps records for 80000 ms, less than window and grace" in told
    assert f"{topics.features} keeps its producers' timestamps" in told


async def test_topics_too_small_for_the_limits_are_warned_of(
    settings: Settings, topics: Topics
) -> None:
    larger = settings.model_copy(update={"limits": Limits(record_bytes=64 * 1024 * 1024)})
    report = await check_topics(larger)
    assert report.ok
    assert len(report.warnings) == len(topics.all)
    assert all("max.message.bytes" in warning for warning in report.warnings)


async def test_an_unreachable_broker_is_one_line(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"bootstrap_servers": "127.0.0.1:1"})
    for operation in (create_topics, check_topics):
        with pytest.raises(BrokerUnreachable, match=r"no Kafka broker answers at 127\.0\.0\.1:1"):
            await operation(nowhere)
