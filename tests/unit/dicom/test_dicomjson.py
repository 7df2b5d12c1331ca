"""The JSON model equals pydicom's where pydicom is right, and loses nothing where bytes are odd."""

import base64
import json
import math
import struct
import warnings
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebank.dicom import values
from imagebank.dicom.dicomjson import Fragments, locate, series_json, to_json
from imagebank.dicom.read import normalise
from imagebank.dicom.scan import scan
from imagebank.errors import Invalid, NotFound
from samples import sample_data
from unit.dicom.dicom_bytes import (
    EXPLICIT,
    a_file,
    by_pydicom,
    encapsulated,
    every_file,
    head,
    item,
    long_head,
    sequence,
    short_head,
    value,
)
from unit.dicom.test_scan import data_sets, runs_past_the_end, written


def read(data: bytes, **options: Any) -> dict[str, Any]:
    return to_json(data, scan(data), **{"bulk": None, **options})


def plain(element: dict[str, Any]) -> dict[str, Any]:
    """An element without what the two implementations may write differently: padding, empty values, number types."""
    values = element.get("Value") or []
    if element["vr"] == "PN":
        values = [{k: v.strip() for k, v in (name or {}).items() if v.strip()} for name in values]
    values = [v.strip(" \0") if isinstance(v, str) else v for v in values]
    values = [None if v in ("", {}) or (isinstance(v, float) and math.isnan(v)) else v for v in values]
    kept = {k: v for k, v in element.items() if k != "Value" and v}
    return kept if values in ([], [None]) else {**kept, "Value": values}


def differences(ours: dict[str, Any], theirs: Any, data: bytes, path: str = "") -> list[str]:
    """Where our JSON and pydicom's differ, except where pydicom cannot say or is wrong; see `excused`."""
    found = []
    shown = {f"{int(tag):08X}" for tag in theirs.keys()}  # noqa: SIM118 - iterating converts every value
    shown = {key for key in shown if "00080000" < key < "FFFE0000" and key[4:] != "0000"}
    if shown != set(ours):
        return [f"{path} tags {sorted(shown ^ set(ours))}"]
    for key, element in ours.items():
        if key in ("00080005", "7FE00010") or excused(element, theirs, int(key, 16)):
            continue
        other = theirs[int(key, 16)]
        if other.VR == "SQ" and element["vr"] == "SQ":
            items = element.get("Value", [])
            if len(items) != len(other.value):
                found.append(f"{path}{key} {len(items)} items")
            for number, (one, two) in enumerate(zip(items, other.value, strict=False)):
                found += differences(one, two, data, f"{path}{key}/{number}/")
        elif plain(element) != plain(other.to_json_dict(None, 0)):
            found.append(f"{path}{key} {element} {other.to_json_dict(None, 0)}")
    return found


def excused(element: dict[str, Any], theirs: Any, tag: int) -> bool:
    """Values that pydicom does not convert, or converts against the standard."""
    try:
        other = theirs[tag]
        other.to_json_dict(None, 0)
    except (ValueError, NotImplementedError, TypeError, OverflowError):
        return True  # it raises for a value that is not of its VR
    if " or " in other.VR:
        return True  # an ambiguous VR that it leaves open outside of its writer
    # PS3.5 6.2.2: a value of VR UN is little endian in any transfer syntax, and pydicom turns it round with the rest.
    was_unknown = getattr(theirs, "file_meta", None) is not None and not theirs.original_encoding[1]
    return bool(was_unknown and tag >> 16 & 1 and element["vr"] != "UN")


def test_the_json_of_every_file_equals_pydicoms() -> None:
    wrong = {}
    compared = 0
    for path, data in every_file():
        try:
            image, header = normalise(data)
        except Invalid:
            continue
        theirs = by_pydicom(data)
        if not len(theirs) or runs_past_the_end(theirs):
            continue
        compared += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = to_json(image, header, bulk=None, inline_limit=1 << 30, skip_pixels=False)
            if differing := differences(found, theirs, data):
                wrong[str(path)] = differing[:3]
        json.dumps(found, allow_nan=False)

    assert wrong == {}
    assert compared > 50


@settings(max_examples=150, deadline=None)
@given(data_sets(), st.booleans())
def test_the_json_of_any_data_set_equals_pydicoms(data_set: pydicom.Dataset, implicit: bool) -> None:
    data = written(data_set, implicit=implicit)

    assert differences(read(data, inline_limit=1 << 30), by_pydicom(data), data) == []


def test_names_have_only_the_groups_that_are_there() -> None:
    found = read(
        a_file(value(0x00100010, "PN", "Yamada^Tarou==やまだ^たろう\\^"), value(0x00080005, "CS", "ISO_IR 192"))
    )

    assert found["00100010"] == {
        "vr": "PN",
        "Value": [{"Alphabetic": "Yamada^Tarou", "Phonetic": "やまだ^たろう"}, {"Alphabetic": "^"}],
    }


