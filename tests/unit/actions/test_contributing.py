"""What owners of accounts add themselves: whose it becomes, and that it touches and tells nothing of anybody else's."""

import io
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import UID

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import (
    cards,
    closing,
    consent,
    contributing,
    correct,
    enrol,
    hearing,
    holders,
    ingest,
    own,
    persons,
    reconciling,
    reindex,
    requests,
    rights,
    uploads,
)
from imagebank.actions.card_reach import Reach
from imagebank.actions.enrol import Wanted
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.dicom import dicomdir
from imagebank.errors import Invalid, NotAllowed, NotFound, Unsupported
from imagebank.model.access import RIGHTS, Principal, Right, Role, Scope
from imagebank.model.contributed import LABEL, is_contributed, record_in, uid_of
from imagebank.model.event import Act
from imagebank.model.identity import Deed, Identity
from imagebank.model.imaging import Outcome, Receipt, Selection, Source
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Kind, Provision, Relation
from imagebank.model.task import Kind as Asks
from imagebank.model.task import Wanted as Tasks
from imagebank.model.uid import Uid
from imagebank.model.upload import About
from make import a_dataset, a_file, as_file, read
from owners import ADA, DESK, DOCTOR, EVE, HEAD, LEO, OFFICER, OTHER, SETTINGS, furnish, mother, opened, who
from rulesets import write_rules
from samples import sample_data
from unit.actions.people_here import events, session
from unit.actions.test_media import a_jpeg

ALL = Scope(organizations=None)
ADMIN = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], ALL)

pytestmark = pytest.mark.usefixtures("quick_hashes")


@dataclass(frozen=True, slots=True)
class Here:
    """A bank with the accounts of Ada and of somebody else, as each test finds them."""

    bank: Bank
    cookie: str
    other: str

    @property
    def ada(self) -> Principal:
        return who(self.bank, self.cookie)

    @property
    def eve(self) -> Principal:
        return who(self.bank, self.other)


@contextmanager
def made_in(folder: Path, **settings: Any) -> Iterator[Here]:
    with open_test_bank(folder, **SETTINGS, **settings) as bank:
        furnish(bank)
        persons.hear(bank, Identity(EVE, PersonName("Eve^E"), "19900101"))
        yield Here(bank, mother(bank), opened(bank, Wanted(EVE)))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with made_in(tmp_path_factory.mktemp("contributed")) as found:
        yield found


@pytest.fixture
def bank(here: Here) -> Bank:
    return here.bank


def add(bank: Bank, principal: Principal, *files: bytes, person: str = "", name: str = "a.dcm") -> list[Receipt]:
    depositor = contributing.depositor(bank, principal, person, "upload", "10.0.0.9")
    return contributing.receive(bank, [Arrival(io.BytesIO(one), len(one), name) for one in files], depositor)


def hers(**about: object) -> bytes:
    """A file of a disc of Ada's, from elsewhere."""
    return a_file(**({"PatientName": "Haddad^Amina", "PatientBirthDate": "19840512", "PatientID": "X77"} | about))


def content(bank: Bank, receipt: Receipt) -> Dataset:
    (one,) = bank.index.instances(Selection(instance=receipt.uid), ALL)
    return read(bank.blobs.read(one.location))


def whole(bank: Bank, study: str) -> list[tuple[str, str, str, str]]:
    """All that is of a study of a hospital's."""
    found = bank.index.instances(Selection(study=Uid(study)), ALL)
    return [(one.uid, str(one.patient), str(one.digest), one.location.segment) for one in found]


