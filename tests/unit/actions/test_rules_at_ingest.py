"""What the site's rules make of objects on their way in."""

import io
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import deeds, ingest, notes, persons, quarantine, reindex, scrub, unnamed
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, OutOfSpace
from imagebank.model.access import RIGHTS, Clause, Device, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.identity import Identity
from imagebank.model.imaging import Outcome, Receipt, Selection, Source
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid
from make import a_dataset, a_file, a_series, as_file
from rulesets import FIX_ISSUER, HOLD, REFUSE, look_again, write_rules
from samples import sample_data
from unit.actions.test_open_file import files_of_at_most

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
DEVICE = Source("dimse", "CT1", "local", "10.0.0.7")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def held(bank: Bank, receipt: Receipt) -> Dataset:
    (found,) = bank.index.instances(Selection(instance=receipt.uid), ALL)
    return dcmread(io.BytesIO(bank.blobs.read(found.location)))


def without_a_file(bank: Bank, ds: Dataset) -> Receipt:
    """As DIMSE brings it: a data set before which the edge has put the file header."""
    file = as_file(ds)
    arrival = ingest.Arrival(io.BytesIO(file), len(file), has_own_header=False)
    (receipt,) = ingest.receive(bank, [arrival], DEVICE)
    return receipt


def details(bank: Bank, act: Act) -> list[str]:
    bank.reads.flush(is_last=True)
    return [event.detail for event in bank.index.events(ALL) if event.act is act]


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def test_a_rule_sets_an_attribute_and_says_so(bank: Bank) -> None:
    write_rules(bank, FIX_ISSUER)

    (receipt,) = keep(bank, a_file())

    assert receipt.outcome is Outcome.STORED
    assert receipt.changed == ("rule “Fix issuer” set IssuerOfPatientID",)
    ds = held(bank, receipt)
    assert ds.IssuerOfPatientID == "NORTH"
    (item,) = ds.OriginalAttributesSequence
    assert item.ReasonForTheAttributeModification == "COERCE"
    assert item.SourceOfPreviousValues == SOURCE.principal
    assert item.ModifiedAttributesSequence[0].IssuerOfPatientID == ""
    (found,) = bank.index.instances(Selection(instance=receipt.uid), ALL)
    assert found.patient.issuer == "NORTH"
    assert scrub.verify(bank).is_clean


def test_what_rules_do_not_touch_is_kept_byte_by_byte(bank: Bank) -> None:
    write_rules(bank, FIX_ISSUER)
    file = a_file(IssuerOfPatientID="SOUTH")

    (receipt,) = keep(bank, file)

    (found,) = bank.index.instances(Selection(instance=receipt.uid), ALL)
    assert bank.blobs.read(found.location) == file
    assert receipt.changed == ()


@pytest.mark.parametrize("folder", ["ct-other", "mg", "mr-brain-current", "us-multiframe", "transfer-syntaxes"])
def test_real_objects_are_changed_without_touching_their_pixels(bank: Bank, folder: str) -> None:
    write_rules(
        bank,
        """
[[rule]]
name = "All"
[[rule.do]]
action = "set"
tag = "InstitutionalDepartmentName"
value = "Radiology"
[[rule.do]]
action = "drop private"
""",
    )
    for path in sorted((sample_data() / folder).rglob("*"))[:6]:
        if not path.is_file():
            continue
        before = path.read_bytes()
        (receipt,) = keep(bank, before)
        if receipt.outcome is not Outcome.STORED:
            continue
        old, new = dcmread(io.BytesIO(before), force=True), held(bank, receipt)
        assert new.InstitutionalDepartmentName == "Radiology"
        assert new.get("PixelData") == old.get("PixelData")
        assert [tag for tag in new._dict if tag.is_private and not tag.is_private_creator] == []
        (again,) = keep(bank, before)
        assert again.outcome is Outcome.DUPLICATE


def test_what_rules_changed_is_a_duplicate_whichever_way_it_comes_again(bank: Bank) -> None:
    write_rules(bank, FIX_ISSUER)
    ds = a_dataset()
    file = as_file(ds)
    keep(bank, file)

    (again,) = keep(bank, file)
    (implicit,) = keep(bank, as_file(ds, "1.2.840.10008.1.2"))
    by_dimse = without_a_file(bank, ds)
    write_rules(bank, "")
    (without_rules,) = keep(bank, file)

    assert [one.outcome for one in (again, implicit, by_dimse, without_rules)] == [Outcome.DUPLICATE] * 4
    assert again.changed == ("rule “Fix issuer” set IssuerOfPatientID",)
    assert without_rules.changed == ()


