"""What alerts brought: counted by month, department and exam; nothing is avoided that was made all the same."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import avoided, finding, orders, persons, rights
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.avoided import Brought, By, Counts
from imagebank.model.exam import Contrast, Exam, Group, Side
from imagebank.model.identity import Identity
from imagebank.model.order import Order, Patient, State
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid
from imagebank.settings import SettingsError
from make import a_file, as_file
from make_dose import a_ct_report

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AT = datetime(2026, 1, 20, 12, tzinfo=UTC)
SINCE, UNTIL = date(2026, 1, 1), date(2026, 6, 1)
ANA = PatientId("north", "ANA")
CT = Exam(Group.CT, ("ABDOMEN",), contrast=Contrast.YES)
RULE = "ct"
TABLE = """
apart = []
same = []
sided = ["KNEE"]
[whole]
[plain]
[contexts]
[[rule]]
name = "ct"
days = 30
groups = ["CT"]
[[rule]]
name = "mr"
days = 30
severity = "shadow"
groups = ["MR"]
[[rule]]
name = "never"
days = 0
"""
COSTS = 'currency = "EUR"\n[[cost]]\ngroups = ["CT"]\nregions = ["ABDOMEN"]\namount = 180\n'


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    (tmp_path / "repeats.toml").write_text(TABLE)
    (tmp_path / "costs.toml").write_text(COSTS)
    files = {"repeats_file": tmp_path / "repeats.toml", "costs_file": tmp_path / "costs.toml"}
    with open_test_bank(tmp_path, organization="north", **files) as opened:
        yield replace(opened, now=lambda: NOW)


def exam(bank: Bank, day: str = "20260110", description: str = "CT abdomen", owner: str = "north", **given: Any) -> Uid:
    given = {"Modality": "CT", "PatientID": "ANA", "IssuerOfPatientID": owner, "BodyPartExamined": "", **given}
    file = a_file(StudyDate=day, StudyDescription=description, **given)
    (receipt,) = keep(bank, file, source=replace(SOURCE, organization=owner))
    return Uid(str(receipt.study))


def alert(bank: Bank, study: Uid, name: str = "a1", outcome: Outcome | None = Outcome.ACCEPTED, **given: Any) -> None:
    reason = given.pop("reason", "")
    made = Alert(name, AT, "north", ANA, study, CT, "20260120", 10, RULE, "warn", "api", department="surgery")
    made = replace(made, **given)
    with bank.index.begin() as tx:
        tx.alerts.put(made)
        if outcome is not None:
            tx.alerts.answer(name, Answer(outcome, made.at, reason))


def admin(bank: Bank) -> Principal:
    return rights.principal(bank, "root", Role.ADMIN, "north")


def report(bank: Bank, *by: By, who: Principal | None = None) -> Brought:
    return avoided.report(bank, who or admin(bank), SINCE, UNTIL, by, "api")


def total(bank: Bank) -> Counts:
    return report(bank).total


def test_an_exam_that_was_not_made_within_the_window_is_avoided(bank: Bank) -> None:
    alert(bank, exam(bank))
    found = report(bank, By.MONTH, By.ORGANIZATION, By.DEPARTMENT, By.EXAM, By.RULE)

    (line,) = found.lines
    assert line.key == ("2026-01", "north", "surgery", "CT ABDOMEN", "ct")
    assert line.counts == found.total
    assert (found.total.shown, found.total.accepted, found.total.avoided) == (1, 1, 1)
    assert found.total.measured == 0
    assert found.total.estimated > 0
    assert found.total.estimated_share == 1
    assert (found.total.cost, found.currency) == (180, "EUR")
    assert (found.silent, found.noisy) == (("mr",), ())


def test_what_was_measured_of_the_answering_exam_counts_where_it_shows_the_same(bank: Bank) -> None:
    about = {"PatientID": "ANA", "StudyInstanceUID": "1.7", "StudyDate": "20260110", "StudyDescription": "CT abdomen"}
    study = exam(bank, StudyInstanceUID="1.7")
    keep(bank, as_file(a_ct_report(400, "1.9.1", **about)), source=replace(SOURCE, organization="north"))
    finding.write(bank, Uid("1.7"))
    alert(bank, study)
    assert total(bank).measured > 0
    assert total(bank).estimated_share == 0

    alert(bank, study, "a2", exam=replace(CT, regions=("LIVER",)), patient=PatientId("north", "OTHER"))
    assert total(bank).estimated > 0
    assert total(bank).uncosted == 0


@pytest.mark.parametrize("owner", ["north", "south"])
def test_an_exam_made_anywhere_within_the_window_is_not_avoided(bank: Bank, owner: str) -> None:
    alert(bank, exam(bank))
    exam(bank, "20260210", "CT abdomen without contrast", owner)
    link(bank)

    assert (total(bank).made, total(bank).avoided) == (1, 0)


def link(bank: Bank) -> None:
    """ANA of north and ANA of south are one person."""
    for issuer in ("north", "south"):
        one = PatientId(issuer, "ANA")
        persons.hear(bank, Identity(one, PersonName.parse(f"Doe^{issuer}"), heard_at=NOW))
    persons.link(bank, admin(bank), ANA, PatientId("south", "ANA"), "one person")


def test_an_exam_that_the_caller_does_not_see_is_neither_avoided_nor_told(bank: Bank) -> None:
    alert(bank, exam(bank))
    exam(bank, "20260210", owner="south")
    link(bank)
    of_north = replace(admin(bank), scope=Scope(frozenset({"north"})))

    found = report(bank, who=of_north).total
    assert (found.made, found.avoided, found.unknown) == (0, 0, 1)


def test_before_and_behind_the_window_is_another_exam(bank: Bank) -> None:
    alert(bank, exam(bank))
    for day in ("20260119", "20260220"):
        exam(bank, day)
    exam(bank, "20260201", "MR abdomen", Modality="MR")
    exam(bank, "20260201", "CT head")

    assert (total(bank).made, total(bank).avoided) == (0, 1)


def test_the_window_begins_anew_on_the_day_that_an_order_is_for(bank: Bank) -> None:
    alert(bank, exam(bank), day="20260301")
    exam(bank, "20260320")
    assert total(bank).made == 1


def test_while_the_window_is_open_nothing_is_known_yet(bank: Bank) -> None:
    alert(bank, exam(bank), at=NOW - timedelta(days=30), day="")
    assert (total(bank).unknown, total(bank).avoided) == (1, 0)

    later = replace(bank, now=lambda: NOW + timedelta(days=1))
    assert (total(later).unknown, total(later).avoided) == (0, 1)


def test_what_cannot_be_told_is_not_avoided(bank: Bank) -> None:
    study = exam(bank)
    alert(bank, study, rule="gone")
    alert(bank, study, "a2", patient=PatientId("", ""))
    alert(bank, study, "a3", patient=PatientId("", ""))
    assert (total(bank).unknown, total(bank).avoided) == (3, 0)

    exam(bank, "", PatientID="BEN")
    alert(bank, study, "a4", patient=PatientId("north", "BEN"))
    assert (total(bank).unknown, total(bank).avoided) == (4, 0)


def test_of_an_exam_without_a_side_nobody_says_that_it_was_the_other_one(bank: Bank) -> None:
    left = Exam(Group.CT, ("KNEE",), Side.LEFT)
    study = exam(bank, description="CT knee left", Laterality="L")
    alert(bank, study, exam=left)
    exam(bank, "20260205", "CT knee right", Laterality="R")
    assert total(bank).avoided == 1
    assert total(bank).uncosted == 1

    exam(bank, "20260205", "CT knee")
    assert total(bank).made == 1


def test_what_was_overridden_and_made_is_no_exam_avoided(bank: Bank) -> None:
    study = exam(bank)
    alert(bank, study, outcome=Outcome.OVERRIDDEN, reason="other")
    alert(bank, study, "a2", outcome=Outcome.OVERRIDDEN)
    alert(bank, study, "a3", outcome=Outcome.IGNORED)
    alert(bank, study, "a4", outcome=None)
    exam(bank, "20260121")

    found = total(bank)
    assert (found.shown, found.overridden, found.ignored, found.waiting) == (4, 2, 1, 1)
    assert (found.avoided, found.made, found.unknown) == (0, 0, 0)
    assert found.reasons == {"other": 1, "": 1}


def test_the_same_exam_accepted_twice_is_avoided_once(bank: Bank) -> None:
    study = exam(bank)
    alert(bank, study)
    alert(bank, study, "a2", at=AT + timedelta(days=2))
    alert(bank, study, "a3", at=AT + timedelta(days=60))

    assert (total(bank).accepted, total(bank).avoided) == (3, 2)


def test_an_exam_of_one_person_is_avoided_once_under_all_their_records_and_names(bank: Bank) -> None:
    study = exam(bank)
    link(bank)
    larger = replace(CT, regions=("ABDOMEN", "PELVIS"))
    alert(bank, study)
    alert(bank, study, "a2", patient=PatientId("south", "ANA"), organization="south", at=AT + timedelta(days=1))
    alert(bank, study, "a3", exam=larger, at=AT + timedelta(days=2))
    alert(bank, study, "a4", exam=replace(CT, contrast=Contrast.NO), at=AT + timedelta(days=3))
    alert(bank, study, "a5", exam=replace(CT, regions=("HEAD",)), at=AT + timedelta(days=3))
    alert(bank, study, "a6", patient=PatientId("north", "BEN"))

    assert (total(bank).accepted, total(bank).avoided) == (6, 3)


def test_an_exam_that_was_avoided_before_the_days_asked_about_is_not_avoided_again(bank: Bank) -> None:
    study = exam(bank)
    alert(bank, study)
    alert(bank, study, "a2", at=AT + timedelta(days=15))
    january, february = (
        avoided.report(bank, admin(bank), date(2026, month, 1), date(2026, month, 28), (), "api").total
        for month in (1, 2)
    )

    assert (january.avoided, january.accepted) == (1, 1)
    assert (february.avoided, february.accepted) == (0, 1)


def test_parts_that_were_made_apart_are_the_whole_and_one_of_them_leaves_it_open(bank: Bank) -> None:
    alert(bank, exam(bank, description="CT chest abdomen"), exam=replace(CT, regions=("ABDOMEN", "CHEST")))
    assert total(bank).avoided == 1
    exam(bank, "20260125", "CT abdomen")
    assert (total(bank).unknown, total(bank).avoided) == (1, 0)
    exam(bank, "20260210", "CT chest", "south")
    link(bank)
    assert total(bank).made == 1


def test_two_exams_of_one_side_each_are_one_of_both(bank: Bank) -> None:
    alert(bank, exam(bank, description="CT knees both"), exam=Exam(Group.CT, ("KNEE",), Side.BOTH))
    exam(bank, "20260125", "CT knee left")
    assert total(bank).unknown == 1
    exam(bank, "20260126", "CT knee right")
    assert total(bank).made == 1


@pytest.mark.parametrize(
    ("given", "came"),
    [
        ({"description": ""}, "unknown"),
        ({"description": "", "Modality": "MR"}, "avoided"),
        ({"description": "CT abdomen, report", "Modality": "SR"}, "made"),
        ({"day": "", "description": "CT head"}, "avoided"),
    ],
)
def test_what_does_not_say_what_it_shows_leaves_it_open_and_a_report_tells_of_the_exam(
    bank: Bank, given: dict[str, Any], came: str
) -> None:
    alert(bank, exam(bank))
    exam(bank, **{"day": "20260201", **given})

    assert [name for name in ("avoided", "made", "unknown") if getattr(total(bank), name)] == [came]


def test_an_order_that_stays_or_comes_again_and_is_kept_is_not_avoided(bank: Bank) -> None:
    study = exam(bank)
    alert(bank, study, reason="changed")
    assert (total(bank).unknown, total(bank).avoided) == (1, 0)

    alert(bank, study, "b1", patient=PatientId("north", "BEN"))
    alert(bank, study, "b2", Outcome.OVERRIDDEN, patient=PatientId("north", "BEN"), at=AT - timedelta(hours=1))
    assert total(bank).avoided == 1
    alert(bank, study, "b3", Outcome.OVERRIDDEN, patient=PatientId("north", "BEN"), at=AT + timedelta(days=29))
    assert (total(bank).unknown, total(bank).avoided) == (2, 0)


def test_an_order_that_was_carried_out_elsewhere_is_made_all_the_same(bank: Bank) -> None:
    order = Order("north", Patient(ANA), AT, State.SCHEDULED, "P1", "F1", modality="CT")
    alert(bank, exam(bank), order="P1")
    orders.hear(bank, [order], "ris")
    assert total(bank).avoided == 1
    alert(bank, Uid("1.2.3"), "b1", order="P1", patient=PatientId("north", "BEN"))
    orders.hear(bank, [replace(order, state=State.DONE, event_at=AT + timedelta(days=1))], "ris")
    assert (total(bank).made, total(bank).avoided) == (1, 1)


def test_days_at_the_end_of_all_calendars_are_days(bank: Bank) -> None:
    alert(bank, exam(bank), day="99991231")
    assert total(bank).unknown == 1
    for since, until in ((date(1900, 1, 1), date(1900, 2, 1)), (date(9998, 12, 1), date(9998, 12, 31))):
        assert avoided.report(bank, admin(bank), since, until, (), "api").total == Counts()


def test_a_rule_on_trial_is_counted_apart(bank: Bank) -> None:
    alert(bank, exam(bank), rule="mr", severity="shadow", exam=replace(CT, group=Group.MR), outcome=Outcome.ACCEPTED)
    found = report(bank)

    assert found.total == Counts(shadow=1)
    assert found.silent == ("ct",)


def test_a_rule_that_is_mostly_overridden_is_named(bank: Bank) -> None:
    study = exam(bank)
    for number in range(10):
        outcome = Outcome.OVERRIDDEN if number < 5 else Outcome.IGNORED
        alert(bank, study, f"a{number}", outcome=outcome)
    assert report(bank).noisy == ()

    alert(bank, study, "a10", outcome=Outcome.OVERRIDDEN)
    assert report(bank).noisy == ("ct",)


def test_what_the_caller_may_not_see_is_not_counted(bank: Bank) -> None:
    study = exam(bank)
    alert(bank, study)
    alert(bank, study, "a2", organization="south")
    assert total(bank).shown == 2

    for role in (Role.PRIVACY_OFFICER, Role.QUALITY_MANAGER):
        assert report(bank, who=rights.principal(bank, "eve", role, "north")).total.shown == 1
        # South's clinicians do not see the study any more.
        assert report(bank, who=rights.principal(bank, "tom", role, "south")).total == Counts()
    with pytest.raises(NotAllowed):
        report(bank, who=rights.principal(bank, "dr-grey", Role.CLINICIAN, "north"))


def test_without_a_table_no_cost_is_told_and_of_an_answer_that_is_gone_the_dose_is_typical(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, organization="north") as opened:
        bank = replace(opened, now=lambda: NOW)
        alert(bank, Uid("1.2.3"), rule="CT")
        found = report(bank)
        assert (found.total.avoided, found.currency, found.total.cost) == (1, "", 0)
        assert found.total.estimated > 0


def test_a_table_of_costs_that_is_wrong_stops_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    for text in ('currency = "euro"\ncost = []', 'currency = "EUR"\ncost = []'):
        wrong.write_text(text)
        with pytest.raises(SettingsError, match=r"wrong\.toml"), open_test_bank(tmp_path, costs_file=wrong):
            pass


def test_days_that_are_no_span_are_refused(bank: Bank) -> None:
    with pytest.raises(Invalid):
        avoided.report(bank, admin(bank), UNTIL, SINCE, (), "api")
