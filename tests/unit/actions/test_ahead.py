"""What is found out of an object while the rest of it is still on its way."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from bank import SOURCE, open_test_bank
from imagebank.actions import ingest
from imagebank.actions.ahead import Ahead
from imagebank.bank import Bank
from imagebank.dicom.describe import describe
from imagebank.dicom.digest import digest_of
from imagebank.dicom.successive import Successive
from imagebank.model.access import Scope
from imagebank.model.attribute import catalogue
from imagebank.model.imaging import Selection
from make import a_file

START = 128
PIECE = 20_000
ZIP_END = b"PK\5\6" + bytes(18)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("ahead")) as bank:
        yield bank


def a_slice(end: bytes = b"") -> bytes:
    pixels = bytes(256 * 256 * 2 - len(end)) + end
    return a_file(Rows=256, Columns=256, BitsAllocated=16, BitsStored=16, HighBit=15, PixelData=pixels)


def seen(
    bank: Bank,
    data: bytes,
    *,
    piece: int = PIECE,
    into: BinaryIO | None = None,
    start: int = START,
    organization: str = "ORG",
) -> Ahead:
    """What was found out of a file by the time that its last piece came."""
    ahead = Ahead(bank, organization, start, Successive())
    content = io.BytesIO(data[:start]) if into is None else into
    content.seek(0, io.SEEK_END)
    for at in range(start, len(data), piece):
        content.write(data[at : at + piece])
        ahead.take(data[at : at + piece], content, min(at + piece, len(data)))
    return ahead


@pytest.mark.parametrize("piece", [2_000, PIECE, 1 << 20])
def test_header_and_digest_are_known_when_the_last_piece_comes(bank: Bank, piece: int) -> None:
    data = a_slice()
    ahead = seen(bank, data, piece=piece)

    assert ahead.description(data, "ORG") == describe(data, catalogue=bank.catalogue, organization="ORG")
    assert ahead.digest(START) == digest_of(data[START:])
    assert ahead.description(data, "OTHER") is None


def test_what_was_found_out_is_what_is_taken_in(bank: Bank) -> None:
    data = a_slice()
    start = describe(data, catalogue=bank.catalogue, organization="").dataset_offset
    ahead = seen(bank, data, start=start, organization=SOURCE.authority)
    arrival = ingest.Arrival(io.BytesIO(data), len(data), has_own_header=False, ahead=ahead)
    (receipt,) = ingest.receive(bank, [arrival], SOURCE)
    (held,) = bank.index.instances(Selection(instance=receipt.uid), Scope(organizations=None))

    assert held.digest == held.content_digest == digest_of(data[start:])


def test_a_digest_of_something_else_is_not_told(bank: Bank) -> None:
    assert seen(bank, a_slice()).digest(START + 2) is None


@pytest.mark.parametrize("end", [bytes(8), ZIP_END])
def test_a_file_that_goes_on_or_ends_as_something_else_is_looked_at_whole(bank: Bank, end: bytes) -> None:
    data = a_slice(end if end == ZIP_END else b"")
    ahead = seen(bank, data)

    assert ahead.description(data if end == ZIP_END else data + end, "ORG") is None


@pytest.mark.parametrize("data", [b"no DICOM at all" * 9_000, a_file()[:-600], a_file()])
def test_what_says_nothing_before_its_end_is_looked_at_whole(bank: Bank, data: bytes) -> None:
    ahead = seen(bank, data)

    assert ahead.description(data, "ORG") is None
    assert ahead.digest(START) == digest_of(data[START:])


def test_what_goes_into_a_file_is_looked_at_whole(bank: Bank, tmp_path: Path) -> None:
    data = a_slice()
    with (tmp_path / "large").open("w+b") as file:
        file.write(data[:START])
        ahead = seen(bank, data, into=file)

    assert ahead.description(data, "ORG") is None


def test_a_description_by_another_catalogue_does_not_count(bank: Bank) -> None:
    data = a_slice()
    ahead = seen(bank, data)
    ahead._bank = replace(bank, index=_OtherIndex())  # type: ignore[arg-type]

    assert ahead.description(data, "ORG") is None


class _OtherIndex:
    @property
    def searchable(self) -> "_OtherIndex":
        return self

    def catalogue(self) -> object:
        return catalogue()
