"""Bounds, checked before anything is decoded or allocated."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one record may contain at most."""

    record_bytes: int = 4 * 1024 * 1024
    """Size of the whole value, in bytes."""
    pixels: int = 16_000_000
    """Width times height of an image, read from its header before decoding."""
    spectrum_points: int = 65_536
    text_characters: int = 20_000
    thermal_pixels: int = 1_048_576
    audio_samples: int = 2_000_000
    cycles: int = 20_000
    json_depth: int = 32
    """Nesting of a JSON value."""
    json_containers: int = 32_768
    """Arrays and objects in a JSON value: parsed, each takes a hundred times its two bytes."""


DEFAULT_LIMITS = Limits()
