"""Event times: whole ms since 1970 UTC."""

from schemas.errors import InvalidField

MIN_TIME_MS = 1_420_070_400_000
"""2015-01-01. What lies before is no time of a line: seconds sent as ms, a clock at 1970."""
MAX_TIME_MS = 253_402_300_799_999
"""9999-12-31: later dates cannot be written as ISO 8601 by Python's datetime."""


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
    if MIN_TIME_MS <= milliseconds * 1000 <= MAX_TIME_MS:
        hint = "it looks like seconds; multiply by 1000"
    else:
        hint = "send ms since 1970 UTC"
    raise InvalidField(f"{name} {milliseconds} is not between the years 2015 and 9999: {hint}")
