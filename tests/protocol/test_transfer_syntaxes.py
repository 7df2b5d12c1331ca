"""One picture in sixteen transfer syntaxes, and the odd ones: kept, given back as stored, decoded, shown."""

import io
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from PIL import Image

from imagebank.dicom.same import is_same
from imagebank.dicom.transcode import TARGETS
from imagebank.dicomweb.tables import NEVER_SENT
from imagebank.model.uid import Uid
from make import read
from protocol.dicomweb_site import AS_STORED, DICOM, parts_of, store
from protocol.whole_site import Site, a_site, data_set_of, send_raw, url_of
from samples import sample_data

EXPLICIT = "1.2.840.10008.1.2.1"
OCTETS = 'multipart/related; type="application/octet-stream"'
JPEG = tuple(f"1.2.840.10008.1.2.4.{number}" for number in (50, 51, 53, 55))
NEAR_LOSSLESS, LOSSY_J2K = "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"

FOLDER = sample_data() / "transfer-syntaxes"
ONE_PICTURE = sorted((FOLDER / "ct-one-image-all-syntaxes").glob("CTImage.dcm*"))
UNCOMPRESSED = FOLDER / "ct-one-image-all-syntaxes/CTImage.dcm"
OTHERS = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path not in ONE_PICTURE)
VIDEOS = sorted((sample_data() / "video-dicom").glob("*.dcm"))

# pydicom warns of values in the samples that are odd; they are what the samples are for.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("syntaxes"), max_associations=20) as found:
        yield found


@pytest.fixture
def site(shared: Site) -> Site:
    """All files of the one picture have one SOP Instance UID, so each test has the bank for itself."""
    shared.empty()
    return shared


def syntax_of(path: Path) -> str:
    return data_set_of(path.read_bytes())[0]


def name_of(path: Path) -> str:
    number = syntax_of(path).removeprefix("1.2.840.10008.")
    return number if path in ONE_PICTURE and path != UNCOMPRESSED else f"{path.stem}-{number}"


