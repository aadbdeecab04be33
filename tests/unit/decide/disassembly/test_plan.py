"""Plans: what comes out, in which order, and what it is worth."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.decide.disassembly import DisassemblyTable, Goal, plan_disassembly
from schemas import Component, Condition, Disassembly, Option

from .examples import part, parts, prediction, product, table

RESELL, REFURBISH, REMANUFACTURE, HARVEST, RECYCLE, HAZARDOUS = Option
BATTERY, DISPLAY, KEYBOARD, MAINBOARD, FAN = Component
SWOLLEN = Condition.BATTERY_SWOLLEN
SHIPPED = DisassemblyTable.load()
LAPTOP = SHIPPED.families[0]


def shipped(option: Option, *, swollen: float = 0.0, **reuse: float) -> Disassembly:
    seen = {Component(name): p for name, p in reuse.items()}
    return plan_disassembly(SHIPPED, "LT-1", prediction(seen, {SWOLLEN: swollen}), option)


def planned(*families: dict[str, Any], option: Option = HARVEST, **reuse: float) -> Disassembly:
    seen = prediction({Component(name): p for name, p in reuse.items()})
    return plan_disassembly(table(*families), "LT-1", seen, option)


# -- the laptop that ships ------------------------------------------------------------------


def test_a_unit_that_is_resold_stays_closed() -> None:
    assert shipped(RESELL, swollen=0.3, fan=0.0) == Disassembly(steps=[], expected_value=0)


@pytest.mark.parametrize("option", [REFURBISH, REMANUFACTURE])
def test_what_is_probably_not_reusable_is_replaced_and_nothing_else(option: Option) -> None:
    assert parts(shipped(option)) == []
    assert parts(shipped(option, fan=0.49)) == ["base-cover", "battery", "fan"]
    assert parts(shipped(option, fan=0.5)) == []
    assert parts(shipped(option, fan=0.4999999)) == []  # as the decision says it: 0.5
    fan = shipped(option, fan=0.25)
    assert [step.part for step in fan.steps if not step.put_back] == ["fan"]
    assert fan.expected_value == pytest.approx(-1 - 0.6 + (0.25 * 4 + 0.75 * 0.1 - 0.6), abs=0.01)
    # A battery that may be dangerous comes out before anybody works on the rest.
    assert parts(shipped(option, swollen=0.2)) == ["base-cover", "battery"]


def test_good_parts_are_harvested_the_most_value_for_its_time_first() -> None:
    # 40.1 in 480 s for the mainboard and what lies above it, 28.5 in 350 s for the display.
    assert parts(shipped(HARVEST)) == [
        *("base-cover", "battery", "fan", "heat-sink", "mainboard", "hinge-covers", "display"),
        "keyboard",
    ]


@pytest.mark.parametrize("option", [HARVEST, RECYCLE])
def test_of_a_ruined_unit_the_battery_comes_out_though_it_costs(option: Option) -> None:
    ruined = shipped(option, battery=0, display=0, keyboard=0, mainboard=0, fan=0)
    assert parts(ruined) == ["base-cover", "battery", "heat-sink"]
    assert ruined.expected_value == pytest.approx(-1 + (0.5 - 0.6) + (0.9 - 0.8))
    assert not any(step.hazardous or step.put_back for step in ruined.steps)


def test_a_hazard_comes_first_and_then_what_is_worth_it() -> None:
    plan = shipped(HAZARDOUS, swollen=0.9, battery=0.0, mainboard=0.0, keyboard=0.0, fan=0.0)
    assert parts(plan) == ["base-cover", "battery", "hinge-covers", "display", "heat-sink"]
    assert [step.hazardous for step in plan.steps] == [False, True, False, False, False]
    broken = shipped(HAZARDOUS, display=0, battery=0, mainboard=0, keyboard=0, fan=0)
    assert parts(broken)[:2] == ["base-cover", "battery"]
    assert broken.steps[1].hazardous, "it is on the hazardous way, whatever was found"


# -- tables made for one point each ---------------------------------------------------------


def test_expected_value_by_hand() -> None:
    plan = planned(
        product(lid=part(0, labour_s=5), display=part(2, "lid", labour_s=20, reusable=30)),
        display=0.75,
    )
    assert [(s.part, s.after, s.expected_value, s.labour_s) for s in plan.steps] == [
        ("lid", [], -0.5, 5),
        ("display", ["lid"], 0.75 * 30 + 0.25 * 2 - 2, 20),
    ]
    assert plan.expected_value == 20.5


def test_parts_that_do_not_pay_for_their_way_stay_in_unless_they_share_it() -> None:
    lid = part(0, labour_s=30)
    one = product(lid=lid, fan=part(0, "lid", reusable=3.5))
    assert parts(planned(one)) == []
    both = product(lid=lid, fan=part(0, "lid", reusable=3.5), magnet=part(2, "lid"))
    assert parts(planned(both)) == ["lid", "fan", "magnet"]
    assert parts(planned(both, fan=0.8)) == []  # exactly for nothing


def test_what_a_hazard_uncovers_need_not_pay_for_the_way() -> None:
    battery = part(0, "lid", reusable=0, hazards={"battery-swollen": 0.5})
    unit = product(lid=part(0, labour_s=99), battery=battery, magnet=part(1.5, "lid"))
    assert parts(planned(unit)) == []
    swollen = prediction(conditions={SWOLLEN: 0.5})
    plan = plan_disassembly(table(unit), "LT-1", swollen, HARVEST)
    assert parts(plan) == ["lid", "battery", "magnet"]


def test_equal_parts_come_in_the_order_of_the_file() -> None:
    twins = {name: part(2) for name in ("z", "b", "m")}
    assert parts(planned(product(**twins))) == ["z", "b", "m"]


def test_a_part_is_as_quick_as_its_way() -> None:
    # Alone the second is worth more a second; with its cover it is not.
    unit = product(
        cover=part(0, labour_s=20), first=part(5), second=part(7, "cover"), last=part(1.5, "cover")
    )
    assert parts(planned(unit)) == ["first", "cover", "second", "last"]


def test_the_longest_prefix_counts_and_no_family_has_no_plan() -> None:
    any_, x = product("LT-", magnet=part(2)), product("LT-X", lens=part(2))
    assert parts(planned(any_, x)) == ["magnet"]
    for unit_id, expected in (("LT-X1", ["lens"]), ("LT-1", ["magnet"]), ("KB-1", [])):
        plan = plan_disassembly(table(x, any_), unit_id, prediction(), HARVEST)
        assert parts(plan) == expected


# -- what holds for every product -----------------------------------------------------------


@st.composite
def products(draw: st.DrawFn) -> dict[str, Any]:
    """Up to eight parts, each after some before it in the file; light, so that ties abound."""
    names = ["battery", *"abcdefg"][: draw(st.integers(1, 8))]
    found = {}
    for place, name in enumerate(names):
        after = draw(st.sets(st.sampled_from(names[:place]))) if place else set()
        entry = part(draw(st.integers(-3, 6)), *sorted(after), labour_s=draw(st.integers(1, 40)))
        entry["hazards"] = {"battery-swollen": 0.5} if draw(st.integers(0, 3)) == 0 else {}
        entry["mandatory_for"] = {"harvest"} if draw(st.integers(0, 3)) == 0 else set()
        found[name] = entry
    found["battery"]["reusable"] = draw(st.integers(0, 6))
    turned = dict(reversed(found.items())) if draw(st.booleans()) else found
    return product(**turned)


def closed_sets(after: dict[str, list[str]]) -> list[set[str]]:
    sets = (set(c) for size in range(len(after) + 1) for c in combinations(after, size))
    return [chosen for chosen in sets if all(set(after[name]) <= chosen for name in chosen)]


@settings(max_examples=150, deadline=None)
@given(products(), st.floats(0, 1), st.booleans())
def test_the_plan_is_the_best_of_all_that_hold_what_must_come_out(
    unit: dict[str, Any], battery: float, swollen: bool
) -> None:
    seen = prediction({BATTERY: battery}, {SWOLLEN: float(swollen)})
    plan = plan_disassembly(table(unit), "LT-1", seen, HARVEST)
    found, order = unit["parts"], parts(plan)
    after = {name: entry["after"] for name, entry in found.items()}
    p = round(battery, 6)
    cents = {
        name: round(100 * (p * e["reusable"] + (1 - p) * e["scrap"] - e["labour_s"] / 10))
        if "reusable" in e
        else round(100 * (e["scrap"] - e["labour_s"] / 10))
        for name, e in found.items()
    }
    hazards = {name for name, entry in found.items() if swollen and entry["hazards"]}
    must = hazards | {name for name, entry in found.items() if entry["mandatory_for"]}
    worth = [sum(cents[n] for n in chosen) for chosen in closed_sets(after) if must <= chosen]
    assert round(100 * plan.expected_value) == max(worth) == sum(cents[name] for name in order)
    assert must <= set(order)
    assert all(set(after[name]) <= set(order[:place]) for place, name in enumerate(order))

    assert {step.part for step in plan.steps if step.hazardous} == hazards
    way = next(c for c in closed_sets(after) if hazards <= c)  # the smallest: they come by size
    assert set(order[: len(way)]) == way


# -- what holds for every unit --------------------------------------------------------------

shares = st.floats(0, 1)


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys(Component, shares)),
    st.fixed_dictionaries(dict.fromkeys(Condition, shares)),
    st.sampled_from(Option),
)
def test_every_plan_is_feasible_and_its_hazards_come_first(
    reuse: dict[Component, float], conditions: dict[Condition, float], option: Option
) -> None:
    unit = prediction(reuse, conditions)
    plan = plan_disassembly(SHIPPED, "LT-1", unit, option)
    order = parts(plan)
    assert len(set(order)) == len(order)
    for place, step in enumerate(plan.steps):
        assert step.after == LAPTOP.parts[step.part].after
        assert set(step.after) <= set(order[:place])
        if step.put_back:
            assert SHIPPED.goals[option] is Goal.REPLACE
            assert step.expected_value == -step.labour_s / 100  # 36 an hour
    if SHIPPED.goals[option] is Goal.REPLACE:
        bad = {c.value for c, p in reuse.items() if round(p, 6) < 0.5}
        out = {step.part for step in plan.steps if not (step.put_back or step.hazardous)}
        assert out == bad - {step.part for step in plan.steps if step.hazardous}
    assert plan.expected_value == pytest.approx(sum(s.expected_value for s in plan.steps))
    assert plan == plan_disassembly(SHIPPED, "LT-1", unit, option)

    opened = SHIPPED.goals[option] is not Goal.KEEP_CLOSED
    dangerous = opened and (option is HAZARDOUS or conditions[SWOLLEN] >= 0.2)
    assert [step.part for step in plan.steps if step.hazardous] == ["battery"] * dangerous
    if dangerous:
        assert order[:2] == ["base-cover", "battery"]


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(Component, shares)), st.sampled_from(Component), shares)
def test_a_better_part_is_never_worth_less(
    reuse: dict[Component, float], component: Component, share: float
) -> None:
    better = {**reuse, component: max(reuse[component], share)}
    before, after = (
        plan_disassembly(SHIPPED, "LT-1", prediction(seen), HARVEST) for seen in (reuse, better)
    )
    assert after.expected_value >= before.expected_value
    assert component not in parts(before) or component in parts(after)
