"""What is said when an exam is ordered that was made already."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import consent, persons, repeat_answers, repeat_check, rights
from imagebank.actions.repeat_check import Asking, Checked, Wish
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.event import Act
from imagebank.model.exam import Context, Said
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Kind, Provision
from make import a_file

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANA = PatientId("north", "ANA")
ADMIN = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))
ALL = Scope(None)
CT = Wish(Said(descriptions=("CT abdomen with contrast",)), order="o1")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north") as opened:
        yield replace(opened, now=lambda: NOW)


def exam(bank: Bank, description: str = "CT abdomen with contrast", day: str = "20260218", **given: str) -> str:
    """Keep a study; its UID. It is of north's ANA unless something else is said."""
    owner = given.pop("owner", "north")
    given = {"Modality": "CT", "PatientID": "ANA", "IssuerOfPatientID": owner, "BodyPartExamined": "", **given}
    file = a_file(StudyDate=day, StudyDescription=description, **given)
    (receipt,) = keep(bank, file, source=replace(SOURCE, organization=owner))
    return str(receipt.study)


def doctor(bank: Bank, organization: str = "north", role: Role = Role.CLINICIAN) -> Principal:
    return rights.principal(bank, "dr-grey", role, organization)


def asked(bank: Bank, *wishes: Wish, who: Principal | None = None, whose: PatientId = ANA) -> list[Checked]:
    asking = Asking(who or doctor(bank), (whose,), "api", "dr-grey", "surgery", "::1")
    return repeat_check.check(bank, asking, wishes or (CT,))


def alert(bank: Bank, wish: Wish = CT, who: Principal | None = None, whose: PatientId = ANA) -> Alert | None:
    return asked(bank, wish, who=who, whose=whose)[0].alert


def ordered(text: str, **given: Any) -> Wish:
    return replace(CT, said=Said(descriptions=(text,)), **given)


def test_an_exam_of_two_weeks_ago_is_told_and_kept(bank: Bank) -> None:
    study = exam(bank)
    earlier = exam(bank, "CT abdomen", "20250101")
    (found,) = asked(bank)

    assert found.alert is not None
    assert (found.alert.study, found.alert.days, found.alert.severity) == (study, 12, "warn")
    assert (found.alert.user, found.alert.department, found.alert.order) == ("dr-grey", "surgery", "o1")
    assert found.alert.exam.regions == ("ABDOMEN",)
    assert [one.past.id for one in found.seen] == [study, earlier]
    assert found.seen[0].study["00081030"]["Value"] == ["CT abdomen with contrast"]
    assert bank.index.alerts.alert(found.alert.id, Scope(None)) == found.alert


def test_each_check_and_what_it_told_of_stands_in_the_ledger(bank: Bank) -> None:
    study = exam(bank)
    asked(bank)
    asked(bank, ordered("MR knee left"))

    found = [one for one in bank.index.events(Scope(None), patient=ANA) if one.act is Act.SEARCHED]
    told = [(one.detail, one.study, one.principal) for one in reversed(found)]
    assert told == [
        ("api: repeat check", None, "dr-grey"),
        ("api: repeat check: told of an earlier exam", study, "dr-grey"),
        ("api: repeat check", None, "dr-grey"),
    ]


def test_what_is_said_again_is_the_same_alert_until_it_is_answered(bank: Bank) -> None:
    exam(bank)
    first, second = alert(bank), alert(bank)
    assert first is not None
    assert second == first

    assert repeat_answers.tell(bank, doctor(bank), [told(first, Outcome.OVERRIDDEN, "other")])
    third = alert(bank)
    assert third is not None
    assert third.id != first.id


def told(one: Alert, outcome: Outcome, reason: str = "", comment: str = "") -> repeat_answers.Told:
    return repeat_answers.Told(one.id, Answer(outcome, NOW, reason, comment, "dr-grey"))


@pytest.mark.parametrize(
    "wish",
    [
        ordered("MR abdomen with contrast"),
        ordered("CT knee left"),
        ordered("CT abdomen with contrast", day=date(2027, 1, 1)),
        ordered("CT abdomen with contrast", context=Context.FOLLOWUP),
        ordered("CT abdomen with contrast", context=Context.URGENT),
        ordered("CT abdomen with contrast", reasons=("follow-up of a known lesion",)),
        ordered("CT chest abdomen pelvis with contrast"),
        ordered("CT"),
        ordered("something else"),
    ],
)
def test_nothing_is_said_of_another_exam_or_in_another_context(bank: Bank, wish: Wish) -> None:
    exam(bank)
    assert alert(bank, wish) is None


