"""Pictures are what the standard's pipeline gives, in the size and form that was asked for."""

import re
import subprocess
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from imagebank.dicom.layout import EXPLICIT, frames_of, layout_of, pixel_element
from imagebank.dicom.read import normalise
from imagebank.dicom.render import (
    Parts,
    Rendering,
    Viewport,
    Window,
    parse_quality,
    parse_viewport,
    parse_window,
    render,
    thumbnail,
)
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.transcode import transcode
from imagebank.errors import BankError, Invalid, NotFound, Unsupported
from samples import sample_data
from unit.pixels.pictures import dataset, image, images, name, syntax

PNG = Rendering("image/png")


def opened(picture: bytes) -> Image.Image:
    return Image.open(BytesIO(picture))


def shown(sandbox: Sandbox, source: bytes | Parts, rendering: Rendering = PNG) -> NDArray[np.int64]:
    return np.asarray(opened(render(sandbox, source, rendering))).astype(np.int64)


def expected(ds: Dataset, stored: NDArray[Any]) -> NDArray[np.float64]:
    """The first frame by pydicom's look-up tables and the formula of PS3.3 C.11.2.1.2."""
    values = apply_voi_lut(apply_modality_lut(stored, ds), ds, prefer_lut=False).astype(np.float64)
    if "WindowWidth" in ds:
        # pydicom spreads over the range that the stored type could have after rescaling.
        signed = ds.PixelRepresentation == 1
        low, high = (-(2 ** (ds.BitsStored - 1)), 2 ** (ds.BitsStored - 1) - 1) if signed else (0, 2**ds.BitsStored - 1)
        slope, intercept = float(ds.get("RescaleSlope", 1)), float(ds.get("RescaleIntercept", 0))
        low, high = sorted((low * slope + intercept, high * slope + intercept))
    else:
        low, high = 0.0, 2.0 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1
    grey: NDArray[np.float64] = (values - low) / (high - low) * 255
    return 255.0 - grey if ds.PhotometricInterpretation == "MONOCHROME1" else grey


def has_own_window(file: Path) -> bool:
    ds = dataset(file)
    is_plain = str(ds.get("PhotometricInterpretation")).startswith("MONO") and "ModalityLUTSequence" not in ds
    return is_plain and ("WindowWidth" in ds or "VOILUTSequence" in ds)


