"""Days and times of day where a site is. Whatever is kept, and what programs read, is in UTC or says its offset."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

_WHOLE_DAY = timedelta(days=1)


def beginning(day: date, zone: tzinfo) -> datetime:
    """The first moment of a day, in UTC; where clocks leave midnight out, the moment at which they do."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def ending(day: date, zone: tzinfo) -> datetime:
    """The last moment of a day, in UTC."""
    return datetime.combine(day, time.max, zone).astimezone(UTC)


def name_at(at: datetime) -> str:
    """What the time of a moment is called there: `CEST`, or `UTC-03` where it has no name of its own."""
    name = at.tzname() or ""
    return f"UTC{name}" if name.startswith(("+", "-")) else name


def is_of_change(at: datetime) -> bool:
    """Whether clocks are changed on the day of a moment, so that a time of day may be there twice."""
    first = datetime.combine(at.date(), time(), at.tzinfo)
    return first.utcoffset() != (first + _WHOLE_DAY).utcoffset()


def in_utc(moment: datetime) -> datetime:
    """The same moment in UTC, which is also taken for the zone of one that has none. Raises ValueError beyond all years."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("the moment is in no year of the calendar") from error
