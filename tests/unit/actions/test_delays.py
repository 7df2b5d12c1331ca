"""Reports that wait: no way of reading shows them to patients before their time, and everybody is told when that is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import owners
from bank import keep, open_test_bank
from cards_here import ADA, KEEPER, a_card, a_claim, holder, holds, of, quick_hashes
from imagebank.actions import (
    access,
    enrol,
    finding,
    notices,
    notify,
    persons,
    redeem,
    reindex,
    releasing,
    remove,
    reporting,
    reports,
    retrieve,
    statement,
    timeline,
)
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.event import Act
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.notice import Kind
from imagebank.model.outline import Wanted
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from imagebank.model.query import Condition, Like, OneOf, Query
from imagebank.model.search import Wish
from imagebank.worker import WORK
from waiting_here import BODY, DELAYS, LETTER, PDF, STUDY, WHY, a_letter, a_report, fill

DESK = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north", "south"))


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("delays"), organization="north", report_delays=DELAYS) as opened:
        fill(opened)
        finding.write(opened, STUDY)
        holds(opened, ADA)
        yield opened


def later(bank: Bank, **by: float) -> Bank:
    at = bank.now() + timedelta(**by)
    return replace(bank, now=lambda: at)


def _sees_document(bank: Bank, who: Principal) -> bool:
    return any(one.series == LETTER for one in bank.index.instances(Selection(STUDY), who.scope))


def _found_by(condition: str, value: str, level: Level) -> Callable[[Bank, Principal], bool]:
    def found(bank: Bank, who: Principal) -> bool:
        match = Like(value) if "*" in value else OneOf((value,))
        query = Query(level, (Condition(bank.catalogue.by_keyword[condition], match),))
        return bool([*bank.index.find(query, who.scope)]) or bool(bank.index.count(query, who.scope))

    return found


def _is_there(read: Callable[[Bank, Principal], object]) -> Callable[[Bank, Principal], bool]:
    def asked(bank: Bank, who: Principal) -> bool:
        try:
            return bool(read(bank, who))
        except NotFound:
            return False

    return asked


def _by_words(text: str) -> Callable[[Bank, Principal], bool]:
    return lambda bank, who: bool(finding.everything(bank, Wish(text), who, "api", 10).matches)


def _digest(bank: Bank) -> Any:
    (one,) = bank.index.orders.reports(STUDY, Scope(None))
    return one.digest


READERS: dict[str, Callable[[Bank, Principal], bool]] = {
    "reports of a study": lambda bank, who: bool(reports.of_study(bank, STUDY, who)),
    "part of a report": _is_there(lambda bank, who: reports.document(bank, STUDY, 1, 0, who)),
    "reports of a person": lambda bank, who: bool(reporting.of_patients(bank, who, [ADA], "x", "FHIR")),
    "report by its digest": _is_there(lambda bank, who: reporting.one(bank, who, _digest(bank), "FHIR")),
    "documents of a person": lambda bank, who: bool(reporting.documents(bank, who, Wanted((ADA,)), "x")),
    "reports of the timeline": lambda bank, who: any(
        entry.reports for entry in timeline.of_study(bank, who, STUDY, "api").entries
    ),
    "series of the timeline": lambda bank, who: any(
        part.modality == "DOC" for entry in timeline.of_study(bank, who, STUDY, "api").entries for part in entry.parts
    ),
    "objects": _sees_document,
    "one series": _is_there(lambda bank, who: retrieve.select(bank, Selection(series=LETTER), who.scope)),
    "metadata of a series": _is_there(lambda bank, who: bank.index.metadata(LETTER, who.scope)),
    "versions of series": lambda bank, who: bool(bank.index.series_of(Selection(series=LETTER), who.scope)),
    "series by a query": _found_by("Modality", "DOC", Level.SERIES),
    "objects by a query": _found_by("SOPClassUID", PDF, Level.INSTANCE),
    "a study by what its series say": _found_by("SeriesDescription", "adeno*", Level.STUDY),
    "words of a report": _by_words("carcinoma"),
    "words of a document": _by_words("adenocarcinoma"),
    "words like those of a document": _by_words("adenocarzinoma"),
}
"""Whether each way of reading shows a report, or something of it."""


@pytest.mark.parametrize("name", READERS)
def test_what_waits_is_read_by_staff_and_by_its_person_after_its_time(bank: Bank, name: str) -> None:
    reads, soon, after = READERS[name], later(bank, hours=71), later(bank, hours=73)

    assert reads(bank, KEEPER)
    assert reads(bank, DESK)
    assert not reads(bank, holder(bank))
    assert not reads(soon, holder(soon))
    assert reads(after, holder(after))


def test_who_waits_is_told_from_when_on_and_why_and_nothing_of_what_it_says(bank: Bank) -> None:
    told = releasing.of_study(bank, holder(bank), STUDY)
    (of_timeline, *_) = timeline.of_study(bank, holder(bank), STUDY, "api").waiting

    assert [(one.which.organization, one.reason) for one in told] == [("north", WHY)] * 2
    assert {one.until - bank.now() < timedelta(hours=72) for one in told} == {True}
    assert of_timeline in told
    assert "Biopsy" not in repr(told)
    assert len(releasing.of_study(bank, KEEPER, STUDY)) == 2
    after = later(bank, hours=73)
    assert releasing.of_study(after, holder(after), STUDY) == []


def test_who_may_not_see_reports_is_told_of_none(bank: Bank) -> None:
    patient = holder(bank)

    assert releasing.of_study(bank, replace(patient, scope=replace(patient.scope, reports=False)), STUDY) == []
    assert releasing.of_study(bank, replace(patient, rights=frozenset()), STUDY) == []
    assert releasing.of_study(bank, replace(patient, scope=Scope.nothing()), STUDY) == []
    assert releasing.of_study(replace(bank, delays=()), KEEPER, STUDY) == []


def test_without_delays_a_scope_asks_nothing_more_of_the_database(bank: Bank) -> None:
    free = replace(bank, delays=())

    assert holder(free).scope.delays == ()
    assert READERS["objects"](free, holder(free))
    assert READERS["words of a report"](free, holder(free))


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bank]:
    """A bank for what changes it."""
    quick_hashes(monkeypatch)
    with open_test_bank(tmp_path, organization="north", report_delays=DELAYS) as opened:
        fill(opened)
        holds(opened, ADA)
        yield opened


def test_a_card_shows_no_more_than_its_owner_sees(own: Bank) -> None:
    by_owner = a_card(own, by=holder(own), patient=None)
    by_desk = a_card(own, patient=ADA)
    for issued in (by_owner, by_desk):
        token = redeem.for_program(own, a_claim(issued)).secret
        who = access.bearer(own, token)
        assert who is not None
        assert reports.of_study(own, STUDY, who) == []
        assert len(releasing.of_study(own, who, STUDY)) == 2
        assert len(reports.of_study(own, STUDY, who.at(later(own, hours=73).now()))) == 1


def test_a_corrected_report_waits_no_longer_than_the_first(own: Bank) -> None:
    after = later(own, hours=71)
    reports.keep(after, a_report(after, status="C"), replace(BODY, title="Corrected"), "RIS")
    reports.keep(after, a_report(after, number="R2"), BODY, "RIS")
    reports.keep(after, a_report(after, number=""), replace(BODY, title="Numberless"), "RIS")
    at_73 = later(own, hours=73)

    assert reports.of_study(after, STUDY, holder(after)) == []
    assert [one.report.number for one in reports.of_study(at_73, STUDY, holder(at_73))] == ["R1", "R1"]
    assert len(releasing.of_study(at_73, holder(at_73), STUDY)) == 2


@pytest.mark.parametrize("given", [{"types": ()}, {"types": ("section:rad",)}])
def test_reports_of_other_types_wait_for_nothing(own: Bank, given: dict[str, Any]) -> None:
    reports.keep(own, a_report(own, number="R2", **given), BODY, "RIS")

    assert [one.report.number for one in reports.of_study(own, STUDY, holder(own))] == ["R2"]


def test_staff_of_the_organization_that_reports_let_it_be_read_at_once(own: Bank) -> None:
    released = releasing.release(own, STUDY, DESK)
    reports.keep(own, a_report(own, status="C"), replace(BODY, title="Corrected"), "RIS")

    assert len(released) == 2
    assert len(reports.of_study(own, STUDY, holder(own))) == 2
    assert _sees_document(own, holder(own))
    assert releasing.of_study(own, holder(own), STUDY) == []
    assert releasing.release(own, STUDY, DESK) == []
    (line,) = [
        one for one in statement.statement(own, statement.Wanted(), holder(own)).entries if one.line.act == Act.DECIDED
    ]
    assert (line.line.detail, line.line.principal, line.line.study, line.line.count) == (
        "report: released at once",
        "desk",
        STUDY,
        2,
    )


def test_others_do_not(own: Bank) -> None:
    others = replace(DESK, organization="south")
    for who, why in (
        (holder(own), NotAllowed),
        (replace(DESK, scope=Scope.nothing()), NotFound),
        (others, NotAllowed),
    ):
        with pytest.raises(why):
            releasing.release(own, STUDY, who)

    assert [releasing.may_release(others, one) for one in releasing.of_study(own, others, STUDY)] == [False, False]
    assert len(releasing.release(own, STUDY, KEEPER)) == 2


def test_a_rebuilt_index_knows_what_waits_and_what_was_released(own: Bank) -> None:
    reports.keep(own, a_report(own, number=""), replace(BODY, title="Numberless"), "RIS")
    releasing.release(own, STUDY, DESK)
    reports.keep(own, a_report(own, number="R2"), replace(BODY, title="Second"), "RIS")
    before = releasing.of_study(own, KEEPER, STUDY)
    work(own, "amend")
    reindex.reindex(own)
    again = releasing.of_study(own, KEEPER, STUDY)

    assert again == before
    assert len(before) == 1
    assert _sees_document(own, holder(own))


def test_a_rebuilt_index_lets_documents_wait_as_long_as_before(own: Bank) -> None:
    before = releasing.of_study(own, KEEPER, STUDY)
    reindex.reindex(own)

    assert releasing.of_study(own, KEEPER, STUDY) == before
    assert not _sees_document(own, holder(own))


def an_account(bank: Bank) -> str:
    """The identifier of an account that holds the records of the person."""
    persons.hear(bank, Identity(ADA, PersonName("Haddad^Ada"), "19840512"))
    session = access.opened(bank, owners.opened(bank, enrol.Wanted(ADA, Relation.REPRESENTATIVE)))
    assert session is not None
    return session.account


def test_people_are_told_of_a_report_when_they_can_read_it(own: Bank) -> None:
    account = an_account(own)
    at_73 = later(own, hours=73)

    assert work(own, releasing.JOB) == 1
    assert work(later(own, minutes=10), notify.ARRIVED) == 1
    assert [one.kind for one in notices.listed(own, account, 9)] == [Kind.DEPOSIT]
    assert work(own, releasing.JOB) == 0
    assert work(at_73, releasing.JOB) == 2
    assert {(one.kind, one.link) for one in notices.listed(own, account, 9) if one.kind is not Kind.DEPOSIT} == {
        (Kind.REPORT, f"/studies/{STUDY}")
    }


def test_of_a_study_of_which_nothing_can_be_seen_yet_nobody_is_told(own: Bank) -> None:
    account = an_account(own)
    letter = a_letter(StudyInstanceUID="1.7", SeriesInstanceUID="1.7.1")
    keep(own, letter, source=of("north"))
    releasing.arrived_job(own, {"study": "1.7"})
    before = notices.listed(own, account, 9)
    work(later(own, hours=73), releasing.JOB)

    assert before == []
    assert "/studies/1.7" in [one.link for one in notices.listed(own, account, 9)]
    assert [str(one.study) for one in releasing.waiting(own, holder(own), [ADA])].count("1.7") == 1


def test_a_report_of_a_linked_record_goes_on_with_the_first(own: Bank) -> None:
    second = PatientId("north", "ADA2")
    for patient in (ADA, second):
        persons.hear(own, Identity(patient, PersonName("Haddad^Ada"), "19840512"))
    with own.index.begin() as tx:
        known = own.index.persons.identity(ADA, Scope(None))
        assert known is not None
        tx.persons.move(second, known.person)
    after = later(own, hours=71)
    reports.keep(after, a_report(after, patient=second, status="C"), BODY, "RIS")

    assert {one.until for one in releasing.of_study(after, KEEPER, STUDY) if one.which.number} == {
        one.until for one in releasing.of_study(own, KEEPER, STUDY) if one.which.number
    }


def test_a_release_tells_at_once_and_of_a_study_that_went_nobody_is_told(own: Bank) -> None:
    an_account(own)
    work(own, releasing.JOB)
    releasing.release(own, STUDY, DESK)
    assert work(own, releasing.JOB) == 2
    remove.remove(own, Selection(STUDY), KEEPER)
    releasing.tell_job(own, {"study": str(STUDY), "report": "R1"})


def work(bank: Bank, kind: str) -> int:
    """Do the jobs of a kind that are due; how many there were."""
    number = 0
    while job := bank.jobs.claim((kind,), bank.now(), 60):
        WORK[kind](bank, job.payload)
        bank.jobs.finish(job)
        number += 1
    return number