def test_what_is_added_is_the_accounts_own_and_says_so(here: Here, bank: Bank) -> None:
    ada = here.ada
    (receipt,) = add(bank, ada, hers(AccessionNumber="A1", StudyInstanceUID="1.2.3.4"))
    assert (receipt.outcome, receipt.warnings) == (Outcome.STORED, ())

    kept = content(bank, receipt)
    assert is_contributed(kept.IssuerOfPatientID)
    assert kept.IssuerOfPatientID.startswith(LABEL)
    assert kept.PatientName == "Haddad^Amina"
    assert kept.AccessionNumber == ""
    assert kept.file_meta.MediaStorageSOPInstanceUID == kept.SOPInstanceUID == receipt.uid
    former = kept.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (former.PatientID, former.StudyInstanceUID, former.AccessionNumber) == ("X77", "1.2.3.4", "A1")
    # The account sees it with the person's other images, and nobody else does.
    again = here.ada
    (her,) = [one for one in own.people(bank, again) if one.patient == ADA]
    seen = [one.uid for one in own.images(bank, again, [her], "test").entries]
    assert {receipt.study, HEAD} <= {*seen}
    assert bank.index.instances(Selection(study=receipt.study), DESK.scope) == []
    assert bank.index.instances(Selection(study=receipt.study), here.eve.scope) == []


@pytest.mark.parametrize(
    "claimed",
    [
        {"PatientID": "EVE", "IssuerOfPatientID": "north"},
        {"PatientID": "EVE"},
        {"PatientID": "EVE", "PatientName": "Doe^Jane", "PatientBirthDate": "19700101"},
        {"PatientID": "", "IssuerOfPatientID": ""},
        {"PatientID": "ADA", "IssuerOfPatientID": "added by patient 0123456789abcdef"},
    ],
)
def test_no_file_claims_anothers_record(here: Here, bank: Bank, claimed: dict[str, str]) -> None:
    ada, before = here.ada, whole(bank, OTHER)
    (receipt,) = add(bank, ada, a_file(**claimed))

    assert receipt.outcome is Outcome.STORED
    (one,) = bank.index.instances(Selection(instance=receipt.uid), ALL)
    assert one.patient == record_in(one.patient.issuer)
    assert bank.index.owner_of(one.study, ALL) == one.patient.issuer
    assert whole(bank, OTHER) == before
    again = here.ada
    assert EVE not in (again.scope.patients or ())
    assert bank.index.instances(Selection(study=Uid(OTHER)), again.scope) == []
    linked = bank.index.persons.identity(one.patient, ALL)
    assert linked is not None
    assert {each.identity.patient for each in bank.index.persons.person(linked.person, ALL)} == {ADA, one.patient}


def test_what_a_file_says_of_other_identifiers_is_heard_by_nobody(here: Here, bank: Bank) -> None:
    other = Dataset()
    other.PatientID, other.IssuerOfPatientID = "EVE", "north"
    ada = here.ada
    (receipt,) = add(
        bank, ada, a_file(PatientName="Eve^E", PatientBirthDate="19900101", OtherPatientIDsSequence=Items([other]))
    )
    before = bank.index.persons.queue(ALL, 10)
    hearing.hear_job(bank, {"study": receipt.study})

    assert "OtherPatientIDsSequence" not in content(bank, receipt)
    new = [one for one in bank.index.persons.queue(ALL, 10) if one not in before]
    assert not [each for one in new for each in (one.first, one.second) if is_contributed(each.issuer)]
    assert EVE not in (here.ada.scope.patients or ())
    assert EVE not in contributing.records_of(bank, here.ada)


