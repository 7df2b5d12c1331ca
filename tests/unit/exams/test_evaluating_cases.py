"""Cases are read, answered, and held against what would have been right."""

import json
from typing import Any

import pytest

from imagebank.errors import Invalid
from imagebank.exams.comparing import likeness
from imagebank.exams.evaluating_cases import Answer, Case, answer, cases_of, confusions, figures
from imagebank.exams.repeats import repeats
from imagebank.exams.tables import tables

CT = {"modality": "CT", "study_description": "CT HEAD WO", "organization": "A"}
NEW = {**CT, "date": "2026-11-02", "context": "routine"}
OLD = {**CT, "id": "h1", "date": "2026-10-20"}
KNEE = {"id": "h2", "date": "2020-01-01", "modality": "DX", "study_description": "XR KNEE RT"}
DEVELOPMENT, TEST = "a", "e"
"""Ids that are of these halves."""


def written(*cases: dict[str, Any]) -> bytes:
    return b"\xef\xbb\xbf" + b"\n\n".join(json.dumps(one).encode() for one in cases) + b"\r\n"


def answered(*cases: dict[str, Any]) -> list[tuple[Case, Answer]]:
    return [(case, answer(case, likeness(None), repeats(None))) for case in cases_of(written(*cases), tables())]


def test_a_case_is_answered_in_the_fixed_form() -> None:
    ((_, told),) = answered({"id": "x", "new": NEW, "history": [OLD, KNEE], "more": 1})

    assert told.told() == {"id": "x", "ranked": ["h1"], "repeat": True, "repeat_of": "h1"}


def test_what_a_site_leaves_out_or_says_is_nothing_is_nothing() -> None:
    ((_, told),) = answered({"id": "x", "new": {"date": "2026-11-02", "modality": None}})

    assert told.told() == {"id": "x", "ranked": [], "repeat": False, "repeat_of": None}


def test_figures_count_what_was_right_by_half() -> None:
    right = {"relevant": ["h1"], "repeat": True, "repeat_of": "h1"}
    wrong = {"relevant": ["h2"], "first": ["h2"], "repeat": False}
    nothing = {"repeat": False}
    found = figures(
        answered(
            {"id": DEVELOPMENT, "new": NEW, "history": [OLD, KNEE], "label": right},
            {"id": TEST, "new": NEW, "history": [OLD, KNEE], "label": wrong},
            {"id": f"{TEST}{DEVELOPMENT}", "new": NEW, "history": [KNEE], "label": nothing},
        )
    )

    assert (found["all"].cases, found["development"].cases + found["test"].cases) == (3, 3)
    assert (found["all"].first, found["all"].none) == (0.5, 1.0)
    assert (found["all"].relevant_precision, found["all"].relevant_recall) == (0.5, 0.5)
    assert (found["all"].repeat_precision, found["all"].repeat_recall) == (0.5, 1.0)
    assert found["test"].repeat_recall == 1.0, "of none, none was missed"


def test_what_may_be_shown_or_left_out_counts_neither_way() -> None:
    found = figures(answered({"id": "x", "new": NEW, "history": [OLD], "label": {"repeat": True, "also": ["h1"]}}))

    assert found["all"].relevant_precision == 1.0


def test_without_labels_there_are_no_figures() -> None:
    assert figures(answered({"id": "x", "new": NEW})) == {}


def test_confusions_are_of_the_development_half() -> None:
    label = {"relevant": ["h2"], "first": ["h2"], "repeat": False}
    case = {"new": NEW, "history": [OLD, KNEE], "label": label}
    none = {"new": NEW, "history": [OLD], "label": {"repeat": False, "also": ["h1"]}}
    missed = {"new": NEW, "history": [KNEE], "label": {"relevant": ["h2"], "repeat": True, "repeat_of": "h2"}}

    def of(*cases: dict[str, Any]) -> list[tuple[str, ...]]:
        return [one[1:] for one in confusions(answered(*cases))]

    assert of({"id": DEVELOPMENT, **case}) == [
        ("first", "h2", "h1"),
        ("repeat", "none", "h1"),
        ("left out", "h2", ""),
        ("not wanted", "", "h1"),
    ]
    assert of({"id": DEVELOPMENT, **none}) == [("first", "none", "h1"), ("repeat", "none", "h1")]
    assert of({"id": DEVELOPMENT, **missed}) == [
        ("first", "h2", "none"),
        ("repeat", "h2", "none"),
        ("left out", "h2", ""),
    ]
    assert of({"id": TEST, **case}, {"id": DEVELOPMENT, "new": NEW}) == []
    right = {"relevant": ["h1"], "repeat": True, "repeat_of": "h1"}
    assert of({"id": DEVELOPMENT, "new": NEW, "history": [OLD, KNEE], "label": right}) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [(b"{", "line 1"), (b'{"id": "x", "new": {"date": "yesterday"}}', r"line 1: .*\$\.new\.date"), (b"\xff", "line 1")],
)
def test_another_file_is_refused_with_its_line(line: bytes, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        list(cases_of(line, tables()))
