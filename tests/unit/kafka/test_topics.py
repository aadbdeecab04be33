"""Names of topics, and what belongs on which."""

from schemas.limits import Limits
from schemas.modality import Modality
from stream.kafka.topics import Topics
from stream.settings import Settings


def test_names_are_those_of_the_contract() -> None:
    assert Topics().all == (
        "units.visual",
        "units.spectral",
        "units.text",
        "units.thermal",
        "units.acoustic",
        "units.battery",
        "units.features",
        "routing.decisions",
        "units.late",
        "units.dead-letter",
    )


def test_the_prefix_comes_before_every_name() -> None:
    prefixed = Topics("plant1.line3.")
    assert prefixed.all == tuple(f"plant1.line3.{name}" for name in Topics().all)


def test_only_enabled_modalities_have_topics() -> None:
    settings = Settings(topic_prefix="p.", modalities=(Modality.TEXT, Modality.VISUAL))
    topics = Topics.of(settings)
    assert topics.observations == ("p.units.text", "p.units.visual")
    assert topics.homes == ("p.units.features", "p.routing.decisions")
    assert topics.modality_of("p.units.text") is Modality.TEXT
    assert topics.modality_of("p.units.battery") is None


def test_modality_of_knows_observation_topics_only() -> None:
    topics = Topics("p.")
    for modality in Modality:
        assert topics.modality_of(topics.observation(modality)) is modality
    for topic in ("units.text", "p.units.features", "p.routing.decisions", ""):
        assert topics.modality_of(topic) is None


def test_a_dead_letter_has_room_for_the_record_and_its_headers() -> None:
    topics, limits = Topics(), Limits(record_bytes=1000)
    largest = max(topics.message_bytes(topic, limits) for topic in topics.observations)
    for topic in (topics.features, topics.late, topics.dead_letter):
        assert topics.message_bytes(topic, limits) >= largest + 32 * 1024
