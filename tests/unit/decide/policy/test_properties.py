"""What holds for every prediction."""

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.decide.policy import Policy
from agents.distiller.prediction import Prediction
from schemas import Component, Condition, Grade, Material, Option
from schemas.decision import Tier

POLICY = Policy.load()
shares = st.floats(0, 1)


def distribution(members: type[Grade] | type[Material] | type[Option]) -> st.SearchStrategy:  # type: ignore[type-arg]
    weights = st.lists(st.floats(0, 1), min_size=len(members), max_size=len(members)).filter(
        lambda values: sum(values) > 1e-6
    )
    return weights.map(
        lambda values: {m: v / sum(values) for m, v in zip(members, values, strict=True)}
    )


predictions = st.builds(
    Prediction,
    quality=distribution(Grade),
    material=distribution(Material),
    routing=distribution(Option),
    reuse=st.fixed_dictionaries(dict.fromkeys(Component, shares)),
    conditions=st.fixed_dictionaries(dict.fromkeys(Condition, shares)),
    tier=st.sampled_from(Tier),
)


@settings(max_examples=200, deadline=None)
@given(predictions)
def test_the_chosen_option_is_the_best_unless_a_rule_decides(prediction: Prediction) -> None:
    verdict = POLICY.rule_on(prediction)
    routing = verdict.routing
    values = [routing.expected_value, *(item.expected_value for item in routing.alternatives)]
    assert all(math.isfinite(value) and value == round(value, 2) for value in values)
    assert {routing.option, *(item.option for item in routing.alternatives)} == set(Option)
    swollen = prediction.conditions[Condition.BATTERY_SWOLLEN] >= 0.5
    assert (verdict.forced_by is not None) is swollen
    if swollen:
        assert routing.option is Option.HAZARDOUS
        assert "battery-swollen" in routing.reasons
    else:
        assert routing.expected_value == max(values)
    for number in (verdict.confidence, verdict.uncertainty, verdict.criticality):
        assert 0 <= number <= 1
    assert POLICY.rule_on(prediction) == verdict


@settings(max_examples=100, deadline=None)
@given(predictions, st.sampled_from(Option), st.floats(0, 1))
def test_more_probability_never_makes_an_option_lose(
    prediction: Prediction, option: Option, share: float
) -> None:
    # Worth plus cost is positive everywhere in the table, so EV grows with the probability.
    prediction.conditions[Condition.BATTERY_SWOLLEN] = 0.0
    if POLICY.rule_on(prediction).routing.option is not option:
        return
    surer = {o: p * (1 - share) for o, p in prediction.routing.items()}
    surer[option] += share
    again = replace(prediction, routing=surer)
    assert POLICY.rule_on(again).routing.option is option


@settings(max_examples=100, deadline=None)
@given(predictions)
def test_criticality_alone_is_that_of_the_verdict(prediction: Prediction) -> None:
    """What chooses the tier is what the decision says; whichever tier made the prediction."""
    found = POLICY.criticality(prediction)
    assert 0 <= found <= 1
    assert round(found, 6) == POLICY.rule_on(prediction).criticality
    assert all(POLICY.criticality(replace(prediction, tier=tier)) == found for tier in Tier)