@pytest.mark.parametrize("file", [f for f in images() if has_own_window(f)], ids=name)
def test_grey_is_what_another_toolkit_computes(sandbox: Sandbox, file: Path) -> None:
    plain = pydicom.dcmread(BytesIO(transcode(sandbox, file.read_bytes(), EXPLICIT)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stored = plain.pixel_array.reshape(-1, plain.Rows, plain.Columns)[0]

    np.testing.assert_allclose(shown(sandbox, file.read_bytes()), expected(plain, stored), atol=1)


@pytest.mark.parametrize(
    "path",
    [
        "ct-other/693_UNCR.dcm",
        "transfer-syntaxes/big-endian/MR_small_bigendian.dcm",
        "secondary-capture/TestPattern_Palette.dcm",
        "secondary-capture/vlut_04.dcm",
        "us-multiframe/US-PAL-8-10x-echo",
        "us-multiframe/YBR_422.dcm",
        "us-multiframe/YBR_FULL-RLE.dcm",
        "transfer-syntaxes/colour/TestPattern_RGB.dcm",
        "transfer-syntaxes/colour/TestPattern_JPEG-Baseline_YBR422.dcm",
        "transfer-syntaxes/big-endian/ExplVR_BigEnd.dcm",
        "mr-other/MR4_JPLL",
        "cr-dx/dx_image.dcm",
    ],
)
def test_a_second_renderer_shows_the_same(sandbox: Sandbox, path: str, tmp_path: Path) -> None:
    file, out = sample_data() / path, tmp_path / "out.bmp"
    voi = ["+Wi", "1"] if "WindowWidth" in dataset(file) else ["+Wl", "1"] if "VOILUTSequence" in dataset(file) else []
    subprocess.run(["dcmj2pnm", "+ob", *voi, str(file), str(out)], check=True, capture_output=True)
    second = Image.open(out)
    ours = opened(render(sandbox, file.read_bytes(), PNG))

    difference = np.abs(np.asarray(ours.convert("RGB")).astype(int) - np.asarray(second.convert("RGB")))
    assert np.percentile(difference, 99) <= 3


def test_one_image_looks_alike_in_every_syntax(sandbox: Sandbox) -> None:
    files = [f for f in images() if f.parent.name == "ct-one-image-all-syntaxes"]
    pictures = {f.name: shown(sandbox, f.read_bytes()) for f in files}
    first = pictures.pop("CTImage.dcm")

    assert len(pictures) == 15
    for label, picture in pictures.items():
        far = np.abs(picture - first)
        assert far.mean() < (6 if "Process1Transfer" in label else 2), label


@pytest.mark.parametrize("file", images(), ids=name)
def test_every_image_has_a_picture_of_each_kind(sandbox: Sandbox, file: Path) -> None:
    if re.search(r"4\.10\d$", syntax(file)):
        with pytest.raises(Unsupported, match="video"):
            render(sandbox, file.read_bytes(), PNG)
        return
    ds = dataset(file)
    picture = opened(render(sandbox, file.read_bytes(), Rendering()))
    small = opened(render(sandbox, file.read_bytes(), thumbnail()))

    assert picture.format == "JPEG"
    assert picture.size == (ds.Columns, ds.Rows)
    assert max(small.size) == 128


@pytest.mark.parametrize(
    ("window", "grey"),
    [
        (Window(100, 101), [0, 0, 1, 129, 255, 255]),
        (Window(100, 100, "LINEAR_EXACT"), [0, 0, 0, 128, 255, 255]),
        (Window(100, 100, "SIGMOID"), [5, 30, 30, 128, 225, 250]),
        (Window(101, 1), [0, 0, 0, 0, 255, 255]),
    ],
)
def test_a_window_follows_its_function(sandbox: Sandbox, window: Window, grey: list[int]) -> None:
    stored = np.array([[0, 49, 50, 100, 150, 200]], "<i2")
    picture = shown(sandbox, image(stored), Rendering("image/png", window=window))

    np.testing.assert_allclose(picture[0], grey, atol=1)


def test_a_window_is_in_modality_units(sandbox: Sandbox) -> None:
    stored = image(
        np.array([[0, 1000, 2000]], "<u2"), RescaleSlope=1, RescaleIntercept=-1000, WindowCenter=0, WindowWidth=1001
    )

    assert shown(sandbox, stored)[0].tolist() == [0, 128, 255]


def test_the_first_window_of_the_data_set_is_used(sandbox: Sandbox) -> None:
    stored = image(
        np.array([[0, 1000]], "<u2"), WindowCenter=[500, 0], WindowWidth=[5000, 1], VOILUTFunction="LINEAR_EXACT"
    )

    np.testing.assert_allclose(shown(sandbox, stored)[0], [102, 153], atol=1)


@pytest.mark.parametrize("implicit", [False, True])
def test_padding_does_not_spoil_the_range(sandbox: Sandbox, implicit: bool) -> None:
    stored = image(np.array([[-2000, 0, 50, 100]], "<i2"), PixelPaddingValue=-2000, implicit=implicit)

    assert shown(sandbox, stored)[0].tolist() == [0, 0, 128, 255]


@pytest.mark.parametrize("kind", [np.int16, np.uint16])
def test_slices_that_say_the_same_are_shown_alike_whatever_cells_they_have(sandbox: Sandbox, kind: type) -> None:
    spread: NDArray[Any] = np.linspace(np.iinfo(kind).min, np.iinfo(kind).max, 64).reshape(8, 8).astype(kind)
    slices = [np.full((8, 8), 900, kind), spread, np.full((8, 8), 120, kind), spread[::-1]]
    middle = int(spread.mean())
    alike = {"WindowCenter": middle, "WindowWidth": 50_000, "RescaleSlope": 1, "RescaleIntercept": -7}

    one_by_one = [shown(sandbox, image(cells, **alike)) for cells in slices]
    together = shown(sandbox, image(np.concatenate(slices), **alike))
    narrower = shown(sandbox, image(spread, **(alike | {"WindowWidth": 500})))

    np.testing.assert_array_equal(np.concatenate(one_by_one), together)
    assert len(np.unique(narrower)) < len(np.unique(one_by_one[1]))


def test_slices_without_a_window_have_a_range_of_their_own(sandbox: Sandbox) -> None:
    for most in (1000, 10, 30_000):
        cells = np.linspace(0, most, 64).reshape(8, 8).astype(np.uint16)

        assert shown(sandbox, image(cells)).max() == 255


def test_eight_bit_captures_are_shown_as_they_are(sandbox: Sandbox) -> None:
    assert shown(sandbox, image(np.array([[10, 20]], np.uint8)))[0].tolist() == [10, 20]


@pytest.mark.parametrize(
    "attributes", [{"PhotometricInterpretation": "MONOCHROME1"}, {"PresentationLUTShape": "INVERSE"}]
)
def test_inverted_images_are_inverted_once(sandbox: Sandbox, attributes: dict[str, Any]) -> None:
    assert shown(sandbox, image(np.array([[10, 20]], np.uint8), **attributes))[0].tolist() == [245, 235]


def words(*values: int) -> bytes:
    return np.array(values, "<u2").tobytes()


@pytest.mark.parametrize("implicit", [False, True])
def test_look_up_tables_are_applied(sandbox: Sandbox, implicit: bool) -> None:
    modality, voi = Dataset(), Dataset()
    modality.LUTDescriptor, modality.LUTData, modality.ModalityLUTType = [3, 10, 16], words(5, 6, 7), "US"
    voi.LUTDescriptor, voi.LUTData = [3, 5, 8], words(0, 51, 255)
    stored = image(
        np.array([[0, 10, 11, 12, 99]], "<u2"), ModalityLUTSequence=[modality], VOILUTSequence=[voi], implicit=implicit
    )

    assert shown(sandbox, stored)[0].tolist() == [0, 0, 51, 255, 255]


@pytest.mark.parametrize("implicit", [False, True])
def test_palettes_are_applied(sandbox: Sandbox, implicit: bool) -> None:
    tables: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for n, colour in enumerate(("Red", "Green", "Blue")):
        tables[f"{colour}PaletteColorLookupTableDescriptor"] = [2, 0, 16]
        tables[f"{colour}PaletteColorLookupTableData"] = words(0, (n + 1) << 8)
    stored = image(np.array([[0, 1]], np.uint8), implicit=implicit, **tables)

    assert shown(sandbox, stored)[0].tolist() == [[0, 0, 0], [1, 2, 3]]


def test_frames_of_an_enhanced_image_have_their_own_window(sandbox: Sandbox) -> None:
    groups = []
    for center in (50, 1050):
        group, voi, transform = Dataset(), Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 101
        transform.RescaleSlope, transform.RescaleIntercept = 1, center - 50
        group.FrameVOILUTSequence, group.PixelValueTransformationSequence = [voi], [transform]
        groups.append(group)
    frames = np.array([[[0, 50, 100, 200]]] * 2, "<u2")
    stored = image(frames, NumberOfFrames=2, PerFrameFunctionalGroupsSequence=groups)

    for number in (1, 2):
        picture = shown(sandbox, stored, Rendering("image/png", (number,)))
        np.testing.assert_allclose(picture[0], [1, 129, 255, 255], atol=1)


def test_floating_point_pixels_are_shown(sandbox: Sandbox) -> None:
    ds = pydicom.dcmread(BytesIO(image(np.zeros((2, 2), "<u2"))))
    del ds.PixelData
    ds.BitsAllocated = 32
    ds.FloatPixelData = np.array([[0, 0.5], [np.nan, 1]], "<f4").tobytes()
    out = BytesIO()
    ds.save_as(out)

    assert shown(sandbox, out.getvalue()).tolist() == [[0, 128], [0, 255]]


def test_an_empty_segment_is_black_and_a_full_one_white(sandbox: Sandbox) -> None:
    bits = {"Rows": 4, "Columns": 4, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": 2}
    stored = image(np.array([[0, 0, 255, 255]], np.uint8), **bits)

    assert not shown(sandbox, stored, Rendering("image/png", (1,))).any()
    assert (shown(sandbox, stored, Rendering("image/png", (2,))) == 255).all()


GRID = image(np.arange(16, dtype=np.uint8).reshape(4, 4) * 16)


def test_a_viewport_keeps_proportions(sandbox: Sandbox) -> None:
    wide = image(np.zeros((100, 200), np.uint8))

    assert opened(render(sandbox, wide, Rendering(viewport=Viewport(50, 50)))).size == (50, 25)
    assert opened(render(sandbox, wide, Rendering(viewport=Viewport(400, 1000)))).size == (400, 200)


def test_a_region_is_cut_out_and_mirrored(sandbox: Sandbox) -> None:
    cut = shown(sandbox, GRID, Rendering("image/png", viewport=Viewport(2, 2, 1, 1, 2, 2)))
    mirrored = shown(sandbox, GRID, Rendering("image/png", viewport=Viewport(2, 2, 1, 1, -2, -2)))

    assert cut.tolist() == [[80, 96], [144, 160]]
    assert mirrored.tolist() == [[160, 144], [96, 80]]


def test_a_region_outside_the_image_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(Invalid, match="outside"):
        render(sandbox, GRID, Rendering(viewport=Viewport(2, 2, 10, 0, 2, 2)))


def test_oblong_pixels_are_shown_in_their_proportions(sandbox: Sandbox) -> None:
    oblong = image(np.zeros((100, 100), np.uint8), PixelSpacing=[2, 1])

    assert opened(render(sandbox, oblong, thumbnail())).size == (64, 128)
    assert opened(render(sandbox, oblong, PNG)).size == (100, 100)


def test_a_loop_becomes_a_moving_picture(sandbox: Sandbox) -> None:
    frames = np.stack([np.full((8, 8), 40 * n, np.uint8) for n in range(5)])
    loop = opened(render(sandbox, image(frames, NumberOfFrames=5, FrameTime=40), Rendering("image/gif")))

    assert getattr(loop, "n_frames", 1) == 5
    assert loop.info["duration"] == 40
    assert loop.info["loop"] == 0


def test_a_long_loop_is_thinned(sandbox: Sandbox) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (500, 8, 8), dtype=np.uint8)
    loop = opened(
        render(sandbox, image(frames, NumberOfFrames=500, RecommendedDisplayFrameRate=25), Rendering("image/gif"))
    )

    assert 100 <= getattr(loop, "n_frames", 1) <= 200
    assert loop.info["duration"] >= 80


def test_one_frame_of_a_loop_is_a_still(sandbox: Sandbox) -> None:
    frames = np.stack([np.full((8, 8), 40 * n, np.uint8) for n in range(5)])
    stored = image(frames, NumberOfFrames=5)
    still = opened(render(sandbox, stored, Rendering("image/gif", (3,))))

    assert getattr(still, "n_frames", 1) == 1
    assert shown(sandbox, stored, Rendering("image/png", (3,)))[0, 0] == 80
    with pytest.raises(NotFound):
        render(sandbox, stored, Rendering(frames=(6,)))


def test_quality_makes_size(sandbox: Sandbox) -> None:
    noise = image(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8))
    sizes = [len(render(sandbox, noise, Rendering(quality=quality))) for quality in (1, 50, 100)]

    assert sizes == sorted(set(sizes))


def test_text_and_overlays_are_written_only_when_asked(sandbox: Sandbox) -> None:
    plain = (sample_data() / "mr-other/examples_overlay.dcm").read_bytes()
    with_text = shown(sandbox, plain, Rendering("image/png", annotation=("Müller", "MR")))
    with_overlay = shown(sandbox, plain, Rendering("image/png", overlays=True))

    assert (with_text != shown(sandbox, plain)).sum() > 50
    assert (with_overlay != shown(sandbox, plain)).sum() > 50


@pytest.mark.parametrize(
    ("path", "number"),
    [("ct-other/693_UNCR.dcm", 1), ("rt-small/rtdose.dcm", 2), ("us-multiframe/I_000003.dcm", 17)],
)
def test_a_header_and_a_frame_are_enough(sandbox: Sandbox, path: str, number: int) -> None:
    stored = (sample_data() / path).read_bytes()
    data, header = normalise(stored)
    found = pixel_element(header)
    assert found is not None
    frames = frames_of(data, header, layout_of(data, header), [number])
    parts = Parts(stored[: found[1].offset], frames, (number,))

    np.testing.assert_array_equal(shown(sandbox, parts), shown(sandbox, stored, Rendering("image/png", (number,))))


@pytest.mark.parametrize(
    "file",
    sorted(p for kind in ("malformed", "malformed-non-dicom") for p in (sample_data() / kind).iterdir()),
    ids=name,
)
def test_broken_files_give_a_picture_or_a_refusal(sandbox: Sandbox, file: Path) -> None:
    try:
        picture = render(sandbox, file.read_bytes(), PNG)
    except (Invalid, Unsupported) as refusal:
        words = str(refusal)
    else:
        words = opened(picture).format or ""

    assert words


def test_cut_and_flipped_codestreams_never_reach_the_caller_as_anything_else(sandbox: Sandbox) -> None:
    rng = np.random.default_rng(7)
    for path in ("htj2k/HTJ2KLossless_08_RGB.dcm", "jpegls/JLSL_RGB_ILV0.dcm", "rle/SC_rgb_rle.dcm"):
        stored = bytearray((sample_data() / "transfer-syntaxes" / path).read_bytes())
        for _ in range(15):
            broken = stored.copy()
            for at in rng.integers(len(broken) // 3, len(broken), 20):
                broken[at] = rng.integers(256)
            try:
                render(sandbox, bytes(broken), Rendering(viewport=Viewport(64, 64)))
            except BankError:
                continue


@pytest.mark.parametrize(
    ("text", "viewport"),
    [
        ("512,256", Viewport(512, 256)),
        ("512,512,10,20,30,40", Viewport(512, 512, 10, 20, 30, 40)),
        ("512,512,,,-30,40", Viewport(512, 512, 0, 0, -30, 40)),
        ("512,512,10.5", Viewport(512, 512, 10.5)),
    ],
)
def test_a_viewport_is_read(text: str, viewport: Viewport) -> None:
    assert parse_viewport(text) == viewport


@pytest.mark.parametrize(
    "text", ["", "512", "0,10", "a,b", "1.5,2", "10,10,-1", "1,1,1,1,1,1,1", "9000,1", "nan,1", "1,1,0,0,0,5", ",5"]
)
def test_a_viewport_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="viewport"):
        parse_viewport(text)


def test_a_thumbnail_takes_a_size_only() -> None:
    with pytest.raises(Invalid, match="vw,vh"):
        parse_viewport("64,64,1,1,2,2", for_thumbnail=True)


def test_a_window_is_read() -> None:
    assert parse_window("40,400,linear") == Window(40, 400)
    assert parse_window("-600.5,1500,linear-exact") == Window(-600.5, 1500, "LINEAR_EXACT")
    assert parse_window("0,1,sigmoid").function == "SIGMOID"


@pytest.mark.parametrize(
    "text", ["40,400", "40,400,cubic", "a,1,linear", "1,0.5,linear", "1,0,sigmoid", "inf,1,linear"]
)
def test_a_window_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="window"):
        parse_window(text)


@pytest.mark.parametrize("text", ["0", "101", "-1", "x", "", "1.5", "٣", "0100999", "9" * 5000, "0" * 5000 + "1"])
def test_a_quality_is_from_1_to_100(text: str) -> None:
    assert parse_quality("1") == 1
    assert parse_quality("100") == 100
    with pytest.raises(Invalid, match="quality"):
        parse_quality(text)


def test_other_media_types_are_not_offered(sandbox: Sandbox) -> None:
    with pytest.raises(Unsupported, match="image/png"):
        render(sandbox, GRID, Rendering("image/webp"))


def test_an_object_without_pixels_has_no_picture(sandbox: Sandbox) -> None:
    with pytest.raises(Unsupported, match="no pixel data"):
        render(sandbox, (sample_data() / "rt-small/rtplan.dcm").read_bytes(), PNG)
