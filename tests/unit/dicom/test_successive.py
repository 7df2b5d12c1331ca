"""Objects described by the one before: always the same comes out as by reading each."""

import random
import struct
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebank.dicom.describe import describe, describe_ahead
from imagebank.dicom.successive import Successive
from imagebank.model.attribute import Attribute, Catalogue, Level, catalogue
from make import a_series
from unit.dicom.dicom_bytes import CT, EXPLICIT, IMPLICIT, every_file, head, value

PLAIN = catalogue()
DECLARED = catalogue(
    [
        Attribute("EchoTime", (0x00180081,), "DS", Level.INSTANCE),
        Attribute("Kind", (0x00091001,), "LO", Level.INSTANCE, creator="MAKER"),
    ]
)
PIXELS = (0x7FE00010, "OW", bytes(128))


def outcome(ask: Callable[[], Any]) -> Any:
    """What is said, with the order of all attributes; or what is refused, and in which words."""
    try:
        said = ask()
    except Exception as error:  # noqa: BLE001 - the very same has to be raised
        return type(error), str(error)
    found = said[0] if isinstance(said, tuple) else said
    return said, orjson.dumps([found.levels, list(found.declared)], option=orjson.OPT_NON_STR_KEYS)


def compare(before: Successive, data: bytes, known: Catalogue = PLAIN, *, organization: str = "ORG") -> None:
    how: dict[str, Any] = {"catalogue": known, "organization": organization}
    read = outcome(lambda: describe(data, size=len(data), **how))
    assert outcome(lambda: before.describe(memoryview(data), **how)) == read


def compare_ahead(before: Successive, data: bytes, have: int) -> None:
    part = memoryview(data)[:have]
    how: dict[str, Any] = {"catalogue": PLAIN, "organization": "ORG"}
    read = outcome(lambda: describe_ahead(part, **how))
    assert outcome(lambda: before.describe_ahead(part, **how)) == read


def written(elements: Sequence[tuple[int, str, str | bytes]], syntax: str = EXPLICIT) -> bytes:
    """A file with these elements in their order."""
    body = b"".join(explicit_or_not(*one, is_explicit=syntax == EXPLICIT) for one in elements)
    uid = next((str(text) for tag, _, text in elements if tag == 0x00080018), "1.2.3")
    return head(syntax, uid) + body


def explicit_or_not(tag: int, vr: str, text: str | bytes, *, is_explicit: bool) -> bytes:
    if is_explicit:
        return value(tag, vr, text)
    raw = text.encode() if isinstance(text, str) else text
    raw += bytes(len(raw) % 2)
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(raw)) + raw


USUAL: tuple[tuple[int, str, str | bytes], ...] = (
    (0x00080005, "CS", "ISO_IR 192"),
    (0x00080016, "UI", CT),
    (0x00080018, "UI", "1.2.3.3"),
    (0x00080020, "DA", "20260101"),
    (0x00080022, "DA", "20260101"),
    (0x00080030, "TM", "101112"),
    (0x00080032, "TM", "101112"),
    (0x00081030, "LO", "Head"),
    (0x00081140, "SQ", b"\xfe\xff\x00\xe0\x00\x00\x00\x00"),
    (0x00090010, "LO", "MAKER"),
    (0x00091001, "LO", "one"),
    (0x00100010, "PN", "Doe^Jane"),
    (0x00100020, "LO", "P1"),
    (0x00180081, "DS", "12.5"),
    (0x0020000D, "UI", "1.2.3.1"),
    (0x0020000E, "UI", "1.2.3.2"),
    (0x00200013, "IS", "1"),
    (0x00200032, "DS", "1\\2\\3"),
    (0x00280002, "US", b"\1\0"),
    (0x00280004, "CS", "MONOCHROME2"),
    (0x00280008, "IS", "1"),
    (0x00280010, "US", b"\x08\0"),
    (0x00280011, "US", b"\x08\0"),
    (0x00280100, "US", b"\x10\0"),
    (0x00281050, "DS", "40"),
    (0x00400244, "DA", "20260101"),
)


def with_values(values: dict[int, str | bytes], without: frozenset[int] = frozenset()) -> list[Any]:
    return [*((tag, vr, values.get(tag, text)) for tag, vr, text in USUAL if tag not in without), PIXELS]


