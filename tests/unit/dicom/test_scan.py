"""The scanner finds what pydicom finds, and refuses what cannot be read."""

import mmap
import random
import struct
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from imagebank.dicom.describe import describe
from imagebank.dicom.dicomjson import to_json
from imagebank.dicom.read import normalise
from imagebank.dicom.scan import Header, More, Odd, is_undefined, scan
from imagebank.errors import BankError, Invalid
from imagebank.model.attribute import catalogue
from samples import sample_data
from unit.dicom.dicom_bytes import (
    EXPLICIT,
    UNDEFINED,
    a_file,
    by_pydicom,
    every_file,
    head,
    item,
    long_head,
    sequence,
    short_head,
    value,
)


def differences(data: bytes, header: Header, read: Any) -> list[str]:
    """Where the scanner and pydicom disagree on the top level: tags, VRs, offsets, lengths or bytes."""
    found = []
    # `items()` would convert the values. Delimiters (group FFFE) that stray among the elements are none themselves.
    theirs = {int(tag): element for tag, element in read._dict.items() if tag.group != 0xFFFE}
    if set(theirs) != set(header.elements):
        found.append(f"tags {sorted(set(theirs) ^ set(header.elements))}")
    for tag in theirs.keys() & header.elements.keys():
        raw, element = header.elements[tag], theirs[tag]
        if not hasattr(element, "value_tell"):
            continue  # a sequence of undefined length: read at once, compared through its items in the JSON
        if element.VR is not None and raw.vr != element.VR and not is_undefined(data, raw):
            found.append(f"{tag:08X} VR {element.VR} {raw.vr}")
        value_bytes = data[raw.offset : raw.offset + raw.length]
        if is_undefined(data, raw):
            # pydicom leaves the delimiter out of the value.
            value_bytes = value_bytes[:-8]
        if element.value_tell != raw.offset or (element.value or b"") != value_bytes:
            found.append(f"{tag:08X} {element.value_tell} {raw}")
    return found


def runs_past_the_end(read: Any) -> bool:
    """Whether pydicom took an element for longer than the file."""
    return any(
        getattr(element, "length", UNDEFINED) != UNDEFINED and len(element.value or b"") < element.length
        for element in read._dict.values()
        if hasattr(element, "value_tell")
    )


def test_the_scan_of_every_file_equals_pydicoms() -> None:
    wrong = {}
    compared = 0
    for path, data in every_file():
        try:
            header = scan(data)
        except (Invalid, Odd):
            continue
        read = by_pydicom(data)
        if not len(read) or runs_past_the_end(read):
            continue  # pydicom gave up on pixel data without a delimiter, or lost its way
        compared += 1
        if found := differences(data, header, read):
            wrong[str(path)] = found

    assert wrong == {}
    assert compared > 50


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="\\"), max_size=16).map(str.strip)
WORDS = {"LO": 0x00081030, "SH": 0x00080050, "UT": 0x0040A160, "UC": 0x00080119, "ST": 0x00080081}
NUMBERS = {0x00280010: "US", 0x00189087: "FD", 0x00280106: "US", 0x00720078: "UL", 0x00189219: "SS"}


@st.composite
def data_sets(draw: st.DrawFn, depth: int = 0) -> Dataset:
    """A data set with texts, numbers, private blocks, empty values, and sequences in sequences."""
    found = Dataset()
    if draw(st.booleans()):
        found.SpecificCharacterSet = draw(st.sampled_from(["ISO_IR 100", "ISO_IR 192", "ISO_IR 144"]))
    for vr, tag in WORDS.items():
        if draw(st.booleans()):
            found.add_new(tag, vr, draw(TEXT))
    for tag, vr in NUMBERS.items():
        if draw(st.booleans()):
            found.add_new(tag, vr, draw(st.sampled_from([None, 0, 1, 4000])))
    if draw(st.booleans()):
        block = found.private_block(0x0029, draw(st.sampled_from(["ACME 1.1", "OTHER"])), create=True)
        block.add_new(0x01, "UN", draw(st.binary(max_size=5)) * 2)
        block.add_new(0x02, "LO", draw(TEXT))
    if depth < 3 and draw(st.booleans()):
        items = draw(st.lists(data_sets(depth=depth + 1), max_size=3))
        for inner in items:
            inner.is_undefined_length_sequence_item = draw(st.booleans())
        found.add_new(draw(st.sampled_from([0x00081140, 0x00400275])), "SQ", Items(items))
        found[list(found.keys())[-1]].is_undefined_length = draw(st.booleans())
    return found