def test_two_copies_that_come_at_the_same_moment_are_one(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rules(bank, FIX_ISSUER)
    ds = a_dataset()
    file = as_file(ds)
    keep(bank, file)
    ds.PatientComments = "other"
    held = type(bank.index).held
    answers: list[Any] = []

    def looked(index: Any, uid: Uid) -> Any:
        """The first look of a deposit is before the other copy is in."""
        answers.append(held(index, uid))
        return None if len(answers) % 2 else answers[-1]

    monkeypatch.setattr(type(bank.index), "held", looked)
    (same,) = keep(bank, file)
    (other,) = keep(bank, as_file(ds))

    assert (same.outcome, other.outcome) == (Outcome.DUPLICATE, Outcome.QUARANTINED)
    assert len(quarantine.listed(bank, KEEPER)) == 1


def test_what_was_kept_before_there_were_rules_is_a_duplicate_with_them(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    write_rules(bank, FIX_ISSUER)

    assert keep(bank, file)[0].outcome is Outcome.DUPLICATE


def test_other_content_is_other_content_with_rules_too(bank: Bank) -> None:
    write_rules(bank, FIX_ISSUER)
    ds = a_dataset()
    keep(bank, as_file(ds))
    ds.PatientComments = "other"

    assert keep(bank, as_file(ds))[0].outcome is Outcome.QUARANTINED


def test_a_rule_refuses_and_a_rule_holds(bank: Bank) -> None:
    write_rules(bank, REFUSE + HOLD)

    (refused,) = keep(bank, a_file(PatientID="PHANTOM1"))
    (kept,) = keep(bank, a_file())
    (aside,) = keep(bank, a_file(AccessionNumber=""))

    assert (refused.outcome, kept.outcome, aside.outcome) == (Outcome.REFUSED, Outcome.STORED, Outcome.QUARANTINED)
    assert isinstance(refused.error, NotAllowed)
    assert str(refused.error) == "rule “No phantoms”: it is a phantom"
    assert isinstance(aside.error, Conflict)
    assert str(aside.error) == "rule “Accession”: it has no AccessionNumber; this copy is safe in quarantine"
    assert (refused.rule, kept.rule, aside.rule) == ("No phantoms", "", "Accession")
    assert details(bank, Act.REFUSED) == ["import: rule “No phantoms”"]


def test_what_a_rule_holds_lies_there_as_it_came_and_an_admin_lets_it_in(bank: Bank) -> None:
    write_rules(bank, FIX_ISSUER + HOLD + REFUSE)
    file = a_file(AccessionNumber="", PatientID="PHANTOM1")
    (aside,) = keep(bank, file)
    assert aside.quarantine is not None
    assert b"".join(quarantine.content(bank, aside.quarantine, KEEPER, is_original=True)) == file

    let_in = quarantine.submit_again(bank, aside.quarantine, KEEPER)

    assert let_in.outcome is Outcome.STORED
    assert held(bank, let_in).IssuerOfPatientID == "NORTH"
    assert quarantine.listed(bank, KEEPER) == []
    assert keep(bank, file)[0].outcome is Outcome.DUPLICATE


def test_an_object_that_cannot_be_changed_as_a_rule_wants_waits_for_somebody(bank: Bank) -> None:
    write_rules(
        bank,
        FIX_ISSUER.replace('IssuerOfPatientID"\n', 'PatientID"\n').replace(
            "when = 'header.IssuerOfPatientID == \"\"'", ""
        ),
    )

    (receipt,) = keep(bank, a_file(IssuerOfPatientID="SOUTH"))

    assert receipt.outcome is Outcome.QUARANTINED
    assert "rule “Fix issuer”: it could not be changed: the object names who issued" in str(receipt.error)
    (aside,) = quarantine.listed(bank, KEEPER)
    assert quarantine.submit_again(bank, aside.id, KEEPER).outcome is Outcome.STORED


def test_what_becomes_unreadable_by_a_change_is_refused(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rules(bank, FIX_ISSUER)
    monkeypatch.setattr("imagebank.actions.ruling.coerced", lambda *_: [b"not ", b"DICOM"])

    (receipt,) = keep(bank, a_file())

    assert receipt.outcome is Outcome.REFUSED
    assert isinstance(receipt.error, Invalid)


def test_a_large_object_is_changed_in_a_file_of_its_own(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rules(bank, FIX_ISSUER)
    monkeypatch.setattr(unnamed, "_IN_MEMORY", 100)  # the real bound is far above what a test should write

    (receipt,) = keep(bank, a_file())

    assert held(bank, receipt).IssuerOfPatientID == "NORTH"


def test_no_room_for_what_rules_make_is_said(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rules(bank, FIX_ISSUER)
    monkeypatch.setattr(unnamed, "_IN_MEMORY", 100)
    with files_of_at_most(1 << 20), pytest.raises(OutOfSpace, match="no room on the disk for what rules make of it"):
        keep(bank, a_file(rows=1024, columns=1024))


def test_private_attributes_go_but_those_of_some_creators(bank: Bank) -> None:
    write_rules(bank, '[[rule]]\nname = "P"\n[[rule.do]]\naction = "drop private"\nkeep = ["KEEP 1"]\n')
    ds = a_dataset()
    for creator in ("KEEP 1", "GO 1"):
        ds.private_block(0x0019, creator, create=True).add_new(0x10, "LO", creator)

    (receipt,) = keep(bank, as_file(ds))

    assert receipt.changed == ("rule “P” took out private attributes",)
    left = [
        element.value for element in held(bank, receipt) if element.tag.is_private and element.tag.element >= 0x1000
    ]
    assert left == ["KEEP 1"]
    assert keep(bank, a_file())[0].changed == ()


def test_attributes_that_are_emptied_or_taken_out_are_told_as_such(bank: Bank) -> None:
    write_rules(
        bank,
        '[[rule]]\nname = "P"\n[[rule.do]]\naction = "set"\ntag = "StudyID"\nvalue = ""\n'
        '[[rule.do]]\naction = "drop"\ntag = "AccessionNumber"\n',
    )

    assert keep(bank, a_file())[0].changed == ("rule “P” emptied StudyID", "rule “P” took out AccessionNumber")


def test_a_rule_knows_the_person_as_the_bank_does(bank: Bank) -> None:
    write_rules(
        bank,
        """
[[rule]]
name = "Unknown patients wait"
when = '!person.known || person.birth_date != header.PatientBirthDate'
[[rule.do]]
action = "quarantine"
reason = "nobody has heard of this patient"
""",
    )
    persons.hear(bank, Identity(PatientId("local", "P1"), PersonName("Doe^Jane"), "19700101", "F"))

    (known,) = keep(bank, a_file(PatientID="P1"))
    (unknown,) = keep(bank, a_file(PatientID="P2"))
    (nobody,) = keep(bank, a_file(PatientID=""))
    (of_others,) = keep(bank, a_file(PatientID="P1"), source=replace(SOURCE, organization="south"))

    assert known.outcome is Outcome.STORED
    assert {one.outcome for one in (unknown, nobody, of_others)} == {Outcome.QUARANTINED}


DEEDS = """
[[rule]]
name = "Deeds"
[[rule.do]]
action = "tag"
label = "teaching"
[[rule.do]]
action = "notify"
message = "a new one came"
[[rule.do]]
action = "route"
to = "READING1"
"""


@pytest.fixture
def with_device(bank: Bank) -> Bank:
    with bank.index.begin() as tx:
        tx.put_device(Device("READING1", "127.0.0.1", 11112, False, frozenset(), "local"))
    return bank


def test_labels_notices_and_routes_follow_what_came_in(with_device: Bank) -> None:
    bank = with_device
    write_rules(bank, DEEDS)
    files = a_series(3)

    receipts = keep(bank, *files)
    keep(bank, files[0])

    study, uids = receipts[0].study, sorted(str(one.uid) for one in receipts)
    assert study is not None
    assert bank.index.rules.routed("READING1", study) == uids
    assert details(bank, Act.DECIDED) == ["label teaching: put"]
    job = bank.jobs.claim([deeds.ROUTE], bank.now() + timedelta(minutes=1), 60)
    assert job is not None
    device, sender, instances = deeds.due(bank, job.payload)
    assert (device.aet, sender.name, sorted(str(one.uid) for one in instances)) == ("READING1", "rules", uids)
    deeds.done(bank, device, study, [one.uid for one in instances])
    assert deeds.due(bank, job.payload)[2] == []
    do_jobs(bank)
    (told,) = (event for event in bank.index.events(ALL) if event.act is Act.NOTIFIED)
    assert (told.detail, told.count, told.study) == ("rule “Deeds”: a new one came", 3, study)
    labelled = Scope(None, denies=(Clause(labels=frozenset({"teaching"})),))
    assert bank.index.instances(Selection(), labelled) == []
    reindex.reindex(bank)
    assert bank.index.instances(Selection(), labelled) == []


def test_nobody_is_told_of_what_was_deleted(bank: Bank) -> None:
    deeds.notice_job(bank, {"study": "1.2", "rule": "R", "words": "it came", "organization": "local"})

    assert details(bank, Act.NOTIFIED) == []


def test_what_was_deleted_is_not_sent_and_a_device_that_went_is_said(with_device: Bank) -> None:
    bank = with_device
    with bank.index.begin() as tx:
        tx.rules.route("READING1", Uid("1.2"), [Uid("1.2.3")])
    payload: dict[str, Any] = {"device": "READING1", "study": "1.2", "organization": "local"}

    assert deeds.due(bank, payload)[2] == []
    assert bank.index.rules.routed("READING1", Uid("1.2")) == []
    with pytest.raises(NotFound, match="no device is registered as GONE"):
        deeds.due(bank, payload | {"device": "GONE"})


def test_a_plug_in_is_asked_and_one_that_fails_stops_nothing(bank: Bank, tmp_path: Path) -> None:
    (tmp_path / "acme_side.py").write_text(
        "from imagebank.model.rules import Opinion\n"
        "def side(deposit):\n"
        "    if deposit.options.get('loop'):\n"
        "        raise RuntimeError\n"
        "    return Opinion(sets={'ImageLaterality': 'L'})\n"
    )
    about = tmp_path / "acme_side-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-side\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[imagebank.rules]\nside = acme_side:side\n")
    text = '[[rule]]\nname = "Side"\n[[rule.do]]\naction = "plug-in"\nname = "side"\n'
    sys.path.insert(0, str(tmp_path))
    try:
        write_rules(bank, text)
        (good,) = keep(bank, a_file())
        write_rules(bank, text + "options = { loop = true }\n")
        (failed,) = keep(bank, a_file())
    finally:
        sys.path.remove(str(tmp_path))

    assert held(bank, good).ImageLaterality == "L"
    assert failed.outcome is Outcome.QUARANTINED
    assert "could not be judged: plug-in side: it failed with RuntimeError" in str(failed.error)


def test_versions_come_back_with_the_objects(bank: Bank) -> None:
    write_rules(bank, FIX_ISSUER)
    bank.rules.current()
    write_rules(bank, HOLD)
    bank.rules.current()
    do_jobs(bank)
    with bank.index._database.writing() as connection:  # type: ignore[attr-defined]
        connection.exec_driver_sql("DELETE FROM rules_version")

    reindex.reindex(bank)

    assert [one.number for one in bank.index.rules.versions(10)] == [2, 1]
    version = bank.index.rules.version()
    assert version is not None
    assert version.text.rules == HOLD
    look_again(bank)
    found = bank.rules.current()
    assert found is not None


def test_a_rebuilt_index_has_what_rules_changed_and_held(bank: Bank) -> None:
    write_rules(bank, FIX_ISSUER + HOLD)
    file = a_file()
    (kept,) = keep(bank, file)
    keep(bank, a_file(AccessionNumber=""))

    reindex.reindex(bank)

    (found,) = bank.index.instances(Selection(), ALL)
    assert found.uid == kept.uid
    assert found.patient.issuer == "NORTH"
    assert notes.note_at(bank, found.location).arrived is not None
    assert [one.reason for one in quarantine.listed(bank, KEEPER)] == ["rule “Accession”: it has no AccessionNumber"]
    assert keep(bank, file)[0].outcome is Outcome.DUPLICATE
