"""Bounds of JSON text, found by scanning its bytes: nothing is parsed or nested before that."""

import re

import numpy as np

from schemas.errors import Malformed, TooLarge
from schemas.limits import Limits

_STRING = re.compile(rb'"[^"]*"?')

# What each byte outside strings does to the depth.
_STEP = np.zeros(256, dtype=np.int8)
_STEP[list(b"{[")] = 1
_STEP[list(b"}]")] = -1


def check_json(text: bytes, limits: Limits) -> None:
    """Refuse JSON that is nested too deeply, has too many containers, or holds NaN or Infinity.

    Linear in the length of `text`, which need not be valid: up to its first error, where any
    parser stops, the scan sees strings as a parser does.

    Raises:
        TooLarge: deeper than `limits.json_depth`, or more than `limits.json_containers`.
        Malformed: NaN or Infinity, which JSON does not have but many writers emit.
    """
    # Without escaped backslashes, then escaped quotes, every quote left opens or closes a string.
    plain = text.replace(rb"\\", b"").replace(rb"\"", b"")
    outside = _STRING.sub(b"", plain)
    steps = _STEP[np.frombuffer(outside, dtype=np.uint8)]
    depth = int(np.cumsum(steps, dtype=np.int32).max(initial=0))
    if depth > limits.json_depth:
        raise TooLarge(f"JSON is nested {depth} deep; at most {limits.json_depth} is allowed")
    containers = int(np.count_nonzero(steps > 0))
    if containers > limits.json_containers:
        raise TooLarge(
            f"JSON has {containers} arrays and objects; "
            f"at most {limits.json_containers} are allowed"
        )
    if b"NaN" in outside or b"Infinity" in outside:
        raise Malformed("NaN and Infinity are not JSON; send finite numbers only")
