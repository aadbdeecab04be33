"""From settings to the steps of both stages: the one place where the two meet.

Workers, offline runs and tests make their steps here, so that they are the same steps.
"""

from collections.abc import Callable
from functools import lru_cache, partial

import torch

from agents.decide.decider import Decider
from agents.decide.disassembly import DisassemblyTable
from agents.decide.policy import Policy
from agents.decide.step import DecideConfig, DecideStep, Model, StartingPoint
from agents.distiller.circuits.backend import backend
from agents.distiller.distiller import Distiller
from agents.distiller.files import WEIGHTS, load_model
from agents.distiller.hierarchy import HierarchicalDistillation
from agents.extract.clocks import ClockConfig
from agents.extract.kinds import KINDS
from agents.extract.step import ExtractConfig, ExtractStep
from agents.join import JoinConfig
from schemas import headers
from schemas.decision import Decision
from schemas.record import Outgoing
from stream.kafka.partitioner import home_partition
from stream.kafka.topics import Topics
from stream.settings import Settings, ms

KNOWN_UNITS = 65_536
"""Units whose home partition is remembered: hashing in Python costs more than the look-up."""


def extract_steps(settings: Settings, homes: int) -> dict[str, ExtractStep]:
    """Returns the extract step of each input topic.

    Args:
        homes: H, the partition count of the features topic.
    """
    topics = Topics.of(settings)
    home_of = home_finder(homes)
    return {
        topics.observation(modality): ExtractStep(
            ExtractConfig(
                modality=modality,
                kind=KINDS[modality],
                features_topic=topics.features,
                dead_letter_topic=topics.dead_letter,
                home_of=home_of,
                max_clock_skew=settings.max_clock_skew_ms,
                limits=settings.limits,
                misread_ids=frozenset(name.upper() for name in settings.misread_ids),
            )
        )
        for modality in settings.modalities
    }


def clock_config(settings: Settings) -> ClockConfig:
    """Returns how long silent stations count."""
    return ClockConfig(
        live_for=settings.window_ms + settings.grace_ms,
        idle_timeout=ms(settings.idle_timeout),
        max_source_lag=ms(settings.max_source_lag),
    )


def load_decider(settings: Settings) -> Decider:
    """Returns the model with the plant's tables.

    Raises:
        WeightsError: the weights cannot be used.
        PlantTableError: a table cannot be used.
        BackendError: there is no such quantum device.
    """
    distiller = Distiller.load(
        settings.weights_path,
        threads=settings.torch_threads,
        device=settings.quantum.device,
        shots=settings.quantum.shots,
    )
    policy = Policy.load(settings.policy_path)
    return Decider(
        HierarchicalDistillation(distiller, policy.criticality, settings.tiers),
        policy,
        DisassemblyTable.load(settings.disassembly_path),
    )


def check_decider(settings: Settings) -> None:
    """Checks what `load_decider` will load, and compiles nothing.

    It leaves torch with one thread: others would not outlive a fork.

    Raises:
        WeightsError, PlantTableError, BackendError: as `load_decider`.
    """
    torch.set_num_threads(1)
    load_model(settings.weights_path or WEIGHTS)
    backend(settings.quantum.device, settings.quantum.shots)
    Policy.load(settings.policy_path)
    DisassemblyTable.load(settings.disassembly_path)


def decide_steps(
    settings: Settings, homes: int, model: Model, policy: Policy
) -> Callable[[StartingPoint | None], DecideStep]:
    """Returns what makes the decide step of a home partition from where event time had come."""
    topics, provisional = Topics.of(settings), settings.provisional_after
    config = DecideConfig(
        join=JoinConfig(
            window=settings.window_ms,
            grace=settings.grace_ms,
            provisional_after=None if provisional is None else ms(provisional),
            expected=lambda unit_id: policy.expected_modalities(unit_id, settings.modalities),
            max_evidence=settings.max_evidence,
        ),
        input_topics=frozenset(topics.observations),
        max_out_of_orderness=settings.max_out_of_orderness_ms,
        max_source_lag=ms(settings.max_source_lag),
        late_topic=topics.late,
        dead_letter_topic=topics.dead_letter,
        publish=partial(decision_record, topics, home_finder(homes)),
        batch_max=settings.batch_max,
    )
    return partial(DecideStep, config, model)


def home_finder(homes: int) -> Callable[[str], int]:
    """Returns what gives the home partition of a unit_id."""
    return lru_cache(KNOWN_UNITS)(partial(home_partition, partitions=homes))


def decision_record(topics: Topics, home_of: Callable[[str], int], decision: Decision) -> Outgoing:
    """Returns the record of a decision, with CloudEvents 1.0 headers in Kafka's binary mode."""
    more = {
        headers.CE_SPECVERSION: "1.0",
        headers.CE_ID: decision.decision_id,
        headers.CE_TYPE: "io.regrade.decision.v1",
        headers.CE_SOURCE: f"/{topics.prefix}regrade{topics.suffix}",
        headers.CE_SUBJECT: decision.unit_id,
        headers.CE_TIME: decision.decided_at.isoformat(timespec="milliseconds"),
        headers.CONTENT_TYPE: "application/json",
    }
    return Outgoing(
        topics.decisions,
        decision.unit_id.encode(),
        decision.model_dump_json().encode(),
        [(name, value.encode()) for name, value in more.items()],
        partition=home_of(decision.unit_id),
    )