def test_words_that_say_nothing_of_why_leave_an_order_as_it_is(bank: Bank) -> None:
    exam(bank)
    assert alert(bank, ordered("CT abdomen with contrast", reasons=("pain",))) is not None


def test_one_part_of_an_exam_of_several_regions_was_made_already(bank: Bank) -> None:
    exam(bank, "CT chest abdomen pelvis with contrast")

    assert alert(bank, CT) is not None
    assert alert(bank, ordered("CT head")) is None


def test_a_side_that_contradicts_is_another_exam(bank: Bank) -> None:
    exam(bank, "MR knee left", Modality="MR", Laterality="L")

    assert alert(bank, ordered("MR knee right")) is None
    assert alert(bank, ordered("MR knee left")) is not None


def test_a_missing_body_part_is_read_from_words_and_one_that_nobody_says_warns_of_nothing(bank: Bank) -> None:
    exam(bank, "MR brain", Modality="MR", BodyPartExamined="")
    exam(bank, "", Modality="CT", BodyPartExamined="")

    assert alert(bank, ordered("MR head")) is not None
    assert alert(bank) is None


def test_a_tag_of_another_modality_is_put_right_by_words_and_another_one_answers_nothing(bank: Bank) -> None:
    exam(bank, Modality="OT")
    exam(bank, "MR abdomen with contrast", Modality="MR")
    found = alert(bank)

    assert found is not None
    assert alert(bank, ordered("US abdomen")) is None


def test_an_implant_changes_nothing_of_what_was_shown(bank: Bank) -> None:
    exam(bank, "XR hip left after replacement", Modality="DX")

    assert alert(bank, ordered("XR hip left, prosthesis")) is not None


def test_merged_records_are_one_person(bank: Bank) -> None:
    study, old = exam(bank, PatientID="OLD"), PatientId("north", "OLD")
    for one in (ANA, old):
        persons.hear(bank, Identity(one, PersonName.parse("Doe^Ana"), heard_at=NOW))
    persons.merge(bank, ADMIN, old, ANA, "twice registered")

    for whose in (ANA, old):
        found = alert(bank, whose=whose)
        assert found is not None
        assert found.study == study


def test_a_childs_exam_is_an_exam(bank: Bank) -> None:
    exam(bank, "CT abdomen paediatric", PatientAge="004Y", PatientBirthDate="20220101")

    assert alert(bank, ordered("Paed CT abdomen")) is not None


def test_a_clock_that_is_a_day_ahead_hides_nothing_and_one_that_is_wrong_says_nothing(bank: Bank) -> None:
    exam(bank, day="20260303")
    found = alert(bank)
    assert found is not None
    assert found.days == 0

    assert alert(bank, replace(CT, day=date(2026, 2, 1))) is None


def test_what_is_dated_after_today_was_not_made_whenever_the_order_is_for(bank: Bank) -> None:
    exam(bank, day="20260320")

    assert alert(bank, replace(CT, day=date(2026, 4, 1))) is None


def test_how_long_ago_an_exam_was_made_is_told_of_an_order_for_later_too(bank: Bank) -> None:
    exam(bank)
    (found,) = asked(bank, replace(CT, day=date(2026, 3, 22)))

    assert found.alert is not None
    assert (found.alert.days, found.age) == (32, 12)


def test_today_is_that_of_the_site(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, organization="north", time_zone="Pacific/Auckland") as opened:
        bank = replace(opened, now=lambda: NOW)
        exam(bank)
        found = alert(bank)

    assert found is not None
    assert (found.day, found.days) == ("20260303", 13)


def test_what_the_patient_denies_does_not_exist(bank: Bank) -> None:
    exam(bank, owner="south", PatientID="S1")
    keep_linked(bank)
    south = PatientId("south", "S1")
    shared = Provision(
        "", Kind.CONSENT, permits=True, patient=south, organization="north", starts_at=NOW - timedelta(days=1)
    )
    assert alert(bank) is None
    officer = Principal("officer", Role.ADMIN, "south", RIGHTS[Role.ADMIN], Scope(None))
    made = consent.decide(bank, shared, officer)

    found = alert(bank, who=doctor(bank))
    assert found is not None
    assert found.patient == ANA
    consent.revoke(bank, made.id, officer)
    assert alert(bank, who=doctor(bank)) is None
    assert alert(bank, who=doctor(bank), whose=PatientId("south", "S1")) is None
    assert alert(bank, who=doctor(bank), whose=PatientId("nobody", "0")) is None


