"""Giving out what is kept: whole, in another coding, by frames, as metadata, as a picture."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import zstandard
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ImplicitVRLittleEndian, JPEG2000Lossless

from bank import keep, open_test_bank
from imagebank.actions import renditions, retrieve
from imagebank.bank import Bank
from imagebank.dicom import transcode
from imagebank.dicom.layout import Layout
from imagebank.dicom.render import Rendering
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.scan import DEFLATED_LE, EXPLICIT_LE
from imagebank.errors import Invalid, NotAllowed, NotFound, Unsupported
from imagebank.model.access import RIGHTS, Device, Principal, Right, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid
from make import a_dataset, a_file, a_series, as_file, read

ALL = Scope(organizations=None)
IMPLICIT = Uid(str(ImplicitVRLittleEndian))
PIXEL_DATA = "7FE00010"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("retrieve")) as opened:
        yield opened


def kept(bank: Bank, file: bytes) -> Instance:
    (receipt,) = keep(bank, file)
    return retrieve.select(bank, Selection(instance=receipt.uid), ALL)[0]


def a_cine(frames: int = 3) -> Dataset:
    ds = a_dataset(rows=16, columns=16, NumberOfFrames=frames)
    ds.PixelData = (np.arange(frames * 256, dtype="<u2") % 4096).tobytes()
    return ds


def deflated(ds: Dataset) -> bytes:
    """Stored so that no frame can be cut from its bytes."""
    return as_file(ds, DEFLATED_LE)


def without_pixels() -> bytes:
    names = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel")
    return a_file(**dict.fromkeys((*names, "PhotometricInterpretation", "PixelData")))


def value_of(bulk: retrieve.Bulk) -> bytes:
    return b"".join(bulk.read(0, bulk.size))


def picture_of(bank: Bank, instance: Instance, rendering: Rendering) -> Image.Image:
    return Image.open(io.BytesIO(renditions.picture(bank, instance, rendering)))


def test_what_is_not_there_and_what_nobody_may_see_is_not_found_alike(bank: Bank) -> None:
    one = kept(bank, a_file())
    for selection, scope in ((Selection(study=Uid("1.2.3")), ALL), (Selection(study=one.study), Scope.of("south"))):
        for ask in (retrieve.select, retrieve.versions):
            with pytest.raises(NotFound, match="no such study"):
                ask(bank, selection, scope)

    assert retrieve.versions(bank, Selection(study=one.study), ALL)[0][:2] == (one.study, one.series)


def test_who_reads_needs_the_right_and_stands_in_the_ledger_first(bank: Bank) -> None:
    one = kept(bank, a_file())
    doctor = Principal("Dr Varga", Role.CLINICIAN, "local", RIGHTS[Role.CLINICIAN], ALL)
    with pytest.raises(NotAllowed):
        retrieve.reading(bank, doctor, [one], "C-MOVE", right=Right.MOVE)
    retrieve.reading(bank, doctor, [one], "web")

    looks = [event for event in bank.index.events(ALL) if event.study == one.study and event.act is Act.VIEWED]
    assert [(event.principal, event.detail) for event in looks] == [("Dr Varga", "web")]


def test_what_is_sent_to_a_device_stands_in_the_ledger_with_who_asked_and_where_it_goes(bank: Bank) -> None:
    one, other = (kept(bank, file) for file in a_series(2))
    mover = Principal("MOVER", Role.DEVICE, "local", RIGHTS[Role.DEVICE], ALL)
    there = Device("WS1", "10.0.0.9", 104, False, frozenset({Right.STORE}), "east")
    retrieve.sending(bank, mover, [one, other], there, "10.0.0.5")

    (event,) = (each for each in bank.index.events(ALL) if each.act is Act.SENT)
    assert (event.principal, event.address, event.study, event.count) == ("MOVER", "10.0.0.5", one.study, 2)
    assert event.detail == "C-MOVE to WS1 at 10.0.0.9 of east"
    assert bank.index.events(ALL, patient=one.patient)[0] == event


def test_a_file_leaves_as_it_came_or_in_another_coding(bank: Bank) -> None:
    file = a_file()
    one = kept(bank, file)
    other = read(retrieve.in_syntax(bank, one, IMPLICIT))

    assert retrieve.in_syntax(bank, one, one.transfer_syntax) == file
    assert b"".join(retrieve.stored(bank, one, 128, 132)) == b"DICM"
    assert other.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
    assert other.PixelData == read(file).PixelData


def test_an_object_too_large_for_memory_leaves_in_no_other_coding(bank: Bank) -> None:
    one = kept(bank, a_file())
    huge = replace(one, location=replace(one.location, size=2 << 30))

    with pytest.raises(Unsupported, match="frame by frame"):
        retrieve.in_syntax(bank, huge, IMPLICIT)


@pytest.mark.parametrize("write", [as_file, deflated])
def test_a_frame_is_the_same_whether_it_can_be_cut_from_the_file_or_not(
    bank: Bank, write: Callable[[Dataset], bytes]
) -> None:
    ds = a_cine()
    one = kept(bank, write(ds))
    expected = [ds.PixelData[number * 512 : number * 512 + 512] for number in range(3)]

    assert [retrieve.frame(bank, one, number) for number in (1, 2, 3)] == expected
    assert retrieve.frames_in(bank, one, [3, 1], EXPLICIT_LE) == [expected[2], expected[0]]


@pytest.mark.parametrize("write", [as_file, deflated])
@pytest.mark.parametrize("syntax", [None, EXPLICIT_LE])
def test_frames_are_made_as_they_are_taken(
    bank: Bank, write: Callable[[Dataset], bytes], syntax: Uid | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ds = a_cine()
    one = kept(bank, write(ds))
    monkeypatch.setattr(retrieve, "_BATCH", 512)
    frames = retrieve.frames_each(bank, one, [3, 1], syntax)

    assert next(frames) == ds.PixelData[1024:1536]
    assert list(frames) == [ds.PixelData[:512]]


def test_no_more_frames_are_held_than_one_batch(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    one = kept(bank, as_file(a_cine()))
    asked = []

    def recode(sandbox: Sandbox, coded: Layout, frames: Sequence[bytes], syntax: Uid) -> tuple[list[bytes], str]:
        asked.append(len(frames))
        return transcode.recode(sandbox, coded, frames, syntax)

    monkeypatch.setattr("imagebank.actions.retrieve.transcode", SimpleNamespace(recode=recode))
    monkeypatch.setattr(retrieve, "_BATCH", 1024)
    assert len(list(retrieve.frames_each(bank, one, [3, 1, 2], EXPLICIT_LE))) == 3

    assert asked == [2, 1]


def test_frames_of_a_file_that_is_read_as_a_whole_are_bounded(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    one = kept(bank, deflated(a_cine()))
    monkeypatch.setattr(retrieve, "_MAX_REWRITTEN", 1024)

    assert len(list(retrieve.frames_each(bank, one, [1, 2]))) == 2
    with pytest.raises(Unsupported):
        next(retrieve.frames_each(bank, one, [1, 2, 3]))


def test_a_frame_that_is_stored_in_pieces_leaves_whole(bank: Bank) -> None:
    codestream = b"\xff\x4f\xff\x51" + bytes(range(252)) * 4
    ds = a_dataset(NumberOfFrames=1)
    ds.PixelData = encapsulate([codestream], fragments_per_frame=4)
    ds["PixelData"].VR = "OB"
    one = kept(bank, as_file(ds, JPEG2000Lossless))

    assert retrieve.frame(bank, one, 1) == codestream
    assert codestream not in retrieve.file(bank, one)


@pytest.mark.parametrize("number", [0, 4, -1])
def test_a_frame_that_is_not_there_is_not_found(bank: Bank, number: int) -> None:
    cine = kept(bank, as_file(a_cine()))
    for one in (cine, kept(bank, without_pixels())):
        with pytest.raises(NotFound):
            retrieve.frame(bank, one, number)
        with pytest.raises(NotFound):
            retrieve.frames_in(bank, one, [1, number], EXPLICIT_LE)
        with pytest.raises(NotFound):
            next(retrieve.frames_each(bank, one, [1, number]))


@pytest.mark.parametrize("write", [as_file, deflated])
def test_bulk_data_is_the_value_from_any_place_to_any_other(bank: Bank, write: Callable[[Dataset], bytes]) -> None:
    ds = a_cine()
    one = kept(bank, write(ds))
    attributes = retrieve.attributes(bank, one)
    uri = attributes[PIXEL_DATA]["BulkDataURI"]
    path = uri.removeprefix(retrieve.bulk_base(one))
    found = retrieve.bulk(bank, one, path)

    assert path == PIXEL_DATA
    assert value_of(found) == ds.PixelData
    assert b"".join(found.read(10, 20)) == ds.PixelData[10:20]


def test_a_large_value_that_is_no_pixel_data_is_bulk_data_too(bank: Bank) -> None:
    text = "long " * 1000
    for file in (a_file(ImageComments=text), as_file(a_dataset(ImageComments=text, NumberOfFrames=1), DEFLATED_LE)):
        one = kept(bank, file)
        found = retrieve.bulk(bank, one, "00204000")

        assert value_of(found).decode().strip() == text.strip()
        with pytest.raises(NotFound):
            retrieve.bulk(bank, one, "00204001")


def test_attributes_behind_the_pixel_data_are_given_out(bank: Bank) -> None:
    one = kept(bank, a_file(DataSetTrailingPadding=b"\0" * 64))

    assert "FFFCFFFC" in retrieve.attributes(bank, one)


def test_the_metadata_of_a_series_is_made_once_and_again_when_the_series_grows(bank: Bank) -> None:
    files = a_series(3)
    series = kept(bank, files[0]).series
    keep(bank, files[1])
    first = [retrieve.series_metadata(bank, series, ALL) for _ in range(2)]
    ready = bank.index.metadata(series, ALL)[1]
    keep(bank, files[2])
    grown = retrieve.series_metadata(bank, series, ALL)

    counts = [len(json.loads(zstandard.decompress(body))) for body in (*first, grown)]
    assert counts == [2, 2, 3]
    assert ready == first[0] == first[1]
    with pytest.raises(NotFound):
        retrieve.series_metadata(bank, series, Scope.of("south"))


@pytest.mark.parametrize("write", [as_file, deflated])
def test_an_image_is_shown_as_a_picture(bank: Bank, write: Callable[[Dataset], bytes]) -> None:
    one = kept(bank, write(a_cine()))
    loop = picture_of(bank, one, Rendering(media_type="image/gif"))

    assert picture_of(bank, one, Rendering(media_type="image/png", frames=(2,))).size == (16, 16)
    assert getattr(loop, "n_frames", 1) == 3


def test_an_object_without_pixels_is_no_picture(bank: Bank) -> None:
    one = kept(bank, without_pixels())

    assert one.pixels is None
    assert PIXEL_DATA not in retrieve.attributes(bank, one)
    with pytest.raises(Invalid, match="no pixel data"):
        renditions.picture(bank, one, Rendering())


@pytest.fixture(scope="module")
def disguised() -> bytes:
    return b"MZ".ljust(128, b"x") + a_file()[128:]


def test_a_program_in_the_preamble_is_told_on_the_receipt_and_kept_at_rest(bank: Bank, disguised: bytes) -> None:
    (receipt,) = keep(bank, disguised)
    instance = retrieve.select(bank, Selection(instance=receipt.uid), ALL)[0]

    assert receipt.is_kept
    assert any("Windows program" in warning for warning in receipt.warnings)
    assert bank.blobs.read(instance.location) == disguised


def test_no_part_of_a_preamble_leaves(bank: Bank, disguised: bytes) -> None:
    instance = kept(bank, disguised)
    given = bytes(128) + disguised[128:]
    spans = [(0, None), (0, 10), (0, 128), (0, 131), (0, 132), (0, 133), (5, 60), (5, 130), (5, None), (5, 400)]

    for start, end in [*spans, (127, 200), (128, 200), (131, None), (0, 0), (60, 60), (200, 200)]:
        assert b"".join(retrieve.stored(bank, instance, start, end)) == given[start:end], (start, end)
    assert retrieve.in_syntax(bank, instance, EXPLICIT_LE) == given
    assert retrieve.in_syntax(bank, instance, IMPLICIT)[:132] == bytes(128) + b"DICM"


def test_a_data_set_without_a_preamble_leaves_as_it_came(bank: Bank) -> None:
    bare = as_file(a_dataset(), IMPLICIT)
    bare = bare[bare.index(b"\x08\x00\x05\x00") :]
    instance = kept(bank, bare)

    assert b"".join(retrieve.stored(bank, instance)) == bare
    assert b"".join(retrieve.stored(bank, instance, 3, 100)) == bare[3:100]
