"""What stands in no header and is found all the same: reports in their newest version, and the text of documents."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydicom.uid import UID
from reportlab.pdfgen.canvas import Canvas

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import finding, reindex, reports, said, shred
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Right, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.report import Body, Part, Report
from imagebank.model.search import Answer, Passage, Wish, document
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file

ALL = Scope(organizations=None)
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
STUDY = Uid("1.2.3")
AT = datetime(2026, 11, 3, 9, tzinfo=UTC)
REPORT = Report("local", PatientId("local", "P1"), AT, "F", "R1", accession="A1")
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
CDA = """<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Befund</title><component><structuredBody><component><section>
<text>Keine Blutung im Kleinhirn.</text></section></component></structuredBody></component></ClinicalDocument>"""


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def work_off(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def report(bank: Bank, *texts: str, of: Report = REPORT) -> None:
    reports.keep(bank, of, Body("CT head", "House", tuple(Part("text/plain", text.encode()) for text in texts)), "RIS")
    work_off(bank)


def ask(bank: Bank, text: str, principal: Principal = ADMIN) -> Answer:
    return finding.everything(bank, Wish(text), principal, "test", 20)


def found(bank: Bank, text: str, principal: Principal = ADMIN) -> list[str]:
    return [match.study.attributes["0020000D"]["Value"][0] for match in ask(bank, text, principal).matches]


def a_pdf(text: str) -> bytes:
    stream = io.BytesIO()
    canvas = Canvas(stream)
    canvas.drawString(72, 700, text)
    canvas.save()
    return stream.getvalue()


def a_document(data: bytes, sop_class: str = PDF, study: str = STUDY) -> bytes:
    ds = a_dataset(StudyInstanceUID=study, SOPClassUID=UID(sop_class), PatientID="P1")
    del ds.PixelData
    ds.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    return as_file(ds)


def test_a_report_is_found_with_its_study_and_says_where(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID=STUDY, PatientID="P1", AccessionNumber="A1"))
    report(bank, "No bleeding.\nSmall cavernoma, left.")
    (match,) = ask(bank, "cavernoma").matches

    assert match.passages == (Passage("Report 20261103", "Small cavernoma, left.", ((6, 15),)),)
    assert found(bank, "house bleeding") == [STUDY]


def test_a_report_that_comes_before_its_study_is_found_with_it(bank: Bank) -> None:
    report(bank, "cavernoma")
    keep(bank, a_file(StudyInstanceUID=STUDY, PatientID="P1", AccessionNumber="A1"))
    work_off(bank)

    assert found(bank, "cavernoma") == [STUDY]


def test_a_newer_version_takes_the_place_of_the_words_of_the_former(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID=STUDY, PatientID="P1"))
    report(bank, "cavernoma", of=replace(REPORT, study=STUDY))
    other = replace(REPORT, study=STUDY, number="")
    report(bank, "hygroma", of=other)
    report(bank, "cataract", of=replace(other, event_at=AT + timedelta(hours=2)))
    report(bank, "angioma", of=replace(REPORT, study=STUDY, status="C", event_at=AT + timedelta(hours=1)))

    assert [found(bank, word) for word in ("cavernoma", "angioma")] == [[], [STUDY]]
    assert found(bank, "hygroma cataract") == [STUDY], "those without a number stand each for itself"


def test_a_cancelled_report_says_nothing(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID=STUDY, PatientID="P1"))
    report(bank, "cavernoma", of=replace(REPORT, study=STUDY))
    report(bank, "withdrawn", of=replace(REPORT, study=STUDY, status="X", event_at=AT + timedelta(hours=1)))

    assert found(bank, "cavernoma") == found(bank, "withdrawn") == []


def test_who_may_not_get_objects_finds_nothing_by_a_report(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID=STUDY, PatientID="P1"))
    report(bank, "cavernoma", of=replace(REPORT, study=STUDY))
    finder = replace(ADMIN, rights=frozenset({Right.FIND}))

    assert (found(bank, "cavernoma", finder), found(bank, "cavernomo", finder)) == ([], [])
    assert found(bank, "ct head", finder) == [STUDY]


def test_a_report_is_not_of_a_study_of_another_organization(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID=STUDY, PatientID="P1"))
    report(bank, "cavernoma", of=replace(REPORT, study=STUDY, organization="south"))

    assert found(bank, "cavernoma") == []


def test_the_text_of_documents_is_found(bank: Bank) -> None:
    files = [a_document(a_pdf("Glomus tumour")), a_document(CDA.encode(), PDF[:-1] + "2", "1.2.4")]
    keep(bank, *files, a_document(b"%PDF-1.4 broken", study="1.2.5"))
    work_off(bank)

    assert ask(bank, "glomus").matches[0].passages[0].label == "PDF document"
    assert ask(bank, "kleinhirn").matches[0].passages[0].text == "Keine Blutung im Kleinhirn."
    assert len(found(bank, "")) == 3, "one that is broken is found by what else is said of it"


def test_a_pdf_in_a_report_is_read_and_long_lines_are_cut_at_words(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID=STUDY, PatientID="P1"))
    long = " ".join(["word"] * 100 + ["zebrafish"])
    body = Body(parts=(Part("application/pdf", a_pdf("Glomus tumour")), Part("text/plain", long.encode())))
    reports.keep(bank, replace(REPORT, study=STUDY), body, "RIS")
    work_off(bank)
    (passage,) = ask(bank, "zebrafish").matches[0].passages

    assert found(bank, "glomus") == [STUDY]
    assert passage.text.endswith("word zebrafish")
    assert len(passage.text) <= 240


def test_what_is_gone_says_nothing(bank: Bank) -> None:
    keep(bank, a_document(a_pdf("Glomus tumour")))
    reports.keep(bank, replace(REPORT, study=STUDY), Body("Glomus"), "RIS")
    located = [one.location for one in bank.index.instances(Selection(), ALL)]
    located += [one.location for one in bank.index.orders.reports(STUDY, ALL) if one.location]
    bank.blobs.destroy(located)

    assert [list(source(bank, STUDY)) for source in said.SOURCES] == [[], [], []]


def test_a_rebuild_brings_the_words_of_reports_and_documents_back(bank: Bank) -> None:
    keep(bank, a_document(a_pdf("Glomus tumour")))
    report(bank, "cavernoma", of=replace(REPORT, study=STUDY))
    reindex.reindex(bank)
    work_off(bank)

    assert found(bank, "cavernoma glomus") == [STUDY]


def test_the_words_of_a_report_go_with_the_account_that_sealed_it(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID=STUDY, PatientID="P2", AccessionNumber="A1"))
    report(bank, "cavernoma")
    with bank.index.begin() as tx:
        series = {one: version for _, one, version in bank.index.series_of(Selection(STUDY), ALL)}
        lines = said.lines("Report 20261103", "cavernoma")
        tx.words.put(document(STUDY, lines), series)
    before = found(bank, "cavernoma")
    shred.shred(bank, PatientId("local", "P1"), ADMIN)
    at_once = found(bank, "cavernoma")
    work_off(bank)

    assert (before, at_once, found(bank, "cavernoma"), found(bank, "ct head")) == ([STUDY], [], [], [STUDY])
