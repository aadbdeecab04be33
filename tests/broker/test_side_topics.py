"""A topic that refuses what is published to it ends the worker, which says what to repair."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourcePatternType,
    ResourceType,
)
from support.faults import FaultyLine, faulty_line
from support.kafka import KafkaCluster

from schemas.modality import Modality
from stream.settings import Settings

pytestmark = pytest.mark.real_kafka
WITHIN = 30.0
DAMAGED = 50


@pytest.fixture(scope="module")
def own_kafka(kafka_class_path: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker with access rules, which makes no topics by itself."""
    properties = {
        "auto.create.topics.enable": "false",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    folder = tmp_path_factory.mktemp("kafka")
    with KafkaCluster(kafka_class_path, folder, properties=properties) as cluster:
        yield cluster.bootstrap


# -- how topics come to refuse ------------------------------------------------------------------


def configure(line: FaultyLine, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
    with admin_of(line) as admin:
        done(admin.incremental_alter_configs([resource]))


def compact(line: FaultyLine, topic: str) -> None:
    configure(line, topic, "cleanup.policy", "compact")


def shrink(line: FaultyLine, topic: str) -> None:
    configure(line, topic, "max.message.bytes", "200")


def delete(line: FaultyLine, topic: str) -> None:
    with admin_of(line) as admin:
        done(admin.delete_topics([topic]))


def forbid(line: FaultyLine, topic: str) -> None:
    kind, literal = ResourceType.TOPIC, ResourcePatternType.LITERAL
    rules = [
        AclBinding(kind, topic, literal, "User:ANONYMOUS", "*", operation, permission)
        for operation, permission in (
            (AclOperation.ALL, AclPermissionType.ALLOW),
            (AclOperation.WRITE, AclPermissionType.DENY),
        )
    ]
    with admin_of(line) as admin:
        done(admin.create_acls(rules))


@contextlib.contextmanager
def admin_of(line: FaultyLine) -> Iterator[AdminClient]:
    yield AdminClient({"bootstrap.servers": line.settings.bootstrap_servers, "log_level": 0})


def done(futures: dict[object, object]) -> None:
    for future in futures.values():
        future.result(10)


# -- what is then published to them ---------------------------------------------------------------


async def a_dead_letter(line: FaultyLine) -> None:
    for _ in range(DAMAGED):
        line.sender.record(line.topics.observation(Modality.TEXT), b"damaged", None, 0)


async def a_late_record(line: FaultyLine) -> None:
    """Once another unit has been decided, the line knows how late it is."""
    line.send("NOW", (Modality.TEXT,))
    await line.workers.until(lambda: bool(line.decisions.records), "a decision", 30)
    line.send("LATE", (Modality.TEXT,), behind=120)


async def a_decision(line: FaultyLine) -> None:
    line.send("LT-1")


async def a_mark(line: FaultyLine) -> None:
    """Is sent anyway."""


Refusal = tuple[
    str, str, Callable[[FaultyLine, str], None], Callable[[FaultyLine], Awaitable[None]]
]
REFUSALS: dict[str, Refusal] = {
    "compacted-dead-letter": ("dead_letter", "key", compact, a_dead_letter),
    "small-dead-letter": ("dead_letter", "max.message.bytes", shrink, a_dead_letter),
    "deleted-dead-letter": ("dead_letter", "refuses", delete, a_dead_letter),
    "forbidden-dead-letter": ("dead_letter", "uthorization", forbid, a_dead_letter),
    "forbidden-late": ("late", "uthorization", forbid, a_late_record),
    "forbidden-decisions": ("decisions", "uthorization", forbid, a_decision),
    "compacted-features": ("features", "key", compact, a_mark),
}


async def test_the_worker_ends_and_says_what_to_repair(
    own_kafka: str, settings: Settings, tmp_path: Path
) -> None:
    """Each refusal on a line of its own; decisions and features are none that may be dropped."""
    line = settings.model_copy(update={"bootstrap_servers": own_kafka})
    names = iter(REFUSALS)
    told = [
        text
        for few in (3, 4)
        for text in await asyncio.gather(
            *[fault_of(next(names), line, tmp_path) for _ in range(few)]
        )
    ]
    faults = [f"{name}: {fault}" for name, fault in zip(REFUSALS, told, strict=True) if fault]
    assert not faults, "\n".join(faults)


async def fault_of(name: str, settings: Settings, folder: Path) -> str | None:
    which, said, refuse, publish = REFUSALS[name]
    mode = {} if which in ("late", "dead_letter") else {"side_topics": "best-effort"}
    async with faulty_line(settings, folder, name, **mode) as line:
        topic = getattr(line.topics, which)
        refuse(line, topic)
        await publish(line)
        await line.sender.flush()
        begun = time.monotonic()
        code = await line.worker.end(WITHIN)
        seconds = time.monotonic() - begun
        log = line.worker.log
    print(f"{name}: {seconds:.1f} s")
    lines = [text for text in log.splitlines() if "so this worker ends" in text]
    if code == 1 and len(lines) == 1 and topic in lines[0] and said in lines[0]:
        return None
    return f"exit code {code} after {seconds:.1f} s, {lines}\n{line.worker.tail()}"


async def test_best_effort_goes_on_and_counts(
    own_kafka: str, settings: Settings, tmp_path: Path
) -> None:
    at = {"bootstrap_servers": own_kafka, "side_topics": "best-effort"}
    async with (
        faulty_line(settings, tmp_path, "forbidden", metrics=True, **at) as forbidden,
        faulty_line(settings, tmp_path, "deleted", metrics=True, **at) as deleted,
    ):
        forbid(forbidden, forbidden.topics.dead_letter)
        delete(deleted, deleted.topics.dead_letter)
        for line in (forbidden, deleted):
            await a_dead_letter(line)
            line.send("LT-1")
        for line in (forbidden, deleted):
            letters, here = line.topics.dead_letter, line
            await line.workers.until(lambda: bool(here.decisions.records), "a decision", WITHIN)  # noqa: B023
            assert line.metric("regrade_refused_total") == {f'{{topic="{letters}"}}': DAMAGED}
            assert line.worker.log.count(f"{letters} refuses") == 1
            line.send("LT-2")
        for line in (forbidden, deleted):
            here = line
            await line.workers.until(lambda: len(here.decisions.records) == 2, "another", 20)  # noqa: B023
