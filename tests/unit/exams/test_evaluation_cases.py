"""The labelled cases are well formed: they are what the rules for priors and repeats are judged by."""

import json
from collections import Counter
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "evaluation" / "cases.jsonl"
EXAM = {
    "modality",
    "study_description",
    "series_description",
    "body_part_examined",
    "procedure_code",
    "procedure_code_scheme",
    "laterality_tag",
}
CONTEXTS = {"routine", "urgent", "followup", "postop", "preop", "screening"}
LABEL = {"relevant", "first", "repeat", "repeat_of", "also", "why"}


@pytest.fixture(scope="module")
def cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]


def test_there_are_enough_cases_of_many_patterns(cases: list[dict[str, Any]]) -> None:
    assert len(cases) >= 450
    assert max(Counter(case["pattern"] for case in cases).values()) <= 3
    assert sum(len(case["history"]) >= 60 for case in cases) >= 5


def test_about_a_third_are_repeats_in_both_halves(cases: list[dict[str, Any]]) -> None:
    halves: tuple[list[bool], list[bool]] = ([], [])
    for case in cases:
        halves[sha256(case["id"].encode()).digest()[0] % 2].append(case["label"]["repeat"])
    for half in halves:
        assert 0.4 <= len(half) / len(cases) <= 0.6
        assert 0.28 <= sum(half) / len(half) <= 0.42


def test_ids_name_one_thing(cases: list[dict[str, Any]]) -> None:
    assert len({case["id"] for case in cases}) == len(cases)
    for case in cases:
        assert len({exam["id"] for exam in case["history"]}) == len(case["history"]), case["id"]


def test_exams_are_whole(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        assert set(case) == {"id", "pattern", "new", "history", "label"}
        assert set(case["new"]) == EXAM | {"date", "context", "organization"}
        assert case["new"]["context"] in CONTEXTS, case["id"]
        for exam in case["history"]:
            assert set(exam) == EXAM | {"id", "date", "organization"}
        for exam in (case["new"], *case["history"]):
            assert all(isinstance(value, str) for value in exam.values())
            assert exam["modality"], case["id"]
            assert exam["organization"], case["id"]
            assert date.fromisoformat(exam["date"]).isoformat() == exam["date"]
            assert exam["laterality_tag"] in {"", "L", "R", "B", "U"}, case["id"]


def test_labels_name_earlier_exams_of_the_history(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        label, known = case["label"], {exam["id"]: exam["date"] for exam in case["history"]}
        named = [*label["relevant"], *label["also"]]
        assert set(label) == LABEL
        assert len(set(named)) == len(named), case["id"]
        assert all(known[name] <= case["new"]["date"] for name in named), case["id"]
        assert set(label["first"]) <= set(label["relevant"]), case["id"]
        assert bool(label["first"]) == bool(label["relevant"]), case["id"]
        assert label["why"].strip(), case["id"]


def test_a_repeat_names_the_exam_that_it_repeats(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        label = case["label"]
        assert isinstance(label["repeat"], bool)
        assert (label["repeat_of"] in label["relevant"]) if label["repeat"] else label["repeat_of"] is None, case["id"]


def test_the_outsiders_cases_name_earlier_exams_of_the_history() -> None:
    for line in (FILE.parent / "outsiders.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        label, known = case["label"], {exam["id"]: exam["date"] for exam in case["history"]}
        assert all(known[name] <= case["new"]["date"] for name in label["relevant"]), case["id"]
        assert label["first"] == label["relevant"][:1], case["id"]
        assert (label["repeat_of"] in label["relevant"]) if label["repeat"] else label["repeat_of"] is None, case["id"]