def test_slices_of_a_series_are_described_by_the_one_before() -> None:
    before, series = Successive(), a_series(12, ImagePositionPatient=[1, 2, 3])
    for file in series:
        compare(before, file)

    assert before.repeated == len(series) - 1


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_what_belongs_to_one_instance_may_differ(syntax: str) -> None:
    before = Successive()
    for number in range(1, 12):
        differing: dict[int, str | bytes] = {
            0x00080018: f"1.2.3.3.{number * 7}",
            0x00080032: f"1011{number:02d}.{'5' * min(number, 6)}",
            0x00081140: b"\xfe\xff\x00\xe0\x00\x00\x00\x00" * number,
            0x00091001: "longer" * number,
            0x00200013: str(number * 9),
            0x00200032: f"{number / 3}\\2\\3",
        }
        compare(before, written(with_values(differing), syntax))

    assert before.repeated == 10


def test_the_catalogue_and_the_organization_count() -> None:
    before, file = Successive(), written(with_values({}))
    for known, organization in ((PLAIN, "A"), (PLAIN, "B"), (DECLARED, "B"), (DECLARED, "B"), (PLAIN, "B")):
        compare(before, file, known, organization=organization)

    assert before.repeated == 1


def test_declared_attributes_are_read_each_time() -> None:
    before = Successive()
    for number in range(3):
        compare(before, written(with_values({0x00180081: str(number), 0x00091001: f"{number} th"})), DECLARED)

    assert before.repeated == 0


SPECIAL: dict[int, list[str] | list[bytes]] = {
    0x00080005: ["ISO_IR 100", "", "nonsense", "\\ISO 2022 IR 87"],
    0x00080018: ["", "1.2.3", "1..2", "1." * 40 + "1", "x" * 300, "1.2.840.10008.1.3.10"],
    0x00081140: [b"", b"abc", b"\xff" * 9],
    0x00200013: ["", "x", "1.0", "99999999999999999999", "1\\2"],
    0x00080022: ["2026", "20260231", "", "20260102"],
    0x00080032: ["9999", "", "101112.123456"],
    0x00280010: [b"", b"\0\0", b"\xff\xff"],
    0x00280008: ["0", "x", "2", ""],
    0x00280004: ["YBR_FULL_422"],
}
VALUES = st.dictionaries(st.sampled_from([tag for tag, _, _ in USUAL]), st.text(max_size=20), max_size=4)
SPECIALS = st.sampled_from([(tag, text) for tag, texts in SPECIAL.items() for text in texts])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(VALUES, st.none() | SPECIALS, st.frozensets(st.sampled_from([t for t, _, _ in USUAL]), max_size=1)),
        max_size=4,
    ),
    st.sampled_from([EXPLICIT, IMPLICIT]),
    st.sampled_from([PLAIN, DECLARED]),
    st.integers(-4, 4),
)
def test_whatever_differs_the_same_is_said(
    objects: list[tuple[dict[int, str | bytes], tuple[int, str | bytes] | None, frozenset[int]]],
    syntax: str,
    known: Catalogue,
    longer: int,
) -> None:
    before, ahead = Successive(), Successive()
    first = written(with_values({}), syntax)
    compare(before, first, known)
    compare_ahead(ahead, first, len(first) - 100)
    for values, special, without in objects:
        data = written(with_values({**values, **dict([special] if special else [])}, without), syntax)
        data = data[:longer] if longer < 0 else data + bytes(longer)
        compare(before, data, known)
        compare_ahead(ahead, data, len(data) - 100)


def test_samples_and_what_damage_makes_of_them_are_described_as_if_each_came_alone() -> None:
    chosen, before, ahead = random.Random(1), Successive(), Successive()
    for _, data in every_file():
        if not 200 < len(data) < 1 << 20:
            continue
        compare(before, data)
        compare_ahead(ahead, data, 8 << 10)
        for _ in range(2):
            damaged = bytearray(data)
            for _ in range(chosen.choice((1, 1, 3))):
                at = chosen.randrange(min(len(data), 6_000))
                damaged[at] = chosen.choice((damaged[at] ^ 1, chosen.randrange(256), 0))
            compare(before, bytes(damaged))
            compare_ahead(ahead, bytes(damaged), 8 << 10)

    assert before.repeated > 50
    assert ahead.repeated > 50
