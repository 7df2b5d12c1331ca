"""Whatever a file becomes, it is an object of the standard: `dciodvfy` finds no error in any of them, `dcentvfy` none across."""

import io
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image
from pydicom.encaps import generate_frames

from checked import errors_of
from imagebank.dicom.kind import HEAD, Kind, kind_of
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.transcode import transcode
from imagebank.dicom.wrap import wrap
from imagebank.errors import Invalid, Unsupported
from imagebank.model.person import PatientId
from imagebank.model.region import region_named
from imagebank.model.uid import Uid
from imagebank.model.upload import About, Department, Laterality, Technique
from make_heic import a_heic
from samples import sample_data

NOW = datetime(2026, 11, 5, 8, 30, tzinfo=UTC)
EXPLICIT = Uid("1.2.840.10008.1.2.1")
ANA = About(PatientId("", "4711"), "Diaz^Ana", date(1980, 2, 3), "F", description="Photographs")
NON_DICOM = [p for p in sorted((sample_data() / "non-dicom").rglob("*")) if p.is_file()]
TAKEN = NON_DICOM


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1) as sandbox:
        yield sandbox


def made(sandbox: Sandbox, data: bytes, about: About = ANA) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(wrap(sandbox, data, kind_of(data[:HEAD]), about, NOW).file))


PLACES = [
    ("", Laterality.UNKNOWN),
    ("EYE", Laterality.UNKNOWN),
    ("HEART", Laterality.UNKNOWN),
    ("SKIN", Laterality.LEFT),
]


@pytest.mark.parametrize("path", TAKEN, ids=lambda path: path.name)
def test_no_object_that_is_made_has_an_error(sandbox: Sandbox, path: Path, tmp_path: Path) -> None:
    data = path.read_bytes()
    (tmp_path / "one.dcm").write_bytes(wrap(sandbox, data, kind_of(data[:HEAD]), ANA, NOW).file)

    assert errors_of(tmp_path / "one.dcm") == []


@pytest.mark.parametrize("department", Department)
@pytest.mark.parametrize("name", ["photo", "capture", "grey", "deep", "animation", "film"])
def test_nor_has_one_of_any_department_of_any_part_and_side(
    sandbox: Sandbox, name: str, department: Department, tmp_path: Path
) -> None:
    data = FILES[name]()
    for number, (term, side) in enumerate(PLACES):
        about = About(ANA.patient, ANA.name, None, "", department, region=region_named(term), laterality=side)
        (tmp_path / f"{number}.dcm").write_bytes(wrap(sandbox, data, kind_of(data[:HEAD]), about, NOW).file)

        assert errors_of(tmp_path / f"{number}.dcm") == [], about


@pytest.mark.parametrize(
    "data",
    [
        b"<?xml version='1.0'?><ClinicalDocument xmlns='urn:hl7-org:v3'><id root='1.2.3' extension='7'/></ClinicalDocument>",
        b"solid jaw\n facet normal 0 0 1\nendsolid jaw",
        b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    ],
)
def test_nor_has_a_document_or_a_model(sandbox: Sandbox, data: bytes, tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(wrap(sandbox, data, kind_of(data), ANA, NOW).file)

    assert errors_of(tmp_path / "one.dcm") == []
    document = made(sandbox, data)
    assert document.EncapsulatedDocument[: document.EncapsulatedDocumentLength] == data


def test_a_study_of_several_files_agrees_with_itself(sandbox: Sandbox, tmp_path: Path) -> None:
    about = About(ANA.patient, ANA.name, ANA.birth_date, ANA.sex, Department.DERMATOLOGY, NOW)
    files = []
    for path in [p for p in TAKEN if p.suffix in (".jpg", ".png", ".bmp")]:
        data = path.read_bytes()
        files.append(tmp_path / f"{path.name}.dcm")
        files[-1].write_bytes(wrap(sandbox, data, kind_of(data[:HEAD]), about, NOW).file)

    assert len({pydicom.dcmread(file).StudyInstanceUID for file in files}) == 1
    assert errors_of(*files, program="dcentvfy") == []


def a_jpeg(*, orientation: int = 1, place: bool = False) -> bytes:
    """A photograph whose left half is red, with what a camera writes."""
    image = Image.new("RGB", (64, 32), "white")
    image.paste("red", (0, 0, 32, 32))
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Acme", "Pocket 3"
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2024:03:02 10:11:12"
    if place:
        exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitude] = (48.0, 8.0, 14.0)
    with io.BytesIO() as stream:
        image.save(stream, "JPEG", exif=exif, quality=95, comment=b"a word")
        return stream.getvalue()


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    with io.BytesIO() as stream:
        image.save(stream, kind, **options)
        return stream.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "photo": a_jpeg,
    "capture": lambda: saved(Image.new("RGB", (9, 7), "teal"), "PNG"),
    "grey": lambda: saved(Image.new("L", (9, 7), 40), "JPEG"),
    "deep": lambda: saved(Image.fromarray(np.arange(63, dtype=np.uint16).reshape(7, 9) * 999), "TIFF"),
    "animation": lambda: saved(
        Image.new("RGB", (8, 8), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")]
    ),
    "film": lambda: next(p for p in TAKEN if p.suffix == ".mp4").read_bytes(),
}