def keep_linked(bank: Bank) -> None:
    """North's ANA and south's S1 are one person."""
    for one, name in ((ANA, "Doe^Ana"), (PatientId("south", "S1"), "Roe^Anna")):
        persons.hear(bank, Identity(one, PersonName.parse(name), heard_at=NOW))
    persons.link(bank, ADMIN, ANA, PatientId("south", "S1"), "one person")


def test_an_alert_is_kept_under_the_orderers_own_identifier(bank: Bank) -> None:
    exam(bank)
    asking = Asking(doctor(bank), (PatientId("south", "S1"), ANA), "api")
    (found,) = repeat_check.check(bank, asking, [CT])

    assert found.alert is not None
    assert found.alert.patient == ANA


def test_a_patient_of_ours_is_followed_before_there_is_a_study_of_theirs(bank: Bank) -> None:
    study = exam(bank, owner="south", PatientID="S1")
    keep_linked(bank)
    everybody = replace(doctor(bank), scope=Scope.of("south"))

    found = alert(bank, who=everybody)
    assert found is not None
    assert found.study == study


def test_a_rule_on_trial_is_kept_and_not_told(tmp_path: Path) -> None:
    table = (Path(repeat_check.__file__).parents[1] / "exams/repeats.toml").read_text()
    file = tmp_path / "repeats.toml"
    file.write_text(table.replace("[[rule]]\n", '[[rule]]\nseverity = "shadow"\n'))
    with open_test_bank(tmp_path, organization="north", repeats_file=file) as opened:
        bank = replace(opened, now=lambda: NOW)
        exam(bank)
        (found,) = asked(bank)
        (kept,) = bank.index.alerts.between(NOW, NOW + timedelta(days=1), Scope(None))

        assert (found.alert, found.repeat, found.seen) == (None, None, ())
        assert kept.outcome is Outcome.UNSHOWN
        with pytest.raises(NotFound):
            repeat_answers.tell(bank, doctor(bank), [told(kept, Outcome.ACCEPTED)])
        with pytest.raises(NotFound):
            repeat_answers.one(bank, ADMIN, kept.id, "api")


def test_a_rule_is_tried_behind_one_that_speaks_and_changes_nothing_of_what_is_told(tmp_path: Path) -> None:
    table = (Path(repeat_check.__file__).parents[1] / "exams/repeats.toml").read_text()
    trials = "".join(
        f'[[rule]]\nname = "{name}"\nseverity = "{severity}"\ndays = {days}\ngroups = ["CT"]\n'
        for name, severity, days in (("90 days", "shadow", 90), ("120 days", "warn", 120), ("5 days", "shadow", 5))
    )
    file = tmp_path / "repeats.toml"
    file.write_text(table + trials)
    with open_test_bank(tmp_path, organization="north", repeats_file=file) as opened:
        bank = replace(opened, now=lambda: NOW)
        exam(bank)
        found, again = alert(bank), alert(bank)
        old = PatientId("north", "BEN")
        exam(bank, day="20251220", PatientID="BEN")
        assert alert(bank, whose=old) is None
        kept = bank.index.alerts.between(NOW, NOW + timedelta(days=1), Scope(None))

    assert found is not None
    assert found == again
    assert sorted((one.patient.identifier, one.rule, one.is_shown) for one in kept) == [
        ("ANA", "90 days", False),
        ("ANA", "CT", True),
        ("BEN", "90 days", False),
    ]


def test_nobody_without_the_right_to_find_is_told_anything(bank: Bank) -> None:
    exam(bank)
    with pytest.raises(NotAllowed):
        asked(bank, who=doctor(bank, role=Role.PRIVACY_OFFICER))


