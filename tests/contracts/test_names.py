"""Wildcards in patients' names, with an index of parts of names and without: the same matches on both databases."""

import pytest

from contracts.described import a_kept, asked, studies
from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import Selection
from imagebank.model.query import Query
from imagebank.model.uid import Uid
from imagebank.storage import names
from imagebank.storage.index import SQLIndex

ALL = Scope(None)
NAMES = {
    "1.1": "Smith^Ann", "1.2": "Goldsmith^Bob", "1.3": "Klein^Zoë", "1.4": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "1.5": "O'Brien^\"Pat\"", "1.6": "smith", "1.7": "De la Cruz^Ana María", "1.8": "Si",
}  # fmt: skip
PATTERNS = {
    "*smith*": ["1.1", "1.2", "1.6"], "*SMITH^a*": ["1.1"], "*smith^*": ["1.1", "1.2", "1.6"], "*smith": ["1.6"],
    "?oldsmith*": ["1.2"], "*zoe*": ["1.3"], "*田^太郎*": ["1.4"], "*山*": ["1.4"], "*mada*=*田*": ["1.4"],
    '*"pat"*': ["1.5"], "*o'b*pat*": ["1.5"], "*la cruz*": ["1.7"], "*si*": ["1.8"], "*nobody*": [], "*smi?h*ann": ["1.1"],
    "smith*": ["1.1", "1.6"],
}  # fmt: skip


def of_name(index: SQLIndex, text: str, *, fuzzy: bool = False) -> list[str]:
    found = index.find(studies(asked("PatientName", text, fuzzy=fuzzy)), ALL)
    return sorted(one.attributes["0020000D"]["Value"][0] for one in found)


@pytest.fixture(params=[names.FEW, 0], ids=["with the index", "without"])
def filled(index: SQLIndex, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SQLIndex:
    monkeypatch.setattr(names, "FEW", request.param)
    monkeypatch.setattr(names, "MANY", request.param)
    with index.begin() as tx:
        tx.enter([a_kept(study=study, patient=study, PatientName=name) for study, name in NAMES.items()])
    return index


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_wildcard_finds_what_it_says(filled: SQLIndex, pattern: str) -> None:
    assert of_name(filled, pattern) == PATTERNS[pattern]
    assert filled.count(studies(asked("PatientName", pattern)), ALL) == len(PATTERNS[pattern])
    series = Query(Level.SERIES, (asked("PatientName", pattern),))
    patients = Query(Level.PATIENT, (asked("PatientName", pattern),))
    assert [len([*filled.find(query, ALL)]) for query in (series, patients)] == [len(PATTERNS[pattern])] * 2


def test_words_find_what_begins_so(filled: SQLIndex) -> None:
    assert of_name(filled, "smi ann", fuzzy=True) == ["1.1"]
    assert of_name(filled, "太郎", fuzzy=True) == ["1.4"]
    assert of_name(filled, "mith", fuzzy=True) == []


def test_a_name_that_goes_or_changes_is_found_so(filled: SQLIndex) -> None:
    with filled.begin() as tx:
        tx.remove(Selection(study=Uid("1.2")), ALL)
        tx.unfold(Uid("1.1"))
        tx.enter([a_kept(study="1.1", patient="1.1", PatientName="Smythe^Ann")])
    assert of_name(filled, "*smith*") == ["1.6"]
    assert of_name(filled, "*mythe*") == ["1.1"]
    with filled.begin() as tx:
        tx.clear()
    assert of_name(filled, "*mythe*") == []


def test_parts_are_of_what_every_match_has() -> None:
    def parts(keyword: str, text: str) -> list[str]:
        return sorted(names.name_parts(studies(asked(keyword, text))))

    assert parts("PatientName", "*smith^*") == ["ith", "mit", "smi"]
    assert parts("PatientName", "*ab*cd*") == []
    assert parts("PatientName", "smith*") == parts("PatientName", "smith") == []
    assert parts("StudyDescription", "*smith*") == []
