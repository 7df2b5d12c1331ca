"""How values read on a page."""

from datetime import date

import pytest

from imagebank.portal import wording
from imagebank.portal.wording import Name

TODAY = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"Alphabetic": "Haddad^Amina"}, Name("Haddad, Amina")),
        ({"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}, Name("Yamada, Tarou", "山田 太郎")),
        ({"Ideographic": "山田^太郎"}, Name("山田 太郎")),
        ({"Alphabetic": "Adams^John^Quincy^Dr.^Jr."}, Name("Adams, Dr. John Quincy Jr.")),
        ({"Alphabetic": "^Prince"}, Name("Prince")),
        ({}, Name("No name")),
    ],
)
def test_a_name_reads_family_first(value: dict[str, str], read: Name) -> None:
    assert wording.name({"00100010": {"vr": "PN", "Value": [value]}}, "00100010") == read


@pytest.mark.parametrize(("text", "read"), [("20261011", "11 Oct 2026"), ("20261399", "20261399"), ("", "")])
def test_a_day_is_written_out(text: str, read: str) -> None:
    assert wording.day(text) == read


@pytest.mark.parametrize(
    ("born", "read"),
    [("19570203", "69 y"), ("20251201", "11 months"), ("20261125", ""), ("", ""), ("1957", "")],
)
def test_age_is_in_years_and_for_the_youngest_in_months(born: str, read: str) -> None:
    assert wording.age(born, TODAY) == read


@pytest.mark.parametrize("element", [{}, {"Value": []}, {"Value": [None]}, {"Value": [{"Alphabetic": "x"}]}])
def test_a_missing_value_reads_as_nothing(element: dict[str, object]) -> None:
    assert wording.text({"00080050": element}, "00080050") == ""
    assert wording.number({"00080050": element}, "00080050") is None
    assert wording.decimal({"00080050": element}, "00080050") is None