@pytest.mark.parametrize("level", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_known_uid_and_an_unknown_one_are_answered_alike_and_touch_nothing(
    here: Here, bank: Bank, level: str
) -> None:
    (held,) = bank.index.instances(Selection(study=Uid(OTHER)), ALL)
    known = {"StudyInstanceUID": held.study, "SeriesInstanceUID": held.series, "SOPInstanceUID": held.uid}[level]
    ada, before, aside = here.ada, whole(bank, OTHER), bank.index.quarantined(ALL)

    (of_other,) = add(bank, ada, hers(**{level: known}))
    (of_nobody,) = add(bank, ada, hers(**{level: "1.2.3.4.5.6"}))

    def answer(one: Receipt) -> tuple[object, ...]:
        return one.outcome, one.warnings, str(one.error or ""), one.quarantine, one.rule, one.changed

    assert answer(of_other) == answer(of_nobody)
    assert of_other.outcome is Outcome.STORED
    assert known not in (of_other.study, of_other.series, of_other.uid)
    assert whole(bank, OTHER) == before
    assert bank.index.quarantined(ALL) == aside


def test_who_adds_first_keeps_a_hospital_out_of_nothing(here: Here, bank: Bank) -> None:
    file = hers(StudyInstanceUID="1.2.9", SOPInstanceUID="1.2.9.1")
    (mine,) = add(bank, here.ada, file)
    (theirs,) = keep(bank, file, source=replace(SOURCE, organization="south"))
    assert (mine.outcome, theirs.outcome) == (Outcome.STORED, Outcome.STORED)
    assert (theirs.study, bank.index.owner_of(Uid("1.2.9"), ALL)) == ("1.2.9", "south")


def test_what_a_hospital_gave_and_the_account_sees_is_here_already(here: Here, bank: Bank) -> None:
    (held,) = bank.index.instances(Selection(study=Uid(HEAD)), ALL)
    file = bank.blobs.read(held.location)
    ada, eve = here.ada, here.eve

    (hers_already,) = add(bank, ada, file)
    assert (hers_already.outcome, hers_already.uid) == (Outcome.DUPLICATE, held.uid)
    (not_eves,) = add(bank, eve, file)
    assert not_eves.outcome is Outcome.STORED
    assert not_eves.uid != held.uid
    assert len(whole(bank, HEAD)) == 1


def test_the_same_twice_is_a_duplicate_and_other_content_lies_apart(here: Here, bank: Bank) -> None:
    ada, uids = (
        here.ada,
        {"SOPInstanceUID": "1.7.1", "StudyInstanceUID": "1.7", "SeriesInstanceUID": "1.7.0"},
    )
    first, other = hers(**uids), hers(**uids)
    (one,) = add(bank, ada, first)
    (again,) = add(bank, here.ada, first)
    (apart,) = add(bank, ada, other)
    assert [each.outcome for each in (one, again, apart)] == [Outcome.STORED, Outcome.DUPLICATE, Outcome.QUARANTINED]
    assert is_contributed(bank.index.quarantined(ALL)[-1].source.organization)
    # Taken along from here and brought again: it is the very object.
    (held,) = bank.index.instances(Selection(instance=one.uid), ALL)
    (back,) = add(bank, here.ada, bank.blobs.read(held.location))
    assert (back.outcome, back.uid) == (Outcome.DUPLICATE, one.uid)


def test_the_same_disc_sent_four_times_at_once_is_added_once(here: Here, bank: Bank) -> None:
    """Also where the record of the account is made by it."""
    eve, file = here.eve, hers()
    with ThreadPoolExecutor(4) as four:
        receipts = [one for (one,) in four.map(lambda _: add(bank, eve, file), range(4))]
    assert sorted(one.outcome for one in receipts) == [*["duplicate"] * 3, "stored"]
    (record,) = contributing.records_of(bank, here.eve)
    assert len([one for one in bank.index.persons.decisions(ALL, 50, record) if one.deed is Deed.LINK]) == 1


def test_a_record_that_is_added_to_is_one_persons_once_or_stands_alone(bank: Bank) -> None:
    with bank.index.begin() as tx:
        for name, to in (("a" * 16, ADA), ("a" * 16, LEO), ("b" * 16, PatientId("north", "NOBODY"))):
            persons.attach(bank, tx, record_in(f"{LABEL} {name}"), to)
    known = [bank.index.persons.identity(record_in(f"{LABEL} {name * 16}"), ALL) for name in "ab"]
    ada = bank.index.persons.identity(ADA, ALL)
    assert [one.person == ada.person for one in known if one is not None and ada is not None] == [True, False]


def test_references_go_to_the_accounts_own_objects(here: Here, bank: Bank) -> None:
    ada = here.ada
    image = a_dataset(StudyInstanceUID="1.8", SOPInstanceUID="1.8.1")
    inner, series, study = Dataset(), Dataset(), Dataset()
    inner.ReferencedSOPInstanceUID, inner.ReferencedSOPClassUID = "1.8.1", image.SOPClassUID
    series.SeriesInstanceUID, series.ReferencedSOPSequence = image.SeriesInstanceUID, Items([inner])
    study.StudyInstanceUID, study.ReferencedSeriesSequence = "1.8", Items([series])
    note = a_dataset(
        StudyInstanceUID="1.8", PatientName="Häddad^Amina", CurrentRequestedProcedureEvidenceSequence=Items([study])
    )
    shown, about = add(bank, ada, as_file(image), as_file(note))

    evidence = content(bank, about).CurrentRequestedProcedureEvidenceSequence[0]
    assert evidence.StudyInstanceUID == shown.study
    assert evidence.ReferencedSeriesSequence[0].SeriesInstanceUID == shown.series
    assert evidence.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == shown.uid
    assert content(bank, about).PatientName == "Häddad^Amina"
    assert shown.uid == uid_of(bank.index.instances(Selection(instance=shown.uid), ALL)[0].patient, "1.8.1")


def test_who_may_add_and_to_whose_images(here: Here, bank: Bank) -> None:
    ada = here.ada
    (leo,) = [one for one in own.people(bank, ada) if one.patient == LEO]
    (to_leo,) = add(bank, ada, hers(), person=leo.key)
    (to_ada,) = add(bank, ada, hers())
    assert to_leo.study != to_ada.study
    again = here.ada
    by_name = {one.patient: one.records for one in own.people(bank, again)}
    assert set(by_name) == {ADA, LEO}
    (of_leo,) = bank.index.instances(Selection(study=to_leo.study), again.scope)
    assert of_leo.patient in by_name[LEO] - by_name[ADA]
    # Nobody else appears as who has access, and nobody of that name is asked for images.
    assert [one.is_self for one in own.who_has_access(bank, again, own.people(bank, again)[0])] == [True]
    assert requests.facilities(bank, again) == ["north"]

    sheet = enrol.enrol(bank, Wanted(ADA, Relation.CARER, here.eve.name), ada)
    with pytest.raises(NotFound):
        contributing.depositor(bank, here.eve, sheet.holding.id, "upload")
    enrol.end(bank, sheet.holding.id, ada)
    # Whatever a site lets patients do: they deposit nothing in an organization's name.
    generous = replace(bank, rights=replace(bank.rights, by_role={Role.PATIENT: frozenset(Right)}))
    assert Right.STORE not in rights.principal(generous, ada.name, Role.PATIENT, "north").rights
    nobody = Principal(
        "x", Role.PATIENT, "north", RIGHTS[Role.PATIENT], rights.principal(bank, "x", Role.PATIENT, "north").scope
    )
    for one in (nobody, DESK, DOCTOR):
        with pytest.raises(NotAllowed):
            contributing.depositor(bank, one, "", "upload")
    assert [contributing.may_add(bank, one) for one in (ada, nobody, DESK)] == [True, False, False]


def test_what_names_somebody_else_is_kept_and_looked_at(here: Here, bank: Bank) -> None:
    ada = here.ada
    fitting = [
        {"PatientName": "HADDAD^AMINA^Noor"},
        {"PatientName": "Amina Haddad", "PatientBirthDate": ""},
        {"PatientName": "", "PatientBirthDate": "19840512"},
    ]
    wrong = [{"PatientName": "Haddad^Mona"}, {"PatientBirthDate": "19840513"}, {"PatientName": "Doe^Jane"}]
    receipts = add(bank, ada, *(hers(**one) for one in (*fitting, *wrong)))

    assert [contributing.MISFIT in one.warnings for one in receipts] == [False] * 3 + [True] * 3
    assert {one.outcome for one in receipts} == {Outcome.STORED}
    found = reconciling.page(bank, Tasks(kind=Asks.CONTRIBUTED), ADMIN).tasks
    assert {(one.study,) for one in receipts[3:]} <= {one.studies for one in found}
    assert not {(one.study,) for one in receipts[:3]} & {one.studies for one in found}
    assert reconciling.page(bank, Tasks(kind=Asks.CONTRIBUTED), DESK).tasks == ()
    with pytest.raises(Exception, match="not about whose"):
        reconciling.identify(bank, found[0].id, ADMIN, EVE)
    assert reconciling.settle(bank, found[0].id, ADMIN, "apart").mark.how == "apart"


def test_a_photo_and_an_archive_are_the_persons_whatever_their_names_say(here: Here, bank: Bank) -> None:
    ada = here.ada
    depositor = contributing.depositor(bank, ada, "", "api")
    photo = a_jpeg()
    (kept,) = contributing.receive(
        bank, [Arrival(io.BytesIO(photo), len(photo), "MRN EVE/ACC-A1.jpg")], depositor, About(description="My knee")
    )
    made = content(bank, kept)
    assert (made.PatientName, made.StudyDescription, made.AccessionNumber) == ("Haddad^Amina", "My knee", "")
    assert (made.PatientID, made.PatientBirthDate) == (depositor.record.identifier, "19840512")
    assert kept.proposals == ()

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("DICOM/1.dcm", hers(StudyInstanceUID=OTHER))
        archive.writestr("IHE_PDI/page.htm", b"<p>hello")
        archive.writestr("note.jpg", b"no image at all")
    data = packed.getvalue()
    upload = uploads.begin(bank, ada, len(data), "cd.zip", {"person": depositor.person.key})
    uploads.append(bank, upload.name, ada, 0, data)
    became = uploads.deposit(bank, upload.name, ada)
    assert [one.receipt.outcome for one in became] == [Outcome.STORED, Outcome.READ, Outcome.QUARANTINED]
    again = uploads.deposit(bank, upload.name, ada)
    assert [one.receipt.uid for one in again] == [one.receipt.uid for one in became]
    uploads.end(bank, upload.name, ada)
    assert len(whole(bank, OTHER)) == 1


def test_what_cannot_be_read_is_refused_as_it_is_of_anybody(here: Here, bank: Bank) -> None:
    broken = hers()
    at = broken.index(b"UI", broken.index(b"\x20\x00\x0d\x00"))
    (odd,) = add(bank, here.ada, broken[: at + 4] + b"not a uid" + broken[at + 13 :])
    nested = hers(ReferencedStudySequence=Items([Dataset()]))
    start = nested.index(b"\x08\x00\x10\x11SQ")
    (wrong,) = add(bank, here.ada, nested[: start + 12] + b"\xff\xff\xff\xff\0\0\0\0" + nested[start + 20 :])
    assert {odd.outcome, wrong.outcome} <= {Outcome.REFUSED, Outcome.QUARANTINED}


def test_a_table_of_contents_lets_nothing_of_others_be_waited_for(here: Here, bank: Bank) -> None:
    directory = (sample_data() / "media-dicomdir" / "DICOMDIR").read_bytes()
    (receipt,) = add(bank, here.ada, directory, name="DICOMDIR")
    assert receipt.outcome is Outcome.READ
    named = [Uid(one.study) for one in dicomdir.read(directory)]
    assert named
    assert bank.index.completeness.standings(named, ALL) == {}


def test_no_way_around_the_record_of_the_account(here: Here, bank: Bank) -> None:
    """Whatever calls: what comes from a depositor is of its record, or it is not taken."""
    record = contributing.depositor(bank, here.ada, "", "upload").record
    for file in (a_file(PatientID="EVE"), a_file(PatientID=record.identifier, IssuerOfPatientID="north")):
        (refused,) = keep(bank, file, source=Source("upload", "x", record.issuer))
        assert refused.outcome is Outcome.REFUSED
        assert isinstance(refused.error, Invalid)


def test_rules_of_the_site_change_what_is_added_and_not_whose_it_is(here: Here, bank: Bank) -> None:
    """They come after the record of the account was put in, and what they give to another is not taken."""
    write_rules(bank, '[[rule]]\nname = "A"\n[[rule.do]]\naction = "set"\ntag = "StudyID"\nvalue = "7"\n')
    file = hers()
    (mine,) = add(bank, here.ada, file)
    (again,) = add(bank, here.ada, file)
    assert (content(bank, mine).StudyID, mine.outcome, again.outcome) == ("7", Outcome.STORED, Outcome.DUPLICATE)
    write_rules(bank, '[[rule]]\nname = "B"\n[[rule.do]]\naction = "set"\ntag = "IssuerOfPatientID"\nvalue = "north"\n')
    (refused,) = add(bank, here.ada, hers())
    write_rules(bank, "")
    assert refused.outcome is Outcome.REFUSED


def test_a_hospitals_copy_is_the_hospitals(here: Here, bank: Bank) -> None:
    """Taken along by a card, and sent back by the hospital: what the owner takes back, and destroys, is their own alone."""
    ada = here.ada
    (mine,) = add(bank, ada, hers())
    (held,) = bank.index.instances(Selection(instance=mine.uid), ALL)
    file = bank.blobs.read(held.location)
    contributing.take_back(bank, here.ada, Uid(str(mine.study)))
    (theirs,) = keep(bank, file, source=replace(SOURCE, organization="south"))
    assert theirs.outcome is Outcome.STORED
    with pytest.raises(NotFound):
        contributing.take_back(bank, here.ada, Uid(str(mine.study)))
    (copy,) = bank.index.instances(Selection(instance=mine.uid), Scope.of("south"))
    assert read(bank.blobs.read(copy.location)).PatientName == "Haddad^Amina"


def test_consents_and_cards_reach_what_was_added_and_rights_alone_do_not(here: Here, bank: Bank) -> None:
    (mine,) = add(bank, here.ada, hers(StudyDate="20260101"))
    study = Selection(study=mine.study)

    def sees(name: str, organization: str) -> bool:
        return bool(bank.index.instances(study, rights.principal(bank, name, Role.CLINICIAN, organization).scope))

    assert not sees("Dr Varga", "north")
    permit = Provision("", Kind.CONSENT, permits=True, patient=ADA, starts_at=bank.now(), organization="south")
    consent.decide(bank, permit, OFFICER)
    assert sees("Dr Okafor", "south")
    assert not sees("Dr Varga", "north")
    (leo,) = [one for one in own.people(bank, here.ada) if one.patient == LEO]
    (his,) = add(bank, here.ada, hers(), person=leo.key)
    for patient, receipt in ((ADA, mine), (LEO, his)):
        given = cards.issue(bank, cards.Wanted(Reach(patient=patient, future=True)), here.ada).card
        opens = bank.index.provisions(ALL, principal=holders.card_name(given.id))
        (one,) = bank.index.instances(Selection(study=receipt.study), ALL)
        assert one.patient in {each.patient for each in opens}


def test_the_label_is_the_banks_and_nothing_of_it_is_corrected(here: Here, bank: Bank) -> None:
    ada = here.ada
    (mine,) = add(bank, ada, hers())
    study = Uid(str(mine.study))
    with bank.index.begin() as tx:
        assert not tx.put_label(study, LABEL)
    for act in (consent.put_label, consent.remove_label):
        with pytest.raises(Invalid):
            act(bank, study, LABEL, ADMIN)
    with pytest.raises(NotAllowed, match="the patient added"):
        correct.correct(bank, Selection(study=study), {"PatientID": {"vr": "LO", "Value": ["EVE"]}}, ADMIN, "x")
    assert (ada.name, "upload: stored", "10.0.0.9") in events(bank, Act.DEPOSITED)
    assert not [one for one in events(bank, Act.DECIDED) if LABEL in one[1]]


def test_an_account_adds_so_much_on_a_day_and_in_all(tmp_path: Path) -> None:
    size = len(hers())
    most = {
        "patient_files_a_day": 3,
        "patient_bytes_a_day": 100 * size,
        "patient_files": 3,
        "patient_bytes": 100 * size,
    }
    with made_in(tmp_path, **most) as here:
        bank, ada, now = here.bank, here.ada, here.bank.now()
        first = add(bank, ada, hers(), hers())
        (over, too) = add(bank, ada, hers(), hers())
        for one in add(replace(bank, settings=replace(bank.settings, patient_files=9)), ada, hers(), hers()):
            assert "tomorrow" in str(one.error)
        (last,) = add(bank, ada, hers())
        assert [one.outcome for one in (*first, over, too, last)] == [
            *[Outcome.STORED] * 2,
            *[Outcome.REFUSED] * 2,
            Outcome.STORED,
        ]
        assert isinstance(over.error, NotAllowed)
        assert "3 files and" in str(over.error)
        assert contributing.kept(bank, here.ada).files == 3
        tomorrow = replace(bank, now=lambda: now + timedelta(days=1))
        with pytest.raises(NotAllowed, match="take something back"):
            uploads.begin(tomorrow, here.ada, 10, "a.dcm", {})
        contributing.take_back(bank, here.ada, Uid(str(last.study)))
        with pytest.raises(NotAllowed, match="tomorrow"):
            uploads.begin(bank, here.ada, 10, "a.dcm", {})
        assert uploads.begin(tomorrow, here.ada, 10, "a.dcm", {}).length == 10
        with pytest.raises(NotAllowed, match="tomorrow"):
            uploads.begin(tomorrow, here.ada, 101 * size, "a.dcm", {})
        closed = replace(bank, settings=replace(bank.settings, patient_files_a_day=0))
        with pytest.raises(NotAllowed):
            contributing.depositor(closed, here.ada, "", "upload")


def test_a_rebuild_brings_back_whose_it_is_and_nothing_that_was_taken_back(here: Here, bank: Bank) -> None:
    ada, series = here.ada, {"StudyInstanceUID": "1.6", "SeriesInstanceUID": "1.6.1"}
    one, two = add(bank, ada, hers(**series), hers(**series))
    (gone,) = add(bank, ada, hers())
    (lost,) = add(bank, ada, hers())
    bank.blobs.destroy([each.location for each in bank.index.instances(Selection(study=lost.study), ALL)])
    assert contributing.take_back(bank, here.ada, Uid(str(lost.study))) == 1
    (held,) = bank.index.instances(Selection(instance=one.uid), ALL)
    note = read(bank.blobs.read(held.location))
    note.SOPInstanceUID = UID("1.6.1.9")
    note.file_meta.MediaStorageSOPInstanceUID = note.SOPInstanceUID
    file = as_file(note)
    (guest,) = ingest.receive(
        bank, [Arrival(io.BytesIO(file), len(file))], replace(SOURCE, organization="south"), sees=ALL
    )
    assert guest.outcome is Outcome.STORED
    eve = here.eve
    for nobody in (eve, DESK):
        with pytest.raises(NotFound):
            contributing.take_back(bank, nobody, Uid(str(one.study)))
    with pytest.raises(NotFound):
        contributing.take_back(bank, here.ada, Uid(HEAD))

    assert contributing.take_back(bank, here.ada, Uid(str(one.study))) == 2
    assert contributing.take_back(bank, here.ada, Uid(str(gone.study))) == 1
    with pytest.raises(NotFound):
        contributing.take_back(bank, here.ada, Uid(str(one.study)))
    assert two.study == one.study

    def left() -> list[str]:
        return [one.uid for one in bank.index.instances(Selection(study=one.study), ALL)]

    assert left() == ["1.6.1.9"]
    (mine,) = add(bank, ada, hers(PatientName="Doe^Jane"))
    reindex.reindex(bank)
    assert left() == ["1.6.1.9"]
    assert bank.index.instances(Selection(study=gone.study), ALL) == []
    comes_back(here, mine)


def comes_back(here: Here, mine: Receipt) -> None:
    """Whose it is, its label, and what is asked about it."""
    bank, again = here.bank, here.ada
    (one,) = bank.index.instances(Selection(study=mine.study), again.scope)
    assert [each.terms for each in holders.of_account(bank, again) if each.patient == one.patient] == [Relation.OWNER]
    with bank.index.begin() as tx:
        assert not tx.put_label(Uid(str(mine.study)), LABEL)
    linked = bank.index.persons.identity(one.patient, ALL)
    assert linked is not None
    assert ADA in {each.identity.patient for each in bank.index.persons.person(linked.person, ALL)}
    assert (mine.study,) in [one.studies for one in reconciling.page(bank, Tasks(kind=Asks.CONTRIBUTED), ADMIN).tasks]
    (same,) = add(bank, again, hers())
    assert bank.index.instances(Selection(instance=same.uid), ALL)[0].patient == one.patient


def test_with_the_account_goes_what_it_added_and_nothing_else(tmp_path: Path) -> None:
    with made_in(tmp_path) as here:
        bank, ada = here.bank, here.ada
        (mine,) = add(bank, ada, hers())
        (aside,) = add(bank, ada, b"\xff\xd8\xff\xe0 no photograph", name="a.jpg")
        (held,) = bank.index.instances(Selection(instance=mine.uid), ALL)
        (taken,) = add(bank, ada, hers())
        (lies,) = bank.index.instances(Selection(instance=taken.uid), ALL)
        file = bank.blobs.read(lies.location)
        contributing.take_back(bank, here.ada, Uid(str(taken.study)))
        (copy,) = keep(bank, file, source=replace(SOURCE, organization="south"))
        assert (aside.outcome, copy.outcome) == (Outcome.QUARANTINED, Outcome.STORED)

        closing.close(bank, session(bank, here.cookie), here.ada, erase=True)

        def left() -> list[int]:
            chosen = (mine.study, copy.study, Uid(HEAD))
            return [len(bank.index.instances(Selection(study=one), ALL)) for one in chosen]

        assert left() == [0, 1, 1]
        assert bank.index.quarantined(ALL) == []
        with pytest.raises(NotFound):
            bank.blobs.read(held.location)
        assert {one.request.facility for one in requests.queue(bank, ADMIN)} == {"north"}
        reindex.reindex(bank)
        assert left() == [0, 1, 1]
        assert not [one for one in bank.index.provisions(ALL) if is_contributed(one.patient.issuer)]


def test_what_is_added_ends_with_the_holding_by_which_it_was(here: Here, bank: Bank) -> None:
    """The last test of this bank: Ada acts for her son no more."""
    ada = here.ada
    (leo,) = [one for one in own.people(bank, ada) if one.patient == LEO]
    (mine,) = add(bank, ada, hers(), person=leo.key)
    enrol.end(bank, leo.key, DESK)
    now = bank.now()
    assert bank.index.instances(Selection(study=mine.study), here.ada.scope) == []
    (gone,) = bank.index.instances(Selection(study=mine.study), ALL)
    assert gone.patient not in contributing.records_of(bank, here.ada)
    # A day later nobody knows how much there was.
    spent = bank.index.contributions.spent
    assert spent(ada.name, bank.now().date()).files > 0
    contributing.sweep(replace(bank, now=lambda: now + timedelta(days=2)))
    assert spent(ada.name, now.date()).files == 0


def test_a_file_that_is_no_image_at_all_is_told_in_plain_words(here: Here, bank: Bank) -> None:
    (refused,) = add(bank, here.ada, b"MZ\x90\0" * 500)

    assert not refused.is_kept
    assert isinstance(refused.error, Unsupported)
    assert "photographs, films or PDF" in str(refused.error)
