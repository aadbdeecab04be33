"""Features of a photograph: a small colour picture and two maps of its fine detail.

A thumbnail alone loses what matters most, scratches and cracks one pixel wide. So the deviation
from the neighbourhood is taken at a higher resolution and pooled, bright and dark apart.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import uniform_filter

from schemas.errors import TooLarge, UnusablePayload
from schemas.limits import DEFAULT_LIMITS
from schemas.observation import Visual

SIDE = 32
"""Pixels a side of the features; pictures of any proportions are stretched to a square."""
DETAIL = 4
"""Fine pixels a side per feature pixel."""
SHAPE = (5, SIDE, SIDE)
"""Channels: red, green, blue (centred on 0), bright detail, dark detail."""


def _open(payload: Visual) -> Image.Image:
    """The image in 8-bit RGB, its size checked before its pixels are decoded."""
    try:
        image: Image.Image = Image.open(io.BytesIO(payload.image), formats=("JPEG", "PNG"))
        if image.width * image.height > DEFAULT_LIMITS.pixels:
            raise TooLarge(
                f"image of {image.width} x {image.height} exceeds {DEFAULT_LIMITS.pixels} pixels"
            )
        # A JPEG decoder can skip resolution that nobody will look at.
        image.draft("RGB", (2 * SIDE * DETAIL, 2 * SIDE * DETAIL))
        if image.mode.startswith("I"):
            # 16-bit grayscale: convert("RGB") would clip it to white.
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode == "P":
            image = image.convert("RGBA")  # knows every kind of palette transparency
        return image.convert("RGB")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"image exceeds {DEFAULT_LIMITS.pixels} pixels") from error
    except TooLarge:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error...
        raise UnusablePayload(f"the image cannot be decoded: {error}") from error


def extract(payload: Visual) -> NDArray[np.float32]:
    """Shape (5, 32, 32)."""
    fine = _open(payload).resize((SIDE * DETAIL, SIDE * DETAIL), Image.Resampling.BILINEAR)
    small = np.asarray(fine.resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float32)
    gray = np.asarray(fine.convert("L"), dtype=np.float32)
    deviation = gray - uniform_filter(gray, 7, mode="nearest")
    blocks = deviation.reshape(SIDE, DETAIL, SIDE, DETAIL)
    return np.stack(
        [
            *((small - 128) / 64).transpose(2, 0, 1),
            blocks.max(axis=(1, 3)) / 32,
            -blocks.min(axis=(1, 3)) / 32,
        ]
    )