def test_a_photograph_is_carried_without_being_decoded_and_without_the_place_where_it_was_taken(
    sandbox: Sandbox,
) -> None:
    photo = a_jpeg(place=True)
    instance = made(sandbox, photo)
    (frame,) = generate_frames(instance.PixelData, number_of_frames=1)

    assert instance.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert frame.rstrip(b"\0").endswith(photo[photo.index(b"\xff\xda") :])
    assert b"Exif" in photo
    assert b"Exif" not in frame
    assert (instance.Manufacturer, instance.ManufacturerModelName) == ("Acme", "Pocket 3")
    assert (instance.StudyDate, instance.StudyTime) == ("20240302", "101112")


def test_a_photograph_that_lies_on_its_side_is_turned_upright_without_further_loss(sandbox: Sandbox) -> None:
    # Orientation 6: the first column of the picture is its top.
    wrapped = wrap(sandbox, a_jpeg(orientation=6), Kind.JPEG, ANA, NOW)
    cells = pydicom.dcmread(io.BytesIO(transcode(sandbox, wrapped.file, EXPLICIT))).pixel_array

    assert cells.shape == (64, 32, 3)
    assert cells[8, 16, 1] < 60
    assert cells[56, 16, 1] > 200


def a_half_red_picture() -> NDArray[np.uint8]:
    cells = np.full((64, 96, 3), (30, 30, 200), np.uint8)
    cells[:, :48] = 200, 30, 30
    return cells


@pytest.mark.parametrize(("across", "down"), [(1, 1), (2, 3)])
def test_a_photograph_of_a_phone_in_heic_is_decoded_and_says_so(
    sandbox: Sandbox, across: int, down: int, tmp_path: Path
) -> None:
    picture = np.tile(a_half_red_picture(), (down, across, 1))
    picture = picture[10:, 10:] if across > 1 else picture
    heic = a_heic(picture, tile=(64, 96), brand=b"mif1", taken_at="2024:03:02 10:11:12")
    wrapped = wrap(sandbox, heic, kind_of(heic[:HEAD]), ANA, NOW)
    (tmp_path / "one.dcm").write_bytes(wrapped.file)
    instance = pydicom.dcmread(tmp_path / "one.dcm")
    cells = pydicom.dcmread(io.BytesIO(transcode(sandbox, wrapped.file, EXPLICIT))).pixel_array

    assert errors_of(tmp_path / "one.dcm") == []
    assert instance.SOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.4"
    assert instance.LossyImageCompressionMethod == "ISO_23008_2"
    assert instance.DerivationDescription.startswith("decoded from HEVC")
    assert (instance.StudyDate, instance.Manufacturer) == ("20240302", "Acme")
    assert cells.shape == picture.shape
    assert np.abs(cells.astype(int) - picture).mean() < 4


def test_one_that_was_turned_is_upright(sandbox: Sandbox) -> None:
    cells = made(sandbox, a_heic(a_half_red_picture(), turned=1)).pixel_array

    assert cells.shape == (96, 64, 3)
    assert cells[80, 32, 0] > 150
    assert cells[10, 32, 2] > 150


