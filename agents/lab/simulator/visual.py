"""The camera: one JPEG of two views, the closed lid above and the keyboard deck below.

Wear is drawn by what causes it: scratches as thin bright lines, cracks as jagged dark ones,
swelling as the shading of a bulge under the touchpad, age as a yellow cast, liquid as a tide mark.
Light, position, white balance and sensor noise differ from photograph to photograph.
"""

import io
import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from agents.lab.simulator.latents import Latents
from agents.lab.simulator.models import Platform
from schemas.observation import Visual

WIDTH, HEIGHT = 128, 96
LID = (8, 4, 120, 40)
DECK = (8, 46, 120, 92)
"""Boxes of the two views, (left, top, right, bottom) in pixels."""
_BENCH = (118, 116, 110)

_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
_HOUSING = np.zeros((HEIGHT, WIDTH), dtype=bool)
for _left, _top, _right, _bottom in (LID, DECK):
    _HOUSING[_top:_bottom, _left:_right] = True


@lru_cache(maxsize=16)
def _pristine(platform: Platform) -> Image.Image:
    """A new unit of the platform, under even light."""
    image = Image.new("RGB", (WIDTH, HEIGHT), _BENCH)
    draw = ImageDraw.Draw(image)
    for box in (LID, DECK):
        draw.rounded_rectangle((box[0], box[1], box[2] - 1, box[3] - 1), 3, fill=platform.colour)
    logo = tuple(min(255, c + 40) for c in platform.colour)
    draw.ellipse((60, 18, 68, 26), fill=logo)
    left, top, right, bottom = DECK[0] + 6, DECK[1] + 4, DECK[2] - 6, DECK[1] + 28
    key_width = (right - left) / platform.key_columns
    key_height = (bottom - top) / platform.key_rows
    for row in range(platform.key_rows):
        for column in range(platform.key_columns):
            x, y = left + column * key_width, top + row * key_height
            draw.rectangle(
                (x + 1, y + 1, x + key_width - 1, y + key_height - 1), fill=platform.key_colour
            )
    edge = tuple(int(0.85 * c) for c in platform.colour)
    draw.rectangle((48, DECK[1] + 31, 80, DECK[3] - 4), outline=edge)
    return image


def _jagged(
    rng: np.random.Generator, start: tuple[float, float], heading: float, length: float
) -> list[tuple[float, float]]:
    """A crack: a polyline that wanders from `start`, its points (x, y) in pixels."""
    points = [start]
    for turn in rng.normal(0.0, 0.55, max(2, round(length / 4))):
        x, y = points[-1]
        points.append((x + 4 * math.cos(heading + turn), y + 4 * math.sin(heading + turn)))
    return points


def _draw_damage(rng: np.random.Generator, unit: Latents, image: Image.Image) -> None:
    draw = ImageDraw.Draw(image)
    colour = unit.model.platform.colour
    scratch = tuple(min(255, c + 75) if sum(colour) < 480 else c - 70 for c in colour)
    for _ in range(min(unit.scratches, 40)):
        box = LID if rng.random() < 0.6 else DECK
        x, y = rng.uniform(box[0], box[2]), rng.uniform(box[1], box[3])
        angle, length = rng.uniform(0, math.pi), rng.uniform(4, 14)
        end = (x + length * math.cos(angle), y + length * math.sin(angle))
        draw.line([(x, y), end], fill=scratch, width=1)
    if unit.crack > 0.15:
        # From a corner inwards, where a dropped unit lands; a hairline is short.
        box = LID if rng.random() < 0.5 else DECK
        right, low = bool(rng.random() < 0.5), bool(rng.random() < 0.5)
        start = (box[2] - 2.0 if right else box[0] + 1.0, box[3] - 2.0 if low else box[1] + 1.0)
        heading = math.atan2(-1 if low else 1, -1.6 if right else 1.6)
        for _ in range(1 + round(2 * unit.crack)):
            points = _jagged(rng, start, heading + rng.normal(0, 0.35), 44 * unit.crack)
            draw.line(points, fill=(12, 11, 11), width=2 if unit.crack > 0.4 else 1)


def _bump(x: float, y: float, radius: float) -> NDArray[np.float32]:
    """A Gaussian hill of height 1, shape (HEIGHT, WIDTH)."""
    bump: NDArray[np.float32] = np.exp(
        -((_COLUMNS - x) ** 2 + (_ROWS - y) ** 2) / (2 * radius * radius)
    )
    return bump


def render(rng: np.random.Generator, unit: Latents) -> Visual:
    """A photograph of the unit, 128 x 96 pixels."""
    image = _pristine(unit.model.platform).copy()
    _draw_damage(rng, unit, image)
    pixels = np.asarray(image, dtype=np.float32)

    # Shading: a lamp's gradient, and the slope of the bulge where it faces the lamp.
    angle = rng.uniform(0, 2 * math.pi)
    across = math.cos(angle) * (_COLUMNS - WIDTH / 2) + math.sin(angle) * (_ROWS - HEIGHT / 2)
    light = rng.uniform(0.82, 1.12) * (1 + rng.uniform(0.0005, 0.003) * across)
    x, y, radius = rng.uniform(54, 74), rng.uniform(74, 84), rng.uniform(9, 13)
    slope = math.cos(angle) * (_COLUMNS - x) + math.sin(angle) * (_ROWS - y)
    bulge = 0.10 * max(0.0, unit.swelling_mm - 0.3) + rng.normal(0.0, 0.05)
    light = light * (1 + np.where(_HOUSING, bulge * slope / radius * _bump(x, y, radius), 0.0))

    # Dirt and stains darken; polished keys reflect.
    for _ in range(3):
        spot = _bump(rng.uniform(8, 120), rng.uniform(4, 92), rng.uniform(4, 12))
        light = light * (1 - 0.22 * unit.dirt * spot)
    if unit.liquid > 0 and rng.random() < 0.75:
        ring = np.hypot(_COLUMNS - rng.uniform(25, 103), (_ROWS - 60) * 1.5) - rng.uniform(8, 16)
        light = light * (1 - 0.4 * unit.liquid * np.exp(-(ring**2) / 3) * _HOUSING)
    pixels = pixels * light[..., None]
    pixels[50:74, 14:114] += 45 * unit.key_wear * _bump(60, 62, 22)[50:74, 14:114, None]

    yellow = unit.discoloration * (0.55 + 0.45 * _bump(rng.uniform(8, 120), rng.uniform(4, 92), 30))
    pixels[..., 2] *= 1 - 0.34 * yellow * _HOUSING
    pixels[..., 1] *= 1 - 0.06 * yellow * _HOUSING
    pixels *= 1 + rng.normal(0.0, 0.015, 3).astype(np.float32)
    pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(2, 5))

    shift = (int(rng.integers(-2, 3)), int(rng.integers(-3, 4)))
    shot = np.roll(np.clip(pixels, 0, 255).astype(np.uint8), shift, axis=(0, 1))
    buffer = io.BytesIO()
    Image.fromarray(shot).save(buffer, "JPEG", quality=int(rng.integers(72, 93)))
    return Visual(image=buffer.getvalue(), media_type="image/jpeg")
