"""The registry of modalities: a seventh is one new member, one payload and one encoder."""

from enum import StrEnum


class Modality(StrEnum):
    """What a station can see of a unit. The value names its topic, `units.<modality>`."""

    VISUAL = "visual"
    SPECTRAL = "spectral"
    TEXT = "text"
    THERMAL = "thermal"
    ACOUSTIC = "acoustic"
    BATTERY = "battery"


MODALITIES: tuple[Modality, ...] = tuple(Modality)
