"""Pixels of an image, read from its header alone: a decompression bomb is refused unopened."""

from io import BytesIO

from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from schemas.errors import Malformed, TooLarge

# The readers themselves, not Image.open: that tries other formats too, and warns of bombs at its
# own bound before we could apply ours. They read no further than the first pixel data.
_READERS: dict[str, type[ImageFile]] = {"image/jpeg": JpegImageFile, "image/png": PngImageFile}


def check_pixels(image: bytes, media_type: str, limit: int) -> None:
    """Refuse an image whose header is unreadable or promises more than `limit` pixels.

    Raises:
        Malformed: the header cannot be read.
        TooLarge: width times height exceeds `limit`.
    """
    try:
        with _READERS[media_type](BytesIO(image)) as header:
            width, height = header.size
    except Exception as error:  # Pillow's readers raise whatever the damaged bytes led them to
        raise Malformed(f"the image's header cannot be read: {str(error)[:120]}") from None
    if width * height > limit:
        raise TooLarge(f"the image has {width} x {height} pixels; at most {limit} are allowed")
