"""Who sees a study, and why: rules, consents, care relationships, emergencies, labels."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import consent, emergency, rights
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Asker, Clause, Principal, Purpose, Right, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.rights import Rights, Rule
from imagebank.model.uid import Uid
from make import a_file, read

ALL = Scope(organizations=None)
OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
ADA = PatientId("north", "ADA")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """A CT of Ada's from north, an MR of Bob's from south."""
    with open_test_bank(tmp_path, organization="north") as opened:
        keep(opened, a_file(PatientID="ADA", StudyDate="20260110", Modality="CT"), source=of("north"))
        keep(opened, a_file(PatientID="BOB", StudyDate="20250110", Modality="MR"), source=of("south"))
        yield opened


def of(organization: str) -> Any:
    return replace(SOURCE, organization=organization)


def caller(bank: Bank, role: Role = Role.CLINICIAN, organization: str = "north", **given: Any) -> Principal:
    return rights.principal(bank, given.pop("name", "Dr Varga"), role, organization, **given)


def seen(bank: Bank, who: Principal) -> list[str]:
    """Whose studies somebody sees."""
    return sorted(one.patient.identifier for one in bank.index.instances(Selection(), who.scope))


def decide(
    bank: Bank, *, permits: bool, kind: Kind = Kind.CONSENT, patient: PatientId = ADA, **given: Any
) -> Provision:
    wanted = Provision("", kind, permits, patient, **{"starts_at": LONG_AGO, **given})
    return consent.decide(bank, wanted, OFFICER)


def study_of(bank: Bank, patient: str) -> Uid:
    (uid,) = {one.study for one in bank.index.instances(Selection(), ALL) if one.patient.identifier == patient}
    return uid


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.ADMIN, ["ADA", "BOB"]),
        (Role.CLINICIAN, ["ADA"]),
        (Role.TECHNOLOGIST, ["ADA"]),
        (Role.DEVICE, ["ADA"]),
        (Role.SYSTEM, ["ADA"]),
        (Role.REFERRER, []),
        (Role.RESEARCHER, []),
        (Role.PRIVACY_OFFICER, []),
        (Role.PATIENT, []),
        (Role.PROXY, []),
    ],
)
def test_what_a_role_sees_where_nobody_has_decided_anything(bank: Bank, role: Role, expected: list[str]) -> None:
    assert seen(bank, caller(bank, role)) == expected


def test_a_referrer_sees_patients_in_care_as_long_as_they_are(bank: Bank) -> None:
    care = decide(bank, permits=True, kind=Kind.CARE, principal="Dr Varga")
    during = seen(bank, caller(bank, Role.REFERRER))
    another = seen(bank, caller(bank, Role.REFERRER, name="Dr Weiss"))
    consent.revoke(bank, care.id, OFFICER)

    assert (during, another) == (["ADA"], [])
    assert seen(bank, caller(bank, Role.REFERRER)) == []


@pytest.mark.parametrize(
    "to",
    [
        {},
        {"organization": "south"},
        {"principal": "Dr Varga"},
        {"role": Role.CLINICIAN},
        {"purpose": Purpose.TREATMENT},
        {"modality": "CT"},
        {"since": "20260101", "until": "20260131"},
        {"ends_at": datetime(2999, 1, 1, tzinfo=UTC)},
    ],
    ids=str,
)
def test_a_patient_permits_others_to_see(bank: Bank, to: dict[str, Any]) -> None:
    decide(bank, permits=True, **to)

    assert seen(bank, caller(bank, organization="south")) == ["ADA", "BOB"]


@pytest.mark.parametrize(
    "to",
    [
        {"organization": "east"},
        {"principal": "Dr Weiss"},
        {"role": Role.RESEARCHER},
        {"purpose": Purpose.RESEARCH},
        {"modality": "MR"},
        {"since": "20260201"},
        {"until": "20251231"},
        {"starts_at": datetime(2998, 1, 1, tzinfo=UTC)},
        {"study": Uid("1.2.3")},
    ],
    ids=str,
)
@pytest.mark.parametrize("permits", [True, False])
def test_what_is_for_somebody_or_something_else_changes_nothing(bank: Bank, to: dict[str, Any], permits: bool) -> None:
    decide(bank, permits=permits, **to)

    assert seen(bank, caller(bank, organization="north")) == ["ADA"]
    assert seen(bank, caller(bank, organization="south")) == ["BOB"]


@pytest.mark.parametrize("role", [Role.PATIENT, Role.PROXY, Role.PRIVACY_OFFICER])
def test_what_a_patient_permits_is_not_for_other_patients(bank: Bank, role: Role) -> None:
    decide(bank, permits=True)
    decide(bank, permits=True, organization="north")

    assert seen(bank, caller(bank, role)) == []


def test_a_patient_who_denies_is_not_seen_even_where_somebody_was_permitted(bank: Bank) -> None:
    decide(bank, permits=True, principal="Dr Varga")
    denial = decide(bank, permits=False, organization="north")
    before = seen(bank, caller(bank))
    consent.revoke(bank, denial.id, OFFICER)

    assert before == []
    assert seen(bank, caller(bank)) == ["ADA"]


def test_a_consent_ends_while_a_caller_stays(bank: Bank) -> None:
    decide(bank, permits=True, organization="south", ends_at=bank.now() + timedelta(minutes=5))
    who = caller(bank, organization="south")

    assert seen(bank, who) == ["ADA", "BOB"]
    assert seen(bank, who.at(bank.now() + timedelta(minutes=6))) == ["BOB"]


def test_a_study_without_a_date_is_in_no_span_that_is_permitted_and_in_every_one_that_is_denied(bank: Bank) -> None:
    keep(bank, a_file(PatientID="EVE", StudyDate=""), source=of("north"))
    eve = PatientId("north", "EVE")
    decide(bank, permits=True, patient=eve, organization="south", since="19000101")
    elsewhere = seen(bank, caller(bank, organization="south"))
    decide(bank, permits=False, patient=eve, until="19000101")

    assert elsewhere == ["BOB"]
    assert seen(bank, caller(bank)) == ["ADA"]


def test_a_study_of_two_modalities_is_let_out_with_both_and_kept_with_either(bank: Bank) -> None:
    study = {"StudyInstanceUID": "1.2.840.5", "PatientID": "PET"}
    keep(bank, a_file(**study, Modality="CT"), a_file(**study, Modality="PT"), source=of("north"))
    pet = PatientId("north", "PET")
    permit = decide(bank, permits=True, patient=pet, organization="south", modality="CT")
    with_one = seen(bank, caller(bank, organization="south"))
    consent.revoke(bank, permit.id, OFFICER)
    decide(bank, permits=False, patient=pet, modality="PT")

    assert with_one == ["BOB"]
    assert seen(bank, caller(bank)) == ["ADA"]


def test_a_study_of_two_departments_is_let_out_with_both_and_kept_with_either(bank: Bank) -> None:
    first = read(a_file(PatientID="ADA", InstitutionalDepartmentName="Heart"))
    shared = {"PatientID": "ADA", "StudyInstanceUID": first.StudyInstanceUID}
    files = (
        a_file(**shared, InstitutionalDepartmentName="Heart"),
        a_file(**shared, InstitutionalDepartmentName="Psychiatry"),
    )
    keep(bank, *files, source=of("east"))
    study = frozenset({Uid(first.StudyInstanceUID)})

    def of_departments(*names: str) -> tuple[Clause, ...]:
        return (Clause(departments=frozenset(names)),)

    one, both = of_departments("Heart"), of_departments("Heart", "Psychiatry")
    scopes = [
        *(Scope(frozenset(), study, permits=permits) for permits in (one, both)),
        *(Scope(None, study, denies=denies) for denies in (one, both, of_departments("Skin"))),
    ]

    assert [len(bank.index.instances(Selection(), scope)) for scope in scopes] == [0, 2, 0, 0, 2]


def test_nobody_is_meant_by_a_consent_without_an_identifier(bank: Bank) -> None:
    keep(bank, a_file(PatientID=""), a_file(PatientID=""), source=of("north"))
    one = next(one for one in bank.index.instances(Selection(), ALL) if not one.patient.identifier)
    with pytest.raises(Invalid):
        decide(bank, permits=True, patient=one.patient)
    decide(bank, permits=True, patient=one.patient, study=one.study)

    assert seen(bank, caller(bank, organization="south")) == ["", "BOB"]


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.TECHNOLOGIST])
def test_a_sensitive_study_is_for_those_who_care_for_the_patient(bank: Bank, role: Role) -> None:
    consent.put_label(bank, study_of(bank, "ADA"), "sensitive", OFFICER)
    without_care = seen(bank, caller(bank, role))
    decide(bank, permits=True, kind=Kind.CARE, principal="Dr Varga")
    in_care = seen(bank, caller(bank, role))
    consent.remove_label(bank, study_of(bank, "ADA"), "sensitive", OFFICER)

    assert (without_care, in_care) == ([], ["ADA"])
    assert seen(bank, caller(bank, role, name="Dr Weiss")) == ["ADA"]
    with pytest.raises(NotFound):
        consent.remove_label(bank, study_of(bank, "ADA"), "sensitive", OFFICER)


@pytest.mark.parametrize("role", [Role.DEVICE, Role.SYSTEM])
def test_a_sensitive_study_is_kept_from_devices_and_systems_unless_their_place_cares_for_the_patient(
    bank: Bank, role: Role
) -> None:
    consent.put_label(bank, study_of(bank, "ADA"), "sensitive", OFFICER)
    without_care = seen(bank, caller(bank, role))
    decide(bank, permits=True, kind=Kind.CARE, organization="north")

    assert without_care == []
    assert seen(bank, caller(bank, role)) == ["ADA"]


def test_a_site_may_let_its_devices_have_sensitive_studies(bank: Bank) -> None:
    consent.put_label(bank, study_of(bank, "ADA"), "sensitive", OFFICER)
    rules = tuple(
        rule if rule.permits else replace(rule, roles=rule.roles - {Role.DEVICE}) for rule in bank.rights.rules
    )
    lenient = replace(bank, rights=Rights(rules))

    assert seen(lenient, caller(lenient, Role.DEVICE)) == ["ADA"]
    assert seen(lenient, caller(lenient)) == []


def test_an_emergency_opens_what_consent_denies_for_one_person_and_a_while(bank: Bank) -> None:
    decide(bank, permits=False)
    emergency.break_glass(bank, ADA, "unconscious after a fall", caller(bank))
    opened = caller(bank)

    assert seen(bank, opened) == ["ADA"]
    assert seen(bank, caller(bank, name="Dr Weiss")) == []
    assert seen(bank, opened.at(bank.now() + timedelta(minutes=61))) == []
    assert next(event.act for event in bank.index.events(ALL, patient=ADA)) is Act.EMERGENCY


def test_a_device_that_calls_itself_as_a_person_is_called_has_nothing_of_the_person(bank: Bank) -> None:
    bob = PatientId("south", "BOB")
    emergency.break_glass(bank, bob, "unconscious after a fall", caller(bank))
    opened = seen(bank, caller(bank)), seen(bank, caller(bank, Role.DEVICE)), seen(bank, caller(bank, Role.SYSTEM))
    decide(bank, permits=True, patient=bob, principal="Dr Varga")
    named = seen(bank, caller(bank, Role.DEVICE)), seen(bank, caller(bank, Role.SYSTEM))
    decide(bank, permits=True, patient=bob, principal="Dr Varga", role=Role.DEVICE)

    assert opened == (["ADA", "BOB"], ["ADA"], ["ADA"])
    assert named == (["ADA"], ["ADA", "BOB"])
    assert seen(bank, caller(bank, Role.DEVICE)) == ["ADA", "BOB"]


def test_what_is_denied_to_a_name_is_denied_to_a_device_of_that_name_too(bank: Bank) -> None:
    decide(bank, permits=False, principal="CT1")

    assert seen(bank, caller(bank, Role.DEVICE, name="CT1")) == []
    assert seen(bank, caller(bank, Role.DEVICE, name="CT2")) == ["ADA"]


def test_an_emergency_by_a_study_answers_alike_whether_there_is_one(bank: Bank) -> None:
    known, unknown = (
        emergency.break_glass(bank, uid, "unconscious after a fall", caller(bank))
        for uid in (study_of(bank, "BOB"), Uid("1.2.3.4"))
    )

    assert {type(one) for one in (known, unknown)} == {Provision}
    assert known.ends_at - known.starts_at == unknown.ends_at - unknown.starts_at
    assert seen(bank, caller(bank)) == ["ADA", "BOB"]


def test_emergencies_wait_until_the_privacy_officer_has_reviewed_them(bank: Bank) -> None:
    one = emergency.break_glass(bank, ADA, "unconscious after a fall", caller(bank))
    waiting = emergency.unreviewed(bank, OFFICER)
    emergency.review(bank, one.id, "seen in the emergency room at that time", OFFICER)

    assert [each.id for each in waiting] == [one.id]
    assert emergency.unreviewed(bank, OFFICER) == []
    with pytest.raises(NotFound):
        emergency.review(bank, one.id, "again", OFFICER)
    with pytest.raises(Invalid):
        emergency.review(bank, one.id, "  ", OFFICER)


def test_an_emergency_needs_a_reason_and_the_right(bank: Bank) -> None:
    with pytest.raises(Invalid):
        emergency.break_glass(bank, ADA, "because ", caller(bank))
    with pytest.raises(NotAllowed):
        emergency.break_glass(bank, ADA, "a reason of words", caller(bank, Role.RESEARCHER))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": Kind.EMERGENCY},
        {"kind": Kind.CARE, "permits": False},
        {"since": "2026"},
        {"until": "20260101x"},
        {"modality": "ct"},
        {"ends_at": LONG_AGO},
    ],
    ids=str,
)
def test_a_consent_that_nobody_could_follow_is_refused(bank: Bank, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        decide(bank, **({"permits": True} | wrong))

    assert consent.listed(bank, ADA, OFFICER) == []


def test_only_who_may_writes_consents_and_labels(bank: Bank) -> None:
    doctor = caller(bank)
    for attempt in (
        lambda: consent.decide(bank, Provision("", Kind.CONSENT, True, ADA, LONG_AGO), doctor),
        lambda: consent.revoke(bank, "x", doctor),
        lambda: consent.listed(bank, None, doctor),
        lambda: consent.put_label(bank, Uid("1.2"), "sensitive", doctor),
        lambda: emergency.unreviewed(bank, doctor),
    ):
        with pytest.raises(NotAllowed):
            attempt()
    with pytest.raises(NotFound):
        consent.revoke(bank, "unknown", OFFICER)
    with pytest.raises(Invalid):
        consent.put_label(bank, Uid("1.2"), "Sensitive!", OFFICER)


def test_decisions_are_listed_with_what_was_revoked(bank: Bank) -> None:
    first, second = decide(bank, permits=True), decide(bank, permits=False, role=Role.CLINICIAN, reason="on paper")
    consent.revoke(bank, first.id, OFFICER)
    admin = caller(bank, Role.ADMIN)
    listed = {one.id: one for one in consent.listed(bank, ADA, admin)}

    assert listed[first.id].revoked_at is not None
    assert listed[second.id] == second
    assert consent.listed(bank, PatientId("south", "ADA"), OFFICER) == []
    assert len(consent.listed(bank, None, OFFICER)) == 2
    assert bank.index.provisions(Scope.of("north")) == []


def asker(role: Role = Role.CLINICIAN, organization: str = "north", purpose: Purpose = Purpose.TREATMENT) -> Asker:
    return Asker("Dr Varga", role, organization, purpose, datetime.now(UTC))


RULES: dict[str, Any] = {
    "permit": [
        {"name": "radiology sees CT", "roles": ["clinician"], "modalities": ["CT"]},
        {"name": "the archive's own", "organizations": ["own"], "of": ["south"]},
        {"name": "Clinic", "departments": ["Clinic"], "purposes": ["HRESCH"], "since": "20250101", "until": "20251231"},
    ],
    "deny": [{"name": "no MR for devices", "roles": ["device"], "modalities": ["MR"]}],
    "rights": {"researcher": ["find"]},
}


def test_a_site_writes_its_own_rules(bank: Bank) -> None:
    site = replace(bank, rights=rights.parse(RULES))

    assert seen(site, caller(site, organization="east")) == ["ADA"]
    assert seen(site, caller(site, Role.TECHNOLOGIST, "south")) == ["BOB"]
    assert seen(site, caller(site, Role.DEVICE, "south")) == []
    assert caller(site, Role.RESEARCHER).rights == {Right.FIND}
    assert caller(site, Role.CLINICIAN).rights == RIGHTS[Role.CLINICIAN]


def test_rules_of_departments_purposes_and_dates(bank: Bank) -> None:
    keep(bank, a_file(PatientID="CLI", StudyDate="20250505", InstitutionalDepartmentName="Clinic"), source=of("west"))
    site = replace(bank, rights=rights.parse(RULES))

    assert seen(site, caller(site, Role.RESEARCHER, "east")) == ["CLI"]
    assert seen(site, caller(site, Role.RESEARCHER, "east", purpose=Purpose.OPERATIONS)) == []


def test_a_site_whose_patients_opt_out_shares_until_they_do(bank: Bank) -> None:
    site = replace(bank, rights=rights.parse({"sharing": "opt-out"}))
    before = seen(site, caller(site, organization="south"))
    decide(bank, permits=False, organization="south")

    assert before == ["ADA", "BOB"]
    assert seen(site, caller(site, organization="south")) == ["BOB"]
    assert seen(site, caller(site)) == ["ADA", "BOB"]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"permits": []}, "permits"),
        ({"permit": {"name": "x"}}, r"\[\[permit\]\]"),
        ({"permit": [{"roles": ["clinician"]}]}, "name"),
        ({"deny": [{"name": "x", "rols": []}]}, "rols"),
        ({"deny": [{"name": "x", "roles": ["doctor"]}]}, "'x'"),
        ({"sharing": "yes"}, "opt-in"),
        ({"rights": {"researcher": ["everything"]}}, "rights"),
    ],
)
def test_rules_that_are_not_understood_are_refused_by_name(table: dict[str, Any], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        rights.parse(table)


def test_it_is_explained_why_somebody_sees_a_study(bank: Bank) -> None:
    denial = decide(bank, permits=False, organization="south", reason="asked at the desk")
    study = study_of(bank, "ADA")
    ours, theirs, admins = (
        rights.explain(bank, study, asker(role, organization), OFFICER)
        for role, organization in ((Role.CLINICIAN, "north"), (Role.CLINICIAN, "south"), (Role.ADMIN, "north"))
    )
    told = {reason.name: reason.holds for reason in theirs.reasons}

    assert (ours.may_see, theirs.may_see, admins.may_see) == (True, False, True)
    assert denial.reason == "asked at the desk"
    assert told["asked at the desk"] is True
    assert told["staff see their own organization's"] is False
    assert [reason.holds for reason in ours.reasons] == [True, False, False]


def test_care_and_labels_are_explained_too(bank: Bank) -> None:
    study = study_of(bank, "ADA")
    consent.put_label(bank, study, "sensitive", OFFICER)
    kept = rights.explain(bank, study, asker(), OFFICER)
    decide(bank, permits=True, kind=Kind.CARE, principal="Dr Varga", reason="ward round")
    cared = rights.explain(bank, study, asker(), OFFICER)

    assert (kept.may_see, cared.may_see) == (False, True)
    assert [reason.holds for reason in kept.reasons] == [True, True]
    assert {reason.name: reason.holds for reason in cared.reasons}["ward round"] is True
    with pytest.raises(NotFound):
        rights.explain(bank, Uid("1.2.3"), asker(), OFFICER)


@pytest.mark.parametrize("role", [Role.PATIENT, Role.PROXY, Role.PRIVACY_OFFICER])
def test_what_a_role_does_not_heed_does_not_hold_for_it(bank: Bank, role: Role) -> None:
    for permits, kind in ((True, Kind.CONSENT), (False, Kind.CONSENT), (True, Kind.GRANT), (True, Kind.CARE)):
        decide(bank, permits=permits, kind=kind, organization="north")
    told = rights.explain(bank, study_of(bank, "ADA"), asker(role, "north"), OFFICER)

    assert not told.may_see
    assert [reason.holds for reason in told.reasons] == [False] * 4


def test_a_rule_about_those_in_care_is_explained_as_it_holds_for_the_asker(bank: Bank) -> None:
    study = study_of(bank, "ADA")
    consent.put_label(bank, study, "sensitive", OFFICER)
    before = rights.explain(bank, study, asker(Role.REFERRER, "south"), OFFICER)
    decide(bank, permits=True, kind=Kind.CARE, organization="south", reason="family doctor")
    after = rights.explain(bank, study, asker(Role.REFERRER, "south"), OFFICER)
    rules = ("a referrer sees those of patients in care", "sensitive ones are for those who care for the patient")

    assert (before.may_see, after.may_see) == (False, True)
    assert [(reason.name, reason.holds) for reason in before.reasons] == [(rules[0], False), (rules[1], True)]
    assert [(reason.name, reason.holds) for reason in after.reasons] == [
        (rules[0], True),
        (rules[1], False),
        ("family doctor", True),
    ]


def test_a_clause_with_nothing_in_it_speaks_of_every_study(bank: Bank) -> None:
    everyone = Scope(frozenset(), permits=(Clause(),))

    assert len(bank.index.instances(Selection(), everyone)) == 2
    assert Rule("any", permits=True).speaks_of(asker())
    assert Rights().rules
    assert read(a_file()).Modality == "CT"
