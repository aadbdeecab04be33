"""Event times: whole ms since 1970 UTC, and the spellings in which clients write them."""

import re
from datetime import UTC, datetime, timedelta

from schemas.errors import InvalidField

MIN_TIME_MS = 1_420_070_400_000
"""2015-01-01. What lies before is no time of a line: seconds sent as ms, a clock at 1970."""
MAX_TIME_MS = 253_402_300_799_999
"""9999-12-31: later dates cannot be written as ISO 8601 by Python's datetime."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)
_UNITS = (("seconds", 1000, 1), ("us", 1, 1000), ("ns", 1, 1_000_000))
_SHOWN = 40
"""Characters of a wrong time that a message repeats."""

# What datetime.fromisoformat reads, but ASCII only, with T or one space between date and time.
_ISO = re.compile(r"(?a:(\d[\dW-]+[T ])(\d[\d:.,]*?) ?(Z|[+-]\d[\d:]*)?)")
_LEAP_SECOND = re.compile(r"(?a:(\d\d:?\d\d:?)60([.,]\d+)?)")


def check_time(name: str, milliseconds: int) -> None:
    """Refuses an event time that no clock of a line can have shown.

    Args:
        name: the field, for messages.
        milliseconds: since 1970 UTC.

    Raises:
        InvalidField: before 2015 or after 9999.
    """
    if MIN_TIME_MS <= milliseconds <= MAX_TIME_MS:
        return
    hint = "send ms since 1970 UTC"
    for unit, factor, divisor in _UNITS:
        # Up to 2100: hints are for today's times in another unit.
        if MIN_TIME_MS <= milliseconds * factor // divisor <= 4_102_444_800_000:
            hint = f"it looks like {unit}; send ms since 1970 UTC"
    shown = str(milliseconds)[:_SHOWN]
    raise InvalidField(f"{name} {shown} is not between the years 2015 and 9999: {hint}")


def parse_time(name: str, text: str) -> int:
    """Returns the ms since 1970 UTC of an ISO 8601 time; finer digits are cut off.

    Any unambiguous spelling will do: without seconds, with a fraction of them, with an offset of
    `Z`, `+01:00`, `+0100` or `+01`, in lower case, with a space in place of `T`. A leap second
    (`23:59:60Z`) is the second after it, as in POSIX.

    Args:
        name: the field, for messages.
        text: the time.

    Raises:
        InvalidField: it is no ISO 8601 time, or does not say of which zone.
    """
    found = _ISO.fullmatch(text.upper())
    if found and not found[3]:
        raise InvalidField(
            f"{name} {text[:_SHOWN]!r} does not say of which zone it is; "
            "end it in Z for UTC, or in an offset such as +01:00"
        )
    try:
        if not found:
            raise ValueError
        date, clock, zone = found.groups()
        leap = _LEAP_SECOND.fullmatch(clock)
        if leap:
            clock = f"{leap[1]}59{leap[2] or ''}"
        elapsed = datetime.fromisoformat(f"{date}{clock}{zone}") - _EPOCH
        if leap and elapsed % _DAY < _DAY - _SECOND:
            raise ValueError
    except ValueError:
        raise InvalidField(
            f"{name} {text[:_SHOWN]!r} is not ISO 8601 with an offset such as 2025-01-31T08:00:00Z"
        ) from None
    return (elapsed + _SECOND if leap else elapsed) // timedelta(milliseconds=1)
