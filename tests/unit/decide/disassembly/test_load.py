"""Reading a plant's products: what is refused, and how it is said."""

from importlib.resources import files
from pathlib import Path

import pytest

from agents.decide.disassembly import DisassemblyError, DisassemblyTable, Goal
from schemas import Component, Option

SHIPPED = files("agents.decide.disassembly").joinpath("laptop.yaml").read_text("utf-8")


def write(folder: Path, text: str) -> Path:
    path = folder / "plant.yaml"
    path.write_text(text, "utf-8")
    return path


def test_what_ships_covers_every_component_of_every_unit() -> None:
    table = DisassemblyTable.load()
    family = table.family_of("anything")
    assert family is not None
    assert {component.value for component in Component} <= family.parts.keys()
    assert family.parts["battery"].hazards
    assert table.goals[Option.RESELL] is Goal.KEEP_CLOSED


def test_a_copy_of_what_ships_loads_alike(tmp_path: Path) -> None:
    assert DisassemblyTable.load(write(tmp_path, SHIPPED)) == DisassemblyTable.load()


FAN = "fan: {labour_s: 60, after: [battery], reusable: 4, scrap: 0.1}"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("after: [fan, heat-sink]", "after: [fan, heatsink]",
         "families.0: part mainboard comes after heatsink, which is no part; add it to parts, or"
         " take it from mainboard's after"),
        ("base-cover: {labour_s: 100, after: []", "base-cover: {labour_s: 100, after: [fan]",
         "parts wait for each other: base-cover before battery before fan before base-cover; take"
         " one of them out of an after"),
        ("after: [base-cover]", "after: [battery]", "each other: battery before battery;"),
        (FAN, "fan: {labour_s: 60, after: [battery], scrap: 0.1}",
         "part fan is a component and has no entry reusable; add it"),
        ("scrap: 0.9}", "reusable: 2, scrap: 0.9}",
         "part heat-sink has an entry reusable, which is only for battery, display,"),
        (FAN, "fan: {labour_s: 60, reusable: 4, scrap: 0.1}", "parts.fan.after: Field required"),
        ("scrap: 0.9}", "}", "parts.heat-sink.scrap: Field required"),
        ("labour_s: 180", "labour_s: 0", "parts.mainboard.labour_s: Input should be greater"),
        ("labour_s: 180", "labour_s: yes", "parts.mainboard.labour_s: Input should be a valid"),
        ("reusable: 28", "reusable: .inf", "parts.mainboard.reusable: Input should be"),
        ("reusable: 28", "reusable: 1e9", "parts.mainboard.reusable: Input should be"),
        ("hinge-covers: {", "Hinge Covers: {", "String should match pattern"),
        ("battery-swollen: 0.2", "battery-swolen: 0.2", "parts.battery.hazards.battery-swolen"),
        ("battery-swollen: 0.2", "battery-swollen: 2", "parts.battery.hazards.battery-swollen"),
        ("mandatory_for: [harvest,", "mandatory_for: [harvesting,", "parts.battery.mandatory_for"),
        ("mandatory_for: [harvest,", "mandatory_for: [resell,",
         "part battery is mandatory_for resell, whose goal is keep-closed; change one of them"),
        ("  recycle: value\n", "", "goals: has no entry for recycle; add it"),
        ("  recycle: value\n", "  recycle: money\n", "goals.recycle: Input should be"),
        ("labour_rate: 36", "labour_rate: -36", "labour_rate: Input should be greater"),
        ("replace_below: 0.5", "replace_under: 0.5", "replace_below: Field required"),
        ('- prefix: ""', '- prefix: ""\n    parts: {lid: {labour_s: 1, after: [], scrap: 0}}\n'
         '  - prefix: ""', "two families have the prefix ''; put them together"),
        ("labour_rate: 36", "labour_rate: [36", "is not YAML"),
        (SHIPPED, "", "the file: Input should be a valid dictionary"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_refused_in_one_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in SHIPPED
    with pytest.raises(DisassemblyError) as refused:
        DisassemblyTable.load(write(tmp_path, SHIPPED.replace(old, new, 1)))
    message = str(refused.value)
    assert says in message
    assert "plant.yaml" in message
    assert "\n" not in message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DisassemblyError, match=r"disassembly .*none\.yaml cannot be read"):
        DisassemblyTable.load(tmp_path / "none.yaml")
