"""Days and times of day where a site is, also on days on which clocks are changed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from imagebank.model.zone import beginning, ending, is_of_change, name_at

BERLIN, LIMA, BEIRUT = map(ZoneInfo, ("Europe/Berlin", "America/Lima", "Asia/Beirut"))


@pytest.mark.parametrize(
    ("day", "zone", "first", "hours"),
    [
        (date(2026, 10, 25), UTC, "2026-10-25T00:00:00+00:00", 24),
        (date(2026, 10, 25), BERLIN, "2026-10-24T22:00:00+00:00", 25),
        (date(2026, 3, 29), BERLIN, "2026-03-28T23:00:00+00:00", 23),
        (date(2026, 6, 1), LIMA, "2026-06-01T05:00:00+00:00", 24),
        # There clocks go from 0:00 to 1:00.
        (date(2026, 3, 29), BEIRUT, "2026-03-28T22:00:00+00:00", 23),
    ],
)
def test_a_day_is_as_long_as_it_is_there(day: date, zone: ZoneInfo, first: str, hours: int) -> None:
    assert beginning(day, zone).isoformat() == first
    assert beginning(day + timedelta(days=1), zone) - beginning(day, zone) == timedelta(hours=hours)
    assert ending(day, zone) == beginning(day + timedelta(days=1), zone) - timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("at", "zone", "name", "is_change"),
    [
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), BERLIN, "CEST", True),
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), BERLIN, "CET", True),
        (datetime(2026, 10, 24, 12, tzinfo=UTC), BERLIN, "CEST", False),
        (datetime(2026, 7, 1, tzinfo=UTC), LIMA, "UTC-05", False),
        (datetime(2026, 7, 1, tzinfo=UTC), UTC, "UTC", False),
        (datetime(2026, 7, 1), None, "", False),  # noqa: DTZ001 - a camera knows no zone
    ],
)
def test_a_time_is_named_and_told_to_be_there_twice(
    at: datetime, zone: ZoneInfo | None, name: str, is_change: bool
) -> None:
    there = at if zone is None else at.astimezone(zone)

    assert (name_at(there), is_of_change(there)) == (name, is_change)
