"""Opening accounts at the desk: who may, what a sheet opens, who else holds it, and how it ends."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, account, enrol, persons, rights
from imagebank.actions.enrol import Wanted
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import FOR_EVER, Relation
from make import a_file

NORTH = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north"))
SOUTH = replace(NORTH, organization="south")
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "north", RIGHTS[Role.CLINICIAN], Scope.of("north"))
ADA, BEN, CY = PatientId("north", "ADA"), PatientId("north", "BEN"), PatientId("south", "CY")
PASSWORD = "seven grey herons at dusk"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """Ada and her son Ben at north, who was born in 2020; Cy at south."""
    with open_test_bank(tmp_path, organization="north") as opened:
        for uid, patient in (("1.1", ADA), ("1.2", BEN), ("1.3", CY)):
            source = replace(SOURCE, organization=patient.issuer)
            keep(opened, a_file(StudyInstanceUID=uid, PatientID=patient.identifier), source=source)
            born = "20200229" if patient is BEN else ""
            persons.hear(opened, Identity(patient, PersonName(f"{patient.identifier}^A"), born))
        yield opened


def activated(bank: Bank, sheet: enrol.Sheet) -> Principal:
    """The holder of an account, once they have used its sheet."""
    code = enrol.checked(bank, sheet.account, sheet.secret)
    found = access.session(bank, account.activate(bank, code, PASSWORD))
    assert found is not None
    return found


def seen(bank: Bank, who: Principal) -> list[str]:
    return sorted({str(one.study) for one in bank.index.instances(Selection(), who.scope)})


def told(bank: Bank) -> list[str]:
    return [one.detail for one in bank.index.events(Scope(organizations=None)) if one.act == "enrolled"]


def test_a_sheet_lets_its_owner_in_once_who_then_sees_what_is_theirs(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA, display_name="Ada  Lovelace"), NORTH)

    ada = activated(bank, sheet)

    assert (ada.role, ada.name, seen(bank, ada)) == (Role.PATIENT, sheet.account, ["1.1"])
    assert bank.index.people.account(sheet.account).display_name == "Ada Lovelace"  # type: ignore[union-attr]
    with pytest.raises(NotFound):
        enrol.checked(bank, sheet.account, sheet.secret)
    assert told(bank) == [f"holding {sheet.holding.id}: owner"]


@pytest.mark.parametrize(
    ("wanted", "by", "error"),
    [
        (Wanted(ADA), DOCTOR, NotAllowed),
        (Wanted(ADA), SOUTH, NotAllowed),
        (Wanted(PatientId("north", "nobody")), NORTH, NotFound),
        (Wanted(ADA, until=datetime(2001, 1, 1, tzinfo=UTC)), NORTH, Invalid),
        (Wanted(ADA, Relation.PARENT), NORTH, Invalid),
        (Wanted(ADA, Relation.PARENT, birth_date="19900101"), NORTH, Invalid),
        (Wanted(ADA, account="123456789012"), NORTH, NotFound),
        (Wanted(ADA, account="anna"), NORTH, Invalid),
    ],
)
def test_what_the_desk_may_not_open(bank: Bank, wanted: Wanted, by: Principal, error: type[BankError]) -> None:
    account.add(bank, "anna", Role.CLINICIAN)

    with pytest.raises(error):
        enrol.enrol(bank, wanted, by)
    assert told(bank) == []


def test_a_person_has_one_owner_and_an_account_holds_a_person_once(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA), NORTH)

    with pytest.raises(Conflict):
        enrol.enrol(bank, Wanted(ADA), NORTH)
    with pytest.raises(Conflict):
        enrol.enrol(bank, Wanted(ADA, Relation.CARER, sheet.account), NORTH)

    enrol.end(bank, sheet.holding.id, NORTH)
    enrol.enrol(bank, Wanted(ADA), NORTH)


def test_an_account_that_is_locked_gets_nothing_more_to_hold(bank: Bank) -> None:
    mother = enrol.enrol(bank, Wanted(ADA), NORTH)
    account.lock(bank, mother.account)

    with pytest.raises(Conflict):
        enrol.enrol(bank, Wanted(BEN, Relation.PARENT, mother.account), NORTH)


def test_a_hold_that_has_run_out_stands_in_nobodys_way(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA, until=bank.now() + timedelta(hours=1)), NORTH)
    with bank.index.begin() as tx:
        tx.put_provision(replace(sheet.holding, ends_at=bank.now()))

    enrol.enrol(bank, Wanted(ADA), NORTH)


def test_a_parent_holds_until_the_child_is_of_age(bank: Bank) -> None:
    mother = enrol.enrol(bank, Wanted(ADA), NORTH)
    child = enrol.enrol(bank, Wanted(BEN, Relation.PARENT, mother.account), NORTH)

    assert child.secret == ""
    assert child.holding.ends_at == datetime(2038, 3, 1, tzinfo=UTC)
    assert seen(bank, activated(bank, mother)) == ["1.1", "1.2"]


def test_the_age_that_counts_is_the_sites(tmp_path: Path) -> None:
    assert enrol.of_age(date(2008, 2, 29), 16) == datetime(2024, 2, 29, tzinfo=UTC)
    assert enrol.of_age(date(2008, 2, 29), 18) == datetime(2026, 3, 1, tzinfo=UTC)


def test_who_signs_in_elsewhere_holds_by_the_name_that_the_provider_vouches_for(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA, account="ada@provider"), NORTH)

    assert (sheet.secret, sheet.account) == ("", "ada@provider")
    assert seen(bank, rights.principal(bank, "ada@provider", Role.PATIENT, "north")) == ["1.1"]


def test_the_owner_lets_a_carer_in_and_ends_it(bank: Bank) -> None:
    ada = activated(bank, enrol.enrol(bank, Wanted(ADA), NORTH))
    sheet = enrol.enrol(bank, Wanted(ADA, Relation.CARER), ada)
    carer = activated(bank, sheet)
    assert seen(bank, carer) == ["1.1"]

    with pytest.raises(NotAllowed):
        enrol.enrol(bank, Wanted(ADA, Relation.CARER), carer)
    with pytest.raises(NotAllowed):
        enrol.enrol(bank, Wanted(ADA, Relation.REPRESENTATIVE), ada)
    with pytest.raises(NotAllowed):
        enrol.enrol(bank, Wanted(BEN, Relation.CARER), ada)

    enrol.end(bank, sheet.holding.id, ada)
    assert seen(bank, rights.principal(bank, carer.name, Role.PATIENT, "north")) == []


def test_of_two_who_let_the_same_in_at_once_the_second_reads_that_it_is_done(bank: Bank) -> None:
    proxies = [activated(bank, enrol.enrol(bank, Wanted(BEN, Relation.REPRESENTATIVE), NORTH)) for _ in range(2)]
    carer = enrol.enrol(bank, Wanted(ADA), NORTH).account

    def tried(act: Callable[[Principal], object]) -> list[str]:
        def acted(principal: Principal) -> str:
            try:
                act(principal)
            except BankError as error:
                return str(error)
            return ""

        with ThreadPoolExecutor(4) as pool:
            return sorted(pool.map(acted, proxies * 2))

    let_in = tried(lambda one: enrol.enrol(bank, Wanted(BEN, Relation.CARER, carer), one))
    (held,) = [one for one in enrol.held_of(bank, BEN) if one.principal == carer]
    ended = tried(lambda one: enrol.end(bank, held.id, one))

    assert let_in == ["", *["this account holds these records already"] * 3]
    assert ended == ["", *["nobody holds that any more"] * 3]


def test_who_may_end_what_somebody_holds(bank: Bank) -> None:
    owner = enrol.enrol(bank, Wanted(ADA), NORTH)
    ada = activated(bank, owner)
    carer = activated(bank, enrol.enrol(bank, Wanted(ADA, Relation.CARER), ada))
    ben = activated(bank, enrol.enrol(bank, Wanted(BEN), NORTH))

    for stranger in (
        ben,
        carer,
        replace(SOUTH, organization="west"),
        rights.principal(bank, "card-1.1", Role.RECIPIENT, ""),
    ):
        with pytest.raises(NotFound):
            enrol.end(bank, owner.holding.id, stranger)
    enrol.end(bank, owner.holding.id, ada)
    with pytest.raises(NotFound):
        enrol.end(bank, owner.holding.id, NORTH)


def test_a_mistyped_number_costs_no_try(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA), NORTH)
    swapped = sheet.account[:-2] + f"{(int(sheet.account[-2:]) + 1) % 100:02}"

    for _ in range(enrol.TRIES + 1):
        with pytest.raises(Invalid):
            enrol.checked(bank, swapped, sheet.secret)
    enrol.checked(bank, sheet.account, sheet.secret)


def test_wrong_secrets_lock_the_sheet_until_the_desk_prints_another(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA), NORTH)
    for _ in range(enrol.TRIES):
        with pytest.raises(NotFound) as wrong:
            enrol.checked(bank, sheet.account, "ABCD")

    with pytest.raises(NotFound) as locked:
        enrol.checked(bank, sheet.account, sheet.secret)
    assert str(locked.value) == str(wrong.value)

    again = enrol.reissue(bank, sheet.account, NORTH)
    activated(bank, again)
    assert "a new sheet was printed" in told(bank)


def test_a_new_sheet_ends_the_one_before(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA), NORTH)
    enrol.reissue(bank, sheet.account, NORTH)

    with pytest.raises(NotFound):
        enrol.checked(bank, sheet.account, sheet.secret)


def test_only_the_desk_in_charge_prints_again(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA), NORTH)

    with pytest.raises(NotAllowed):
        enrol.reissue(bank, sheet.account, DOCTOR)
    with pytest.raises(NotFound):
        enrol.reissue(bank, "000000000098", NORTH)
    enrol.end(bank, sheet.holding.id, NORTH)
    with pytest.raises(NotFound):
        enrol.reissue(bank, sheet.account, NORTH)


def test_an_account_without_an_end_has_none(bank: Bank) -> None:
    assert enrol.enrol(bank, Wanted(ADA), NORTH).holding.ends_at == FOR_EVER


def test_who_holds_a_persons_records_is_told_to_the_desk_in_charge_and_to_who_acts_for_the_person(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA), NORTH)
    ada = activated(bank, sheet)

    assert [one.principal for one in enrol.listed(bank, ADA, NORTH)] == [sheet.account]
    assert [one.principal for one in enrol.listed(bank, ADA, ada)] == [sheet.account]
    for stranger in (DOCTOR, replace(SOUTH, organization="west")):
        with pytest.raises(NotAllowed):
            enrol.listed(bank, ADA, stranger)
