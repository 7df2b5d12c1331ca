"""What rules make of a deposit: conditions over header, source, time and person; changes that add up; one decision."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydicom import Dataset, Sequence

from imagebank.dicom.named import named
from imagebank.model.rules import Decision, Deposit, Opinion
from imagebank.rules.expression import Unjudged
from imagebank.rules.facts import Person
from make import a_dataset, as_file
from unit.rules.ruling import CT1, holds, right, rule, verdict

ACCEPT = 'action = "accept"'


def private(creator: str = "ACME 1.1", **attributes: Any) -> bytes:
    """A file with a private attribute."""
    ds = a_dataset(**attributes)
    block = ds.private_block(0x0019, creator, create=True)
    block.add_new(0x10, "LO", "fast")
    return as_file(ds)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ('header.Modality == "CT"', True),
        ('header["00080060"] == "CT" && header["Modality"] == "CT" && header.Modality == "CT"', True),
        ('header.Modality == "MR"', False),
        ('header.AccessionNumber == "A1" && has(header.AccessionNumber)', True),
        ('header.PatientComments == "" && !has(header.PatientComments) && !has(header["00104000"])', True),
        ("header.Rows > 4", True),
        ("header.SliceThickness < 5.0", False),
        ("!(header.SliceThickness < 5.0)", False),
        ('header.ReferringPhysicianName == ""', True),
        ('"DERIVED" in header.ImageType', False),
        ("size(header.ImageType) == 0", True),
        ("header.RequestAttributesSequence.size() == 0", True),
        ('header.PatientName.startsWith("Doe")', True),
        ('"header.Nope" == "header.Nope" // header.Nope is a comment', True),
        ('source.way == "dimse" && source.aet == "CT1" && source.principal == "CT1"', True),
        ('source.organization == "north" && source.address == "10.0.0.7"', True),
        ('file.name.lowerAscii().matches("[_-](l|os)\\\\.")', True),
        ('time.hour == 12 && time.minute == 30 && time.weekday == 1 && time.date == "2026-03-02"', True),
        ('time.now > timestamp("2026-01-01T00:00:00Z")', True),
        ("person.known", False),
    ],
)
def test_a_condition_sees_what_there_is(when: str, expected: bool) -> None:
    assert holds(when, name="scan_OS.jpg") is expected


def test_a_condition_sees_private_attributes_and_sequences() -> None:
    ds = a_dataset(ImageType=["DERIVED", "SECONDARY"], PatientName="Yamada^Tarou=山田^太郎", PatientWeight="70.5")
    item = Dataset()
    item.ScheduledProcedureStepID = "SPS1"
    item.add_new(0x00191010, "UN", b"x")
    item.PersonName = None
    ds.RequestAttributesSequence = Sequence([item, Dataset()])
    block = ds.private_block(0x0019, "ACME 1.1", create=True)
    block.add_new(0x10, "LO", "fast")
    file = as_file(ds)

    for when in (
        'header["0019xx10@ACME 1.1"] == "fast"',
        'header["0019xx10@OTHER"] == ""',
        'header["RequestAttributesSequence.ScheduledProcedureStepID"] == ["SPS1"]',
        'header["RequestAttributesSequence.AccessionNumber"].size() == 0',
        'header.RequestAttributesSequence.exists(r, r.ScheduledProcedureStepID == "SPS1")',
        'header["ContentSequence.ValueType"].size() == 0',
        '"SECONDARY" in header.ImageType',
        'header.PatientName == "Yamada^Tarou=山田^太郎"',
        "header.PatientWeight > 70.0",
    ):
        assert holds(when, file=file), when


def test_what_is_not_there_answers_nothing_and_what_cannot_be_computed_is_held() -> None:
    assert not holds("header.SeriesNumber > 3 && header.PatientWeight > 1.0")
    assert not holds('header.RequestAttributesSequence[0].AccessionNumber == "x"')

    odd = verdict(rule(ACCEPT, when="1 / (header.Rows - 8) == 1"))
    assert (odd.decision, odd.by) == (Decision.QUARANTINE, "R")
    assert odd.unjudged == ("rule “R” could not be judged: divide by zero",)


def test_a_number_that_is_none_is_as_if_it_were_not_there() -> None:
    ds = a_dataset()
    file = as_file(ds).replace(b"IS\x02\x001 ", b"IS\x02\x00x ", 1)

    assert file != as_file(ds)
    assert not holds("header.SeriesNumber > 0", file=file)


def test_numbers_and_names_that_cannot_be_told_to_an_expression_do_no_harm() -> None:
    ds = a_dataset()
    ds.add_new(0x7FE00003, "UV", 2**64 - 1)

    assert not holds("header.EncapsulatedPixelDataValueTotalLength > 0", file=as_file(ds))
    assert holds('file.name == "a?.jpg"', name="a\udcff.jpg")


def test_time_is_that_of_the_site() -> None:
    text = 'timezone = "America/New_York"\n' + rule(ACCEPT, when="time.hour == 23 && time.weekday == 7")

    assert verdict(text, at=datetime(2026, 3, 2, 4, 0, tzinfo=UTC)).applied == ("R",)


def test_a_person_is_known_as_the_bank_knows_it() -> None:
    known = Person(True, 2, "Doe^Jane", "19700101", "F")

    assert holds('person.known && person.records == 2 && person.sex == "F"', person=known)
    assert holds('person.birth_date != header.PatientBirthDate || person.name != ""', person=known)


def test_rules_are_for_sources_organizations_and_ways() -> None:
    text = rule(ACCEPT, more='sources = ["CT*"]\norganizations = ["north"]\nways = ["dimse", "stow"]')

    assert verdict(text).applied == ("R",)
    assert verdict(text, source=replace(CT1, principal="MR1")).applied == ()
    assert verdict(text, source=replace(CT1, organization="south")).applied == ()
    assert verdict(text, source=replace(CT1, way="upload")).applied == ()


def test_changes_add_up_and_later_rules_see_them() -> None:
    found = verdict(
        rule('action = "set"; tag = "Modality"; value = "MR"', name="A")
        + rule(
            'action = "set"; tag = "StudyID"; expression = "header.Modality + \'-1\'"', when='header.Modality == "MR"'
        )
    )

    assert found.applied == ("A", "R")
    assert [(one.attribute, one.before, one.after) for one in found.changes] == [
        ("Modality", "CT", "MR"),
        ("StudyID", "S1", "MR-1"),
    ]
    assert found.conflicts == ("rule “A” replaces a value of Modality", "rule “R” replaces a value of StudyID")
    assert found.decision is Decision.ACCEPT


def test_the_first_decision_ends_it() -> None:
    found = verdict(
        rule('action = "tag"; label = "seen"', name="A")
        + rule('action = "refuse"; reason = "no"', name="B", when='header.Modality == "CT"')
        + rule('action = "tag"; label = "late"', name="C")
    )

    assert (found.decision, found.by, found.reason) == (Decision.REFUSE, "B", "no")
    assert found.deeds.labels == ("seen",)


def test_two_rules_that_disagree_are_a_conflict_and_the_last_one_counts() -> None:
    found = verdict(
        rule('action = "set"; tag = "PatientComments"; value = "a"', name="A")
        + rule('action = "set"; tag = "PatientComments"; value = "b"', name="B")
    )

    assert found.conflicts == ("rules “A” and “B” give PatientComments different values",)
    assert [one.after for one in found.final.values()] == ["b"]


def test_what_comes_back_to_its_value_is_no_change() -> None:
    found = verdict(
        rule('action = "set"; tag = "StudyID"; value = "x"', name="A")
        + rule('action = "set"; tag = "StudyID"; value = "S1"', name="B")
        + rule('action = "set"; tag = "Modality"; value = "CT"', name="C")
    )

    assert found.final == {}
    assert len(found.changes) == 2


def test_set_fills_what_is_empty_only_where_it_is_to() -> None:
    text = rule('action = "set"; tag = "{}"; value = "X"; only_if_empty = true')

    assert verdict(text.replace("{}", "StudyID")).changes == ()
    assert [one.after for one in verdict(text.replace("{}", "PatientComments")).changes] == ["X"]


def test_set_by_an_expression_needs_its_values_and_a_fitting_result() -> None:
    text = rule('action = "set"; tag = "SeriesNumber"; expression = "header.AcquisitionNumber + 1"')
    assert verdict(text).changes == ()
    assert [one.after for one in verdict(text, AcquisitionNumber=4).changes] == ["5"]

    odd = verdict(rule('action = "set"; tag = "Modality"; expression = "header.PatientName"'))
    assert (odd.decision, odd.by) == (Decision.QUARANTINE, "R")


def test_numbers_decimals_lists_and_names_can_be_set() -> None:
    found = verdict(
        rule(
            'action = "set"; tag = "SeriesNumber"; value = 7',
            'action = "set"; tag = "PatientWeight"; value = 70.5',
            'action = "set"; tag = "ScanOptions"; value = ["HELICAL", "FAST"]',
            'action = "set"; tag = "PatientName"; value = "Yamada^Tarou=山田^太郎"',
            'action = "set"; tag = "AccessionNumber"; value = ""',
        )
    )

    assert [one.element for one in found.changes[:2]] == [
        {"vr": "IS", "Value": [7]},
        {"vr": "DS", "Value": [70.5]},
    ]
    assert found.changes[2].after == "HELICAL\\FAST"
    assert found.changes[3].element == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}],
    }
    assert (found.changes[4].before, found.changes[4].after) == ("A1", "")


TABLE = '[tables.t.values]\nCT = "Radiology"\nCT1 = "Emergency"\n'
MAP = 'action = "map"; tag = "InstitutionalDepartmentName"; table = "t"'


def test_a_table_gives_what_it_has_for_an_attribute_or_an_expression() -> None:
    by_attribute = verdict(TABLE + rule(f'{MAP}; from = "Modality"'))
    by_expression = verdict(TABLE + rule(f'{MAP}; expression = "source.aet"'))
    itself = verdict(TABLE + rule('action = "map"; tag = "StationName"; table = "t"'), StationName="CT")

    assert [one.after for one in by_attribute.changes] == ["Radiology"]
    assert [one.after for one in by_expression.changes] == ["Emergency"]
    assert [one.after for one in itself.changes] == ["Radiology"]


@pytest.mark.parametrize(
    ("otherwise", "decision", "changes"),
    [
        ("keep", Decision.ACCEPT, 0),
        ("empty", Decision.ACCEPT, 1),
        ("quarantine", Decision.QUARANTINE, 0),
        ("refuse", Decision.REFUSE, 0),
    ],
)
def test_what_a_table_does_not_have_is_dealt_with_as_the_rule_says(
    otherwise: str, decision: Decision, changes: int
) -> None:
    found = verdict(
        TABLE + rule(f'{MAP}; from = "StationName"; otherwise = "{otherwise}"'), InstitutionalDepartmentName="x"
    )

    assert (found.decision, len(found.changes)) == (decision, changes)
    if decision is not Decision.ACCEPT:
        assert found.reason == "the table t has nothing for StationName"


def test_a_table_is_asked_for_nothing_where_an_expression_has_no_answer() -> None:
    text = TABLE + rule(
        f"{MAP}; expression = \"header.AcquisitionNumber > 1 ? 'CT' : 'MR'\"; otherwise = \"quarantine\""
    )

    assert verdict(text).reason == "the table t has nothing for what it looks up"


def test_copies_drops_and_requirements() -> None:
    copied = verdict(rule('action = "copy"; from = "StudyID"; tag = "PatientComments"'))
    only = verdict(rule('action = "copy"; from = "StudyID"; tag = "AccessionNumber"; only_if_empty = true'))
    nothing = verdict(rule('action = "copy"; from = "PatientComments"; tag = "AccessionNumber"'))
    dropped = verdict(rule('action = "drop"; tag = "AccessionNumber"', 'action = "drop"; tag = "PatientComments"'))
    missing = verdict(rule('action = "require"; tags = ["AccessionNumber", "PatientComments", "PatientAddress"]'))
    reasoned = verdict(rule('action = "require"; tags = "PatientComments"; reason = "say more"; otherwise = "refuse"'))

    assert [(one.attribute, one.after) for one in copied.changes] == [("PatientComments", "S1")]
    assert only.changes == nothing.changes == ()
    assert [(one.attribute, one.element) for one in dropped.changes] == [("AccessionNumber", None)]
    assert list(dropped.final) == ["00080050"]
    assert (missing.decision, missing.reason) == (
        Decision.QUARANTINE,
        "it has no PatientComments and no PatientAddress",
    )
    assert (reasoned.decision, reasoned.reason) == (Decision.REFUSE, "say more")
    assert verdict(rule('action = "require"; tags = ["AccessionNumber"]')).decision is Decision.ACCEPT


def test_what_is_required_may_have_been_set_before_and_what_was_dropped_is_gone() -> None:
    set_first = rule(
        'action = "set"; tag = "PatientComments"; value = "x"', 'action = "require"; tags = "PatientComments"'
    )
    dropped = rule('action = "drop"; tag = "StudyID"', 'action = "require"; tags = "StudyID"')

    assert verdict(set_first).decision is Decision.ACCEPT
    assert verdict(dropped).decision is Decision.QUARANTINE


def test_private_attributes_go_where_there_are_some_that_are_not_to_stay() -> None:
    text = rule('action = "drop private"; keep = ["ACME 1.1", "B"]', name="A") + rule(
        'action = "drop private"; keep = ["ACME 1.1"]', name="B"
    )

    assert verdict(text).drops is None
    assert verdict(text, file=private()).drops is None
    found = verdict(text, file=private("OTHER"))
    assert (found.drops, found.drops_by) == (frozenset({"ACME 1.1"}), "B")


def test_devices_labels_and_notices_are_gathered_once_each() -> None:
    found = verdict(
        rule(
            'action = "route"; to = ["READING1", "READING2"]',
            'action = "route"; to = "READING1"',
            'action = "tag"; label = "teaching"',
            'action = "tag"; label = "teaching"',
            'action = "notify"; message = "it came"; to = "reading@north.example"',
        )
    )

    assert found.deeds.routes == ("READING1", "READING2")
    assert found.deeds.labels == ("teaching",)
    assert found.deeds.notices == (("R", "it came", ("reading@north.example",)),)


PLUG_IN = rule(
    'action = "set"; tag = "PatientComments"; value = "x"',
    'action = "drop"; tag = "StudyID"',
    'action = "plug-in"; name = "eyes"; options = { a = 1 }',
)


def test_a_plug_in_sees_what_was_changed_and_its_opinion_counts() -> None:
    asked: list[Deposit] = []

    def eyes(name: str, deposit: Deposit) -> Opinion:
        asked.append(deposit)
        return Opinion(sets={"ImageLaterality": "L", "SeriesNumber": 3}, labels=("eye",))

    found = verdict(PLUG_IN, name="a.dcm", ask=eyes)

    assert [one.after for one in found.changes] == ["x", "", "L", "3"]
    assert found.deeds.labels == ("eye",)
    (deposit,) = asked
    assert (deposit.file_name, deposit.options, deposit.source) == ("a.dcm", {"a": 1}, CT1)
    assert deposit.header["00104000"]["Value"] == ["x"]
    assert "00200010" not in deposit.header
    assert "7FE00010" not in deposit.header


@pytest.mark.parametrize(
    ("opinion", "decision", "reason"),
    [
        (Opinion(Decision.REFUSE, "bl\x07ind"), Decision.REFUSE, "blind"),
        (Opinion(Decision.QUARANTINE), Decision.QUARANTINE, "plug-in eyes says so"),
        (
            Opinion(sets={"Nope": "x"}),
            Decision.QUARANTINE,
            "it could not be judged: plug-in eyes: the standard knows no",
        ),
        (Opinion(sets={"Rows": 5}), Decision.QUARANTINE, "it could not be judged: plug-in eyes: Rows"),
        (
            Opinion(sets={"Modality": "x y z!"}),
            Decision.QUARANTINE,
            "it could not be judged: what is given for Modality",
        ),
        (Opinion(labels=("Bad!",)), Decision.QUARANTINE, "it could not be judged: plug-in eyes: a label is"),
    ],
)
def test_an_opinion_is_held_to_what_a_rule_may_do(opinion: Opinion, decision: Decision, reason: str) -> None:
    found = verdict(PLUG_IN, ask=lambda _, __: opinion)

    assert found.decision is decision
    assert found.reason.startswith(reason)


def test_a_plug_in_that_fails_has_the_object_held() -> None:
    def fails(_: str, __: Deposit) -> Opinion:
        raise Unjudged("plug-in eyes: it failed with TypeError")

    found = verdict(PLUG_IN, ask=fails)

    assert (found.decision, found.by) == (Decision.QUARANTINE, "R")
    assert found.unjudged == ("rule “R” could not be judged: plug-in eyes: it failed with TypeError",)


def test_an_expression_cannot_run_for_long() -> None:
    ones = "[" + ",".join("1" * 300) + "]"
    found = verdict(rule(ACCEPT, when=f"{ones}.all(a, {ones}.all(b, {ones}.all(c, a == b)))"))

    assert (found.decision, found.applied) == (Decision.QUARANTINE, ())
    assert "budget" in found.reason


def test_rules_can_be_asked_for_an_attribute_by_several_names() -> None:
    rules = right(rule(ACCEPT, when='header["00080060"] == header.Modality && header["00080060"] != ""'))

    assert set(rules.wanted) == {named("Modality").spot}