def test_an_empty_value_among_others_is_null_and_an_empty_element_has_no_value() -> None:
    found = read(
        a_file(value(0x00080008, "CS", "ORIGINAL\\\\AXIAL"), value(0x00100030, "DA", ""), sequence(0x00400275))
    )

    assert found["00080008"]["Value"] == ["ORIGINAL", None, "AXIAL"]
    assert found["00100030"] == {"vr": "DA"}
    assert found["00400275"] == {"vr": "SQ"}


def test_numbers_are_numbers_and_what_is_none_stays_text() -> None:
    warned: dict[str, None] = {}
    found = read(
        a_file(
            value(0x00200013, "IS", "+12"),
            value(0x00280030, "DS", "0.5\\ 1e3\\abc\\nan"),
            value(0x00201208, "IS", "1_0"),
            value(0x00189074, "IS", "9" * 40),
        ),
        warnings=warned,
    )

    assert found["00200013"]["Value"] == [12]
    assert found["00280030"]["Value"] == [0.5, 1000.0, "abc", "nan"]
    assert found["00201208"]["Value"] == ["1_0"]
    assert found["00189074"]["Value"] == ["9" * 40]
    assert len(warned) == 3


def test_floats_that_json_does_not_have_are_words() -> None:
    packed = struct.pack("<4d", math.nan, math.inf, -math.inf, 1.5)

    assert read(a_file(value(0x00189087, "FD", packed)))["00189087"]["Value"] == ["NaN", "Infinity", "-Infinity", 1.5]


def test_a_tag_is_written_as_hex() -> None:
    assert read(a_file(value(0x00280009, "AT", b"\x18\x00\x63\x10")))["00280009"]["Value"] == ["00181063"]


def test_a_number_of_a_wrong_length_is_kept_as_bytes() -> None:
    found = read(a_file(value(0x00189087, "FD", b"\1\2\3\4\5\6")))

    assert found["00189087"] == {"vr": "UN", "InlineBinary": base64.b64encode(b"\1\2\3\4\5\6").decode()}


def test_a_vr_that_nobody_knows_is_read_by_the_dictionary() -> None:
    warned: dict[str, None] = {}
    data = a_file(short_head(0x00081030, "ZZ", 4) + b"Head")

    assert read(data, warnings=warned)["00081030"] == {"vr": "LO", "Value": ["Head"]}
    assert list(warned) == ["StudyDescription (0008,1030) has a VR that DICOM does not know"]


def test_the_character_set_is_that_of_the_json() -> None:
    found = read(a_file(value(0x00080005, "CS", "ISO_IR 144"), value(0x00081030, "LO", "Дмитрий".encode("iso8859_5"))))

    assert found["00080005"]["Value"] == ["ISO_IR 192"]
    assert found["00081030"]["Value"] == ["Дмитрий"]


def test_an_item_may_have_a_character_set_of_its_own() -> None:
    inner = item(value(0x00080005, "CS", "ISO_IR 126"), value(0x00400007, "LO", "Διονυσιος".encode("iso8859_7")))
    after = item(value(0x00400007, "LO", "Äneas".encode("latin-1")))
    found = read(a_file(value(0x00080005, "CS", "ISO_IR 100"), sequence(0x00400275, inner, after)))

    texts = [one["00400007"]["Value"][0] for one in found["00400275"]["Value"]]
    assert texts == ["Διονυσιος", "Äneas"]


def test_bytes_that_no_character_set_knows_are_replaced_with_a_warning() -> None:
    warned: dict[str, None] = {}
    data = a_file(value(0x00080005, "CS", "ISO_IR 192"), value(0x00081030, "LO", b"caf\xe9 x"))

    assert read(data, warnings=warned)["00081030"]["Value"] == ["caf\ufffd x"]
    assert list(warned) == ["StudyDescription (0008,1030) has bytes that its character set does not know"]


def test_binary_values_are_inline_up_to_the_limit_and_named_beyond_it() -> None:
    data = a_file(value(0x00282000, "OB", b"ab"), value(0x00420011, "OB", bytes(2000)), value(0x7FE00010, "OW", b"xy"))

    found = read(data, bulk=lambda path: f"/bulk/{path}")

    assert found["00282000"] == {"vr": "OB", "InlineBinary": "YWI="}
    assert found["00420011"] == {"vr": "OB", "BulkDataURI": "/bulk/00420011"}
    assert found["7FE00010"] == {"vr": "OW", "BulkDataURI": "/bulk/7FE00010"}
    assert "7FE00010" not in read(data)


def test_texts_and_numbers_without_end_are_named_too() -> None:
    data = a_file(value(0x0040A160, "UT", b"x" * 2_000_000))

    assert read(data, bulk=str)["0040A160"] == {"vr": "UT", "BulkDataURI": "0040A160"}


