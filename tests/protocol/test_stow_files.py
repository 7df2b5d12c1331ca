"""Files of other kinds by STOW-RS: with little metadata, and in forms for which DICOM has no transfer syntax."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from checked import errors_of
from imagebank.actions import media
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from make import a_dataset
from make_ecg import a_rhythm, an_aecg
from protocol.dicomweb_site import AS_STORED, BOUNDARY, Site, a_site, metadata_body, parts_of, store_metadata, values
from samples import sample_data

ADMIN = Principal("ada", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(organizations=None))
FAILED, REFERENCED, OTHERS = "00081198", "00081199", "0008119A"
CELLS = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
ANA = {
    "00100020": {"vr": "LO", "Value": ["4711"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Diaz^Ana"}]},
    "00100030": {"vr": "DA", "Value": ["19800203"]},
    "00081030": {"vr": "LO", "Value": ["Left eye"]},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("stow")) as found:
        yield found


def saved(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    with io.BytesIO() as stream:
        Image.fromarray(CELLS).convert(mode).save(stream, kind, **options)
        return stream.getvalue()


def a_sample(suffix: str) -> bytes:
    return next((sample_data() / "non-dicom").rglob(f"*{suffix}")).read_bytes()


def bulk(tag: str, vr: str = "OB") -> dict[str, Any]:
    return {tag: {"vr": vr, "BulkDataURI": "1"}}


def fetched(site: Site, answer: dict[str, Any], folder: Path) -> pydicom.Dataset:
    """The object that the answer names, which has no error."""
    (item,) = answer[REFERENCED]["Value"]
    file = parts_of(site.http.get(values(item, "00081190"), headers={"Accept": AS_STORED}))[0][1]
    (folder / "one.dcm").write_bytes(file)

    assert errors_of(folder / "one.dcm") == []
    return pydicom.dcmread(io.BytesIO(file))


def original(site: Site, ds: pydicom.Dataset) -> bytes:
    return b"".join(media.original(site.bank, Selection(instance=ds.SOPInstanceUID), ADMIN)[1])


FILES = {
    "image/jpeg": (saved("JPEG"), "7FE00010", "1.2.840.10008.5.1.4.1.1.77.1.5.1"),
    "image/png": (saved("PNG"), "7FE00010", "1.2.840.10008.5.1.4.1.1.77.1.5.1"),
    "image/tiff": (saved("TIFF"), "7FE00010", "1.2.840.10008.5.1.4.1.1.77.1.5.1"),
    "video/mp4": (a_sample(".mp4"), "7FE00010", "1.2.840.10008.5.1.4.1.1.77.1.4.1"),
    "application/pdf": (a_sample(".pdf"), "00420011", "1.2.840.10008.5.1.4.1.1.104.1"),
    "text/xml": (an_aecg(a_rhythm()), "00420011", "1.2.840.10008.5.1.4.1.1.9.1.1"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_with_no_more_than_a_patient_becomes_the_object_that_suits_it(
    site: Site, kind: str, tmp_path: Path
) -> None:
    data, tag, sop_class = FILES[kind]
    modality = {"00080060": {"vr": "CS", "Value": ["OP"]}}

    answer = store_metadata(site.http, [{**ANA, **modality, **bulk(tag)}], ("1", kind, data))

    assert answer.status_code == 200, answer.text
    ds = fetched(site, answer.json(), tmp_path)
    assert ds.SOPClassUID == sop_class
    assert (ds.PatientID, ds.PatientName, ds.StudyDescription) == ("4711", "Diaz^Ana", "Left eye")
    assert original(site, ds) == data


def test_names_that_are_given_are_kept_and_whatever_else_is_said(site: Site, tmp_path: Path) -> None:
    said = {
        "0020000D": {"vr": "UI", "Value": ["1.2.3.1"]},
        "0020000E": {"vr": "UI", "Value": ["1.2.3.2"]},
        "00080018": {"vr": "UI", "Value": ["1.2.3.3"]},
        "00204000": {"vr": "LT", "Value": ["after the operation"]},
        "00080050": {"vr": "SH", "Value": ["A77"]},
    }
    for _ in range(2):
        answer = store_metadata(
            site.http, [{**ANA, **said, **bulk("7FE00010")}], ("1", "image/jpeg", saved("JPEG", quality=60))
        )

        assert answer.status_code == 200, answer.text
        ds = fetched(site, answer.json(), tmp_path)
        assert [ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID] == ["1.2.3.1", "1.2.3.2", "1.2.3.3"]
        assert (ds.ImageComments, ds.AccessionNumber) == ("after the operation", "A77")


def test_what_is_sent_to_a_study_gets_into_that_study(site: Site, tmp_path: Path) -> None:
    kind = f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY.decode()}'

    def sent(data_set: dict[str, Any], quality: int) -> Any:
        body = metadata_body([data_set], ("1", "image/jpeg", saved("JPEG", quality=quality)))
        return site.http.post("/studies/1.2.5.1", content=body, headers={"Content-Type": kind})

    good = sent({**ANA, **bulk("7FE00010")}, 41)
    other = sent({**ANA, **bulk("7FE00010"), "0020000D": {"vr": "UI", "Value": ["1.2.5.2"]}}, 42)

    assert fetched(site, good.json(), tmp_path).StudyInstanceUID == "1.2.5.1"
    assert other.status_code == 409
    assert "another study" in other.text


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("image/png", saved("PNG")),
        ("image/png", saved("PNG", "RGBA")),
        ("image/gif", saved("GIF", "P")),
        ("image/jpeg", saved("JPEG", progressive=True)),
        ("image/jpeg", saved("JPEG", "CMYK")),
    ],
)
def test_what_no_transfer_syntax_holds_is_pixel_data_without_loss(
    site: Site, kind: str, data: bytes, tmp_path: Path
) -> None:
    ds = a_dataset(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", Modality="OT", ConversionType="WSD", PixelData=None)
    said = {tag: element for tag, element in ds.to_json_dict().items() if not tag.startswith("0028")}

    answer = store_metadata(site.http, [{**said, **bulk("7FE00010")}], ("1", kind, data))

    assert answer.status_code == 200, answer.text
    (item,) = answer.json()[REFERENCED]["Value"]
    found = pydicom.dcmread(
        io.BytesIO(parts_of(site.http.get(values(item, "00081190"), headers={"Accept": AS_STORED}))[0][1])
    )
    with Image.open(io.BytesIO(data)) as image:
        wanted = np.asarray(image.convert("RGB"))
    assert (found.SOPInstanceUID, found.SOPClassUID) == (ds.SOPInstanceUID, ds.SOPClassUID)
    assert np.array_equal(found.pixel_array, wanted)
    assert original(site, found) == data


def test_a_moving_picture_has_its_frames(site: Site, tmp_path: Path) -> None:
    shades = [Image.new("L", (8, 8), shade) for shade in (0, 100, 200)]
    with io.BytesIO() as stream:
        shades[0].save(stream, "GIF", save_all=True, append_images=shades[1:], duration=40)
        data = stream.getvalue()

    answer = store_metadata(site.http, [{**ANA, **bulk("7FE00010")}], ("1", "image/gif", data))

    assert fetched(site, answer.json(), tmp_path).NumberOfFrames == 3


def test_a_broken_file_fails_under_the_name_that_was_given_for_it(site: Site) -> None:
    named = {"00080018": {"vr": "UI", "Value": ["1.2.9.3"]}}

    answer = store_metadata(site.http, [{**ANA, **named, **bulk("7FE00010")}], ("1", "image/png", saved("PNG")[:-40]))

    assert answer.status_code == 409
    (item,) = answer.json()[FAILED]["Value"]
    assert (values(item, "00081155"), values(item, "00081197")) == ("1.2.9.3", 0xC000)


@pytest.mark.parametrize(
    ("data_set", "data", "words"),
    [
        ({}, saved("JPEG")[:-200], "ends too early"),
        ({"00080018": {"vr": "UI", "Value": ["a name"]}}, saved("JPEG"), "a UID has digits"),
        ({}, b"no picture at all", "not a JPEG codestream"),
    ],
)
def test_what_cannot_be_made_fails_with_the_reason_and_the_others_come_in(
    site: Site, data_set: dict[str, Any], data: bytes, words: str
) -> None:
    good = {**ANA, "7FE00010": {"vr": "OB", "BulkDataURI": "2"}}

    answer = store_metadata(
        site.http,
        [{**data_set, **ANA, **bulk("7FE00010")}, good],
        ("1", "image/jpeg", data),
        ("2", "image/png", saved("PNG")),
    )

    assert answer.status_code == 202
    assert words in str(answer.json())
    assert len(answer.json()[REFERENCED]["Value"]) == 1
