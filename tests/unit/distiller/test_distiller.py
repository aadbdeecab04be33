"""The front of inference, with the weights that ship."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from support.encodings import encode
from support.networks import network

from agents.decide.policy import Policy
from agents.distiller.distiller import Distiller, Encoding
from agents.distiller.files import (
    MODEL,
    VERSION,
    WEIGHTS,
    WeightsError,
    load_model,
    write_tensors,
)
from agents.distiller.hierarchy import HierarchicalDistillation
from agents.distiller.model import MissingData, NoEvidence
from agents.distiller.prediction import Prediction
from agents.extract.kinds import KINDS, extract
from agents.lab.simulator import simulate_unit
from agents.lab.training.cost import multiply_adds
from schemas.decision import Component, Condition, Grade, Material, Option, Tier
from schemas.modality import MODALITIES, Modality
from schemas.observation import Payload

UNITS = 150
SEED = 7
"""As the demo's; the weights were trained on another."""


@pytest.fixture(scope="module")
def distiller() -> Distiller:
    return Distiller.load(threads=None)


@pytest.fixture(scope="module")
def payloads() -> list[list[Payload]]:
    """Per unit one of every modality, in the order of the registry."""
    return [[simulate_unit(SEED, i).payload(m) for m in MODALITIES] for i in range(UNITS)]


@pytest.fixture(scope="module")
def encoded(distiller: Distiller, payloads: list[list[Payload]]) -> list[dict[Modality, Encoding]]:
    flat = encode(distiller, [p for unit in payloads for p in unit])
    m = len(MODALITIES)
    return [dict(zip(MODALITIES, flat[m * i : m * i + m], strict=True)) for i in range(UNITS)]


def numbers(prediction: Prediction) -> np.ndarray:
    fields = asdict(prediction)
    return np.array([p for f in fields.values() if isinstance(f, Mapping) for p in f.values()])


def test_shipped_weights_are_small_and_what_the_card_says(distiller: Distiller) -> None:
    data = WEIGHTS.read_bytes()
    card = json.loads(WEIGHTS.with_suffix(".json").read_text())
    assert len(data) <= 2_000_000
    assert hashlib.sha256(data).hexdigest() == card["sha256"] == distiller.sha256
    assert (card["model"], card["version"]) == (MODEL, VERSION)
    assert card["tiers"] == list(Tier)
    assert card["data"]["seed"] != SEED
    for tier in Tier:
        stated = card["metrics"]["tiers"][tier]["multiply_adds"]
        assert stated == multiply_adds(distiller.model, MODALITIES, tier)


@pytest.mark.parametrize("tier", Tier)
def test_predictions_are_probabilities_over_every_class(
    distiller: Distiller, encoded: list[dict[Modality, Encoding]], tier: Tier
) -> None:
    for said in distiller.distill(encoded[:40], tier):
        assert list(said.quality) == list(Grade)
        assert list(said.material) == list(Material)
        assert list(said.routing) == list(Option)
        assert list(said.reuse) == list(Component)
        assert list(said.conditions) == list(Condition)
        for exclusive in (said.quality, said.material, said.routing):
            assert sum(exclusive.values()) == pytest.approx(1, abs=1e-12)
        assert (numbers(said) >= 0).all()
        assert (numbers(said) <= 1).all()
        assert said.tier is tier
        assert said.selection is None


@pytest.mark.parametrize("modality", MODALITIES)
@pytest.mark.parametrize("extractor", [False, True])
def test_encodings_are_the_networks_to_the_bit(modality: Modality, extractor: bool) -> None:
    own = Distiller(network(extractor=extractor), "cafe")
    x = np.random.default_rng(7).normal(size=(3, *own.model.config.shapes[modality]))
    whole = own.model.encode(modality, torch.from_numpy(x)).float().numpy()
    assert (own.encode_features(modality, x) == whole).all()


def right(said: list[Prediction]) -> dict[str, float]:
    """The fraction of units of which the most probable class is true."""
    truth = [simulate_unit(SEED, i).labels for i in range(UNITS)]
    return {
        name: np.mean([
            max(getattr(s, name), key=getattr(s, name).__getitem__) == getattr(t, name)
            for s, t in zip(said, truth, strict=True)
        ]).item()
        for name in ("quality", "material", "routing")
    }  # fmt: skip


@pytest.mark.parametrize("tier", Tier)
def test_all_six_are_right_and_beat_each_alone(
    distiller: Distiller, encoded: list[dict[Modality, Encoding]], tier: Tier
) -> None:
    whole = right(distiller.distill(encoded, tier))
    assert whole["routing"] > 0.75
    assert whole["material"] > 0.95
    assert whole["quality"] > 0.55
    best = max(
        right(distiller.distill([{m: unit[m]} for unit in encoded], tier))["routing"]
        for m in MODALITIES
    )
    assert whole["routing"] > best + 0.15


def test_the_cascade_is_hardly_less_right_than_its_best_tier(
    distiller: Distiller, encoded: list[dict[Modality, Encoding]]
) -> None:
    """With the rules and the policy that ship; most units never see the largest circuits."""
    said = HierarchicalDistillation(distiller, Policy.load().criticality).distill(encoded)
    best = max(right(distiller.distill(encoded, tier))["routing"] for tier in Tier)
    assert right(said)["routing"] > best - 0.05
    tiers = Counter(prediction.tier for prediction in said)
    assert len(tiers) > 1
    assert tiers[Tier.LARGE] < UNITS / 2


