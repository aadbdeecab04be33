"""The simulator: deterministic, balanced, and each cause moves its measurement the right way."""

import dataclasses
import hashlib
import io
import subprocess
import sys
from collections import Counter
from enum import StrEnum
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from agents.lab.simulator import MODELS, Labels, Latents, SimulatedUnit, simulate_unit
from agents.lab.simulator import acoustic as acoustic_station
from agents.lab.simulator import battery as battery_station
from agents.lab.simulator import spectral as spectral_station
from agents.lab.simulator import text as text_station
from agents.lab.simulator import thermal as thermal_station
from agents.lab.simulator import visual as visual_station
from agents.lab.simulator.labels import REPAIRABLE, label
from agents.lab.simulator.units import generator
from schemas.decision import Component, Condition, Grade, Material, Option
from schemas.modality import MODALITIES, Modality
from schemas.observation import Acoustic, Battery, Payload, Spectral, Text, Thermal, Visual


def content(payload: Payload) -> bytes:
    """Every field's bytes."""
    parts = [getattr(payload, field.name) for field in dataclasses.fields(payload)]
    return b"|".join(p.tobytes() if isinstance(p, np.ndarray) else repr(p).encode() for p in parts)


def digest(order: list[int]) -> str:
    found = {
        (index, modality): content(simulate_unit(11, index).payload(modality))
        for index in order
        for modality in (MODALITIES if index % 2 else reversed(MODALITIES))
    }
    return hashlib.sha256(b"".join(found[key] for key in sorted(found))).hexdigest()


@lru_cache(maxsize=1)
def population() -> list[tuple[Latents, Labels]]:
    units = [simulate_unit(5, index) for index in range(2000)]
    return [(unit.latents, unit.labels) for unit in units]


