"""Files in other transfer syntaxes: the same picture, the same other attributes."""

import contextlib
import subprocess
import time
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from imagebank.dicom import codec
from imagebank.dicom.layout import (
    DECODABLE,
    EXPLICIT,
    HTJ2K,
    IMPLICIT,
    J2K,
    JPEG_BASELINE,
    JPEGLS,
    LOSSY,
    NATIVE,
    RLE,
    frames_of,
    layout_of,
)
from imagebank.dicom.read import normalise
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.scan import scan
from imagebank.dicom.transcode import REVERSIBLE, TARGETS, recode, transcode
from imagebank.errors import BankError, Invalid, NotFound, Unsupported
from imagebank.model.uid import Uid
from samples import sample_data
from unit.pixels.pictures import dataset, image, images, name, syntax

CODING = {0x00280004, 0x00280006, 0x00282110, 0x00282112, 0x00282114, 0x7FE00001, 0x7FE00002, 0x7FE00010}


def is_small(file: Path) -> bool:
    return syntax(file) in DECODABLE and file.stat().st_size < 300_000 and "us-multiframe" not in name(file)


def native(sandbox: Sandbox, file: bytes, frames: list[int] | None = None) -> list[bytes]:
    """Frames, counted from 1, as the native value would hold them."""
    data, header = normalise(file)
    layout = layout_of(data, header)
    return recode(sandbox, layout, frames_of(data, header, layout, frames), EXPLICIT)[0]


def cells(file: bytes) -> NDArray[Any]:
    """Red, green and blue, or grey: what the picture shows whatever its coding."""
    data, header = normalise(file)
    layout = layout_of(data, header)
    frames = [codec.decode(frame, layout) for frame in frames_of(data, header, layout)]
    if layout.bits_allocated > 8:
        return np.stack([frame.cells for frame in frames])
    return np.stack([codec.to_rgb(frame.cells, frame.photometric) for frame in frames])


def values(file: bytes) -> dict[int, tuple[str, bytes]]:
    """VR and bytes of every top-level element that does not describe the coding of pixels."""
    data, header = normalise(file)
    return {
        tag: (raw.vr, data[raw.offset : raw.offset + raw.length])
        for tag, raw in header.elements.items()
        if tag not in CODING and tag & 0xFFFF and raw.vr != "SQ"
    }


@pytest.mark.parametrize("target", REVERSIBLE)
@pytest.mark.parametrize("file", [f for f in images() if is_small(f)], ids=name)
def test_pixels_and_attributes_survive(sandbox: Sandbox, file: Path, target: Uid) -> None:
    stored = file.read_bytes()
    layout = layout_of(*normalise(stored))
    try:
        given = transcode(sandbox, stored, target)
    except Unsupported:
        # One bit, floating point and more than 16 bits have few forms.
        assert target not in NATIVE
        assert layout.bits_allocated in (1, 32, 64)
        return
    _, header = normalise(given)

    assert header.transfer_syntax == target
    np.testing.assert_array_equal(cells(given), cells(stored))
    if syntax(file) == EXPLICIT and target != IMPLICIT:
        assert values(given) == values(stored)
    else:
        # Implicit VR does not tell which private elements are sequences.
        kept = values(given)
        assert {tag: kept[tag][1] for tag in values(stored)} == {tag: v for tag, (_, v) in values(stored).items()}


@pytest.mark.parametrize("file", [f for f in images() if syntax(f) in DECODABLE and not is_small(f)], ids=name)
def test_large_files_are_decompressed(sandbox: Sandbox, file: Path) -> None:
    stored = file.read_bytes()
    given = transcode(sandbox, stored, EXPLICIT)

    assert scan(given).transfer_syntax == EXPLICIT
    assert pydicom.dcmread(BytesIO(given)).pixel_array.size == cells(stored).size


@pytest.mark.parametrize("target", REVERSIBLE)
def test_another_toolkit_reads_what_we_write(sandbox: Sandbox, target: Uid, tmp_path: Path) -> None:
    file = sample_data() / "transfer-syntaxes/colour/TestPattern_RGB.dcm"
    written = tmp_path / "written.dcm"
    written.write_bytes(transcode(sandbox, file.read_bytes(), target))
    tool = {JPEGLS: "dcmdjpls", RLE: "dcmdrle", Uid("1.2.840.10008.1.2.4.70"): "dcmdjpeg"}.get(target)
    plain = tmp_path / "plain.dcm"
    if tool:
        subprocess.run([tool, str(written), str(plain)], check=True, capture_output=True)
    else:
        subprocess.run(["dcmdump", "-q", str(written)], check=True, capture_output=True)
    known = dataset(file).pixel_array

    if tool:
        np.testing.assert_array_equal(dataset(plain).pixel_array, known)
    elif target in (J2K, EXPLICIT, IMPLICIT):
        np.testing.assert_array_equal(dataset(written).pixel_array, known)


@pytest.mark.parametrize("target", [EXPLICIT, IMPLICIT])
def test_every_object_without_pixels_has_a_plain_form(sandbox: Sandbox, target: Uid) -> None:
    for file in sorted((sample_data() / "objects").rglob("*")):
        if file.is_file() and "PixelData" not in dataset(file) and "FloatPixelData" not in dataset(file):
            given = transcode(sandbox, file.read_bytes(), target)

            assert pydicom.dcmread(BytesIO(given)).file_meta.TransferSyntaxUID == str(target)


