"""What the index keeps of an object, what is refused, and what is tolerated with a warning."""

import re
from typing import Any

import pytest

from imagebank.dicom.describe import describe, describe_ahead
from imagebank.dicom.preamble import ends_as
from imagebank.dicom.scan import IMPLICIT_LE, Buffer
from imagebank.errors import BankError, Invalid, Unsupported
from imagebank.model.attribute import MAIN, Attribute, Level, catalogue
from imagebank.model.imaging import Description
from imagebank.model.person import PatientId
from samples import sample_data
from unit.dicom.dicom_bytes import (
    CT,
    EXPLICIT,
    INSTANCE,
    SERIES,
    STUDY,
    a_file,
    every_file,
    head,
    image,
    item,
    sequence,
    value,
)

REQUEST = 0x00400275


def described(data: Buffer, *declared: Attribute, **options: Any) -> Description:
    return describe(data, catalogue=catalogue(declared), organization="ORG", **options)


def test_an_object_is_described_by_its_identity() -> None:
    found = described(a_file(value(0x00200013, "IS", "7"), value(0x00080060, "CS", "CT")))

    assert (found.study, found.series, found.uid, found.sop_class) == (STUDY, SERIES, INSTANCE, CT)
    assert (found.transfer_syntax, found.pixels, found.warnings) == (EXPLICIT, None, ())
    assert found.levels[Level.SERIES]["00080060"] == {"vr": "CS", "Value": ["CT"]}
    assert found.levels[Level.INSTANCE]["00200013"] == {"vr": "IS", "Value": [7]}
    assert all(list(level) == sorted(level) for level in found.levels)


def test_a_patient_belongs_to_the_issuer_in_the_data_set_or_to_the_organization() -> None:
    assert described(a_file()).patient == PatientId("ORG", "P1")
    assert described(a_file(value(0x00100021, "LO", "CITY"))).patient == PatientId("CITY", "P1")


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        (0x0020000D, "StudyInstanceUID"),
        (0x0020000E, "SeriesInstanceUID"),
        (0x00080018, "SOPInstanceUID"),
        (0x00080016, "SOPClassUID"),
    ],
)
def test_an_object_without_identity_is_refused(tag: int, name: str) -> None:
    for data in (a_file(without=(tag,)), a_file(value(tag, "UI", "")), a_file(value(tag, "UI", "../etc"))):
        with pytest.raises(Invalid, match=name):
            described(data)


def test_a_refusal_does_not_repeat_what_stood_in_place_of_a_uid() -> None:
    with pytest.raises(Invalid) as refusal:
        described(a_file(value(0x0020000D, "UI", "DOE^JANE")))

    assert "DOE" not in str(refusal.value)


def test_a_directory_of_a_medium_is_not_an_object() -> None:
    for path in sorted((sample_data() / "media-dicomdir-variants").iterdir()):
        with pytest.raises(Unsupported, match="DICOMDIR"):
            described(path.read_bytes())


def test_the_data_sets_identity_counts_where_the_files_header_differs() -> None:
    data = a_file()
    other = head(EXPLICIT, uid="9.9.9") + data[len(head(EXPLICIT)) :]

    found = described(other)

    assert found.uid == INSTANCE
    assert found.warnings == (
        "MediaStorageSOPInstanceUID (0002,0003) in the file's header differs from the data set's, which counts",
    )


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (a_file(without=(0x00100020,)), "PatientID is missing"),
        (a_file(without=(0x00080020,)), "StudyDate .* is missing"),
        (a_file(value(0x00080020, "DA", "yesterda")), "StudyDate has a value that cannot be searched"),
        (a_file(value(0x00200013, "IS", "7a")), "InstanceNumber has a value that cannot be searched"),
        (a_file(value(0x00080005, "CS", "KLINGON")), "character set"),
        (a_file(value(0x00100010, "PN", b"\xff\xfe"), value(0x00080005, "CS", "ISO_IR 192")), "PatientName .* bytes"),
        (a_file() + bytes(8), "after the end"),
        (a_file(*image(rows=9000), value(0x7FE00010, "OB", bytes(4))), "frames of 9000 x 2"),
        (a_file()[len(head(EXPLICIT)) :], "recognised from the bytes"),
    ],
)
def test_what_is_odd_is_kept_with_a_warning(data: bytes, word: str) -> None:
    warnings = described(data).warnings

    assert any(re.search(word, warning) for warning in warnings), warnings


def test_a_value_of_odd_length_is_kept_with_a_warning() -> None:
    data = a_file(value(0x00200010, "SH", "AB"))
    at = data.index(b"AB")
    odd = data[: at - 2] + b"\1\0" + b"A" + data[at + 2 :]

    assert described(odd).warnings == ("some values have an odd length",)