def is_identified(path: Path) -> bool:
    """Some codec samples have no UIDs; the bank refuses them."""
    ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    return all(ds.get(name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"))


def fetch(site: Site, accept: str, path: str = "") -> list[bytes]:
    (instance,) = site.instances()
    answer = site.http.get(url_of(instance) + path, headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    return [content for _, content in parts_of(answer)]


def cells(path: Path, folder: Path) -> npt.NDArray[np.generic]:
    """The pixels as other software than ours decodes them: dcmtk where JPEG lost something, else pydicom."""
    syntax = syntax_of(path)
    if syntax in JPEG:
        decoded = folder / "decoded.dcm"
        subprocess.run(["dcmdjpeg", str(path), str(decoded)], check=True, capture_output=True, timeout=60)
        path = decoded
    elif syntax not in (NEAR_LOSSLESS, LOSSY_J2K):
        path = UNCOMPRESSED
    found: npt.NDArray[np.generic] = pydicom.dcmread(path).pixel_array
    return found


def send(site: Site, way: str, path: Path) -> None:
    file = path.read_bytes()
    if way == "stow":
        answer = store(site.http, file)
        assert answer.status_code in (200, 202), answer.text
        return
    syntax, data_set = data_set_of(file)
    ds = pydicom.dcmread(path, stop_before_pixels=True)
    status, answered = send_raw(
        site.dimse.port, data_set, sop_class=ds.SOPClassUID, uid=ds.SOPInstanceUID, syntax=syntax
    )
    assert status in (0x0000, 0xB007), answered


@pytest.mark.parametrize("way", ["stow", "c-store"])
@pytest.mark.parametrize("path", [*ONE_PICTURE, *filter(is_identified, OTHERS)], ids=name_of)
def test_every_bit_is_kept_and_comes_back(site: Site, path: Path, way: str) -> None:
    send(site, way, path)

    kept = site.held()
    assert data_set_of(kept) == data_set_of(path.read_bytes())
    if way == "stow":
        assert kept == path.read_bytes()
    (given,) = fetch(site, AS_STORED)
    # PS3.18 8.7.3: implicit and big endian never leave by the web.
    assert is_same(given, kept) if syntax_of(path) in NEVER_SENT else given == kept


@pytest.mark.parametrize("path", ONE_PICTURE, ids=name_of)
def test_the_pixels_come_out_as_others_decode_them(site: Site, path: Path, tmp_path: Path) -> None:
    send(site, "stow", path)

    (file,) = fetch(site, f"{DICOM}; transfer-syntax={EXPLICIT}")
    (frame,) = fetch(site, f"{OCTETS}; transfer-syntax={EXPLICIT}", "/frames/1")
    decoded, expected = read(file), cells(path, tmp_path)
    ours = decoded.pixel_array.astype(int)

    assert decoded.file_meta.TransferSyntaxUID == EXPLICIT
    assert frame == decoded.PixelData[: len(frame)]
    # PS3.5 lets decoders of the lossy JPEG processes round differently, as their discrete cosine transforms do.
    slack = 2 if syntax_of(path) in (*JPEG, LOSSY_J2K) else 0
    assert int(np.abs(ours - expected.astype(int)).max()) <= slack


@pytest.mark.parametrize("path", ONE_PICTURE, ids=name_of)
def test_it_is_shown_as_the_same_picture(site: Site, path: Path) -> None:
    send(site, "stow", UNCOMPRESSED)
    expected = picture(site, "/rendered", "image/png")
    site.empty()
    send(site, "stow", path)

    # The sample in eight bits keeps every sixteenth grey level of its twelve only.
    is_lossy = syntax_of(path) in (*JPEG, NEAR_LOSSLESS, LOSSY_J2K)
    assert difference(picture(site, "/rendered", "image/png"), expected) <= (6 if is_lossy else 0)
    assert difference(picture(site, "/frames/1/rendered", "image/jpeg"), expected) < 8


def picture(site: Site, path: str, kind: str) -> npt.NDArray[np.uint8]:
    (instance,) = site.instances()
    answer = site.http.get(url_of(instance) + path, headers={"Accept": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind), answer.text
    return np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"))


def difference(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Grey levels, of 255, in the mean."""
    assert one.shape == other.shape
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


@pytest.mark.parametrize("path", ONE_PICTURE, ids=name_of)
def test_its_frames_come_as_stored(site: Site, path: Path) -> None:
    send(site, "stow", path)

    (frame,) = fetch(site, f"{OCTETS}; transfer-syntax=*", "/frames/1")

    ds = pydicom.dcmread(path)
    if ds.file_meta.TransferSyntaxUID.is_encapsulated:
        assert frame == next(pydicom.encaps.generate_frames(ds.PixelData, number_of_frames=1))
    else:
        assert frame == pydicom.dcmread(UNCOMPRESSED).PixelData


@pytest.mark.parametrize("path", [*ONE_PICTURE, *filter(is_identified, [*OTHERS, *VIDEOS])], ids=name_of)
def test_what_the_conformance_statement_says_can_be_decoded_is_decoded_and_nothing_else(site: Site, path: Path) -> None:
    send(site, "stow", path)
    (instance,) = site.instances()

    answer = site.http.get(url_of(instance), headers={"Accept": f"{DICOM}; transfer-syntax={EXPLICIT}"})
    frame = site.http.get(f"{url_of(instance)}/frames/1", headers={"Accept": f"{OCTETS}; transfer-syntax={EXPLICIT}"})
    shown = site.http.get(f"{url_of(instance)}/rendered", headers={"Accept": "image/jpeg"})

    is_decodable = instance.transfer_syntax in TARGETS
    assert [answer.status_code, frame.status_code] == [200 if is_decodable else 406] * 2
    assert shown.status_code == 200 if is_decodable else shown.status_code in (200, 406)


@pytest.mark.parametrize("path", ONE_PICTURE, ids=name_of)
def test_it_is_given_in_each_syntax_that_the_statement_names(site: Site, path: Path) -> None:
    send(site, "stow", path)

    for target in set(TARGETS[Uid(syntax_of(path))]) - NEVER_SENT:
        (instance,) = site.instances()
        answer = site.http.get(url_of(instance), headers={"Accept": f"application/dicom; transfer-syntax={target}"})
        if target == "1.2.840.10008.1.2.4.50" and instance.pixels and instance.pixels.bits_allocated > 8:
            assert answer.status_code == 406, "baseline JPEG has eight bits"
            continue
        assert answer.status_code == 200, (target, answer.text)
        assert syntax_in(answer.content) == target


def syntax_in(file: bytes) -> str:
    return data_set_of(file)[0]
