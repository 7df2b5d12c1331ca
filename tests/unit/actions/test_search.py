"""Whether a question means one person."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bank import SOURCE, keep, open_test_bank
from contracts.described import asked, studies
from imagebank.actions import search
from imagebank.bank import Bank
from imagebank.model.access import Principal, Role, Scope
from make import a_file

ALL = Scope(organizations=None)


@pytest.fixture(scope="module")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Two people of one number at two sites, and a third."""
    with open_test_bank(tmp_path_factory.mktemp("search")) as bank:
        keep(bank, a_file(PatientID="7", PatientName="Doe^Jane"), a_file(PatientID="8"))
        keep(bank, a_file(PatientID="7", PatientName="Roe^Rick"), source=replace(SOURCE, organization="south"))
        yield bank


@pytest.mark.parametrize(
    ("keys", "is_ambiguous"),
    [
        ({"PatientID": "7"}, True),
        ({"PatientID": "7\\8"}, True),
        ({"PatientID": "8"}, False),
        ({"PatientID": "9"}, False),
        ({"PatientID": "7", "PatientName": "Roe*"}, False),
        ({"PatientID": "7", "IssuerOfPatientID": "south"}, False),
        ({"PatientID": "7", "StudyInstanceUID": "1.2.3"}, False),
        ({"PatientID": "7", "StudyDate": "20260102"}, True),
        ({"PatientID": "7*"}, False),
        ({"PatientName": "Doe*"}, False),
    ],
)
def test_a_bare_number_that_two_people_have_is_ambiguous(
    two_people: Bank, keys: dict[str, str], is_ambiguous: bool
) -> None:
    query = studies(*(asked(keyword, text) for keyword, text in keys.items()))

    assert search.is_ambiguous(two_people, query, ALL) == is_ambiguous
    found = search.of_one(two_people, query, ALL)
    assert (None if found is None else [*found]) == (None if is_ambiguous else [*search.find(two_people, query, ALL)])


def test_whoever_sees_one_of_two_people_need_not_say_which(two_people: Bank) -> None:
    query = studies(asked("PatientID", "7"))

    assert not search.is_ambiguous(two_people, query, Scope.of("south"))
    assert search.count(two_people, query, Scope.of("south")) == 1
    assert len(list(search.find(two_people, query, ALL))) == 2


@pytest.mark.parametrize(("limit", "offset"), [(1, 0), (None, 1), (2, 0)])
def test_a_page_does_not_hide_that_there_are_two_people(two_people: Bank, limit: int | None, offset: int) -> None:
    query = replace(studies(asked("PatientID", "7")), limit=limit, offset=offset)

    assert search.of_one(two_people, query, ALL) is None


@pytest.mark.parametrize(
    ("keys", "is_about_few"),
    [
        ({"PatientID": "7"}, True),
        ({"AccessionNumber": "7", "Modality": "CT"}, True),
        ({"PatientID": "7", "PatientName": "Doe*"}, False),
        ({"PatientID": "7*"}, False),
        ({"Modality": "CT"}, False),
        ({}, False),
    ],
)
def test_values_of_something_that_has_a_number_mean_few(keys: dict[str, str], is_about_few: bool) -> None:
    assert search.is_about_few(studies(*(asked(keyword, text) for keyword, text in keys.items()))) == is_about_few


def test_the_first_search_of_a_kind_is_new_to_the_ledger_and_the_next_is_not(two_people: Bank) -> None:
    caller = Principal("ward", Role.CLINICIAN, "north", frozenset(), ALL)
    query, other = studies(asked("PatientID", "7")), studies(asked("PatientID", "8"))
    assert not search.searching_again(two_people, caller, query, "QIDO-RS")
    search.searching(two_people, caller, query, "QIDO-RS")

    assert search.searching_again(two_people, caller, other, "QIDO-RS")
    assert not search.searching_again(two_people, caller, other, "C-FIND")


def test_behind_the_first_pages_not_all_matches_are_counted(two_people: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    def total(limit: int | None, offset: int = 0) -> search.Total:
        return search.total(two_people, studies(limit=limit, offset=offset), ALL)

    assert total(1) == total(1_000) == search.Total(3)
    monkeypatch.setattr(search, "COUNTED", 2)
    assert total(1) == search.Total(2, is_exact=False)
    assert total(1, 1) == total(2) == total(None) == search.Total(3)
    monkeypatch.setattr(search, "COUNTED", 1)
    assert search.total(two_people, studies(asked("PatientID", "7"), limit=1), ALL) == search.Total(2)
