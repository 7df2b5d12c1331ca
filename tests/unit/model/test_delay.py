"""What a delay of reports may be, and how long a report waits."""

from datetime import UTC, datetime, timedelta

import pytest

from imagebank.errors import Invalid
from imagebank.model.delay import Delay, delay_of, type_words, until
from imagebank.model.person import PatientId
from imagebank.model.report import Report

AT = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_name_stands_for_its_codes_and_whatever_is_said_for_itself() -> None:
    made = delay_of(["Pathology", "My  Letter"], 72, " a doctor\ntells you ")

    assert {"section:sp", "11526-1", "pathology", "my letter"} <= set(made.types)
    assert made.reason == "a doctor tells you"
    assert made.holds_for(["my letter"])
    assert not made.holds_for([])
    assert delay_of(["*", "x"], 1, "why").types == ()
    assert delay_of(["*"], 1, "why").holds_for([])


@pytest.mark.parametrize(
    ("types", "hours", "reason", "words"),
    [
        ([], 1, "why", "names the types"),
        (["sp"], 1, " ", "has no reason"),
        (["sp"], 1, "w" * 201, "at most 200 signs"),
        (["sp"], 0, "why", "lasts some hours"),
        (["sp"], float("nan"), "why", "lasts some hours"),
        (["sp"], 9_000, "why", "at most 8760"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(types: list[str], hours: float, reason: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        delay_of(types, hours, reason)


def test_of_several_delays_the_longest_counts() -> None:
    delays = [Delay(("sp",), 2, "two"), Delay((), 1, "one"), Delay(("ct",), 9, "nine")]

    assert until(["sp"], AT, delays) == (AT + timedelta(hours=2), "two")
    assert until(["x"], AT, delays) == (AT + timedelta(hours=1), "one")
    assert until(["x"], AT, []) == (AT, "")


def test_types_are_told_once_each_and_not_without_end() -> None:
    assert type_words(["SP", "", "sp ", "a\\b"]) == ("sp", "a b")
    assert len(type_words(map(str, range(99)))) == 20


def test_a_report_is_named_by_its_number_or_its_digest() -> None:
    numbered = Report("north", PatientId("north", "ADA"), AT, "F", "R1").which

    assert (numbered.number, numbered.digest, numbered.name) == ("R1", None, "R1")