def test_warnings_hold_no_values() -> None:
    found = described(
        a_file(
            value(0x00100010, "PN", b"Doe\xff"), value(0x00080005, "CS", "ISO_IR 192"), value(0x00200013, "IS", "Jane")
        )
    )

    assert found.warnings
    assert not any(word in warning for warning in found.warnings for word in ("Doe", "Jane"))


def test_sequences_in_a_level_hold_what_the_catalogue_names() -> None:
    request = item(value(0x00400009, "SH", "S1"), value(0x00401001, "SH", "R1"), value(0x00400007, "LO", "not named"))

    found = described(a_file(sequence(REQUEST, request, defined=False)))

    assert found.levels[Level.SERIES]["00400275"] == {
        "vr": "SQ",
        "Value": [{"00400009": {"vr": "SH", "Value": ["S1"]}, "00401001": {"vr": "SH", "Value": ["R1"]}}],
    }
    assert found.declared[(REQUEST, 0x00401001)] == ("R1",)


def test_values_in_all_items_are_declared() -> None:
    items = [item(value(0x00401001, "SH", text)) for text in ("R1", "R2", "R1")]

    assert described(a_file(sequence(REQUEST, *items))).declared[(REQUEST, 0x00401001)] == ("R1", "R2")


def test_a_sites_attribute_is_declared_in_its_comparison_form() -> None:
    agent = Attribute("ContrastBolusAgent", (0x00180010,), "LO", Level.SERIES, folded=True)
    weight = Attribute("PatientWeight", (0x00101030,), "DS", Level.STUDY)

    utf8 = value(0x00080005, "CS", "ISO_IR 192")
    data = a_file(utf8, value(0x00180010, "LO", "Omnipaque É"), value(0x00101030, "DS", "70.50"))

    found = described(data, agent, weight)

    assert found.declared == {(0x00180010,): ("omnipaque e",), (0x00101030,): ("70.5",)}
    assert found.levels[Level.SERIES]["00180010"]["Value"] == ["Omnipaque É"]


def test_a_private_attribute_is_found_in_the_block_of_its_creator() -> None:
    attribute = Attribute("Secret", (0x00191002,), "LO", Level.SERIES, creator="ACME 1.1")
    private = [value(0x00190010, "LO", "OTHER"), value(0x00190042, "LO", "ACME 1.1")]
    values = [value(0x00191002, "LO", "wrong"), value(0x00194202, "UN", "right ")]

    assert described(a_file(*private, *values), attribute).declared == {(0x00191002,): ("right",)}
    assert described(a_file(*private[:1], *values[:1]), attribute).declared == {}


@pytest.mark.parametrize(
    ("zone", "text", "forms"),
    [
        ("+0200", "20240101120000", ("20240101120000.000000", "U20240101100000.000000")),
        ("-0500 ", "20240101120000+0000", ("20240101120000.000000", "U20240101120000.000000")),
        ("+0200", "20240101120000-0500", ("20240101120000.000000", "U20240101170000.000000")),
        ("CET", "20240101120000", ("20240101120000.000000", "U20240101120000.000000")),
        ("+0200", "", ()),
    ],
)
def test_a_date_and_time_is_in_the_time_zone_of_its_object(zone: str, text: str, forms: tuple[str, ...]) -> None:
    acquired = Attribute("AcquisitionDateTime", (0x0008002A,), "DT", Level.INSTANCE)
    found = described(a_file(value(0x0008002A, "DT", text), value(0x00080201, "SH", zone)), acquired)

    assert found.declared.get(acquired.path, ()) == forms


def test_a_declared_value_that_cannot_be_read_gives_nothing_but_a_warning() -> None:
    date = Attribute("DateOfLastCalibration", (0x00181200,), "DA", Level.SERIES)

    found = described(a_file(value(0x00181200, "DA", "20261399\\20260102")), date)

    assert found.declared == {(0x00181200,): ("20260102",)}
    assert found.warnings == ("DateOfLastCalibration has a value that cannot be searched for",)


BY_KEYWORD = {attribute.keyword: attribute for attribute in MAIN}


def test_an_object_in_another_coding_says_how_it_is_stored() -> None:
    for name in ("deflated/image_dfl.dcm", "big-endian/MR_small_bigendian.dcm"):
        path = next(sample_data().rglob(name))
        found = described(path.read_bytes())

        assert found.transfer_syntax in ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")
        assert found.pixels is not None
        assert not found.pixels.direct
        assert found.pixels.rows


def test_a_description_of_a_view_equals_that_of_bytes() -> None:
    data = a_file(*image(), value(0x7FE00010, "OB", bytes(4)))

    assert described(memoryview(data)) == described(data)


def test_every_file_is_described_or_refused_in_words() -> None:
    for path, data in every_file():
        try:
            outcome = str(described(data).uid)
        except BankError as refusal:
            outcome = str(refusal)

        assert len(outcome) > 5, path


