"""A decision: quality, material and routing of one passage, and why.

The pydantic models are the contract; `decision.schema.json` is generated from them and a test
proves that both agree.
"""

from datetime import UTC
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)

from schemas.modality import Modality


class Grade(StrEnum):
    """Quality, from as new to scrap."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


class Material(StrEnum):
    """What the housing is made of."""

    ABS = "ABS"
    PC_ABS = "PC-ABS"
    PA_GF = "PA-GF"
    ALUMINIUM = "aluminium"
    MAGNESIUM = "magnesium"


class Option(StrEnum):
    """Where a unit goes next."""

    RESELL = "resell"
    REFURBISH = "refurbish"
    REMANUFACTURE = "remanufacture"
    HARVEST = "harvest"
    RECYCLE = "recycle"
    HAZARDOUS = "hazardous"


class Component(StrEnum):
    """What can be used again."""

    BATTERY = "battery"
    DISPLAY = "display"
    KEYBOARD = "keyboard"
    MAINBOARD = "mainboard"
    FAN = "fan"


class Condition(StrEnum):
    """Findings that a decision gives as reasons and that hard rules act on."""

    BATTERY_SWOLLEN = "battery-swollen"
    BATTERY_DEGRADED = "battery-degraded"
    LIQUID_DAMAGE = "liquid-damage"
    HOUSING_CRACKED = "housing-cracked"
    FAN_WORN = "fan-worn"
    BOARD_HOT_SPOT = "board-hot-spot"


class Tier(StrEnum):
    """How much of the distiller looked at a unit, from the cheapest up."""

    CLASSICAL = "classical"
    """No circuit."""
    SMALL = "small"
    """A circuit for every ordered pair of modalities."""
    MEDIUM = "medium"
    """And one for every three."""
    LARGE = "large"
    """And one over all that arrived."""


Probability = Annotated[float, Field(ge=0, le=1), AfterValidator(lambda p: round(p, 6))]
# Always UTC, so that the text ends in Z whatever zone the caller's datetime had.
Time = Annotated[
    AwareDatetime,
    AfterValidator(lambda t: t.astimezone(UTC)),
    PlainSerializer(
        lambda t: t.isoformat(timespec="milliseconds").replace("+00:00", "Z"), return_type=str
    ),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PassageInfo(_Record):
    """The stay that was decided."""

    opened_at: Time
    deadline: Time
    closed_by: Literal["complete", "window", "provisional"]


class Quality(_Record):
    grade: Grade
    probabilities: dict[Grade, Probability]


class MaterialFinding(_Record):
    type: Material
    probabilities: dict[Material, Probability]


class Alternative(_Record):
    option: Option
    expected_value: float


class Routing(_Record):
    """The option of the highest expected value that no hard rule forbids."""

    option: Option
    expected_value: float
    """In the policy's currency."""
    alternatives: list[Alternative]
    reasons: list[str]
    hold_for_human: bool


class RemovalStep(_Record):
    """A part to take out."""

    part: str
    after: list[str]
    """The parts, among the steps before, that it immediately comes after."""
    expected_value: float
    """What it is expected to bring, less its own labour, in the policy's currency."""
    labour_s: float
    hazardous: bool
    """A finding makes it dangerous: such parts come as early as they can be reached."""
    put_back: bool
    """It is only in the way and stays with the unit, which lives on: nothing but labour."""


class Disassembly(_Record):
    """What to take out of the unit where it goes next, in a feasible order."""

    steps: list[RemovalStep]
    """Empty if the unit stays closed, or if nothing is worth its removal."""
    expected_value: float
    """Of all steps together; below zero where hazards or replacements cost more than they bring."""


class Evidence(_Record):
    """An observation that the decision used, and where its record lies."""

    modality: Modality
    observation_id: str
    source: str
    captured_at: Time
    topic: str
    partition: int
    offset: int


class Selection(_Record):
    """Why the tier: what the classical tier thought of the unit, and the rule that followed."""

    uncertainty: Probability
    """Entropy of its routing probabilities, 0 certain to 1 no idea."""
    criticality: Probability
    """How bad a mistake would be by its findings."""
    rule: str
    """In words, such as `uncertainty < 0.3 or criticality < 0.6`."""


class DistillerInfo(_Record):
    """Which model decided, and how much of it was asked."""

    model: str
    version: str
    sha256: str
    tier: Tier
    selection: Selection | None = None
    """None where nobody had to choose, and in decisions of before there were tiers."""
    device: str = ""
    """What ran the circuits: `exact`, `none` without any, or the name of a PennyLane device. Empty
    in decisions from before it was told."""
    shots: int | None = None
    """How often each circuit was measured; None: exact expectations, or no circuit."""


class Decision(_Record):
    """One revision of the decision on one passage; `read_decision` reads those of strangers too."""

    decision_id: str
    passage_id: str
    unit_id: str
    revision: Annotated[int, Field(ge=1)]
    supersedes: str | None
    status: Literal["provisional", "final", "amended"]
    passage: PassageInfo
    quality: Quality
    material: MaterialFinding
    routing: Routing
    reuse: dict[Component, Probability]
    disassembly: Disassembly = Disassembly(steps=[], expected_value=0.0)
    """Without steps in decisions from before there were plans."""
    confidence: Probability
    uncertainty: Probability
    criticality: Probability
    evidence: Annotated[list[Evidence], Field(min_length=1)]
    missing: list[Modality]
    distiller: DistillerInfo
    decided_at: Time
    valid_until: Time
