"""What owners ask organizations for, how desks answer, and what happens when two do so at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, account, enrol, notices, persons, requests
from imagebank.actions.enrol import Wanted as Holds
from imagebank.actions.requests import Wanted
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotAllowed, NotFound, TooOften
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.identity import Identity
from imagebank.model.notice import Kind as Told
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from imagebank.model.request import Kind, Request, State
from imagebank.model.uid import Uid
from make import a_file
from unit.actions.people_here import events

DESK = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north"))
SOUTH = Principal("south desk", Role.TECHNOLOGIST, "south", RIGHTS[Role.TECHNOLOGIST], Scope.of("south"))
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "north", RIGHTS[Role.CLINICIAN], Scope.of("north"))
ADA, EVE, NEW = PatientId("north", "ADA"), PatientId("north", "EVE"), PatientId("north", "NEW")
HEAD, OTHER = Uid("1.1"), Uid("1.2")

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Ada's study and Eve's; of a third person nothing was heard but the number."""
    with open_test_bank(tmp_path_factory.mktemp("requests"), organization="bank") as opened:
        for uid, patient in ((HEAD, ADA), (OTHER, EVE)):
            source = replace(SOURCE, organization="north")
            keep(opened, a_file(StudyInstanceUID=uid, PatientID=patient.identifier), source=source)
        for patient in (ADA, EVE, NEW):
            persons.hear(opened, Identity(patient, PersonName(f"{patient.identifier}^A")))
        yield opened


def holder(bank: Bank, *wanted: Holds) -> Principal:
    sheet = enrol.enrol(bank, wanted[0], DESK)
    for one in wanted[1:]:
        enrol.enrol(bank, replace(one, account=sheet.account), DESK)
    code = enrol.checked(bank, sheet.account, sheet.secret)
    found = access.session(bank, account.activate(bank, code, "seven grey herons at dusk"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def ada(bank: Bank) -> Principal:
    return holder(bank, Holds(ADA))


@pytest.fixture(scope="module")
def carer(bank: Bank) -> Principal:
    """Who holds Ada's records, too, and a new person's."""
    return holder(bank, Holds(ADA, Relation.CARER), Holds(NEW, Relation.CARER))


@pytest.fixture
def asked(bank: Bank, ada: Principal) -> Request:
    return requests.ask(bank, Wanted("north", "The CT of my head\r\n of May ", "ward 3", "in May"), ada)


def ended(bank: Bank, one: Request, who: Principal) -> None:
    requests.withdraw(bank, one.id, who)


def test_a_request_goes_to_the_desk_and_its_answer_to_who_holds_the_records(
    bank: Bank, ada: Principal, carer: Principal, asked: Request
) -> None:
    assert (asked.state, asked.what, asked.patient) == (State.SENT, "The CT of my head\nof May", ADA)
    assert requests.waiting(bank, DESK) == 1
    (one,) = requests.queue(bank, DESK)
    assert (one.request, one.identity.name.alphabetic) == (asked, "ADA^A")

    seen = requests.take(bank, asked.id, DESK)
    assert [each.uid for each in requests.answers(bank, seen, DESK)] == [HEAD]
    answered = requests.answer(bank, asked.id, DESK, HEAD, "Here it is")

    assert requests.kept(bank, asked.id, ada).request == answered
    assert (answered.state, answered.study, answered.by) == (State.ANSWERED, HEAD, "desk")
    assert requests.listed(bank, carer) == [answered]
    assert requests.queue(bank, DESK) == []
    assert [each.request for each in requests.queue(bank, DESK, is_open=False)] == [answered]
    owner = bank.index.people.account(ada.name)
    assert owner is not None
    told = notices.listed(bank, owner.id, 5)
    assert [(each.kind, each.link) for each in told if each.kind is Told.ANSWERED] == [
        (Told.ANSWERED, f"/my/requests/{asked.id}")
    ]
    assert [detail for _, detail, _ in events(bank, Act.REQUESTED)] == [
        f"request {asked.id}: {what}" for what in ("sent to north", "seen", "answered")
    ]


def test_the_same_form_sent_twice_is_one_request(bank: Bank, ada: Principal) -> None:
    twice = [requests.ask(bank, Wanted("north", "an X-ray", key="k1"), ada) for _ in range(2)]

    assert twice[0] == twice[1]
    assert len([1 for _, detail, _ in events(bank, Act.REQUESTED) if twice[0].id in detail]) == 1
    ended(bank, twice[0], ada)


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        (Wanted("nowhere", "a CT"), Invalid),
        (Wanted("north", "  "), Invalid),
        (Wanted("north", "x" * 2001), Invalid),
        (Wanted("north", "a CT", where="ward\x07"), Invalid),
        (Wanted("north", "a CT", patient=EVE), NotAllowed),
    ],
)
def test_what_cannot_be_asked(bank: Bank, ada: Principal, wanted: Wanted, error: type[BankError]) -> None:
    with pytest.raises(error):
        requests.ask(bank, wanted, ada)


