"""The disassembly plan of one unit. Pure: the same prediction and table give the same plan."""

from collections.abc import Collection, Iterable

from agents.decide.disassembly.closure import maximum_weight_closure
from agents.decide.disassembly.table import CENTS, DisassemblyTable, Family, Goal
from agents.distiller.prediction import Prediction
from schemas.decision import Disassembly, Option

NOTHING = Disassembly(steps=[], expected_value=0.0)


def plan_disassembly(
    table: DisassemblyTable, unit_id: str, prediction: Prediction, option: Option
) -> Disassembly:
    """What to remove from a unit that goes to `option`, in order.

    What must come out (hazards, what the option demands, what is to be replaced) comes out whatever
    it is worth. Where the unit is taken apart for its value, so does the set of other parts that
    brings the most, less its labour and that of uncovering it. What must come off for the one is
    free for the other. Of a unit that lives on, what is only in the way goes back.
    """
    family, goal = table.family_of(unit_id), table.goals[option]
    if family is None or goal is Goal.KEEP_CLOSED:
        return NOTHING
    # As the decision carries them: what a reader of the record would reckon with.
    reuse = {component.value: round(p, 6) for component, p in prediction.reuse.items()}
    hazardous = {
        name
        for name, part in family.parts.items()
        if part.is_hazardous(prediction.conditions) or (part.hazards and option is Option.HAZARDOUS)
    }
    demanded = {name for name, part in family.parts.items() if option in part.mandatory_for}
    if goal is Goal.REPLACE:
        demanded |= {name for name in family.parts if reuse.get(name, 1.0) < table.replace_below}
    wanted = hazardous | demanded
    put_back = set(family.parts) - wanted if goal is Goal.REPLACE else set()
    cents = {
        name: part.cents(reuse.get(name, 0.0), table.labour_rate, put_back=name in put_back)
        for name, part in family.parts.items()
    }
    chosen = _uncovered(family, wanted)
    if goal is Goal.VALUE:
        rest = {name: worth for name, worth in cents.items() if name not in chosen}
        chosen = chosen | maximum_weight_closure(rest, family.way_to)
    order = _order(family, chosen, hazardous, cents)
    return Disassembly.model_validate(
        {
            "steps": [
                {
                    "part": name,
                    "after": family.after[name],
                    "expected_value": cents[name] / CENTS,
                    "labour_s": family.labour[name],
                    "hazardous": name in hazardous,
                    "put_back": name in put_back,
                }
                for name in order
            ],
            "expected_value": sum(cents[name] for name in order) / CENTS,
        }
    )


def _uncovered(family: Family, parts: Iterable[str]) -> frozenset[str]:
    """These parts and all that must come off before them."""
    return frozenset().union(*(family.way_to[part] for part in parts))


def _order(
    family: Family, chosen: Collection[str], hazardous: Collection[str], cents: dict[str, int]
) -> list[str]:
    """First the hazardous, then what brings the most for each second of labour.

    Both with what must still come off before them, whose worth and labour count, too. Of equal
    ones the first in the file.
    """
    order: dict[str, None] = {}
    for targets in (hazardous, chosen):
        ways: dict[str, list[str]] = {}
        paces: dict[str, float] = {}
        changed = [name for name in family.parts if name in targets and name not in order]
        while True:
            for name in changed:
                ways[name] = [part for part in family.way_to[name] if part not in order]
                paces[name] = _pace(family, ways[name], cents)
            if not ways:
                break
            best = ways[max(ways, key=paces.__getitem__)]
            order |= dict.fromkeys(best)
            ways = {name: way for name, way in ways.items() if name not in order}
            changed = [name for name, way in ways.items() if not order.keys().isdisjoint(way)]
    return list(order)


def _pace(family: Family, way: list[str], cents: dict[str, int]) -> float:
    """Hundredths of the currency for each second."""
    return sum(cents[name] for name in way) / sum(family.labour[name] for name in way)
