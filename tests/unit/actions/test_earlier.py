"""The earlier studies of a person beside one of them: in which order, how they agree, and who sees them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import earlier
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import Right, Scope
from imagebank.model.event import Act
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from unit.actions.test_timeline import ADMIN, N1, NORTH, S1, deposit, one_person

NOBODY = PatientId("north", "")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north") as opened:
        yield opened


def told(bank: Bank, study: str) -> list[tuple[str, bool | None, bool | None, int | None]]:
    _, found = earlier.beside(bank, ADMIN, Uid(study), "test")
    return [(str(one.entry.uid), one.is_same_region, one.is_same_modality, one.days) for one in found]


def test_priors_come_first_then_those_that_agree_most_then_the_newest(bank: Bank) -> None:
    deposit(bank, N1, "1.2.9", StudyDescription="", StudyDate="20270101", BodyPartExamined="HEAD")
    deposit(bank, N1, "1.2.5", StudyDescription="", StudyDate="20260131", BodyPartExamined="HEAD", Modality="MR")
    deposit(bank, S1, "1.2.4", StudyDescription="", StudyDate="20260101", BodyPartExamined="KNEE", Modality="CT")
    deposit(bank, N1, "1.2.3", StudyDescription="", StudyDate="20250131", BodyPartExamined="BRAIN", Modality="CT")
    deposit(bank, S1, "1.2.2", StudyDescription="", StudyDate="20240131", BodyPartExamined="", Modality="MR")
    deposit(bank, N1, "1.2.1", StudyDescription="", StudyDate="20230131", BodyPartExamined="HEAD", Modality="MR")
    deposit(bank, N1, "1.2.0", StudyDescription="", StudyDate="", BodyPartExamined="", Modality="SR")
    one_person(bank)

    assert told(bank, "1.2.5") == [
        ("1.2.1", True, True, 1096),
        ("1.2.3", True, False, 365),
        ("1.2.2", None, True, 731),
        ("1.2.4", False, False, 30),
        ("1.2.0", None, None, None),
    ]
    assert told(bank, "1.2.0") == []


def test_a_prior_older_than_the_newest_so_many_is_among_them(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "_MOST", 1)
    for day, part in (("20260131", "HEAD"), ("20260101", "KNEE"), ("20250101", "HEAD")):
        deposit(bank, N1, f"1.2.{day}", StudyDescription="", StudyDate=day, BodyPartExamined=part, Modality="CT")

    assert [uid for uid, *_ in told(bank, "1.2.20260131")] == ["1.2.20250101", "1.2.20260101"]


def test_a_study_of_nobody_known_has_no_earlier_ones(bank: Bank) -> None:
    deposit(bank, NOBODY, "1.2.1")
    deposit(bank, NOBODY, "1.2.2", StudyDate="20200101")
    chosen, found = earlier.beside(bank, ADMIN, Uid("1.2.1"), "test")

    assert (str(chosen.uid), found) == ("1.2.1", ())


def test_what_the_caller_may_not_see_is_not_among_them(bank: Bank) -> None:
    deposit(bank, N1, "1.2.2")
    deposit(bank, S1, "1.2.1", StudyDate="20200101")
    one_person(bank)

    assert [uid for uid, *_ in told(bank, "1.2.2")] == ["1.2.1"]
    assert earlier.beside(bank, NORTH, Uid("1.2.2"), "test")[1] == ()
    for caller, study in ((NORTH, "1.2.1"), (replace(ADMIN, scope=Scope.of("east")), "1.2.2"), (ADMIN, "1.2.9")):
        with pytest.raises(NotFound):
            earlier.beside(bank, caller, Uid(study), "test")


def test_a_study_that_goes_meanwhile_is_not_found(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    deposit(bank, N1, "1.2.1")
    monkeypatch.setattr(type(bank.index.histories), "place_of", lambda *_: None)

    with pytest.raises(NotFound):
        earlier.beside(bank, ADMIN, Uid("1.2.1"), "test")


def test_it_needs_the_right_to_find_and_stands_in_the_ledger(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1")
    with pytest.raises(NotAllowed):
        earlier.beside(bank, replace(ADMIN, rights=frozenset({Right.GET})), Uid("1.2.1"), "test")
    earlier.beside(bank, ADMIN, Uid("1.2.1"), "test", "10.0.0.1")

    events = [one for one in bank.index.events(Scope(None)) if one.act is Act.SEARCHED]
    assert [(one.principal, one.detail, one.address) for one in events] == [
        ("root", "test: priors of a study", "10.0.0.1")
    ]
