"""Provisions that one document makes: written, found and revoked together."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank import SOURCE, a_token, keep, open_test_bank
from imagebank.actions import consent, rights
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Asker, Principal, Purpose, Role, Scope
from imagebank.model.event import Act
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from make import a_file

ADA = PatientId("north", "ADA")
ONE = Provision("", Kind.CONSENT, permits=True, patient=ADA, starts_at=datetime(2000, 1, 1, tzinfo=UTC))
OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
ADMIN = Principal("ada", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))
DOCTOR = replace(OFFICER, role=Role.CLINICIAN, rights=RIGHTS[Role.CLINICIAN])


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def three(bank: Bank) -> list[Provision]:
    return consent.decide_together(
        bank, [replace(ONE, organization=name) for name in ("east", "south", "west")], OFFICER
    )


def test_what_is_decided_together_has_one_name_and_is_found_by_it(bank: Bank) -> None:
    made = three(bank)
    (name,) = {consent.name_of(one) for one in made}
    decided = [event.detail for event in bank.index.events(Scope(None), patient=ADA) if event.act is Act.DECIDED]

    assert [one.organization for one in consent.kept(bank, name, OFFICER)] == ["east", "south", "west"]
    assert decided == [f"consent {name}.{number}: permit" for number in (3, 2, 1)]


def test_what_was_decided_together_is_revoked_together_and_in_no_parts(bank: Bank) -> None:
    made = three(bank)
    with pytest.raises(NotFound):
        consent.revoke(bank, made[0].id, OFFICER)
    consent.revoke(bank, consent.name_of(made[0]), OFFICER)

    assert all(one.revoked_at for one in consent.kept(bank, consent.name_of(made[0]), OFFICER))


def test_one_that_nobody_could_follow_keeps_the_others_out(bank: Bank) -> None:
    with pytest.raises(Invalid):
        consent.decide_together(bank, [ONE, replace(ONE, modality="c t")], OFFICER)

    assert consent.listed(bank, ADA, OFFICER) == []


def test_a_decision_alone_is_found_by_its_own_name(bank: Bank) -> None:
    one = consent.decide(bank, ONE, OFFICER)

    assert consent.kept(bank, one.id, OFFICER) == [one]
    assert consent.name_of(one) == one.id


def test_a_consent_that_is_not_there_is_not_found_and_is_for_who_may_write_them(bank: Bank) -> None:
    with pytest.raises(NotFound):
        consent.kept(bank, "0", OFFICER)
    with pytest.raises(NotAllowed):
        consent.kept(bank, "0", DOCTOR)


def test_every_role_of_every_organization_that_is_known_of_is_asked(bank: Bank) -> None:
    keep(bank, a_file(PatientID="ADA", StudyInstanceUID="1.2.3"), source=replace(SOURCE, organization="north"))
    consent.decide(bank, replace(ONE, organization="south"), OFFICER)
    a_token(bank, Role.SYSTEM, organization="east")
    found = rights.who(bank, Uid("1.2.3"), OFFICER)
    clinicians = {one.organization: one.may_see for one in found if one.role is Role.CLINICIAN}

    assert len(found) == len(Role) * 4
    assert clinicians == {"north": True, "south": True, "east": False, "local": False}


def test_of_a_study_that_is_not_here_nothing_is_explained(bank: Bank) -> None:
    with pytest.raises(NotFound):
        rights.who(bank, Uid("1.2.3"), OFFICER)
    with pytest.raises(NotFound):
        rights.explain(bank, Uid("1.2.3"), Asker("", Role.ADMIN, "north", Purpose.OPERATIONS, bank.now()), OFFICER)


def looked(bank: Bank) -> list[tuple[str, str, str]]:
    """Who has looked at what beyond the rules, from where; the oldest first."""
    found = [one for one in bank.index.events(Scope(None)) if one.act in (Act.UNBOUNDED, Act.VIEWED)]
    return [(one.principal, one.detail, one.address) for one in reversed(found)]


@pytest.mark.parametrize("principal", [OFFICER, ADMIN], ids=["officer", "admin"])
def test_whoever_looks_at_consents_stands_in_the_ledger_by_name_and_address(bank: Bank, principal: Principal) -> None:
    one = consent.decide(bank, ONE, OFFICER)
    consent.listed(bank, ADA, principal, "192.0.2.7")
    consent.listed(bank, None, principal, "192.0.2.7")
    consent.kept(bank, one.id, principal, "192.0.2.7")
    consent.revoke(bank, one.id, principal, "192.0.2.7")

    assert looked(bank) == [
        (principal.name, "consents of one patient", "192.0.2.7"),
        (principal.name, "consents of all patients", "192.0.2.7"),
        (principal.name, f"consent {one.id}", "192.0.2.7"),
    ]
    about_her = [event for event in bank.index.events(Scope(None), patient=ADA) if event.act is Act.UNBOUNDED]
    assert len(about_her) == 2


def test_whoever_asks_who_may_see_a_study_stands_in_the_ledger(bank: Bank) -> None:
    with pytest.raises(NotFound):
        rights.who(bank, Uid("1.2.3.4"), OFFICER)
    with pytest.raises(NotFound):
        rights.explain(bank, Uid("1.2.3.4"), Asker("", Role.ADMIN, "north", Purpose.OPERATIONS, bank.now()), ADMIN)

    assert looked(bank) == [("officer", "who may see a study", ""), ("ada", "explain access", "")]
    assert bank.index.events(Scope(None))[0].study == "1.2.3.4"
