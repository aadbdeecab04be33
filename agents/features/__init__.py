"""Features: any valid payload as a small array of fixed shape, before any learning.

They are what the join keeps of an observation and what the distiller's encoders read. Pure numpy:
no state, no randomness, the same bytes give the same features.
"""

from agents.features import acoustic, battery, spectral, text, thermal, visual
from agents.features.spec import Features, FeatureSpec, specify
from schemas.modality import Modality
from schemas.observation import Acoustic, Battery, Payload, Spectral, Text, Thermal, Visual

FEATURES: dict[Modality, FeatureSpec] = {
    Modality.VISUAL: specify(Visual, visual.SHAPE, visual.extract),
    Modality.SPECTRAL: specify(Spectral, spectral.SHAPE, spectral.extract),
    Modality.TEXT: specify(Text, text.SHAPE, text.extract),
    Modality.THERMAL: specify(Thermal, thermal.SHAPE, thermal.extract),
    Modality.ACOUSTIC: specify(Acoustic, acoustic.SHAPE, acoustic.extract),
    Modality.BATTERY: specify(Battery, battery.SHAPE, battery.extract),
}


def extract(payload: Payload) -> Features:
    """The features of one payload, of shape `FEATURES[payload.modality].shape`.

    Raises:
        UnusablePayload: the content cannot be read (a broken image).
        TooLarge: an image of more pixels than the limits allow.
    """
    return FEATURES[payload.modality].extract(payload)


__all__ = ["FEATURES", "FeatureSpec", "Features", "extract"]