def test_what_is_said_of_a_leading_part_holds_of_a_file_of_the_length_that_it_tells() -> None:
    told = 0
    for path, data in every_file():
        try:
            ahead, size = describe_ahead(memoryview(data)[: 16 << 10], catalogue=catalogue(), organization="ORG")
        except Exception:  # noqa: BLE001 - it says nothing of most; whatever is wrong is said of the whole
            continue
        if size == len(data) and not ends_as(data):
            told += 1
            assert ahead == described(data), path

    assert told > 50


MALFORMED = {
    "CTImageStorage_bad_meta.dcm": "",
    "ExplVR_BigEndNoMeta.dcm": "PatientID is missing",
    "ExplVR_LitEndNoMeta.dcm": "recognised from the bytes",
    "GH179A.dcm": "VR that DICOM does not know",
    "GH220.dcm": "!the object has no",
    "GH223.dcm": "!the object has no",
    "GH626.dcm": "!the data set breaks off",
    "J2K_pixelrep_mismatch.dcm": "",
    "JPEG2000-embedded-sequence-delimiter.dcm": "",
    "MR_small_padded.dcm": "",
    "MR_truncated.dcm": "!the file ends within PixelData",
    "UN_sequence.dcm": "!the object has no StudyInstanceUID",
    "badVR.dcm": "number of frames",
    "bad_sequence.dcm": "!StudyInstanceUID (0020,000D) is not a UID",
    "empty_charset_LEI.dcm": "!the object has no StudyInstanceUID",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "not closed by a delimiter",
    "explicit_VR-UN.dcm": "",
    "made-corrupt-j2k-codestream.dcm": "",
    "made-duplicate-uid-a.dcm": "",
    "made-duplicate-uid-b.dcm": "",
    "made-empty-patient.dcm": "PatientID is missing",
    "made-html-as-dcm.dcm": "!not DICOM",
    "made-no-study-uid.dcm": "!the object has no StudyInstanceUID",
    "made-preamble-only.dcm": "!there is no data set",
    "made-rows-lie.dcm": "frames of 60000 x 60000",
    "made-truncated-half.dcm": "!the file ends within PixelData",
    "made-truncated-in-header.dcm": "!the data set breaks off",
    "made-zero-bytes.dcm": "!not DICOM",
    "meta_missing_tsyntax.dcm": "!the object has no",
    "nested_priv_SQ.dcm": "!the object has no",
    "no_meta_group_length.dcm": "!the object has no",
    "priv_SQ.dcm": "!the object has no",
    "reportsi_with_empty_number_tags.dcm": "PatientID is missing",
    "rtplan_truncated.dcm": "!the file ends within BeamSequence",
}
"""What becomes of each sample that is malformed: refused (!) or kept, with these words; kept in silence where empty."""


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_with_the_reason_or_kept(name: str) -> None:
    data = (sample_data() / "malformed" / name).read_bytes()
    try:
        outcome = " · ".join(described(data).warnings)
    except BankError as refusal:
        outcome = f"!{refusal}"

    assert outcome.startswith("!") == MALFORMED[name].startswith("!"), outcome
    assert MALFORMED[name].strip("!") in outcome
    assert bool(outcome) == bool(MALFORMED[name]), outcome


def test_an_implicit_object_is_described_with_the_standards_vrs() -> None:
    path = next(p for p, data in every_file() if data[128:132] == b"DICM" and b"1.2.840.10008.1.2\0" in data[:400])
    found = described(path.read_bytes())

    assert found.transfer_syntax == IMPLICIT_LE
    assert found.levels[Level.PATIENT]["00100020"]["vr"] == "LO"


def test_a_uid_that_is_too_long_identifies_as_well_as_any() -> None:
    long = "1.2.826.0.1.3680043.2.1143." + "7" * 40
    found = described(a_file(value(0x00080018, "UI", long)))

    assert found.uid == long
    assert "a UID has more than 64 characters" in found.warnings


SR, PDF, KEY_OBJECTS = (f"1.2.840.10008.5.1.4.1.1.{tail}" for tail in ("88.11", "104.1", "88.59"))


@pytest.mark.parametrize(
    ("sop_class", "types"),
    [
        (SR, ("11526-1", "pathology study", "a letter", "department:lab")),
        (PDF, ("11526-1", "pathology study", "a letter", "department:lab")),
        (KEY_OBJECTS, ()),
        (CT, ()),
    ],
)
def test_a_document_is_of_the_types_that_its_titles_and_its_department_name(sop_class: str, types: tuple[str]) -> None:
    coded = item(value(0x00080100, "SH", "11526-1"), value(0x00080104, "LO", "Pathology study"))
    named = (value(0x00081040, "LO", "Lab"), sequence(0x0040A043, coded), value(0x00420010, "ST", "A letter"))

    assert described(a_file(value(0x00080016, "UI", sop_class), *named)).types == types


def test_a_document_that_names_nothing_is_a_document() -> None:
    assert described(a_file(value(0x00080016, "UI", SR))).types == ("document",)
