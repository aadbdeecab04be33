"""How every aiokafka client of the house connects: the same options, the same one-line errors."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    NoError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.transaction import InitProducerIdRequest

from stream.errors import BrokerUnreachable, MissingTopicError, SettingsError
from stream.settings import Settings, ms

log = logging.getLogger(__name__)

STOP_TIMEOUT = 3.0
CONNECT_TIMEOUT = 15.0
"""For the first metadata; a firewall that drops packets would hold us for much longer."""
REFUSALS = (IllegalSaslStateError, SaslAuthenticationFailed, UnsupportedSaslMechanismError)

_reasons: ContextVar[list[Exception] | None] = ContextVar("_reasons", default=None)


def _hear(record: logging.LogRecord) -> bool:
    """Takes what aiokafka tells its log alone: why a bootstrap server did not let us in."""
    reasons = _reasons.get() if record.funcName == "bootstrap" else None
    if reasons is None:
        return True
    reasons.extend(argument for argument in record.args or () if isinstance(argument, Exception))
    return False


logging.getLogger("aiokafka").addFilter(_hear)


def client_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments that every aiokafka producer, consumer and admin client takes.

    Raises:
        SettingsError: the CA file cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": [s.strip() for s in settings.bootstrap_servers.split(",")],
        "security_protocol": settings.security_protocol,
        "request_timeout_ms": ms(settings.request_timeout),
    }
    if settings.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(settings)
    if settings.security_protocol.startswith("SASL"):
        assert settings.sasl_password is not None  # Settings checked
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        options["sasl_plain_password"] = settings.sasl_password.get_secret_value()
    return options


def ssl_context(settings: Settings) -> ssl.SSLContext:
    """TLS with certificate and host name checks, trusting `ssl_cafile` or the system."""
    try:
        return ssl.create_default_context(cafile=settings.ssl_cafile)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"ssl_cafile: cannot read certificates from {settings.ssl_cafile}: {error}"
        ) from error


@asynccontextmanager
async def connecting(bootstrap: str, within: float = CONNECT_TIMEOUT) -> AsyncIterator[None]:
    """Turns whatever a failed connection raises into `BrokerUnreachable`, with the reason."""
    reasons: list[Exception] = []
    token = _reasons.set(reasons)
    try:
        async with asyncio.timeout(within):
            yield
    except (
        OSError,
        TimeoutError,
        KafkaConnectionError,
        KafkaTimeoutError,
        NodeNotReadyError,
        RequestTimedOutError,
        *REFUSALS,
    ) as error:
        for reason in (error, *reasons):
            if isinstance(reason, REFUSALS):
                raise BrokerUnreachable(
                    f"the broker at {bootstrap} refused our credentials ({reason});"
                    " check security_protocol, sasl_mechanism, sasl_username and sasl_password"
                ) from error
        why = f" ({str(reasons[-1]) or 'no answer in time'})" if reasons else ""
        raise BrokerUnreachable(
            f"no Kafka broker answers at {bootstrap}{why}; is it running and reachable from here"
            " (REGRADE_BOOTSTRAP_SERVERS)? `regrade broker` starts one to try things out"
        ) from error
    else:
        for reason in reasons:
            log.info("One of %s did not let us in: %s", bootstrap, reason)
    finally:
        _reasons.reset(token)


async def has_idempotence(settings: Settings) -> bool:
    """Returns whether the broker gives out producer ids, without which a retry may write twice.

    The embedded one answers UNKNOWN_SERVER_ERROR, on which aiokafka's idempotent producer fails
    to start (and logs an error); a cluster may refuse by its access rules. So we ask first.

    Raises:
        BrokerUnreachable: no broker answers.
    """
    client = AIOKafkaClient(**client_options(settings))
    request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=2**31 - 1)
    try:
        async with connecting(settings.bootstrap_servers):
            await client.bootstrap()
            response = await client.send(client.get_random_node(), request)
    except IncompatibleBrokerVersion:
        return False
    finally:
        await client.close()
    error = for_code(response.error_code)
    # A coordinator that is still loading will do; the producer itself waits for it.
    return error is NoError or bool(error.retriable)


async def partition_count(client: AIOKafkaClient, topic: str) -> int:
    """How many partitions a topic has, without making it.

    All topics are listed: asked for one by name, a broker with `auto.create.topics.enable` creates
    it, with a partition count of its own (the embedded one: 4), and units would not meet.

    Raises:
        MissingTopicError: there is none of that name, or none that we may see.
    """
    metadata = await client.fetch_all_metadata()
    partitions = metadata.partitions_for_topic(topic)
    if not partitions:
        raise MissingTopicError(
            f"there is no topic {topic} (or we may not see it); check topic_prefix,"
            " or make it with `regrade topics create`"
        )
    return len(partitions)


async def stop_client(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Stop it even when the broker is gone, where its own flush or leave would never end."""
    stopping = asyncio.create_task(client.stop())
    try:
        await asyncio.wait([stopping], timeout=STOP_TIMEOUT)
    finally:
        stopping.cancel()
    # A task of its own, since a consumer whose fetch failed while it stops ends with that fetch's
    # CancelledError (aiokafka 0.14), which here would look like our own cancellation.
    stopped = await asyncio.gather(stopping, return_exceptions=True)
    if isinstance(stopped[0], BaseException):
        log.warning("The broker did not answer while we disconnected")
        # No public way to the connections is there in both.
        await (client.client if isinstance(client, AIOKafkaProducer) else client._client).close()
