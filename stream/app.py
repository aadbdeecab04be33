"""The Faust app: one agent a modality, and one for what comes home from other partitions.

`regrade worker` runs it, and so does `faust -A stream.app worker`.
"""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import faust
from faust.types import TP
from prometheus_client import start_http_server

from agents.decide.disassembly import DisassemblyTable
from agents.decide.policy import Policy
from agents.distiller.distiller import Distiller
from agents.distiller.hierarchy import HierarchicalDistillation
from stream.kafka.connection import ssl_context
from stream.kafka.topics import Topics, check_topics
from stream.kafka.transport import Transport
from stream.metrics import Metrics
from stream.pipeline.intake import FeatureEncoder, Intake
from stream.pipeline.machinery import Clock, Machinery
from stream.pipeline.pipeline import Pipeline
from stream.pipeline.publisher import Publisher
from stream.pipeline.record import Record, TopicPartition
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

BUFFERED_RECORDS = 256
"""Raw records that Faust holds per topic; each may be as large as a photograph."""


class App(faust.App):  # type: ignore[misc]
    """A Faust app around the pipeline: feeds it, follows its rebalances, drains it at the end."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.group, **_faust_settings(settings))
        self.settings = settings
        self.pipeline: Pipeline | None = None
        self.metrics = Metrics()
        self._publisher = Publisher(settings)
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="distiller")
        self.on_partitions_assigned.connect(self._assigned)
        self.on_partitions_revoked.connect(self._revoked)
        self.on_before_shutdown.connect(self._drain)
        for topic in Topics.of(settings).inputs:
            self._add_agent(topic)

    @property
    def fetch_max_wait_ms(self) -> int:
        return ms(self.settings.fetch_max_wait)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _add_agent(self, topic: str) -> None:
        channel = self.topic(topic, key_serializer="raw", value_serializer="raw")

        async def consume(stream: Any) -> None:
            async for event in stream.noack().events():
                message = event.message
                if self.pipeline is not None:
                    await self.pipeline.take(message.generation_id, _record(message))
                # Faust may keep the event for a while; the pipeline keeps what it needs.
                message.value = event.value = None

        self.agent(channel, name=f"consume-{topic}")(consume)

    # -- life -----------------------------------------------------------------------------

    async def on_start(self) -> None:
        settings, topics = self.settings, Topics.of(self.settings)
        report = await check_topics(settings)
        partitions = report.partitions
        for warning in report.warnings:
            log.warning("%s", warning)
        distiller = Distiller.load(
            settings.weights_path,
            threads=settings.torch_threads,
            device=settings.quantum.device,
            shots=settings.quantum.shots,
        )
        policy = Policy.load(settings.policy_path)
        disassembly = DisassemblyTable.load(settings.disassembly_path)
        encoder = FeatureEncoder(distiller)
        intake = Intake(topics, partitions, settings.max_clock_skew_ms, settings.limits, encoder)
        await self._publisher.start()
        machinery = Machinery(
            settings,
            topics,
            partitions,
            intake,
            HierarchicalDistillation(distiller, policy.criticality, settings.tiers),
            policy,
            disassembly,
            self._publisher,
            self.consumer,
            self._executor,
            Clock(),
            self.metrics,
        )
        self.pipeline = Pipeline(machinery, self._crashed)
        if settings.metrics_port is not None:
            start_http_server(
                settings.metrics_port, settings.metrics_host, registry=self.metrics.registry
            )
        await super().on_start()

    async def on_shutdown(self) -> None:
        await super().on_shutdown()
        await self._publisher.stop()
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _crashed(self, error: BaseException) -> None:
        asyncio.get_running_loop().create_task(self.crash(error))

    # -- rebalances -----------------------------------------------------------------------

    async def _assigned(self, app: Any, assigned: set[TP], **_: Any) -> None:
        assert self.pipeline is not None
        number = self.consumer_generation_id
        self.pipeline.assign(number, {TopicPartition(tp.topic, tp.partition) for tp in assigned})

    async def _revoked(self, app: Any, revoked: set[TP], **_: Any) -> None:
        await self._drain()
        if self.pipeline is not None:
            self.pipeline.forget()

    async def _drain(self, *_: Any, **__: Any) -> None:
        """Finish what is in flight and commit it, while this generation still may."""
        if self.pipeline is not None:
            await self.pipeline.revoke()
            await self.consumer.commit()


def _record(message: Any) -> Record:
    timestamp = -1 if message.timestamp is None else round(message.timestamp * 1000)
    return Record(
        message.topic,
        message.partition,
        message.offset,
        timestamp,
        message.key,
        message.value,
        tuple(message.headers or ()),
    )


def _faust_settings(settings: Settings) -> dict[str, Any]:
    """Faust's own settings, derived from ours; those without a name here are its traps."""
    return {
        "broker": [f"kafka://{s.strip()}" for s in settings.bootstrap_servers.split(",")],
        "broker_credentials": _credentials(settings),
        "broker_session_timeout": settings.session_timeout,
        "broker_heartbeat_interval": settings.heartbeat_interval,
        "broker_rebalance_timeout": settings.rebalance_timeout,
        "broker_commit_interval": settings.commit_interval,
        "broker_request_timeout": max(settings.request_timeout, settings.session_timeout),
        "consumer_max_fetch_size": settings.limits.record_bytes,
        "consumer_auto_offset_reset": "earliest",
        "producer_linger": settings.producer_linger,
        "topic_disable_leader": True,
        "topic_allow_declare": False,
        "store": "memory://",
        "datadir": _datadir(settings),
        "web_enabled": False,
        "autodiscover": False,
        "stream_buffer_maxsize": BUFFERED_RECORDS,
        "stream_wait_empty": False,  # with held acks, shutdown and rebalances would hang
        "table_standby_replicas": 1,  # 0 makes Faust assign round-robin: topics part company
    }


def _datadir(settings: Settings) -> str:
    settings.datadir.mkdir(parents=True, exist_ok=True)  # Faust makes only the last folder
    return str(settings.datadir / "faust")


def _credentials(settings: Settings) -> Any:
    context = ssl_context(settings) if settings.security_protocol.endswith("SSL") else None
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None  # Settings checked
        return faust.SASLCredentials(
            username=settings.sasl_username,
            password=settings.sasl_password.get_secret_value(),
            mechanism=settings.sasl_mechanism,
            ssl_context=context,
        )
    return None if context is None else faust.SSLCredentials(context)


def __getattr__(name: str) -> App:
    """`app`, made from the settings in force when Faust's own command line asks for it."""
    if name == "app":
        return App(Settings.load())
    raise AttributeError(name)
