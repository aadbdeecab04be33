"""Features of a photograph: a small colour picture and two maps of its fine detail.

A thumbnail alone loses what matters most, scratches and cracks one pixel wide. So the deviation
from the neighbourhood is taken at a higher resolution and pooled, bright and dark apart.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from agents.machine_code import compiled
from schemas.errors import TooLarge, UnusablePayload
from schemas.limits import DEFAULT_LIMITS
from schemas.observation import Visual

VERSION = 1

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the features of an image are."""

    side: int = 32
    """Pixels a side of the features; pictures of any proportions are stretched to a square."""
    detail: int = 4
    """Fine pixels a side per feature pixel."""
    neighbourhood: int = 7
    """Fine pixels a side of what a pixel is compared with; odd."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels: red, green, blue (centred on 0), bright detail, dark detail."""
        return 5, self.side, self.side


SETTINGS = Settings()


def prepare(payload: Visual, settings: Settings) -> Pixels:
    """The picture at the fine resolution in 8-bit RGB, shape (fine, fine, 3).

    Raises:
        TooLarge: the image has more pixels than the limits allow; they are not decoded then.
        UnusablePayload: it cannot be decoded.
    """
    fine = settings.side * settings.detail
    try:
        image: Image.Image = Image.open(io.BytesIO(payload.image), formats=("JPEG", "PNG"))
        if image.width * image.height > DEFAULT_LIMITS.pixels:
            raise TooLarge(
                f"image of {image.width} x {image.height} exceeds {DEFAULT_LIMITS.pixels} pixels"
            )
        # A JPEG decoder can skip resolution that nobody will look at.
        image.draft("RGB", (2 * fine, 2 * fine))
        if image.mode.startswith("I"):
            # 16-bit grayscale: convert("RGB") would clip it to white.
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        if image.mode == "P":
            image = image.convert("RGBA")  # knows every kind of palette transparency
        if image.mode != "RGB":
            image = image.convert("RGB")
        return np.asarray(image.resize((fine, fine), Image.Resampling.BILINEAR))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLarge(f"image exceeds {DEFAULT_LIMITS.pixels} pixels") from error
    except TooLarge:
        raise
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error...
        raise UnusablePayload(f"the image cannot be decoded: {error}") from error


def batch(pictures: list[Pixels], settings: Settings) -> NDArray[np.float32]:
    """Shape (N, 5, side, side)."""
    rows = np.empty((len(pictures), *settings.shape), np.float32)
    _pool(np.stack(pictures), settings.detail, settings.neighbourhood // 2, rows)
    return rows


@compiled
def _pool(pictures: Pixels, detail: int, reach: int, rows: NDArray[np.float32]) -> None:
    """In whole numbers throughout, so that nothing is rounded before the last division."""
    fine = pictures.shape[1]
    side = fine // detail
    window = 2 * reach + 1
    area = window * window
    gray = np.empty((fine + 2 * reach, fine), np.int32)  # first and last line repeated
    columns = np.empty(fine, np.int32)  # sums over the lines of the window
    colours = np.empty((side, 3), np.int32)
    bright, dark = np.empty(side, np.int32), np.empty(side, np.int32)
    for n in range(len(pictures)):
        picture, row = pictures[n], rows[n]
        for y in range(fine):
            for x in range(fine):
                red, green, blue = picture[y, x, 0], picture[y, x, 1], picture[y, x, 2]
                # ITU-R 601, as Pillow rounds it.
                gray[y + reach, x] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
        for y in range(reach):
            gray[y] = gray[reach]
            gray[fine + reach + y] = gray[fine + reach - 1]
        columns[:] = 0
        for y in range(window - 1):
            columns += gray[y]
        for cell in range(side):
            colours[:] = 0
            bright[:] = -255 * area
            dark[:] = -255 * area
            for y in range(cell * detail, (cell + 1) * detail):
                for x in range(fine):
                    columns[x] += gray[y + window - 1, x]
                total = (reach + 1) * columns[0]
                for x in range(1, reach + 1):
                    total += columns[min(x, fine - 1)]
                for j in range(side):
                    red, green, blue = 0, 0, 0
                    for x in range(j * detail, (j + 1) * detail):
                        red += picture[y, x, 0]
                        green += picture[y, x, 1]
                        blue += picture[y, x, 2]
                        deviation = area * gray[y + reach, x] - total
                        bright[j] = max(bright[j], deviation)
                        dark[j] = max(dark[j], -deviation)
                        total += columns[min(x + reach + 1, fine - 1)] - columns[max(x - reach, 0)]
                    # Means of lines are rounded before the mean of these, as Pillow does it.
                    colours[j, 0] += (red + detail // 2) // detail
                    colours[j, 1] += (green + detail // 2) // detail
                    colours[j, 2] += (blue + detail // 2) // detail
                for x in range(fine):
                    columns[x] -= gray[y, x]
            for j in range(side):
                for c in range(3):
                    mean = (colours[j, c] + detail // 2) // detail
                    row[c, cell, j] = np.float32(mean - 128) / np.float32(64)
                row[3, cell, j] = bright[j] / (32 * area)
                row[4, cell, j] = dark[j] / (32 * area)
