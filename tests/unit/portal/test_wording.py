"""How values read on a page."""

import pytest

from imagebank.dicom import moments
from imagebank.portal import wording
from imagebank.portal.wording import Name


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
    assert moments.day(text) == read


@pytest.mark.parametrize(
    ("born", "on", "read"),
    [
        ("19570203", "19990301", "42 y"),
        ("19570303", "19990301", "41 y"),
        ("20251201", "20261124", "11 months"),
        ("20261125", "20261124", ""),
        ("17890505", "20190604", ""),
        ("", "20261124", ""),
        ("1957", "20261124", ""),
        ("19570203", "", ""),
    ],
)
def test_age_is_that_at_the_exam_and_never_beyond_what_people_reach(born: str, on: str, read: str) -> None:
    assert wording.age(born, on) == read


@pytest.mark.parametrize(("code", "read"), [("F", "female"), ("O", "other sex"), ("X", "sex X"), ("", "")])
def test_sex_is_said_in_words(code: str, read: str) -> None:
    assert wording.sex(code) == read


@pytest.mark.parametrize("element", [{}, {"Value": []}, {"Value": [None]}, {"Value": [{"Alphabetic": "x"}]}])
def test_a_missing_value_reads_as_nothing(element: dict[str, object]) -> None:
    assert wording.text({"00080050": element}, "00080050") == ""
    assert wording.number({"00080050": element}, "00080050") is None
    assert wording.decimal({"00080050": element}, "00080050") is None
