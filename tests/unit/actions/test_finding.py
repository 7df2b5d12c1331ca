"""One box over everything: what is found of real objects, in which order, by whom, and what is forgotten."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import finding, ingest, reindex, remove, said, shred
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Right, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.search import Answer, Facet, Line, Nearness, Wish
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file

ALL = Scope(organizations=None)
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
NORTH = Principal("ada", Role.CLINICIAN, "north", RIGHTS[Role.CLINICIAN], Scope.of("north"))


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as made:
        yield made


def written(bank: Bank, *files: bytes, **given: Any) -> list[str]:
    """Deposit objects and write down what is said of their studies, as the job does once they are quiet."""
    studies = [str(receipt.study) for receipt in keep(bank, *files, **given)]
    for study in dict.fromkeys(studies):
        finding.write_job(bank, {"study": study})
    return studies


def ask(bank: Bank, text: str, principal: Principal = ADMIN, limit: int = 50, after: str = "", **chosen: str) -> Answer:
    wish = Wish(text, {Facet[name.upper()]: tuple(value.split("|")) for name, value in chosen.items()})
    return finding.everything(bank, wish, principal, "test", limit, after)


def found(bank: Bank, text: str, principal: Principal = ADMIN, **chosen: str) -> list[str]:
    return uids(ask(bank, text, principal, 50, "", **chosen))


def uids(answer: Answer) -> list[str]:
    return [match.study.attributes["0020000D"]["Value"][0] for match in answer.matches]


def work_off(bank: Bank) -> None:
    """Do every job, also those that wait until a study has been quiet."""
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def with_a_private_and_a_sequence() -> Dataset:
    ds = a_dataset(StudyInstanceUID="1.2.1", PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう", PatientID="ADA-4711")
    block = ds.private_block(0x0029, "ACME 1.1", create=True)
    block.add_new(0x01, "LO", "quokka")
    block.add_new(0x02, "UN", b"wombat in UN ")
    block.add_new(0x03, "UN", b"\x00\xff\x00")
    block.add_new(0x04, "UN", b"long " * 2000)
    code = Dataset()
    code.CodeValue, code.CodeMeaning, code.CodingSchemeDesignator = "T-D1100", "Parathyroid imaging", "SRT"
    ds.ProcedureCodeSequence = [code]
    inner = Dataset()
    inner.TextValue = "nested finding of zebra stripes"
    inner.ContentSequence = []
    ds.ContentSequence = [inner]
    ds.OtherPatientIDsSequence = [Dataset()]
    ds.OtherPatientIDsSequence[0].PatientID = "OLD/99"
    ds.ReferringPhysicianName = "Schmidt^Otto"
    ds.InstitutionalDepartmentName = "Ophthalmology"
    ds.BodyPartExamined = "EYE"
    ds.ManufacturerModelName = "Somatom"
    return ds


@pytest.mark.parametrize(
    ("text", "nearness"),
    [
        ("yamada", Nearness.NAME),
        ("太郎", Nearness.NAME),
        ("ヤマダ", Nearness.NAME),
        ("ada-4711", Nearness.NAME),
        ("ADA4711", Nearness.NAME),
        ("old99", Nearness.NAME),
        ("1.2.1", Nearness.NAME),
        ("parathyr", Nearness.DESCRIPTION),
        ("somatom ct", Nearness.DESCRIPTION),
        ("schmidt yamada", Nearness.DESCRIPTION),
        ("2026-01-02", Nearness.DESCRIPTION),
        ("quokka", Nearness.TEXT),
        ("wombat", Nearness.TEXT),
        ("zebra", Nearness.TEXT),
        ("schmitt", Nearness.ALIKE),
        ("yamata", Nearness.ALIKE),
        ("parathyriod", Nearness.ALIKE),
    ],
)
def test_a_study_is_found_by_everything_that_its_objects_say(
    tmp_path_factory: pytest.TempPathFactory, text: str, nearness: Nearness
) -> None:
    with open_test_bank(tmp_path_factory.mktemp("finding")) as bank:
        written(bank, as_file(with_a_private_and_a_sequence()))
        (match,) = ask(bank, text).matches

    assert match.nearness == nearness
    assert match.passages, "it says where the words hit"


def test_passages_name_the_attribute(bank: Bank) -> None:
    written(bank, as_file(with_a_private_and_a_sequence()))
    labels = [ask(bank, text).matches[0].passages[0].label for text in ("quokka", "zebra", "parathyroid", "yamada")]

    assert labels == [
        "(0029,xx01) ACME 1.1",
        "ContentSequence.TextValue",
        "ProcedureCodeSequence.CodeMeaning",
        "PatientName",
    ]


@pytest.mark.parametrize("text", ["quokkb zzz", "yamada nobody", "!?", "long"])
def test_what_nobody_says_is_not_found(bank: Bank, text: str) -> None:
    written(bank, as_file(with_a_private_and_a_sequence()))
    answer = ask(bank, text)

    assert (answer.matches, answer.total, answer.is_whole) == ((), 0, True)


def test_every_instance_of_every_series_speaks_for_its_study(bank: Bank) -> None:
    shared = {"StudyInstanceUID": "1.2.7"}
    written(
        bank,
        a_file(**shared, SeriesInstanceUID="1.2.7.1", SeriesDescription="axial", ImageComments="first"),
        a_file(**shared, SeriesInstanceUID="1.2.7.1", SeriesDescription="axial", ImageComments="second"),
        a_file(**shared, SeriesInstanceUID="1.2.7.2", SeriesDescription="coronal"),
    )

    assert found(bank, "axial coronal first second") == ["1.2.7"]


def test_names_come_before_descriptions_before_the_rest_and_newer_before_older(bank: Bank) -> None:
    given = {"PatientName": "Doe^Jane", "StudyDescription": ""}
    studies = {
        "1.1": a_file(StudyInstanceUID="1.1", **given | {"PatientName": "Knee^Bob"}, StudyDate="20100101"),
        "1.2": a_file(StudyInstanceUID="1.2", **given | {"StudyDescription": "knee"}, StudyDate="20110101"),
        "1.3": a_file(StudyInstanceUID="1.3", **given | {"StudyDescription": "knee"}, StudyDate="20120101"),
        "1.4": a_file(StudyInstanceUID="1.4", **given, AdditionalPatientHistory="knee", StudyDate="20200101"),
        "1.5": a_file(StudyInstanceUID="1.5", **given | {"PatientName": "Kneel^Bob"}, StudyDate=None),
        "1.6": a_file(StudyInstanceUID="1.6", **given | {"PatientName": "Knea^Bob"}, StudyDate="20210101"),
    }
    written(bank, *studies.values())

    assert found(bank, "knee") == ["1.1", "1.5", "1.3", "1.2", "1.4", "1.6"]
    assert found(bank, "kneel")[0] == "1.5"
    assert found(bank, "") == ["1.6", "1.4", "1.3", "1.2", "1.1", "1.5"]


def test_file_names_are_searched(bank: Bank) -> None:
    file = a_file(StudyInstanceUID="1.2.8")
    ingest.receive(bank, [ingest.Arrival(io.BytesIO(file), len(file), "scans/Fundus_left-eye.dcm")], SOURCE)
    finding.write(bank, Uid("1.2.8"))

    assert found(bank, "fundus") == ["1.2.8"]


def test_a_record_that_is_gone_has_no_file_name(bank: Bank) -> None:
    written(bank, a_file(StudyInstanceUID="1.2.8"))
    bank.blobs.destroy([one.location for one in bank.index.instances(Selection(), ALL)])

    assert list(said.file_names(bank, Uid("1.2.8"))) == []


def test_facets_count_and_narrow(bank: Bank) -> None:
    written(
        bank,
        a_file(StudyInstanceUID="1.1", InstitutionalDepartmentName="Radiology", PatientSex="F", StudyDate="20200101"),
        a_file(StudyInstanceUID="1.2", InstitutionalDepartmentName="RADIOLOGY", PatientSex="M", BodyPartExamined="EYE"),
        a_file(StudyInstanceUID="1.3", Modality="MR", PatientSex="M"),
    )
    counts = ask(bank, "head").counts

    assert counts[Facet.DEPARTMENT] == (("RADIOLOGY", 2),)
    assert counts[Facet.MODALITY] == (("CT", 2), ("MR", 1))
    assert counts[Facet.SEX] == (("M", 2), ("F", 1))
    assert counts[Facet.YEAR] == (("2026", 2), ("2020", 1))
    assert counts[Facet.BODY_PART] == (("EYE", 1),)
    assert counts[Facet.ORGANIZATION] == (("local", 3),)
    assert sorted(found(bank, "head", department="radiology")) == ["1.1", "1.2"]
    assert found(bank, "head", department="radiology", sex="M") == ["1.2"]
    assert sorted(found(bank, "", modality="MR|CT", year="2026")) == ["1.2", "1.3"]


def test_pages_follow_each_other(bank: Bank) -> None:
    written(bank, *(a_file(StudyInstanceUID=f"1.{number}", StudyDate=f"202001{number:02}") for number in range(1, 8)))
    pages, after = [], ""
    while True:
        answer = ask(bank, "head", limit=3, after=after)
        pages.append(uids(answer))
        after = answer.after
        if not after:
            break

    assert pages == [["1.7", "1.6", "1.5"], ["1.4", "1.3", "1.2"], ["1.1"]]
    assert answer.total == 7
    assert uids(ask(bank, "head", limit=1, after="A" * 11)) == ["1.7"], "what is gone leads to the beginning"
    for wrong in ("x", "AAAA", "é"):
        with pytest.raises(Invalid):
            ask(bank, "head", after=wrong)


def test_more_than_is_counted_is_said(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    written(bank, *(a_file(StudyInstanceUID=f"1.{number}") for number in range(1, 6)))
    monkeypatch.setattr(finding, "MOST_HITS", 4)
    answer = ask(bank, "head")

    assert (answer.total, answer.is_whole, len(answer.matches)) == (4, False, 4)
    assert answer.counts[Facet.MODALITY] == (("CT", 4),)


def test_what_the_caller_may_not_see_is_in_no_hit_count_or_passage(bank: Bank) -> None:
    north, south = replace(SOURCE, organization="north"), replace(SOURCE, organization="south")
    written(
        bank, a_file(StudyInstanceUID="1.1", PatientName="Secret^Ann", InstitutionalDepartmentName="A"), source=north
    )
    written(
        bank, a_file(StudyInstanceUID="1.2", PatientName="Secret^Bob", InstitutionalDepartmentName="B"), source=south
    )
    for text in ("secret", "secrat", ""):
        answer = ask(bank, text, NORTH)

        assert (uids(answer), answer.total) == (["1.1"], 1)
        assert answer.counts[Facet.DEPARTMENT] == (("A", 1),)
        assert answer.counts[Facet.ORGANIZATION] == (("north", 1),)
    assert found(bank, "bob", NORTH) == found(bank, "bab", NORTH) == []


def test_who_may_not_find_is_refused(bank: Bank) -> None:
    with pytest.raises(NotAllowed):
        ask(bank, "x", replace(ADMIN, rights=frozenset()))


def test_who_may_find_and_not_get_is_told_nothing_of_what_only_objects_say(bank: Bank) -> None:
    written(bank, as_file(with_a_private_and_a_sequence()))
    finder = replace(ADMIN, rights=frozenset({Right.FIND}))

    assert found(bank, "yamada parathyroid", finder) == ["1.2.1"]
    assert found(bank, "quokka", finder) == found(bank, "yamada zebra", finder) == []
    assert found(bank, "quokk yamata", finder) == []


def test_the_ledger_says_that_somebody_searched_and_not_what_for(bank: Bank) -> None:
    ask(bank, "lovelace", sex="F")
    ask(bank, "")
    details = [event.detail for event in bank.index.events(ALL) if event.act is Act.SEARCHED]

    assert details == ["test: study by nothing", "test: study by words, sex"]


def test_a_deposit_has_its_study_written_down_once_it_is_quiet(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID="1.1"))
    work_off(bank)

    assert found(bank, "head") == ["1.1"]


def test_a_study_that_is_gone_or_changes_is_not_written(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(bank, a_file(StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1"))

    def another(*_: object) -> Iterator[Line]:
        keep(bank, a_file(StudyInstanceUID="1.1", SeriesInstanceUID="1.1.1"))
        yield from ()

    def gone(*_: object) -> Iterator[Line]:
        remove.remove(bank, Selection(study=Uid("1.1")), ADMIN)
        raise NotFound("it went")

    results = [finding.write(bank, Uid("1.9"))]
    for source in (another, gone):
        monkeypatch.setattr(said, "SOURCES", (source,))
        results.append(finding.write(bank, Uid("1.1")))

    assert results == [False, False, False]


def test_what_was_deleted_is_found_no_more_and_the_rest_again(bank: Bank) -> None:
    shared = {"StudyInstanceUID": "1.1", "SeriesInstanceUID": "1.1.1"}
    written(
        bank,
        a_file(**shared, SOPInstanceUID="1.1.1.1", ImageComments="zebra"),
        a_file(**shared, ImageComments="quokka"),
    )
    remove.remove(bank, Selection(instance=Uid("1.1.1.1")), ADMIN)
    at_once = found(bank, "zebra"), found(bank, "quokka")
    work_off(bank)

    assert at_once == ([], [])
    assert (found(bank, "zebra"), found(bank, "quokka")) == ([], ["1.1"])


def test_no_word_of_a_shredded_account_is_left_in_any_file(bank: Bank) -> None:
    ada = {"PatientID": "ADA-4711", "PatientName": "Quixotic^Ada", "ImageComments": "zebrafish"}
    written(bank, a_file(**ada), a_file(PatientID="BOB", PatientName="Babbage^Charles"))
    assert found(bank, "quixotic")
    shred.shred(bank, PatientId("local", "ADA-4711"), ADMIN)
    data = b"".join(path.read_bytes().lower() for path in bank.settings.data.rglob("*") if path.is_file())

    assert [trace for trace in (b"uixotic", b"ebrafish", b"da4711") if trace in data] == []
    assert (found(bank, "quixotic"), found(bank, "quixotik"), len(found(bank, "babbage"))) == ([], [], 1)


def test_of_a_study_that_was_shared_the_rest_is_found_after_shredding(bank: Bank) -> None:
    shared = {"StudyInstanceUID": "1.1"}
    written(bank, a_file(PatientID="BOB", PatientName="Babbage^Charles", **shared))
    written(bank, a_file(PatientID="ADA", PatientName="Quixotic^Ada", SeriesInstanceUID="1.1.2", **shared))
    shred.shred(bank, PatientId("local", "ADA"), ADMIN)
    work_off(bank)

    assert (found(bank, "babbage"), found(bank, "quixotic")) == (["1.1"], [])


def test_a_rebuild_brings_back_what_can_be_found(bank: Bank) -> None:
    written(bank, a_file(StudyInstanceUID="1.1", PatientName="Babbage^Charles"), a_file(StudyInstanceUID="1.2"))
    for job in iter(lambda: bank.jobs.claim(tuple(worker.WORK), bank.now() + timedelta(hours=1), 60), None):
        bank.jobs.finish(job)
    reindex.reindex(bank)
    before = found(bank, "babbage")
    work_off(bank)

    assert (before, found(bank, "babbage"), len(found(bank, ""))) == ([], ["1.1"], 2)
    assert finding.catch_up(bank) == 0
