"""Decoded cells are those that other decoders give; what is encoded reversibly comes back bit by bit."""

import contextlib
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from openjpeg.utils import decode as openjpeg_decode

from imagebank.dicom import codec, codestream
from imagebank.dicom.layout import EXPLICIT, HTJ2K, J2K, JPEG_BASELINE, NATIVE, RLE, Layout, frames_of, layout_of
from imagebank.dicom.read import normalise
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.transcode import REVERSIBLE, recode
from imagebank.errors import Invalid, Mismatch, Unsupported
from unit.pixels.pictures import NO_FREE_REFERENCE, dataset, dcmtk_decoded, image, images, name, reference, syntax

ENCODED = [syntax for syntax in REVERSIBLE if syntax not in NATIVE]


def decoded(file: Path) -> tuple[NDArray[Any], str]:
    data, header = normalise(file.read_bytes())
    layout = layout_of(data, header)
    frames = [codec.decode(frame, layout) for frame in frames_of(data, header, layout)]
    return np.stack([codec.stored_values(frame.cells, layout) for frame in frames]), frames[0].photometric


def layout_for(cells: NDArray[Any], syntax: str = EXPLICIT, stored: int | None = None) -> Layout:
    bits = cells.dtype.itemsize * 8
    stored = stored or bits
    samples = cells.shape[2]
    return Layout(
        syntax,
        cells.shape[0],
        cells.shape[1],
        samples,
        bits,
        stored,
        stored - 1,
        cells.dtype.kind == "i",
        "RGB" if samples == 3 else "MONOCHROME2",
    )


def has_reference(file: Path) -> bool:
    # The second decoder refuses the last one, which has more bits than it declares.
    return not syntax(file).endswith(NO_FREE_REFERENCE) and file.name != "GDCMJ2K_TextGBR.dcm"


@pytest.mark.parametrize("file", [f for f in images() if has_reference(f)], ids=name)
def test_cells_are_those_of_other_decoders(file: Path) -> None:
    ds = dataset(file)
    cells, photometric = decoded(file)
    known = reference(ds)

    assert cells.dtype == known.dtype.newbyteorder("<")
    if photometric.startswith("YBR"):
        # The other decoder gives red, green and blue; it rounds elsewhere.
        cells = np.stack([codec.to_rgb(frame, photometric) for frame in cells])
    is_colour = cells.shape[-1] == 3
    np.testing.assert_allclose(cells.astype(np.float64), known, atol=2 if is_colour else 0)


@pytest.mark.parametrize(
    "file", [f for f in images() if "4.70" in name(f) or "4.57" in name(f) or "JPLL" in f.name], ids=name
)
def test_lossless_jpeg_is_what_dcmtk_decodes(file: Path, tmp_path: Path) -> None:
    cells, _ = decoded(file)

    np.testing.assert_array_equal(cells, reference(dcmtk_decoded(file, tmp_path)))


@pytest.mark.parametrize("file", [f for f in images() if f.parent.name == "htj2k"], ids=name)
def test_high_throughput_is_what_openjpeg_decodes(file: Path) -> None:
    data, header = normalise(file.read_bytes())
    (frame,) = frames_of(data, header, layout_of(data, header))
    cells, _ = decoded(file)

    np.testing.assert_array_equal(cells[0], openjpeg_decode(frame))


@pytest.mark.parametrize("process", ["51", "53", "55"])
def test_twelve_bit_jpeg_is_near_what_dcmtk_decodes(process: str, tmp_path: Path) -> None:
    file = next(f for f in images() if f.name.endswith(f"1.2.840.10008.1.2.4.{process}.dcm"))
    cells, _ = decoded(file)

    np.testing.assert_allclose(cells.astype(int), reference(dcmtk_decoded(file, tmp_path)).astype(int), atol=2)


def test_one_image_is_the_same_in_every_reversible_syntax() -> None:
    files = [f for f in images() if f.parent.name == "ct-one-image-all-syntaxes"]
    lossy = ("4.50.dcm", "4.51.dcm", "4.53.dcm", "4.55.dcm", "4.81.dcm", "4.91.dcm")
    exact = [decoded(f)[0] for f in files if not f.name.endswith(lossy)]

    assert len(exact) >= 9
    for cells in exact[1:]:
        np.testing.assert_array_equal(cells, exact[0])


shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    dtype = draw(st.sampled_from(["<u1", "<i1", "<u2", "<i2"]))
    rows, columns = draw(shapes)
    samples = draw(st.sampled_from([1, 3])) if dtype.startswith("<u") else 1
    return draw(npst.arrays(dtype, (rows, columns, samples)))


@pytest.mark.parametrize("target", ENCODED)
@settings(max_examples=60, deadline=None)
@given(cells=arrays(), colour=st.sampled_from(["RGB", "YBR_FULL"]))
def test_what_is_encoded_reversibly_comes_back(target: str, cells: NDArray[Any], colour: str) -> None:
    plain = layout_for(cells)
    plain = replace(plain, photometric=colour if plain.samples == 3 else "MONOCHROME2")
    data, photometric = codec.encode(codec.Frame(cells, plain.photometric), plain, target)
    coded = replace(plain, transfer_syntax=target, photometric=photometric)
    back = codec.decode(data, coded)

    assert back.cells.dtype == cells.dtype
    assert back.photometric == plain.photometric
    np.testing.assert_array_equal(back.cells, cells)