def test_encodings_have_one_shape_and_type(
    distiller: Distiller, payloads: list[list[Payload]]
) -> None:
    for payload in payloads[0]:
        features = np.stack([extract(payload)] * 3)
        features.flags.writeable = False  # as those of a record are
        encodings = distiller.encode_features(payload.modality, features)
        assert encodings.shape == (3, distiller.dim)
        assert encodings.dtype == np.float32
        assert distiller.encode_features(payload.modality, features[:0]).shape == (0, distiller.dim)


@pytest.mark.parametrize("tier", Tier)
def test_results_do_not_depend_on_the_batch(
    distiller: Distiller,
    payloads: list[list[Payload]],
    encoded: list[dict[Modality, Encoding]],
    tier: Tier,
) -> None:
    """Alone, in a batch, in another order: equal to far below the sixth decimal."""
    together = [numbers(p) for p in distiller.distill(encoded, tier)]
    backwards = [numbers(p) for p in distiller.distill(encoded[::-1], tier)][::-1]
    np.testing.assert_allclose(backwards, together, rtol=0, atol=1e-12)
    for i in range(5):
        arrays = encode(distiller, payloads[i])
        (alone,) = distiller.distill([dict(zip(MODALITIES, arrays, strict=True))], tier)
        np.testing.assert_allclose(numbers(alone), together[i], rtol=0, atol=1e-6)
        np.testing.assert_array_equal(numbers(alone).round(6), together[i].round(6))


def test_threads_share_a_distiller(
    distiller: Distiller, encoded: list[dict[Modality, Encoding]]
) -> None:
    units, tiers = encoded[:40], list(Tier) * 2
    expected = {tier: [numbers(p) for p in distiller.distill(units, tier)] for tier in Tier}
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda tier: distiller.distill(units, tier), tiers)
        for tier, result in zip(tiers, results, strict=True):
            np.testing.assert_allclose([numbers(p) for p in result], expected[tier], atol=1e-12)


def test_what_cannot_be_distilled_is_refused(
    distiller: Distiller, encoded: list[dict[Modality, Encoding]]
) -> None:
    features = np.zeros((2, *distiller.model.config.shapes[Modality.BATTERY]), np.float16)
    with pytest.raises(ValueError, match="shape"):
        distiller.encode_features(Modality.TEXT, features)
    with pytest.raises(ValueError, match="shape"):
        distiller.encode_features(Modality.BATTERY, features[0])
    with pytest.raises(MissingData):
        distiller.encode_features("smell", features)  # type: ignore[arg-type]
    for tier in Tier:
        assert distiller.distill([], tier) == []
        with pytest.raises(NoEvidence):
            distiller.distill([encoded[0], {}], tier)
        with pytest.raises(ValueError, match="shape"):
            distiller.distill([{Modality.TEXT: np.zeros(3, np.float32)}], tier)
        with pytest.raises(MissingData):
            distiller.distill([{"smell": encoded[0][Modality.TEXT]}], tier)  # type: ignore[dict-item]


def test_a_pennylane_device_says_the_same(
    distiller: Distiller, encoded: list[dict[Modality, Encoding]]
) -> None:
    """The shipped weights on `default.qubit`, and, with shots, about the same."""
    units = encoded[:2]
    exactly = [numbers(p) for p in distiller.distill(units, Tier.SMALL)]
    device = Distiller.load(threads=None, device="default.qubit")
    found = [numbers(p) for p in device.distill(units, Tier.SMALL)]
    np.testing.assert_allclose(found, exactly, rtol=0, atol=1e-9)
    sampled = Distiller.load(threads=None, device="default.qubit", shots=2_000)
    about = [numbers(p) for p in sampled.distill(units, Tier.SMALL)]
    assert not np.array_equal(about, exactly)
    np.testing.assert_allclose(about, exactly, rtol=0, atol=0.25)


def test_weights_for_other_features_are_refused(tmp_path: Path) -> None:
    model, _ = load_model(WEIGHTS)
    config = asdict(model.config)
    config["shapes"] = {**config["shapes"], Modality.BATTERY: (73,)}
    path = tmp_path / "other.safetensors"
    write_tensors(path, model.state_dict(), {"model": config})
    with pytest.raises(WeightsError, match="train again"):
        Distiller.load(path, threads=None)


OF_NOW = {m.value: kind.fingerprint for m, kind in KINDS.items()}


def test_weights_know_which_features_they_were_trained_on(distiller: Distiller) -> None:
    assert dict(distiller.fingerprints) == OF_NOW


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (None, "cannot read .*weights.json, the model card of weights.safetensors: No such file"),
        ("{", "does not say which features"),
        ("[]", "does not say which features"),
        ('{"model": "regrade-6m"}', "does not say which features .*KeyError.*train again"),
        (json.dumps({"features": {**OF_NOW, "text": None}}), "other features of text than"),
        (json.dumps({"features": {m: OF_NOW[m] for m in list(OF_NOW)[1:]}}), "KeyError"),
        (
            json.dumps({"features": {**OF_NOW, "text": "0" * 16, "visual": "0" * 16}}),
            "trained on other features of visual, text than this version extracts; train again",
        ),
    ],
)
def test_weights_whose_features_are_not_ours_are_refused_in_one_line(
    card: str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(WEIGHTS.read_bytes())
    if card:
        path.with_suffix(".json").write_text(card)
    with pytest.raises(WeightsError, match=message) as refused:
        Distiller.load(path, threads=None)
    assert "\n" not in str(refused.value)


def test_threads_are_set_on_request() -> None:
    before = torch.get_num_threads()
    try:
        Distiller.load(threads=1)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_inference_needs_neither_pennylane_nor_the_simulator() -> None:
    code = (
        "import sys; from agents.distiller.distiller import Distiller; Distiller.load();"
        "from agents.distiller.hierarchy import HierarchicalDistillation;"
        "print([m for m in ('pennylane', 'agents.lab.simulator') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