def test_items_beyond_what_can_be_shown_are_left_out_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    data = a_file(sequence(0x00400275, *[item(value(0x00400007, "LO", "x"))] * 50))
    monkeypatch.setattr(values, "MAX_SHOWN", 20)
    warned: dict[str, None] = {}

    found = read(data, warnings=warned)

    assert len(found["00400275"]["Value"]) == 10
    assert list(warned) == ["RequestAttributesSequence (0040,0275) has more items than can be shown"]


def test_a_bulk_path_leads_back_to_its_bytes() -> None:
    waves = [bytes([number]) * 2000 for number in range(3)]
    items = [item(value(0x54001010, "OW", wave), defined=number % 2 == 0) for number, wave in enumerate(waves)]
    data = a_file(sequence(0x54000100, *items, defined=False))
    header = scan(data)

    found = to_json(data, header, bulk=lambda path: path)
    paths = [one["54001010"]["BulkDataURI"] for one in found["54000100"]["Value"]]

    raws = [locate(data, header, path) for path in paths]
    assert paths == ["54000100/1/54001010", "54000100/2/54001010", "54000100/3/54001010"]
    assert [data[raw.offset : raw.offset + raw.length] for raw in raws] == waves


@pytest.mark.parametrize(
    "path", ["", "x", "7FE00010", "54000100/1", "54000100/9/54001010", "00080018/1/0", "/".join("1" * 99)]
)
def test_a_bulk_path_that_leads_nowhere_is_not_found(path: str) -> None:
    data = a_file(sequence(0x54000100, item(value(0x54001010, "OW", b"ab"))))

    with pytest.raises(NotFound):
        locate(data, scan(data), path)


def test_keys_ascend_and_the_stored_transfer_syntax_stands_among_them() -> None:
    data = head(EXPLICIT) + value(0x00200013, "IS", "1") + value(0x00080018, "UI", "1.2")

    found = read(data, available_transfer_syntax=EXPLICIT)

    assert list(found) == ["00080018", "00083002", "00200013"]
    assert found["00083002"] == {"vr": "UI", "Value": [EXPLICIT]}


def test_signs_follow_the_pixel_representation_around_them() -> None:
    padding = struct.pack("<HHI", 0x0028, 0x0120, 2) + struct.pack("<h", -2000)
    signed = struct.pack("<HHI", 0x0028, 0x0103, 2) + b"\1\0"
    uid = struct.pack("<HHI", 0x0008, 0x0018, 4) + b"1.2\0"

    assert read(head("1.2.840.10008.1.2") + uid + signed + padding)["00280120"] == {"vr": "SS", "Value": [-2000]}
    assert read(head("1.2.840.10008.1.2") + uid + padding)["00280120"] == {"vr": "US", "Value": [63536]}


def test_unknown_values_of_undefined_length_are_sequences() -> None:
    # PS3.5 6.2.2, note: their items are in implicit coding, whatever is around them.
    inner = struct.pack("<HHI", 0x0040, 0x0007, 4) + b"Head"
    body = item(inner, defined=False) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    found = read(a_file(long_head(0x00111010, "UN", 0xFFFFFFFF) + body, value(0x00200013, "IS", "1")))

    assert found["00111010"] == {"vr": "SQ", "Value": [{"00400007": {"vr": "LO", "Value": ["Head"]}}]}
    assert "00200013" in found


def test_a_broken_sequence_shows_the_items_before_the_break() -> None:
    broken = struct.pack("<HHI", 0xFFFE, 0xE000, 900) + b"12345678"
    warned: dict[str, None] = {}
    found = read(a_file(sequence(0x00400275, item(value(0x00400007, "LO", "x")), broken)), warnings=warned)

    assert found["00400275"]["vr"] == "SQ"
    assert len(warned) == 1


def test_a_series_is_the_array_of_its_instances() -> None:
    files = [p.read_bytes() for p in sorted((sample_data() / "ct-head-current").rglob("*")) if p.is_file()]
    files += [a_file(encapsulated(b"\xff\xd8\xff\xd9"), value(0x00420011, "OB", bytes(3000)))]
    images = [normalise(data) for data in files]

    body = series_json((*image, EXPLICIT, f"/i/{number}/") for number, image in enumerate(images))

    expected = [
        to_json(*image, bulk=f"/i/{number}/".__add__, available_transfer_syntax=EXPLICIT)
        for number, image in enumerate(images)
    ]
    assert json.loads(body) == json.loads(json.dumps(expected))


def test_equal_bytes_under_another_character_set_are_another_text() -> None:
    text = value(0x00081030, "LO", b"\xc4\xd6")
    files = [a_file(value(0x00080005, "CS", f"ISO_IR {number}"), text) for number in (100, 144, 126)]
    fragments = Fragments()

    found = [json.loads(fragments.instance(data, scan(data), EXPLICIT, "")) for data in files]

    assert [one["00081030"]["Value"][0] for one in found] == [
        b"\xc4\xd6".decode(name) for name in ("latin-1", "iso8859_5", "iso8859_7")
    ]