@pytest.mark.parametrize("cut", [20, 200, -40])
def test_a_photograph_of_a_phone_that_ends_too_early_is_refused(sandbox: Sandbox, cut: int) -> None:
    with pytest.raises(Invalid, match=r"send it anew|no picture"):
        wrap(sandbox, a_heic(a_half_red_picture())[:cut], Kind.HEIC, ANA, NOW)


def test_without_the_package_for_it_the_reason_tells_what_to_do(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagebank.dicom.film.IS_THERE", False)
    with pytest.raises(Unsupported, match="Most Compatible"):
        wrap(sandbox, a_heic(a_half_red_picture()), Kind.HEIC, ANA, NOW)


def test_a_photograph_in_avif_is_one_like_any_other(sandbox: Sandbox, tmp_path: Path) -> None:
    avif = saved(Image.fromarray(a_half_red_picture()), "AVIF", quality=95)
    (tmp_path / "one.dcm").write_bytes(wrap(sandbox, avif, kind_of(avif[:HEAD]), ANA, NOW).file)

    assert errors_of(tmp_path / "one.dcm") == []
    assert made(sandbox, avif).Rows == 64


@pytest.mark.parametrize(
    ("technique", "modality"), [(Technique.XRAY, "RG"), (Technique.INTRA_ORAL, "IO"), (Technique.PANORAMIC, "PX")]
)
@pytest.mark.parametrize("name", ["photo", "grey", "deep"])
def test_a_picture_of_a_radiograph_is_one_of_its_modality_and_claims_no_detector(
    sandbox: Sandbox, name: str, technique: Technique, modality: str, tmp_path: Path
) -> None:
    for number, (term, side) in enumerate([*PLACES, ("JAW", Laterality.BOTH)]):
        about = About(
            ANA.patient, ANA.name, None, "", Department.DENTAL, region=region_named(term), laterality=side,
            technique=technique,
        )  # fmt: skip
        data = FILES[name]()
        (tmp_path / f"{number}.dcm").write_bytes(wrap(sandbox, data, kind_of(data[:HEAD]), about, NOW).file)
        instance = pydicom.dcmread(tmp_path / f"{number}.dcm")

        assert errors_of(tmp_path / f"{number}.dcm") == []
        assert (instance.SOPClassUID, instance.Modality) == ("1.2.840.10008.5.1.4.1.1.7", modality)


def test_what_nobody_says_a_camera_took_is_a_secondary_capture(sandbox: Sandbox) -> None:
    instance = made(sandbox, _png())

    assert instance.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    assert (instance.StudyDate, instance.Modality) == ("20261105", "OT")


def test_sixteen_bits_of_grey_stay_sixteen_bits(sandbox: Sandbox) -> None:
    grey = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    instance = made(sandbox, saved(Image.fromarray(grey), "PNG"))

    assert np.array_equal(instance.pixel_array, grey)


def test_what_shows_through_is_black(sandbox: Sandbox) -> None:
    instance = made(sandbox, saved(Image.new("RGBA", (8, 8), (255, 255, 255, 0)), "PNG"))

    assert instance.pixel_array.max() == 0


def test_an_animation_has_its_frames_and_their_time(sandbox: Sandbox) -> None:
    shades = [Image.new("L", (8, 8), shade) for shade in (0, 100, 200)]
    animation = saved(shades[0], "GIF", save_all=True, append_images=shades[1:], duration=40)
    instance = made(sandbox, animation)

    assert (instance.NumberOfFrames, float(instance.FrameTime)) == (3, 40)
    assert instance.pixel_array[2].max() == 200


def test_pages_of_different_size_are_refused_in_words(sandbox: Sandbox) -> None:
    pages = [Image.new("L", (8, 8)), Image.new("L", (9, 9))]
    with pytest.raises(Unsupported, match="each page as a file of its own"):
        made(sandbox, saved(pages[0], "TIFF", save_all=True, append_images=pages[1:]))


def test_a_film_is_one_item_and_as_long_as_it_is(sandbox: Sandbox) -> None:
    data = next(p for p in TAKEN if p.suffix == ".mp4").read_bytes()
    film = made(sandbox, data, About(ANA.patient, ANA.name, department=Department.ENDOSCOPY))
    (item,) = generate_frames(film.PixelData, number_of_frames=1)

    assert film.SOPClassUID == "1.2.840.10008.5.1.4.1.1.77.1.1.1"
    assert item[: len(data)] == data
    assert 10 < 1000 / float(film.FrameTime) < 70


@pytest.mark.parametrize("cut", [3, 30, 200])
def test_a_photograph_that_ends_too_early_is_refused(sandbox: Sandbox, cut: int) -> None:
    with pytest.raises(Invalid):
        made(sandbox, a_jpeg()[:-cut] if cut == 3 else a_jpeg()[:cut])


@pytest.mark.parametrize("suffix", [".avi", ".webm"])
def test_a_film_that_no_transfer_syntax_allows_is_made_anew_and_says_so(sandbox: Sandbox, suffix: str) -> None:
    film = made(sandbox, next(p for p in TAKEN if p.suffix == suffix).read_bytes())

    assert film.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.102"
    assert film.NumberOfFrames == 67
    assert film.DerivationDescription.startswith("coded anew, with loss, from")


def test_a_film_in_another_container_is_taken_over_without_loss(sandbox: Sandbox) -> None:
    data = next(p for p in TAKEN if p.suffix == ".mp4").read_bytes()
    target = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as source, av.open(target, "w", format="matroska") as other:
        out = other.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = out
                other.mux(packet)
    film = made(sandbox, target.getvalue())

    assert film.DerivationDescription == "taken over from h264 in matroska"
    assert film.NumberOfFrames == 67


def test_a_film_from_a_phone_that_was_held_upright_is_upright(sandbox: Sandbox) -> None:
    data = bytearray(next(p for p in TAKEN if p.suffix == ".mp4").read_bytes())
    upright = made(sandbox, bytes(data))
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 20] = struct.pack(">5i", 0, 1 << 16, 0, -(1 << 16), 0)
    turned = made(sandbox, bytes(data))

    assert (turned.Rows, turned.Columns) == (upright.Columns, upright.Rows)
    assert turned.DerivationDescription.startswith("coded anew")


