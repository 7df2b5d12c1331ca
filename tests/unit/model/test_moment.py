"""Dates with times, as values and as keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebank.errors import Invalid
from imagebank.model.attribute import Attribute, Level
from imagebank.model.comparison import comparison, is_comparable
from imagebank.model.query import Between, OneOf, condition

ACQUIRED = Attribute("AcquisitionDateTime", (0x0008002A,), "DT", Level.INSTANCE)


def matches(key: str, value: str) -> bool:
    """Whether a value is found by a key, by the plain rules of ranges and lists."""
    read = condition(ACQUIRED, key)
    assert read is not None
    forms = comparison(ACQUIRED, {"vr": "DT", "Value": [value]})
    match read.match:
        case Between(low, high):
            return any(low <= form <= high for form in forms)
        case OneOf(values):
            return any(form in values for form in forms)
    raise AssertionError(read.match)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("20240101", "20240101120000"),
        ("20240101120000", "20240101120000.000000"),
        ("202401011200", "20240101120059.9"),
        ("2024", "20241231235959.999999"),
        ("202402", "20240229"),
        ("20240101-20240102", "20240102235959"),
        ("20240101-", "20991231"),
        ("-20240102", "19991231"),
        ("2023-2024", "20240601"),
        ("20240101120000.5", "20240101120000.512345"),
        ("20161231235960", "20161231235960"),
        # Clocks showed 12:00; it was 10:00 in Greenwich.
        ("20240101120000", "20240101120000+0200"),
        ("20240101100000+0000", "20240101120000+0200"),
        ("20240101050000-0500", "20240101120000+0200"),
        ("20240101093000+0000-20240101103000+0000", "20240101120000+0200"),
        ("20240101043000-0500-20240101053000-0500", "20240101120000+0200"),
        ("20240101100000+0000-", "20240101120000+0200"),
        ("-20240101050000-0500", "20240101120000+0200"),
        ("20231231233000+0000", "20240101003000+0100"),
        ("20240101-0500", "20240102013000+0000"),
        ("20240101100000 0000-20240101100000 0000", "20240101120000+0200"),
        ("2023 - 2024", "20240101"),
        ("20240101100000+0000", "20240101100000"),
        ("2023\\20240101120000", "20240101120000"),
    ],
)
def test_a_moment_is_found(key: str, value: str) -> None:
    assert matches(key, value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("20240101", "20240102"),
        ("20240101-20240102", "20240103000000"),
        ("20240101-20240102", "20231231235959.999999"),
        ("20240101120000", "20240101120001"),
        ("20240101120000+0000", "20240101120000+0200"),
        ("20240101100001+0000-", "20240101120000+0200"),
        ("-20240101095959+0000", "20240101120000+0200"),
        ("20240101-", "20231231"),
    ],
)
def test_another_moment_is_not(key: str, value: str) -> None:
    assert not matches(key, value)


@pytest.mark.parametrize(
    "text",
    ["yesterday", "20241301", "20230229", "202", "20240101-20241301", "20240101120000+2500", "00000101",
     "00010101000000+1400", "20240101.5", "2024-01-01T12:00", "20240101120061", "2023\\x"],
)  # fmt: skip
def test_a_moment_that_is_none_is_refused_and_as_a_value_left_out(text: str) -> None:
    with pytest.raises(Invalid):
        condition(ACQUIRED, text)
    assert comparison(ACQUIRED, {"vr": "DT", "Value": [text]}) == ()
    assert not is_comparable(ACQUIRED, {"vr": "DT", "Value": [text]})


@given(st.datetimes(), st.datetimes(), st.datetimes())
def test_a_range_finds_what_lies_in_it(low: object, high: object, value: object) -> None:
    first, last, at = (f"{moment:%Y%m%d%H%M%S.%f}".zfill(21) for moment in (low, high, value))

    assert matches(f"{first}-{last}", at) == (first <= at <= last)
    assert matches(at, at)
