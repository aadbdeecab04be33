"""The technician: a short note, with abbreviations and typos, that misses some faults.

Intermittent key and display faults show up nowhere else. What other stations measure better is
sometimes mentioned, too, and some notes say nothing.
"""

import numpy as np

from agents.lab.simulator.labels import DEGRADED_BELOW, PRESENT, SWOLLEN_MM
from agents.lab.simulator.latents import Latents
from schemas.observation import Text

KEYBOARD = (
    "several keys not responding",
    "kb: some keys dead",
    "kbd intermittent, misses keystrokes",
    "keyboard fault - double typing on some keys",
    "spacebar and enter key sticking",
    "keys drop out now and then, needs new keyboard",
    "kybd failed key test",
)
KEYBOARD_FINE = ("keyboard ok", "kbd tested ok", "all keys respond", "no kb issue")
DISPLAY = (
    "display flickers when hinge moved",
    "scrn flicker, intermittent",
    "vertical lines on screen",
    "lcd dead pixels + backlight bleed",
    "display cuts out now & then",
    "backlight fails after 10 min",
    "disp failed panel test",
)
DISPLAY_FINE = ("display ok", "scrn fine", "no dead pixels", "lcd tested ok")
FAN = ("fan noisy", "fan rattles on start", "loud fan", "grinding noise from fan")
BATTERY = ("batt lasts < 2h", "poor runtime", "battery drains fast", "bat weak")
SWELLING = ("touchpad sits high", "base does not sit flat", "bottom cover bulging?", "tpad stiff")
BOARD = ("random shutdowns", "gets hot next to ports", "reboots under load", "no POST 1st try")
LIQUID = ("LCI red", "sticky residue inside", "traces of liquid, pls check", "smells of coffee")
CRACK = ("corner cracked", "housing broken at corner", "case crack", "chassis damaged")
COSMETIC = ("scratches on lid", "heavy wear", "cosmetics poor", "scuffed all over")
CLEAN = ("looks clean", "cosmetics good", "like new", "very light wear")
NOTHING = ("as per ticket", "received, see RMA", "no time to test", "pls see photos", "ok", "tbc")
OPENING = ("", "", "unit booted, ", "in: ", "tested 15min, ", "cust return. ", "RMA - ")
CLOSING = ("", "", "", ".", " pls check", " /jk", ". MB", " - thx")


def _typo(rng: np.random.Generator, note: str) -> str:
    """Swaps, drops or doubles one letter."""
    at = int(rng.integers(1, max(2, len(note) - 1)))
    match int(rng.integers(3)):
        case 0:
            return note[: at - 1] + note[at : at + 1] + note[at - 1 : at] + note[at + 1 :]
        case 1:
            return note[:at] + note[at + 1 :]
        case _:
            return note[:at] + note[at - 1 : at] + note[at:]


def write(rng: np.random.Generator, unit: Latents) -> Text:
    """A note in British English."""

    def pick(phrases: tuple[str, ...]) -> str:
        return phrases[int(rng.integers(len(phrases)))]

    said: list[str] = []

    def mention(fact: bool, phrases: tuple[str, ...], hit: float, false_alarm: float) -> bool:
        if rng.random() < (hit if fact else false_alarm):
            said.append(pick(phrases))
            return True
        return False

    if rng.random() < 0.03:
        return Text(text=pick(NOTHING), language="en-GB")
    if not mention(unit.keyboard_fault, KEYBOARD, 0.95, 0.015):
        mention(True, KEYBOARD_FINE, 0.35, 0.0)
    if not mention(unit.display_fault, DISPLAY, 0.95, 0.015):
        mention(True, DISPLAY_FINE, 0.35, 0.0)
    mention(unit.fan_wear >= PRESENT, FAN, 0.25, 0.04)
    mention(unit.state_of_health < DEGRADED_BELOW, BATTERY, 0.30, 0.08)
    mention(unit.swelling_mm >= SWOLLEN_MM, SWELLING, 0.30, 0.02)
    mention(unit.board_fault >= PRESENT, BOARD, 0.35, 0.04)
    mention(unit.liquid > 0.3, LIQUID, 0.60, 0.01)
    mention(unit.crack >= PRESENT, CRACK, 0.25, 0.01)
    mention(unit.scratches > 9, COSMETIC, 0.35, 0.03)
    mention(unit.scratches < 4, CLEAN, 0.25, 0.02)
    if not said:
        said.append(pick(NOTHING))

    order = rng.permutation(len(said))
    joint = (", ", "; ", ". ", " / ")[int(rng.integers(4))]
    note = pick(OPENING) + joint.join(said[i] for i in order) + pick(CLOSING)
    for _ in range(int(rng.poisson(0.02 * len(note)))):
        note = _typo(rng, note)
    style = rng.random()
    if style < 0.15:
        note = note.upper()
    elif style < 0.5:
        note = note[:1].upper() + note[1:]
    return Text(text=note, language="en-GB")