def written(data_set: Dataset, *, implicit: bool) -> bytes:
    out = BytesIO()
    data_set.SOPInstanceUID = "1.2.3"
    data_set.PatientName = "Last"
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    data_set.save_as(out, implicit_vr=implicit, little_endian=True)
    return head(syntax) + out.getvalue()


@settings(max_examples=150, deadline=None)
@given(data_sets(), st.booleans())
def test_the_scan_of_any_data_set_equals_pydicoms(data_set: Dataset, implicit: bool) -> None:
    data = written(data_set, implicit=implicit)

    header = scan(data)

    assert differences(data, header, by_pydicom(data)) == []
    assert header.is_explicit is not implicit
    assert header.warnings == ()


def test_a_file_is_scanned_alike_from_bytes_from_a_view_and_from_a_map(tmp_path: Path) -> None:
    data = a_file(value(0x00100010, "PN", "A^B"))
    (tmp_path / "one").write_bytes(data)
    with (tmp_path / "one").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        headers = [scan(data), scan(memoryview(data)), scan(bytearray(data)), scan(mapped)]

    assert all(header == headers[0] for header in headers)


def test_a_leading_part_is_enough_when_only_pixel_data_lies_outside() -> None:
    data = a_file(value(0x7FE00010, "OW", bytes(1000)))

    header = scan(data[:-990], size=len(data))

    assert header.elements == scan(data).elements


def test_a_leading_part_that_ends_within_the_header_asks_for_more() -> None:
    data = a_file(value(0x00204000, "LT", "x" * 1000), value(0x7FE00010, "OW", bytes(1000)))
    for length in (140, 300, 500, 900):
        with pytest.raises(More):
            scan(data[:length], size=len(data))


def test_a_data_set_without_any_header_is_recognised() -> None:
    explicit = a_file()[scan(a_file()).dataset_offset :]

    header = scan(explicit)

    assert (header.transfer_syntax, header.dataset_offset) == (EXPLICIT, 0)
    assert "recognised" in header.warnings[0]


def test_a_wrong_group_length_is_not_relied_on() -> None:
    data = bytearray(a_file())
    data[140:144] = struct.pack("<I", 7)

    assert scan(bytes(data)).elements.keys() == scan(a_file()).elements.keys()


def test_bytes_win_over_a_declared_transfer_syntax() -> None:
    header = scan(a_file(syntax="1.2.840.10008.1.2"))

    assert header.transfer_syntax == EXPLICIT
    assert "declares" in header.warnings[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "0 bytes"),
        (b"<html><body>404 Not Found</body></html>", "not DICOM"),
        (bytes(128) + b"DICM", "no data set"),
        (a_file(value(0x7FE00010, "OW", bytes(1000)))[:-500], r"ends within PixelData \(7FE0,0010\): 500 bytes"),
        (a_file()[:-3], "ends within SeriesInstanceUID"),
        (a_file(short_head(0x00204000, "LT", 60000)), "ends within ImageComments"),
        (a_file(sequence(0x00400275, item(value(0x00400007, "LO", "x")), defined=False)[:-8]), "ends within"),
    ],
)
def test_a_broken_file_is_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=reason):
        scan(data)


def test_zeros_after_the_data_set_are_tolerated() -> None:
    header = scan(a_file() + bytes(100))

    assert header.warnings == ("100 bytes after the end of the data set were not read",)


def test_junk_after_pixel_data_is_tolerated() -> None:
    data = a_file(value(0x7FE00010, "OW", bytes(10)))
    for junk in (b"\n", b"-----END-----\r\n", random.Random(1).randbytes(999)):
        header = scan(data + junk)

        assert len(header.warnings) == 1


def test_junk_after_pixel_data_does_not_take_the_place_of_elements() -> None:
    data = a_file(value(0x7FE00010, "OW", bytes(10)))
    junk = value(0x00080018, "UI", "6.6.6") + short_head(0x00100010, "PN", 9000)

    assert scan(data + junk).elements == scan(data).elements


def test_delimiters_that_belong_to_no_sequence_are_passed_over() -> None:
    stray = bytes.fromhex("feff00e000000000") + bytes.fromhex("feffdde000000000")
    header = scan(a_file(value(0x0055040E, "SQ", b""), stray, value(0x00281050, "DS", "1 ")))

    assert header.elements.keys() >= {0x0055040E, 0x00281050}
    assert header.warnings == ("delimiters that belong to no sequence were passed over",)