def healthy(**changes: object) -> Latents:
    """A unit without any fault, but for `changes`."""
    base = Latents(
        model=MODELS[0],
        age_years=2.0,
        intensity=0.3,
        drops=0,
        scratches=1,
        crack=0.05,
        discoloration=0.05,
        dirt=0.1,
        liquid=0.0,
        corrosion=0.0,
        board_fault=0.05,
        hot_spot=(0.15, 0.85),
        coil_whine=0.0,
        chemistry=MODELS[0].platform.chemistries[0],
        cycles=250,
        state_of_health=0.93,
        resistance_growth=1.1,
        swelling_mm=0.0,
        fan_wear=0.05,
        dust=0.1,
        key_wear=0.1,
        keyboard_fault=False,
        display_fault=False,
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


def route(**changes: object) -> Option:
    return label(healthy(**changes)).routing


def model_of(material: Material) -> dict[str, object]:
    return {"model": next(model for model in MODELS if model.material is material)}


# Determinism


def test_payloads_are_the_same_bytes_in_any_order() -> None:
    assert digest([0, 1, 2, 3]) == digest([3, 1, 0, 2])


def test_payloads_are_the_same_bytes_in_another_process() -> None:
    code = "from test_units import digest; print(digest([0, 1]))"
    path = [__file__.rpartition("/")[0], *sys.path]
    script = f"import sys; sys.path[:] = {path!r}; {code}"
    # A second process has another hash seed, and nothing that this one has cached.
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == digest([0, 1])


def test_units_seeds_and_takes_differ() -> None:
    for modality in MODALITIES:
        readings = {
            content(simulate_unit(seed, index).payload(modality, take))
            for seed in (1, 2)
            for index in (0, 1)
            for take in (0, 1)
        }
        # Two notes may well be the same words; no two physical readings are.
        assert len(readings) == 8 or modality is Modality.TEXT


def test_payload_is_of_its_modality_and_id_names_the_index() -> None:
    unit = simulate_unit(3, 17, prefix="line3.LT")
    assert unit.unit_id == "line3.LT-000017"
    assert [unit.payload(modality).modality for modality in MODALITIES] == list(MODALITIES)


def test_models_can_be_held_out() -> None:
    drawn = {simulate_unit(1, index, models=MODELS[:3]).latents.model for index in range(50)}
    assert drawn == set(MODELS[:3])


# Frequencies


@pytest.mark.parametrize(
    ("field", "kind"), [("routing", Option), ("quality", Grade), ("material", Material)]
)
def test_every_class_is_frequent(field: str, kind: type[StrEnum]) -> None:
    count = Counter(getattr(labels, field) for _, labels in population())
    assert min(count[member] for member in kind) >= 0.06 * len(population())


@pytest.mark.parametrize("name", [*Component, *Condition])
def test_every_finding_comes_and_stays_away(name: Component | Condition) -> None:
    field = "reuse" if isinstance(name, Component) else "conditions"
    share = np.mean([getattr(labels, field)[name] for _, labels in population()])
    assert 0.03 <= share <= 0.97


# Causes


def correlation(cause: str, effect: str) -> float:
    pairs = [(float(getattr(u, cause)), float(getattr(u, effect))) for u, _ in population()]
    return float(np.corrcoef(np.array(pairs).T)[0, 1])


@pytest.mark.parametrize(
    ("cause", "effect", "sign"),
    [
        ("cycles", "state_of_health", -1),
        ("state_of_health", "swelling_mm", -1),
        ("state_of_health", "resistance_growth", -1),
        ("drops", "crack", 1),
        ("drops", "display_fault", 1),
        ("liquid", "keyboard_fault", 1),
        ("corrosion", "board_fault", 1),
        ("intensity", "key_wear", 1),
        ("age_years", "discoloration", 1),
        ("age_years", "fan_wear", 1),
    ],
)
def test_causes_have_their_effects(cause: str, effect: str, sign: int) -> None:
    assert sign * correlation(cause, effect) > 0.05


# Labels


def test_routing_asks_for_danger_board_housing_and_service_in_that_order() -> None:
    abs_, pa = model_of(Material.ABS), model_of(Material.PA_GF)
    worn: dict[str, object] = {"fan_wear": 0.8}
    broken: dict[str, object] = {"fan_wear": 0.8, "keyboard_fault": True}
    assert route() is Option.RESELL
    assert route(swelling_mm=3.0, board_fault=0.9, crack=0.9) is Option.HAZARDOUS
    assert route(**worn) is Option.REFURBISH
    assert route(state_of_health=0.7) is Option.REFURBISH
    assert route(display_fault=True) is Option.REFURBISH
    assert route(**broken) is Option.REMANUFACTURE
    assert route(**broken, **abs_) is Option.HARVEST
    assert route(crack=0.9) is Option.REMANUFACTURE
    assert route(crack=0.9, **abs_) is Option.HARVEST
    assert route(crack=0.9, **abs_, **worn) is Option.RECYCLE
    assert route(board_fault=0.9) is Option.HARVEST
    assert route(board_fault=0.9, **worn) is Option.RECYCLE
    assert route(board_fault=0.9, **worn, **pa) is Option.HARVEST


def test_lookalikes_differ_in_material_and_so_in_routing() -> None:
    for platform in {model.platform for model in MODELS}:
        materials = {model.material for model in MODELS if model.platform is platform}
        assert len(materials) == 3
        assert materials & REPAIRABLE
        assert materials - REPAIRABLE


def test_faults_lower_the_grade_and_forbid_reuse() -> None:
    assert label(healthy()).quality is Grade.A
    assert all(label(healthy()).reuse.values())
    ruined = label(healthy(crack=0.9, scratches=20, discoloration=0.9, board_fault=0.9))
    assert ruined.quality is Grade.D
    assert not ruined.reuse[Component.MAINBOARD]
    assert ruined.conditions[Condition.HOUSING_CRACKED]
    assert not label(healthy(swelling_mm=3.0)).reuse[Component.BATTERY]


# Mechanisms: each averaged over some readings, so that noise cannot decide


def rngs() -> list[np.random.Generator]:
    return [generator(99, number) for number in range(12)]


def test_fade_lowers_capacity_and_raises_resistance() -> None:
    def ends(unit: Latents) -> tuple[float, float]:
        tables: list[Battery] = [battery_station.measure(rng, unit) for rng in rngs()]
        return (
            float(np.mean([t.capacity[-1] / t.capacity[0] for t in tables])),
            float(np.mean([t.resistance[-1] / t.resistance[0] for t in tables])),
        )

    good, bad = ends(healthy()), ends(healthy(state_of_health=0.65, resistance_growth=1.8))
    assert bad[0] < good[0] - 0.1
    assert bad[1] > good[1] + 0.3


def test_a_battery_table_is_short_and_bears_a_nearly_new_pack() -> None:
    for rng in rngs():
        assert len(battery_station.measure(rng, healthy()).cycle) <= battery_station.MAX_ROWS
        assert len(battery_station.measure(rng, healthy(cycles=1)).cycle) >= 1


def test_board_fault_and_swelling_warm_their_places() -> None:
    def warmest(unit: Latents, rows: slice, columns: slice) -> float:
        shots: list[Thermal] = [thermal_station.measure(rng, unit) for rng in rngs()]
        return float(
            np.mean([t.celsius[rows, columns].max() - np.median(t.celsius) for t in shots])
        )

    # `healthy` puts the board fault into the upper right corner, away from the processor.
    corner, battery = (slice(0, 7), slice(23, 31)), (slice(17, 24), slice(0, 32))
    assert warmest(healthy(board_fault=0.9), *corner) > warmest(healthy(), *corner) + 3
    assert warmest(healthy(swelling_mm=4.0), *battery) > warmest(healthy(), *battery) + 1


def test_fan_wear_is_loud_and_coil_whine_tonal() -> None:
    def spectrum(unit: Latents) -> NDArray[np.float64]:
        takes: list[Acoustic] = [acoustic_station.record(rng, unit) for rng in rngs()]
        levels: NDArray[np.float64] = np.mean(
            [np.abs(np.fft.rfft(take.samples)) for take in takes], axis=0
        )
        return levels

    hertz = np.fft.rfftfreq(acoustic_station.SAMPLES, 1 / acoustic_station.SAMPLE_RATE)
    ringing, whining = (hertz > 1700) & (hertz < 2100), (hertz > 2600) & (hertz < 3700)
    quiet = spectrum(healthy())
    assert spectrum(healthy(fan_wear=0.9))[ringing].mean() > 1.3 * quiet[ringing].mean()
    assert spectrum(healthy(coil_whine=0.9))[whining].max() > 1.5 * quiet[whining].max()


def test_sound_is_exactly_pcm16() -> None:
    take = acoustic_station.record(rngs()[0], healthy())
    assert np.array_equal(take.samples * 32768, np.rint(take.samples * 32768))
    assert np.abs(take.samples).max() < 1


def test_spectra_tell_lookalikes_apart() -> None:
    def mean(material: Material) -> NDArray[np.float64]:
        unit = healthy(**model_of(material))
        takes: list[Spectral] = [spectral_station.measure(rng, unit) for rng in rngs()]
        values = np.mean([take.intensities for take in takes], axis=0)
        standard: NDArray[np.float64] = (values - values.mean()) / values.std()
        return standard

    means = [mean(material) for material in Material]
    for number, one in enumerate(means):
        assert min(np.abs(one - other).max() for other in means[:number] or [one + 9]) > 0.2


def test_photographs_show_cracks_and_yellowing() -> None:
    def lids(unit: Latents) -> NDArray[np.float64]:
        """Pixels of the lid, shape (readings, 26, 96, 3)."""
        shots: list[Visual] = [visual_station.render(rng, unit) for rng in rngs()]
        images = [np.asarray(Image.open(io.BytesIO(shot.image)), dtype=float) for shot in shots]
        assert images[0].shape == (visual_station.HEIGHT, visual_station.WIDTH, 3)
        return np.stack([image[8:34, 16:112] for image in images])

    new = lids(healthy())
    assert lids(healthy(discoloration=0.9))[..., 2].mean() < new[..., 2].mean() - 10
    assert (lids(healthy(crack=0.9)) < 40).sum() > (new < 40).sum() + 500


def test_notes_name_what_only_a_technician_notices() -> None:
    def share(unit: Latents, phrases: tuple[str, ...]) -> float:
        rounds = [generator(7, number) for number in range(200)]
        notes: list[Text] = [text_station.write(rng, unit) for rng in rounds]
        words = {word for phrase in phrases for word in phrase.lower().split()}
        words -= {word for fine in text_station.KEYBOARD_FINE for word in fine.split()}
        return float(np.mean([bool(words & set(note.text.lower().split())) for note in notes]))

    faulty = share(healthy(keyboard_fault=True), text_station.KEYBOARD)
    assert faulty > share(healthy(), text_station.KEYBOARD) + 0.3
    assert faulty < 1  # some notes miss it


def test_a_unit_computes_nothing_before_it_is_asked() -> None:
    unit = SimulatedUnit(1, 2)
    assert "latents" not in vars(unit)
    assert unit.labels is unit.labels
