"""What a table of contents names, however its records are ordered, coded or linked."""

from io import BytesIO

import pytest
from pydicom import Dataset, dcmread

from imagebank.dicom import dicomdir
from imagebank.errors import Invalid
from samples import sample_data

VARIANTS = sample_data() / "media-dicomdir-variants"
WHOLE = sample_data() / "media-dicomdir" / "DICOMDIR"


def by_pydicom() -> set[tuple[str, ...]]:
    """Files that pydicom reads from the plain one."""
    records = dcmread(WHOLE).DirectoryRecordSequence
    return {tuple(one.ReferencedFileID) for one in records if "ReferencedFileID" in one}


def test_every_file_is_named_with_its_series_study_and_patient() -> None:
    named = dicomdir.read(WHOLE.read_bytes())

    assert {one.file for one in named} == by_pydicom()
    for one in named:
        file = dcmread(WHOLE.parent.joinpath(*one.file), stop_before_pixels=True)
        assert (one.uid, one.series, one.study) == (
            file.SOPInstanceUID, file.SeriesInstanceUID, file.StudyInstanceUID,
        )  # fmt: skip
        assert one.patient == file.PatientID


@pytest.mark.parametrize("name", ["DICOMDIR-bigEnd", "DICOMDIR-implicit", "DICOMDIR-reordered"])
def test_another_coding_or_order_says_the_same(name: str) -> None:
    data = (VARIANTS / name).read_bytes()

    assert dicomdir.is_one(data[:4096])
    assert sorted(dicomdir.read(data), key=str) == sorted(dicomdir.read(WHOLE.read_bytes()), key=str)


def test_one_that_is_empty_names_nothing_and_one_that_is_broken_is_refused() -> None:
    assert dicomdir.read((VARIANTS / "DICOMDIR-empty.dcm").read_bytes()) == []
    with pytest.raises(Invalid):
        dicomdir.read((VARIANTS / "DICOMDIR-nooffset").read_bytes())
    with pytest.raises(Invalid, match="too long"):
        dicomdir.read(bytes(dicomdir.MAX_BYTES + 1))


def written(change: object) -> bytes:
    dataset = dcmread(WHOLE)
    change(dataset)  # type: ignore[operator]
    out = BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def test_where_offsets_lead_nowhere_records_are_taken_as_they_stand() -> None:
    def lose(dataset: Dataset) -> None:
        for record in dataset.DirectoryRecordSequence:
            record.OffsetOfTheNextDirectoryRecord = 7
            record.OffsetOfReferencedLowerLevelDirectoryEntity = 7

    assert dicomdir.read(written(lose)) == dicomdir.read(WHOLE.read_bytes())


def test_offsets_in_a_ring_end_and_records_that_are_not_in_use_are_passed_over() -> None:
    def tangle(dataset: Dataset) -> None:
        first = dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity
        for record in dataset.DirectoryRecordSequence:
            if record.DirectoryRecordType == "IMAGE":
                record.OffsetOfReferencedLowerLevelDirectoryEntity = first
        dataset.DirectoryRecordSequence[-1].RecordInUseFlag = 0

    whole = dicomdir.read(WHOLE.read_bytes())
    assert [one.file for one in dicomdir.read(written(tangle))] == [one.file for one in whole][:-1]


def test_an_image_is_no_table_of_contents() -> None:
    assert not dicomdir.is_one((WHOLE.parent / "77654033/CR1/6154").read_bytes()[:4096])
    assert dicomdir.read((WHOLE.parent / "77654033/CR1/6154").read_bytes()) == []