def test_the_same_syntax_is_the_same_file(sandbox: Sandbox) -> None:
    stored = image(np.arange(16, dtype="<u2").reshape(4, 4))

    assert transcode(sandbox, stored, EXPLICIT) is stored


def test_there_and_back_is_the_same_data_set(sandbox: Sandbox) -> None:
    stored = image(np.arange(64, dtype="<u2").reshape(4, 4, 4), NumberOfFrames=4, PatientName="Test^Only")
    there = transcode(sandbox, stored, HTJ2K)
    back = transcode(sandbox, there, EXPLICIT)

    assert back[scan(back).dataset_offset :] == stored[scan(stored).dataset_offset :]


def test_private_elements_keep_their_bytes_and_a_preamble_that_told_of_others_goes(sandbox: Sandbox) -> None:
    ds = pydicom.dcmread(BytesIO(image(np.zeros((4, 4), "<u2"))))
    block = ds.private_block(0x0019, "ACME 1.1", create=True)
    block.add_new(0x10, "OB", bytes(range(256)))
    out = BytesIO()
    ds.save_as(out)
    stored = b"\x4d\x4d" + out.getvalue()[2:]
    given = transcode(sandbox, stored, RLE)

    assert given[:132] == bytes(128) + b"DICM"
    assert bytes(range(256)) in given


def test_a_lossy_form_says_so(sandbox: Sandbox) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    given = pydicom.dcmread(BytesIO(transcode(sandbox, image(picture), JPEG_BASELINE)))

    assert given.LossyImageCompression == "01"
    assert given.LossyImageCompressionMethod == "ISO_10918_1"
    assert given.LossyImageCompressionRatio > 1
    assert given.PhotometricInterpretation == "YBR_FULL_422"
    assert given.pixel_array.shape == picture.shape


def test_what_was_lossy_stays_marked(sandbox: Sandbox) -> None:
    file = sample_data() / "transfer-syntaxes/colour/TestPattern_JPEG-Baseline_YBR422.dcm"
    given = pydicom.dcmread(BytesIO(transcode(sandbox, file.read_bytes(), EXPLICIT)))

    assert given.LossyImageCompression == "01"
    assert given.PhotometricInterpretation == "RGB"


def test_no_second_loss_is_offered(sandbox: Sandbox) -> None:
    file = sample_data() / "transfer-syntaxes/colour/TestPattern_JPEG-LS-NearLossless.dcm"

    assert all(JPEG_BASELINE not in TARGETS[source] for source in LOSSY)
    with pytest.raises(Unsupported):
        transcode(sandbox, file.read_bytes(), JPEG_BASELINE)


def test_video_is_given_as_it_is_or_not_at_all(sandbox: Sandbox) -> None:
    file = (sample_data() / "video-dicom/us-echo-mpeg2-mpml.dcm").read_bytes()

    assert transcode(sandbox, file, scan(file).transfer_syntax) == file
    with pytest.raises(Unsupported):
        transcode(sandbox, file, EXPLICIT)


def test_frames_are_given_one_by_one(sandbox: Sandbox) -> None:
    frames = np.arange(3 * 16, dtype="<i2").reshape(3, 4, 4)
    stored = transcode(sandbox, image(frames, NumberOfFrames=3), JPEGLS)

    assert native(sandbox, stored, [3, 1]) == [frames[2].tobytes(), frames[0].tobytes()]
    assert b"".join(native(sandbox, stored)) == frames.tobytes()
    with pytest.raises(NotFound):
        native(sandbox, stored, [4])


def test_more_than_a_native_object_can_hold_is_refused(sandbox: Sandbox) -> None:
    # 70,000 frames of 256 x 256 in one run-length code each would be 4.6 GB.
    frame, _ = codec.encode(codec.Frame(np.zeros((256, 256, 1), np.uint8), "MONOCHROME2"), plain_256(), RLE)
    stored = pydicom.dcmread(BytesIO(image(np.zeros((256, 256), np.uint8))))
    stored.NumberOfFrames = 70_000
    stored.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    stored.PixelData = pydicom.encaps.encapsulate([frame] * 70_000, has_bot=False)
    stored["PixelData"].VR = "OB"
    out = BytesIO()
    stored.save_as(out)

    with pytest.raises(Unsupported, match="longer"):
        transcode(sandbox, out.getvalue(), EXPLICIT)


def plain_256() -> Any:
    return layout_of(*normalise(image(np.zeros((256, 256), np.uint8))))


def test_sizes_that_lie_are_refused_at_once(sandbox: Sandbox) -> None:
    lie = (sample_data() / "malformed/made-rows-lie.dcm").read_bytes()
    tracemalloc.start()
    began = time.monotonic()
    for target in (EXPLICIT, HTJ2K):
        if target == EXPLICIT:
            with pytest.raises((Invalid, Unsupported)):
                native(sandbox, lie)
        else:
            with pytest.raises((Invalid, Unsupported)):
                transcode(sandbox, lie, target)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert time.monotonic() - began < 1
    assert peak < 10 << 20


@pytest.mark.parametrize("file", sorted((sample_data() / "malformed").iterdir()), ids=lambda p: p.name)
def test_broken_files_are_refused_or_read(sandbox: Sandbox, file: Path) -> None:
    for target in (EXPLICIT, HTJ2K):
        with contextlib.suppress(BankError):
            assert transcode(sandbox, file.read_bytes(), target)