@pytest.mark.parametrize("colour", ["RGB", "YBR_FULL"])
def test_openjpeg_decodes_our_high_throughput(colour: str) -> None:
    cells = np.random.default_rng(5).integers(0, 256, (33, 47, 3), dtype=np.uint8)
    plain = replace(layout_for(cells), photometric=colour)
    data, _ = codec.encode(codec.Frame(cells, colour), plain, HTJ2K)

    np.testing.assert_array_equal(openjpeg_decode(data), cells)


@pytest.mark.parametrize("target", ENCODED)
def test_twelve_signed_bits_come_back(target: str) -> None:
    cells = np.arange(-2048, 2048, dtype="<i2").reshape(64, 64, 1)
    plain = layout_for(cells, stored=12)
    data, _ = codec.encode(codec.Frame(cells, "MONOCHROME2"), plain, target)

    np.testing.assert_array_equal(codec.decode(data, layout_for(cells, target, 12)).cells, cells)


def test_thirty_two_bits_come_back_as_run_lengths() -> None:
    cells = np.arange(400, dtype="<u4").reshape(20, 20, 1) * 9_999_991
    data, _ = codec.encode(codec.Frame(cells, "MONOCHROME2"), layout_for(cells), RLE)

    np.testing.assert_array_equal(codec.decode(data, layout_for(cells, RLE)).cells, cells)


def test_what_a_syntax_cannot_hold_is_refused() -> None:
    cells = np.zeros((4, 4, 1), "<u4")

    for target in (J2K, HTJ2K, JPEG_BASELINE):
        with pytest.raises(Unsupported):
            codec.encode(codec.Frame(cells, "MONOCHROME2"), layout_for(cells), target)


@pytest.mark.parametrize("target", [*ENCODED, JPEG_BASELINE])
def test_a_codestream_of_another_size_is_refused(target: str) -> None:
    cells = np.zeros((16, 16, 1), np.uint8)
    data, _ = codec.encode(codec.Frame(cells, "MONOCHROME2"), layout_for(cells), target)
    declared = layout_for(np.zeros((16, 17, 1), np.uint8), target)

    with pytest.raises(Mismatch):
        codec.decode(data, declared)


def test_a_small_codestream_cannot_ask_for_much_memory() -> None:
    vast = Layout(J2K, 16000, 16000, 1, 8, 8, 7)

    with pytest.raises(Unsupported, match="not decoded"):
        codec.decode(bytes(1000), vast)


@pytest.mark.parametrize("declared", [{"rows": 0}, {"samples": 4}, {"bits_stored": 17}, {"high_bit": 16}])
def test_a_declaration_that_cannot_be_is_refused(declared: dict[str, int]) -> None:
    wrong = Layout(**{"transfer_syntax": EXPLICIT, "rows": 2, "columns": 2, **declared})  # type: ignore[arg-type]

    with pytest.raises(Invalid):
        codec.decode(bytes(100), wrong)


def test_the_sign_is_taken_from_the_data_set() -> None:
    stored = np.array([[4095, 1], [2047, 2048]], "<u2")
    data = imagecodecs.jpeg2k_encode(stored, level=0, codecformat="J2K", reversible=True, bitspersample=12)
    signed = Layout(J2K, 2, 2, 1, 16, 12, 11, is_signed=True)

    assert codec.decode(bytes(data), signed).cells[..., 0].tolist() == [[-1, 1], [2047, -2048]]


def test_single_bits_are_read_from_the_lowest() -> None:
    bits = Layout(EXPLICIT, 2, 4, 1, 1, 1, 0)

    assert codec.decode(b"\x81", bits).cells.ravel().tolist() == [1, 0, 0, 0, 0, 0, 0, 1]


def test_frames_of_single_bits_are_cut_within_bytes() -> None:
    bits = np.random.default_rng(1).integers(0, 2, (5, 3, 3), dtype=np.uint8)
    packed = np.packbits(bits.ravel(), bitorder="little")
    made = image(packed.reshape(1, -1), Rows=3, Columns=3, NumberOfFrames=5, BitsAllocated=1, BitsStored=1, HighBit=0)
    data, header = normalise(made)
    layout = layout_of(data, header)

    frames = [codec.decode(frame, layout).cells[..., 0] for frame in frames_of(data, header, layout)]
    np.testing.assert_array_equal(np.stack(frames), bits)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("dtype", ["<u1", "<u2"])
def test_jpeg_xl_is_decoded_in_the_sandbox(sandbox: Sandbox, samples: int, dtype: str) -> None:
    cells = np.random.default_rng(3).integers(0, 250, (40, 30, samples)).astype(dtype)
    data = bytes(imagecodecs.jpegxl_encode(cells.squeeze(), lossless=True, numthreads=1))
    layout = layout_for(cells, "1.2.840.10008.1.2.4.110")

    assert recode(sandbox, layout, [data, data], EXPLICIT) == ([cells.tobytes()] * 2, layout.photometric)


def test_deflated_frames_are_inflated_within_bounds() -> None:
    layout = layout_for(np.zeros((100, 100, 1), np.uint8), "1.2.840.10008.1.2.8.1")
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(50_000_000)) + packer.flush()

    assert codec.decode(bomb, layout).cells.shape == (100, 100, 1)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200))
@example(data=bytes(19) + b"\1" + bytes(19))
def test_noise_is_refused_by_every_header_reader(data: bytes) -> None:
    starts = (b"\xff\xd8\xff\xc0", b"\xff\x4f\xff\x51", b"")
    for start in starts:
        for read in (codestream.jpeg, codestream.jpeg2000):
            with contextlib.suppress(Invalid):
                assert read(start + data).rows >= 0
