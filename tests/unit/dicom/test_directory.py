"""Directory records: what they say of an object, whatever is wrong with it."""

import io

import pytest
from pydicom import Dataset, dcmread

from imagebank.dicom import dicomdir, directory, read
from imagebank.dicom.directory import Described, Entry
from make import a_dataset, as_file

SR, SPECTRUM = "1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.4.2"


def described(ds: Dataset, otherwise: dict[str, str] | None = None) -> Described:
    data, header = read.normalise(as_file(ds))
    return directory.describe(data, header, ds.SOPClassUID, otherwise or {})


def written(*entries: Entry) -> Dataset:
    return dcmread(io.BytesIO(directory.write(entries, "2.25.1", "TEST")))


def entry(number: int, of: Described, above: tuple[str, str, str] = ("p", "1.1", "1.2")) -> Entry:
    return Entry(
        ("DICOM", f"IM{number:06}"), "1.2.840.10008.5.1.4.1.1.2", f"1.9.{number}", "1.2.840.10008.1.2.1", above, of
    )


def test_records_lead_from_patients_to_files_in_their_order() -> None:
    one = described(a_dataset())
    entries = [
        entry(1, one),
        entry(2, one),
        entry(3, one, ("p", "1.1", "1.3")),
        entry(4, one, ("p", "1.5", "1.6")),
        entry(5, one, ("q", "1.7", "1.8")),
    ]
    data = directory.write(entries, "2.25.1", "TEST")
    kinds = [record.DirectoryRecordType for record in dcmread(io.BytesIO(data)).DirectoryRecordSequence]

    assert [named.file for named in dicomdir.read(data)] == [one.file for one in entries]
    assert (kinds.count("PATIENT"), kinds.count("STUDY"), kinds.count("SERIES"), kinds.count("IMAGE")) == (2, 3, 4, 5)


def test_an_empty_medium_has_a_table_of_contents_too() -> None:
    assert list(written().DirectoryRecordSequence) == []


def test_what_an_object_lacks_is_filled_in_and_nothing_else() -> None:
    bare = a_dataset(PatientID="", StudyDate="", StudyTime="", StudyID="", SeriesNumber=None, InstanceNumber=None)
    patient, study, series, image = written(entry(1, described(bare, {"InstanceNumber": "7"}))).DirectoryRecordSequence

    assert (patient.PatientID, study.StudyDate, study.StudyTime, study.StudyID) == (
        "UNKNOWN",
        "19000101",
        "000000",
        "1",
    )
    assert (series.SeriesNumber, image.InstanceNumber) == (1, 7)
    assert patient.PatientName == "Doe^Jane"
    assert "SpecificCharacterSet" not in patient


def test_names_of_every_script_are_in_unicode() -> None:
    ds = a_dataset(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")
    patient, *_ = written(entry(1, described(ds))).DirectoryRecordSequence

    assert patient.SpecificCharacterSet == "ISO_IR 192"
    assert patient.PatientName == "Yamada^Tarou=山田^太郎=やまだ^たろう"


@pytest.mark.parametrize("rows", [4, None])
def test_numbers_of_spectra_are_numbers(rows: int | None) -> None:
    ds = a_dataset(SOPClassUID=SPECTRUM, ContentDate="20260102", ContentTime="1015", NumberOfFrames=2)
    ds.DataPointRows, ds.DataPointColumns = 1, 512
    if rows is None:
        ds.Rows = None
    else:
        ds.Rows = rows
    *_, spectrum = written(entry(1, described(ds))).DirectoryRecordSequence

    assert spectrum.DirectoryRecordType == "SPECTROSCOPY"
    assert (spectrum.Rows, spectrum.DataPointColumns) == (rows or 1, 512)


def test_a_report_whose_content_is_no_sequence_has_a_record() -> None:
    ds = a_dataset(SOPClassUID=SR)
    data = as_file(ds)
    data += b"\x40\x00\x30\xa7LO\x04\0oops"  # (0040,A730), in the wrong place with a wrong VR
    found, header = read.normalise(data)
    *_, report = written(entry(1, directory.describe(found, header, SR, {}))).DirectoryRecordSequence

    assert report.DirectoryRecordType == "SR DOCUMENT"
    assert "ContentSequence" not in report