def test_only_accounts_ask_and_only_desks_answer(bank: Bank, ada: Principal, asked: Request) -> None:
    for who in (DESK, DOCTOR):
        with pytest.raises(NotAllowed):
            requests.ask(bank, Wanted("north", "a CT"), who)
    for who in (DOCTOR, SOUTH):
        with pytest.raises(NotFound):
            requests.kept(bank, asked.id, who)
    with pytest.raises(NotFound):
        requests.kept(bank, asked.id, holder(bank, Holds(EVE)))
    with pytest.raises(NotAllowed):
        requests.queue(bank, DOCTOR)
    with pytest.raises(NotAllowed):
        requests.take(bank, asked.id, ada)
    with pytest.raises(NotFound):
        requests.kept(bank, "0" * 32, ada)
    keeper = replace(SOUTH, organization="bank")
    assert requests.kept(bank, asked.id, keeper).request == asked
    assert asked in [one.request for one in requests.queue(bank, keeper)]
    ended(bank, asked, ada)


def test_an_answer_is_a_study_of_the_person_and_a_refusal_has_a_reason(
    bank: Bank, ada: Principal, asked: Request
) -> None:
    for study, error in ((OTHER, NotFound), (Uid("1.9"), NotFound), (None, Invalid)):
        with pytest.raises(error):
            requests.answer(bank, asked.id, DESK, study)
    with pytest.raises(Invalid):
        requests.refuse(bank, asked.id, " ", DESK)

    refused = requests.refuse(bank, asked.id, "We have no such images.", DESK)

    assert (refused.state, refused.reason) == (State.REFUSED, "We have no such images.")
    assert requests.refuse(bank, asked.id, "We have no such images.", DESK) == refused
    with pytest.raises(Conflict):
        requests.withdraw(bank, asked.id, ada)


def test_who_asked_or_acts_for_the_person_takes_a_request_back(bank: Bank, ada: Principal, carer: Principal) -> None:
    hers, theirs = (requests.ask(bank, Wanted("north", "a CT", patient=ADA), who) for who in (ada, carer))

    with pytest.raises(NotAllowed):
        requests.withdraw(bank, hers.id, carer)
    assert requests.withdraw(bank, theirs.id, ada).state is State.WITHDRAWN
    withdrawn = requests.withdraw(bank, hers.id, ada)
    assert requests.withdraw(bank, hers.id, ada) == withdrawn
    with pytest.raises(Conflict):
        requests.take(bank, hers.id, DESK)


def test_two_at_once_settle_a_request_once(bank: Bank, ada: Principal, asked: Request) -> None:
    def refused(who: Principal) -> bool:
        try:
            requests.refuse(bank, asked.id, f"says {who.name}", who)
        except Conflict:
            return False
        return True

    desks = [replace(DESK, name=f"desk {number}") for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        done = list(pool.map(refused, desks))

    assert done.count(True) == 1
    assert len([1 for _, detail, _ in events(bank, Act.REQUESTED) if detail == f"request {asked.id}: refused"]) == 1


def test_of_those_that_wait_there_are_not_too_many(
    bank: Bank, carer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "MOST_OPEN", 1)
    wanted = Wanted("north", "a CT", patient=NEW, key="n1")
    only = requests.ask(bank, wanted, carer)

    assert requests.ask(bank, wanted, carer) == only
    with pytest.raises(TooOften):
        requests.ask(bank, replace(wanted, key="n2"), carer)
    ended(bank, only, carer)


def test_erasure_is_answered_with_what_was_done(bank: Bank, ada: Principal) -> None:
    name = requests.name_of(ada, "erase")
    erase = Request(name, Kind.ERASE, ada.name, PatientId("north", "GONE"), "north", "", "", "", bank.now(), bank.now())
    with bank.index.begin() as tx:
        requests.put(bank, tx, erase, ada, "")

    assert requests.kept(bank, name, DESK).identity.name == PersonName()
    for study, reason in ((None, ""), (HEAD, "erased")):
        with pytest.raises(Invalid):
            requests.answer(bank, name, DESK, study, reason)
    assert requests.answer(bank, name, DESK, reason="All but what has to be kept.").state is State.ANSWERED