@pytest.mark.parametrize("role", [Role.PATIENT, Role.RECIPIENT])
def test_who_orders_nothing_is_told_nothing(bank: Bank, role: Role) -> None:
    exam(bank)
    one = alert(bank)
    assert one is not None
    holder = replace(ADMIN, role=role, scope=ALL)

    with pytest.raises(NotAllowed):
        asked(bank, who=holder)
    with pytest.raises(NotAllowed):
        repeat_answers.about(bank, holder, [ANA], "api")
    with pytest.raises(NotAllowed):
        repeat_answers.one(bank, holder, one.id, "api")


def test_tables_are_read_before_the_first_order(bank: Bank) -> None:
    repeat_check.warm(bank)

    assert alert(bank) is None


def test_nothing_is_asked_of_nobody(bank: Bank) -> None:
    asking = Asking(doctor(bank), (), "api")

    assert [one.alert for one in repeat_check.check(bank, asking, [CT])] == [None]


def test_an_answer_is_noted_once_and_by_whom_it_was_shown_to(bank: Bank) -> None:
    exam(bank)
    one = alert(bank)
    assert one is not None
    given = told(one, Outcome.OVERRIDDEN, "clinical-change", "she is worse")
    for _ in range(2):
        (kept,) = repeat_answers.tell(bank, doctor(bank), [given], "::1")
    assert (kept.outcome, kept.answer) == (Outcome.OVERRIDDEN, given.answer)
    changed = [event for event in bank.index.events(Scope(None), patient=ANA) if event.act is Act.CHANGED]
    assert [event.detail for event in changed] == ["repeat check: alert overridden"]

    with pytest.raises(NotFound):
        repeat_answers.tell(bank, doctor(bank, "south"), [given])
    (kept,) = repeat_answers.tell(bank, ADMIN, [told(one, Outcome.ACCEPTED, "cancelled")])
    assert kept.outcome is Outcome.ACCEPTED


def test_an_answer_from_a_clock_far_ahead_counts_as_of_now(bank: Bank) -> None:
    exam(bank)
    one = alert(bank)
    assert one is not None
    late = repeat_answers.Told(one.id, Answer(Outcome.IGNORED, NOW + timedelta(days=99)))
    (kept,) = repeat_answers.tell(bank, doctor(bank), [late])

    assert kept.answer is not None
    assert kept.answer.at == NOW


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Outcome.SHOWN, NOW),
        Answer(Outcome.OVERRIDDEN, NOW, "because"),
        Answer(Outcome.ACCEPTED, NOW, "because"),
        Answer(Outcome.IGNORED, NOW, comment="x" * 1001),
    ],
)
def test_an_answer_that_is_none_is_refused(bank: Bank, answer: Answer) -> None:
    exam(bank)
    one = alert(bank)
    assert one is not None
    with pytest.raises(Invalid):
        repeat_answers.tell(bank, doctor(bank), [repeat_answers.Told(one.id, answer)])


def test_alerts_of_a_patient_are_for_those_who_were_shown_them_and_see_the_study(bank: Bank) -> None:
    exam(bank)
    one = alert(bank)
    assert one is not None

    assert repeat_answers.about(bank, doctor(bank), [ANA], "api") == [one]
    assert repeat_answers.one(bank, doctor(bank), one.id, "api") == one
    assert repeat_answers.about(bank, ADMIN, [ANA], "api") == [one]
    assert repeat_answers.about(bank, replace(doctor(bank), scope=Scope.nothing()), [ANA], "api") == []
    other = replace(doctor(bank), organization="south")
    assert repeat_answers.about(bank, other, [ANA], "api") == []
    for who in (other, replace(doctor(bank), scope=Scope.nothing())):
        with pytest.raises(NotFound):
            repeat_answers.one(bank, who, one.id, "api")


def test_a_sites_own_reasons_take_the_place_of_ours(tmp_path: Path) -> None:
    file = tmp_path / "overrides.toml"
    file.write_text('system = "urn:site"\n[[reason]]\ncode = "why"\ndisplay = "Darum"\n')
    with open_test_bank(tmp_path, organization="north", overrides_file=file) as opened:
        bank = replace(opened, now=lambda: NOW)
        exam(bank)
        one = alert(bank)
        assert one is not None
        assert repeat_answers.tell(bank, doctor(bank), [told(one, Outcome.OVERRIDDEN, "why")])
        with pytest.raises(Invalid):
            repeat_answers.tell(bank, doctor(bank), [told(one, Outcome.OVERRIDDEN, "other")])
