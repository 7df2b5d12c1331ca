"""Dates as people and programs write them."""

from datetime import date, time

import pytest

from imagebank.model.spoken_dates import dates_in

FIRST = date(2026, 3, 1)


@pytest.mark.parametrize(
    "text",
    [
        *("2026-03-01", "2026/3/1", "2026.03.01", "20260301", "1.3.2026", "01.03.2026", "1. 3. 2026"),
        *("1 March 2026", "1st Mar 2026", "March 1, 2026", "Mar 1st 2026", "1. März 2026", "1 de marzo de 2026"),
        *("1er mars 2026", "1 mars 2026", "on 1-Mar-2026 in the morning"),
    ],
)
def test_a_date_is_read_in_four_languages(text: str) -> None:
    (spoken,) = dates_in(text)

    assert (spoken.date, spoken.time, spoken.others) == (FIRST, None, ())


@pytest.mark.parametrize(
    ("text", "at"),
    [
        *(("2026-03-01T10:15:30+01:00", time(10, 15, 30)), ("1.3.2026 um 10:15 Uhr", time(10, 15))),
        *(
            ("1 mars 2026 à 10h15", time(10, 15)),
            ("20260301_101530", time(10, 15, 30)),
            ("20260301-1015", time(10, 15)),
        ),
        ("1 March 2026, 9:05", time(9, 5)),
    ],
)
def test_the_time_behind_a_date_is_read(text: str, at: time) -> None:
    (spoken,) = dates_in(text)

    assert (spoken.date, spoken.time) == (FIRST, at)


def test_day_and_month_may_be_the_other_way_round() -> None:
    (spoken,) = dates_in("03/02/1980")

    assert (spoken.date, spoken.others) == (date(1980, 2, 3), (date(1980, 3, 2),))
    assert [(one.date, one.others) for one in dates_in("3/3/1980 13/2/1980 2/13/1980 03.02.1980")] == [
        (date(1980, 3, 3), ()),
        (date(1980, 2, 13), ()),
        (date(1980, 2, 13), ()),
        (date(1980, 2, 3), ()),
    ]


def test_what_is_no_date_is_passed_over() -> None:
    assert list(dates_in("31.2.2026, 120260301, 2026-13-01, 99/99/1999, tel. 123456789, 1.3.26")) == []
