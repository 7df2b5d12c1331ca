"""Where the site is that a page is made for: its time zone, in which people read days and times of day."""

from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo

from imagebank.model.zone import is_of_change, name_at

_zone: ContextVar[tzinfo] = ContextVar("zone", default=UTC)


def stand_in(zone: tzinfo) -> None:
    """Let what is written from now on, for this request, have the times of a zone."""
    _zone.set(zone)


def zone() -> tzinfo:
    """The zone of the page that is being made."""
    return _zone.get()


def zone_name() -> str:
    """How that zone is called: `Europe/Berlin`, `UTC`."""
    return str(zone())


def local(at: datetime) -> datetime:
    """The same moment by the clocks of the site."""
    return at.astimezone(zone())


def clock(at: datetime) -> str:
    """`14:05`; with the name of the time on days on which clocks are changed, since it may be there twice."""
    at = local(at)
    return f"{at:%H:%M} {name_at(at)}" if is_of_change(at) else f"{at:%H:%M}"
