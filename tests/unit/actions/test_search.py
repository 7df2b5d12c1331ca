"""Whether a question means one person."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bank import SOURCE, keep, open_test_bank
from contracts.described import asked, studies
from imagebank.actions import search
from imagebank.bank import Bank
from imagebank.model.access import Scope
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


def test_whoever_sees_one_of_two_people_need_not_say_which(two_people: Bank) -> None:
    query = studies(asked("PatientID", "7"))

    assert not search.is_ambiguous(two_people, query, Scope.of("south"))
    assert search.count(two_people, query, Scope.of("south")) == 1
    assert len(list(search.find(two_people, query, ALL))) == 2