def test_without_the_package_for_films_it_says_what_to_install(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagebank.dicom.film.IS_THERE", False)
    with pytest.raises(Unsupported, match=r"pip install imagebank\[video\]"):
        wrap(sandbox, b"RIFF\0\0\0\0AVI ", Kind.AVI, ANA, NOW)


def test_a_sound_is_no_film(sandbox: Sandbox) -> None:
    with io.BytesIO() as target:
        with av.open(target, "w", format="avi") as made_of:
            out = made_of.add_stream("pcm_s16le", rate=8000, layout="mono")
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
            sound.sample_rate = 8000
            made_of.mux(out.encode(sound))
        with pytest.raises(Invalid, match="no video"):
            made(sandbox, target.getvalue())


def test_what_can_become_no_object_says_so(sandbox: Sandbox) -> None:
    with pytest.raises(Unsupported, match="octet-stream"):
        wrap(sandbox, bytes(400), Kind.UNKNOWN, ANA, NOW)


def test_a_picture_that_asks_for_all_memory_is_refused_before_it_gets_any(sandbox: Sandbox) -> None:
    bomb = bytearray(_png())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2

    with pytest.raises((Invalid, Unsupported)):
        made(sandbox, bytes(bomb))


def _png() -> bytes:
    return saved(Image.new("RGB", (8, 8)), "PNG")


def test_the_same_file_of_the_same_patient_makes_the_same_object(sandbox: Sandbox) -> None:
    first, again = (wrap(sandbox, a_jpeg(), Kind.JPEG, ANA, NOW) for _ in range(2))
    other = wrap(sandbox, a_jpeg(), Kind.JPEG, About(PatientId("", "4712")), NOW)

    assert first == again
    assert other.uid != first.uid


def test_a_clinical_document_without_an_identifier_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(Invalid, match="no id"):
        made(sandbox, b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>")
