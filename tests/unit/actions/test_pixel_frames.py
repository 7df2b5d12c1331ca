"""All frames of the pixel data that an address names, as they are stored or in another coding."""

from collections.abc import Iterator
from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from bank import keep, open_test_bank
from imagebank.actions import retrieve
from imagebank.bank import Bank
from imagebank.dicom.scan import EXPLICIT_LE
from imagebank.errors import NotFound, Unsupported
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file

CELLS = (np.arange(3 * 256, dtype="<u2") % 4096).reshape(3, 16, 16)
J2K = Uid(str(JPEG2000Lossless))
PIXEL_DATA = "7FE00010"
ICON = f"00880200/1/{PIXEL_DATA}"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("frames")) as opened:
        yield opened


def kept(bank: Bank, file: bytes) -> Instance:
    (receipt,) = keep(bank, file)
    return retrieve.select(bank, Selection(instance=receipt.uid), Scope(organizations=None))[0]


CODED = [bytes(imagecodecs.jpeg2k_encode(one, codecformat="j2k", reversible=True)) for one in CELLS]
PADDED = [one + b"\0" * (len(one) % 2) for one in CODED]


def with_pixels(ds: Dataset, frames: list[bytes]) -> Dataset:
    ds.PixelData = encapsulate(frames)
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    return ds


def a_cine(frames: int = 3) -> Dataset:
    return with_pixels(a_dataset(rows=16, columns=16, NumberOfFrames=frames), CODED)


def an_icon() -> Dataset:
    """What an icon of one frame is made of."""
    whole, item = a_dataset(rows=16, columns=16), Dataset()
    for keyword in (
        *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
        *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    ):
        setattr(item, keyword, whole[keyword].value)
    return item


def frames_of(bank: Bank, instance: Instance, path: str = PIXEL_DATA) -> retrieve.Frames:
    found = retrieve.pixel_frames(bank, instance, path)
    assert found is not None
    return found


def test_frames_come_as_stored_and_decoded(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieve, "_BATCH", 2 * CELLS[0].nbytes)
    found = frames_of(bank, kept(bank, as_file(a_cine(), J2K)))

    assert (found.count, found.is_encapsulated) == (3, True)
    assert list(found.read(J2K)) == PADDED
    assert list(found.read(EXPLICIT_LE)) == [one.tobytes() for one in CELLS]


def test_frames_that_the_header_miscounts_come_as_far_as_they_are_there(bank: Bank) -> None:
    instance = kept(bank, as_file(a_cine(frames=5), J2K))
    found = frames_of(bank, instance)

    assert list(found.read(J2K)) == PADDED
    assert list(found.read(EXPLICIT_LE)) == [one.tobytes() for one in CELLS]
    assert retrieve.frame(bank, instance, 2) == PADDED[1]


def test_a_miscounted_object_of_gigabytes_is_not_read_for_its_frames(bank: Bank) -> None:
    instance = kept(bank, as_file(a_cine(frames=5), J2K))
    assert instance.pixels is not None
    huge = replace(instance, pixels=replace(instance.pixels, rows=30_000, columns=30_000))

    with pytest.raises(Unsupported, match="too large"):
        list(frames_of(bank, huge).read(EXPLICIT_LE))


def test_native_pixels_are_frames_too(bank: Bank) -> None:
    ds = a_dataset(rows=16, columns=16, NumberOfFrames=3, PixelData=CELLS.tobytes())
    found = frames_of(bank, kept(bank, as_file(ds)))

    assert not found.is_encapsulated
    assert list(found.read(EXPLICIT_LE)) == [one.tobytes() for one in CELLS]
    assert [imagecodecs.jpeg2k_decode(one).tobytes() for one in found.read(J2K)] == [one.tobytes() for one in CELLS]


def test_an_icon_has_frames_of_its_own(bank: Bank) -> None:
    ds = a_cine()
    ds.IconImageSequence = [with_pixels(an_icon(), CODED[1:2])]
    found = frames_of(bank, kept(bank, as_file(ds, J2K)), ICON)

    assert found.count == 1
    assert list(found.read(J2K)) == PADDED[1:2]
    assert list(found.read(EXPLICIT_LE)) == [CELLS[1].tobytes()]


def test_what_is_no_coded_pixel_data_is_bulk_data_of_another_kind(bank: Bank) -> None:
    ds, icon = a_cine(), an_icon()
    icon.PixelData = CELLS[0].tobytes()
    icon["PixelData"].VR = "OW"
    ds.IconImageSequence = [icon]
    instance = kept(bank, as_file(ds, J2K))
    names = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel")
    without = kept(bank, a_file(**dict.fromkeys((*names, "PhotometricInterpretation", "PixelData"))))

    assert retrieve.pixel_frames(bank, instance, "00091001") is None
    assert retrieve.pixel_frames(bank, instance, "AB7FE00010") is None
    assert retrieve.pixel_frames(bank, instance, ICON) is None
    assert retrieve.pixel_frames(bank, without, PIXEL_DATA) is None
    with pytest.raises(NotFound):
        retrieve.pixel_frames(bank, instance, f"00880200/2/{PIXEL_DATA}")
