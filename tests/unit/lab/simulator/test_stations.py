"""The stations' schedule: what is sent when, and the plan that an audit trusts."""

from collections import defaultdict
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.lab.simulator import LinePlan, LineTiming, ScheduledObservation, SimulatedUnit
from schemas.modality import MODALITIES, Modality
from schemas.observation import Payload, Text

START = 1_760_000_000_000


def plans() -> st.SearchStrategy[LinePlan]:
    timings = st.builds(
        LineTiming,
        dropout=st.sampled_from([0.0, 0.2, 0.9, 1.0]),
        span_s=st.floats(0.01, 20),
        max_delay_s=st.floats(0, 5),
        duplicates=st.sampled_from([0.0, 0.3, 1.0]),
    )
    return st.builds(
        LinePlan,
        units=st.integers(0, 12),
        seed=st.integers(0, 2**32),
        start_ms=st.just(START),
        rate=st.floats(0.1, 1000),
        timing=timings,
        returns=st.sampled_from([0.0, 0.5, 1.0]),
        return_after_s=st.floats(0.1, 500),
    )


def _no_payload(unit: SimulatedUnit, modality: Modality, take: int = 0) -> Payload:
    """A stand-in: the schedule's order does not depend on what is measured."""
    # `Observation.modality` is read from the payload's class.
    stand_in: type[Text] = type(f"As{modality}", (Text,), {"modality": modality})
    return stand_in(text=f"{modality} {take}", language="en")


def run(plan: LinePlan) -> list[ScheduledObservation]:
    with patch.object(SimulatedUnit, "payload", _no_payload):
        return list(plan.schedule())


@given(plans())
@settings(max_examples=60, deadline=None)
def test_schedule_keeps_its_promises(plan: LinePlan) -> None:
    sent = run(plan)
    assert [s.send_at_ms for s in sent] == sorted(s.send_at_ms for s in sent)
    first = [s for s in sent if not s.duplicate]
    assert len({s.observation.observation_id for s in first}) == len(first)

    stays: dict[tuple[str, int], list[ScheduledObservation]] = defaultdict(list)
    for record in sent:
        seen = record.observation
        delay = record.send_at_ms - seen.captured_at
        assert 0 <= delay <= 1000 * plan.timing.max_delay_s
        assert record.passage.enters_at <= seen.captured_at
        stays[seen.unit_id, record.passage.number].append(record)
    for (unit_id, number), records in stays.items():
        times = [record.observation.captured_at for record in records]
        assert max(times) - min(times) <= 1000 * plan.timing.span_s
        modalities = {record.observation.modality for record in records}
        assert modalities == plan.expected_modalities(unit_id, number)
        assert modalities == set(MODALITIES) - records[0].passage.left_out
        assert len({r.observation.observation_id for r in records}) == len(modalities)
        if number == 1:
            earlier = [r.observation.captured_at for r in stays[unit_id, 0]]
            assert min(times) - max(earlier) >= 1000 * plan.return_after_s - 2

    assert {unit_id for unit_id, number in stays if number == 0} == {
        f"LT-{index:06d}" for index in range(plan.units)
    }
    planned = {(p.unit.unit_id, p.number) for p in plan.passages()}
    assert planned == set(stays)


@given(plans())
@settings(max_examples=20, deadline=None)
def test_a_duplicate_follows_its_first(plan: LinePlan) -> None:
    seen: set[str] = set()
    for record in run(plan):
        assert record.duplicate == (record.observation.observation_id in seen)
        seen.add(record.observation.observation_id)


def plan_of(units: int, **changes: float) -> LinePlan:
    timing = LineTiming(
        dropout=changes.get("dropout", 0.0), duplicates=changes.get("duplicates", 0)
    )
    returns = changes.get("returns", 0.0)
    return LinePlan(units=units, seed=7, start_ms=START, rate=50, timing=timing, returns=returns)


def test_the_same_plan_is_the_same_schedule() -> None:
    def facts(records: list[ScheduledObservation]) -> list[tuple[object, ...]]:
        return [
            (r.send_at_ms, r.observation.observation_id, r.observation.source, r.duplicate)
            for r in records
        ]

    assert facts(run(plan_of(30, dropout=0.3))) == facts(run(plan_of(30, dropout=0.3)))


def test_more_units_leave_the_first_ones_as_they_were() -> None:
    few, many = list(plan_of(5, returns=0.5).passages()), list(plan_of(9, returns=0.5).passages())
    times = {(p.unit.unit_id, p.number): p.observations for p in many}
    assert all(times[p.unit.unit_id, p.number] == p.observations for p in few)


def test_rate_dropout_and_duplicates_are_what_was_asked_for() -> None:
    passages = list(plan_of(1000, dropout=0.2, duplicates=0.1).passages())
    assert passages[-1].enters_at - START == pytest.approx(20_000, abs=100)
    seen = [planned for passage in passages for planned in passage.observations]
    assert len(seen) / 6000 == pytest.approx(0.8, abs=0.02)
    assert sum(len(p.send_at) == 2 for p in seen) / len(seen) == pytest.approx(0.1, abs=0.02)
    assert all(passage.observations for passage in passages)


def test_stations_overtake_each_other() -> None:
    captured = [record.observation.captured_at for record in run(plan_of(50))]
    assert captured != sorted(captured)


def test_payloads_of_a_second_stay_are_measured_anew() -> None:
    plan = plan_of(1, returns=1.0)
    first, second = (
        [r for r in plan.schedule() if r.passage.number == number] for number in (0, 1)
    )
    sound = [
        next(r.observation.payload for r in stay if r.observation.modality is Modality.BATTERY)
        for stay in (first, second)
    ]
    assert sound[0].capacity.tobytes() != sound[1].capacity.tobytes()  # type: ignore[union-attr]
    assert first[0].labels == second[0].labels


def test_unknown_passages_are_an_error() -> None:
    with pytest.raises(KeyError):
        plan_of(1).expected_modalities("LT-000001")


@pytest.mark.parametrize(
    "build",
    [
        lambda: LineTiming(dropout=1.1),
        lambda: LineTiming(span_s=0),
        lambda: LineTiming(max_delay_s=-1),
        lambda: LinePlan(units=-1, seed=1, start_ms=0, rate=1),
        lambda: LinePlan(units=1, seed=1, start_ms=0, rate=0),
        lambda: LinePlan(units=1, seed=1, start_ms=0, rate=1, return_after_s=0),
    ],
)
def test_nonsense_is_refused(build: object) -> None:
    with pytest.raises(ValueError, match=r"must be|probabilit"):
        build()  # type: ignore[operator]