def test_blanks_in_place_of_a_vr_are_read_by_the_dictionary() -> None:
    header = scan(a_file(short_head(0x00280120, "  ", 2) + b"\0\0", value(0x00281050, "DS", "1 ")))

    assert header.elements[0x00280120][::2] == ("??", 2)
    assert header.elements[0x00281050].length == 2


def test_elements_in_implicit_coding_among_explicit_ones_are_read() -> None:
    header = scan(a_file(struct.pack("<HHI", 0x0028, 0x0120, 2) + b"\0\0", value(0x00281050, "DS", "1 ")))

    assert header.elements[0x00280120][2] == header.elements[0x00281050].length == 2


def test_a_file_with_a_head_but_no_preamble_is_read() -> None:
    header = scan(a_file()[132:])

    assert header.transfer_syntax == EXPLICIT
    assert header.elements.keys() == scan(a_file()).elements.keys()


def test_items_that_are_not_closed_end_where_the_next_begins() -> None:
    step = value(0x00400007, "LO", "x")
    unclosed = item(step, defined=False)[:-8]
    data = a_file(sequence(0x00400275, unclosed, unclosed, defined=False), value(0x00400280, "ST", "after"))

    found = to_json(data, scan(data), bulk=None)

    assert found["00400275"]["Value"] == [{"00400007": {"vr": "LO", "Value": ["x"]}}] * 2
    assert found["00400280"]["Value"] == ["after"]


def nested(depth: int, *, defined: bool) -> bytes:
    inner = value(0x00400007, "LO", "x")
    for _ in range(depth):
        inner = sequence(0x00400275, item(inner, defined=defined), defined=defined)
    return a_file(inner)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(Invalid, match="nested more than 32 deep"):
        scan(nested(2000, defined=False))


def test_nesting_of_known_length_is_shown_as_deep_as_is_sensible() -> None:
    data = nested(500, defined=True)
    warnings: dict[str, None] = {}

    found = to_json(data, scan(data), bulk=None, warnings=warnings)

    assert found["00400275"]["Value"]
    assert "nested too deep" in next(iter(warnings))


def test_elements_without_end_are_refused() -> None:
    many = b"".join(short_head(0x00110000 + n % 65536, "LO", 0) for n in range(100_001))

    with pytest.raises(Invalid, match="more than 100000 elements"):
        scan(head(EXPLICIT) + many)


def test_a_declared_length_allocates_nothing() -> None:
    with pytest.raises(Invalid, match="bytes are missing"):
        scan(a_file(long_head(0x7FE00010, "OW", 0xFFFFFFF0)))


def outcome(data: bytes) -> str:
    """What becomes of bytes that nobody promised to be DICOM. Anything but a BankError gets through and fails the test."""
    try:
        description = describe(data, catalogue=catalogue(), organization="ORG")
        image, header = normalise(data)
    except BankError as error:
        return str(error)
    to_json(image, header, bulk=lambda path: path)
    return f"kept {description.uid}"


def test_no_mutation_of_a_file_crashes_or_hangs() -> None:
    chance = random.Random(20261124)
    folder = sample_data()
    names = ["charsets/chrH31.dcm", "malformed/priv_SQ.dcm", "malformed/UN_sequence.dcm", "malformed/badVR.dcm"]
    small = [p for p in sorted(folder.rglob("*")) if p.is_file() and 300 < p.stat().st_size < 20_000]
    paths = [folder / name for name in names] + chance.sample(small, 20)
    for path in paths:
        data = path.read_bytes()
        for _ in range(25):
            mutated = bytearray(data)
            for _ in range(chance.randint(1, 8)):
                mutated[chance.randrange(len(mutated))] = chance.choice((0, 1, 0xFF, 0xFE, chance.randrange(256)))
            began = time.perf_counter()
            outcome(bytes(mutated))

            assert time.perf_counter() - began < 5, path


def test_no_truncation_of_a_file_crashes() -> None:
    chance = random.Random(20261125)
    for name in (
        "charsets/chrH31.dcm",
        "malformed/rtplan_truncated.dcm",
        "malformed/reportsi_with_empty_number_tags.dcm",
    ):
        data = (sample_data() / name).read_bytes()
        for length in sorted(chance.sample(range(len(data)), min(200, len(data)))):
            outcome(data[:length])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from([b"", a_file()[:300], head(EXPLICIT), head("1.2.840.10008.1.2.2")]))
def test_random_bytes_are_refused_or_read(tail: bytes, start: bytes) -> None:
    outcome(start + tail)
