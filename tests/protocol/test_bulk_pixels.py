"""Pixel data as bulk data: uncompressed as one value, compressed as a part for each frame (PS3.18 8.7.3)."""

import io
from collections.abc import Iterator

import httpx
import imagecodecs
import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEG2000Lossless, VideoEndoscopicImageStorage, generate_uid

from bank import keep
from make import a_dataset, a_file, as_file, read
from protocol.dicomweb_site import Site, a_site, parts_of
from samples import sample_data

EXPLICIT, J2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"
OCTETS = "application/octet-stream"
UNCOMPRESSED = f"{OCTETS}; transfer-syntax={EXPLICIT}"
CELLS = (np.arange(3 * 256, dtype="<u2") % 4096).reshape(3, 16, 16)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("bulk")) as found:
        yield found


def related(kind: str, syntax: str = "") -> str:
    return f'multipart/related; type="{kind}"' + (f"; transfer-syntax={syntax}" if syntax else "")


def coded(cells: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(cells, codecformat="j2k", reversible=True))


def a_cine() -> Dataset:
    """Three frames of JPEG 2000 without loss."""
    ds = a_dataset(rows=16, columns=16, NumberOfFrames=3)
    ds.PixelData = encapsulate([coded(frame) for frame in CELLS])
    ds["PixelData"].VR = "OB"
    return ds


def stored(site: Site, ds: Dataset, syntax: str = JPEG2000Lossless) -> str:
    """Where a data set is, once it is kept."""
    (receipt,) = keep(site.bank, as_file(ds, syntax))
    assert receipt.is_kept, receipt
    return f"/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}"


def get(site: Site, path: str, accept: str, status: int = 200, **headers: str) -> httpx.Response:
    answer = site.http.get(path, headers={"Accept": accept} | headers)
    assert answer.status_code == status, answer.text
    return answer


def uri_of(site: Site, where: str) -> str:
    return str(get(site, f"{where}/metadata", "*/*").json()[0]["7FE00010"]["BulkDataURI"])


@pytest.mark.parametrize("accept", ["*/*", OCTETS, UNCOMPRESSED, f"{OCTETS}; transfer-syntax=*"])
def test_octets_alone_are_the_uncompressed_value(site: Site, accept: str) -> None:
    answer = get(site, uri_of(site, stored(site, a_cine())), accept)

    assert answer.headers["content-type"] == UNCOMPRESSED
    assert answer.content == CELLS.tobytes()


@pytest.mark.parametrize("level", ["value", "instance", "series", "study"])
def test_octets_in_parts_are_the_uncompressed_value(site: Site, level: str) -> None:
    where = stored(site, a_cine())
    uri = uri_of(site, where)
    paths = {
        "value": uri,
        "instance": where,
        "series": where.partition("/instances")[0],
        "study": where.partition("/series")[0],
    }

    ((head, content),) = parts_of(get(site, paths[level], related(OCTETS)))

    assert content == CELLS.tobytes()
    assert (head["content-type"], head["content-location"]) == (UNCOMPRESSED, uri)


@pytest.mark.parametrize("level", ["value", "instance"])
@pytest.mark.parametrize(
    "accept", [related("image/jp2"), related("image/jp2", J2K), related(OCTETS, "*"), related("image/jp2", "*")]
)
def test_who_takes_the_stored_type_gets_a_part_for_each_frame(site: Site, level: str, accept: str) -> None:
    where = stored(site, a_cine())
    uri = uri_of(site, where)

    answer = get(site, uri if level == "value" else where, accept)

    assert 'type="image/jp2"' in answer.headers["content-type"]
    assert [content.rstrip(b"\0") for _, content in parts_of(answer)] == [coded(frame).rstrip(b"\0") for frame in CELLS]
    assert {(head["content-type"], head["content-location"]) for head, _ in parts_of(answer)} == {
        (f"image/jp2; transfer-syntax={J2K}", uri)
    }


def test_another_coding_is_made_of_native_and_of_coded_pixels(site: Site) -> None:
    native = a_dataset(rows=16, columns=16, NumberOfFrames=3, PixelData=CELLS.tobytes())

    for where in (stored(site, native, EXPLICIT), stored(site, a_cine())):
        parts = parts_of(get(site, uri_of(site, where), related("image/jls")))
        assert [imagecodecs.jpegls_decode(content).tobytes() for _, content in parts] == [
            one.tobytes() for one in CELLS
        ]


@pytest.mark.parametrize(
    "accept", ["image/tiff", related("image/tiff"), related("video/mp4"), related("image/jp2", "1.2.3")]
)
def test_what_it_cannot_be_given_as_is_refused(site: Site, accept: str) -> None:
    where = stored(site, a_cine())

    get(site, uri_of(site, where), accept, 406)
    get(site, where, accept, 406)


def test_one_frame_may_come_alone_and_in_ranges(site: Site) -> None:
    ds = a_dataset(rows=16, columns=16)
    ds.PixelData = encapsulate([coded(CELLS[0])])
    ds["PixelData"].VR = "OB"
    uri = uri_of(site, stored(site, ds))

    whole = get(site, uri, "image/jp2")

    assert whole.content.rstrip(b"\0") == coded(CELLS[0]).rstrip(b"\0")
    assert whole.headers["content-type"] == f"image/jp2; transfer-syntax={J2K}"
    assert get(site, uri, "image/jp2", 206, Range="bytes=0-3").content == whole.content[:4]
    get(site, uri_of(site, stored(site, a_cine())), "image/jp2", 406)


def test_what_the_caller_has_is_not_sent_again(site: Site) -> None:
    uri = uri_of(site, stored(site, a_cine()))

    tags = {}
    for accept in (OCTETS, related(OCTETS), related("image/jp2")):
        tags[accept] = get(site, uri, accept).headers["etag"]
        get(site, uri, accept, 304, **{"If-None-Match": tags[accept]})

    assert tags[OCTETS] != tags[related("image/jp2")]


def a_video() -> Dataset:
    ds = a_dataset(rows=600, columns=800, SOPClassUID=VideoEndoscopicImageStorage, NumberOfFrames=67)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 3, "YBR_PARTIAL_420"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PlanarConfiguration = 7, 0
    ds.PixelData = encapsulate([film()])
    ds["PixelData"].VR = "OB"
    return ds


def film() -> bytes:
    return (sample_data() / "non-dicom/mp4/echo-cardiac.mp4").read_bytes()


VIDEO = "1.2.840.10008.1.2.4.102"


def test_a_video_is_one_stream_of_its_own_type(site: Site) -> None:
    where = stored(site, a_video(), VIDEO)
    uri = uri_of(site, where)

    alone = get(site, uri, "video/mp4")

    assert alone.content.rstrip(b"\0") == film().rstrip(b"\0")
    assert get(site, uri, "video/mp4", 206, Range="bytes=4-7").content == b"ftyp"
    assert site.http.get(uri, params={"accept": "video/mp4"}).content == alone.content
    for path in (uri, where):
        ((head, content),) = parts_of(get(site, path, related("video/mp4")))
        assert (head["content-type"], content) == (f"video/mp4; transfer-syntax={VIDEO}", alone.content)


def test_what_cannot_be_decoded_is_given_as_no_octets(site: Site) -> None:
    where = stored(site, a_video(), VIDEO)

    get(site, uri_of(site, where), OCTETS, 406)
    get(site, uri_of(site, where), related(OCTETS), 406)
    get(site, where, related(OCTETS), 406)
    get(site, f"{where}/frames/1", related(OCTETS), 406)
    assert len(parts_of(get(site, f"{where}/frames/1", related(OCTETS, "*")))) == 1
    assert get(site, uri_of(site, where), "*/*").headers["content-type"].startswith("video/mp4")


def test_a_study_gives_what_can_be_given_and_says_what_is_missing(site: Site) -> None:
    study = generate_uid()
    cine, video = a_cine(), a_video()
    cine.StudyInstanceUID = video.StudyInstanceUID = study
    stored(site, cine)
    stored(site, video, VIDEO)

    some = get(site, f"/studies/{study}", related(OCTETS), 206)
    every = get(site, f"/studies/{study}", f"{related(OCTETS)}, {related('video/mp4')}; q=0.5")

    assert [content for _, content in parts_of(some)] == [CELLS.tobytes()]
    assert "1 instances cannot be given" in some.headers["warning"]
    assert sorted(head["content-type"] for head, _ in parts_of(every)) == sorted(
        [UNCOMPRESSED, f"video/mp4; transfer-syntax={VIDEO}"]
    )


def test_pixels_that_are_broken_take_nothing_else_with_them(site: Site) -> None:
    study = generate_uid()
    broken, whole = a_cine(), a_cine()
    broken.StudyInstanceUID = whole.StudyInstanceUID = study
    broken.PixelData = encapsulate([b"\xff\x4f\xff\x51 not a picture "] * 3)
    broken["PixelData"].VR = "OB"
    where = stored(site, broken)

    get(site, uri_of(site, where), OCTETS, 406)
    get(site, where, related(OCTETS), 406)
    assert len(parts_of(get(site, uri_of(site, where), related(OCTETS, "*")))) == 3
    stored(site, whole)
    assert [content for _, content in parts_of(get(site, f"/studies/{study}", related(OCTETS)))] == [CELLS.tobytes()]


def test_frames_that_the_header_miscounts_keep_their_coding(site: Site) -> None:
    ds = a_cine()
    ds.NumberOfFrames = 5
    where = stored(site, ds)

    parts = parts_of(get(site, f"{where}/frames/1", related("image/jp2")))

    assert parts[0][1].rstrip(b"\0") == coded(CELLS[0]).rstrip(b"\0")


def test_an_icon_within_is_decoded_as_well(site: Site) -> None:
    ds, icon = a_cine(), a_cine()
    item = Dataset()
    for keyword in (
        *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"),
        *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    ):
        setattr(item, keyword, icon[keyword].value)
    item.PixelData = encapsulate([coded(CELLS[1])])
    item["PixelData"].VR, item["PixelData"].is_undefined_length = "OB", True
    ds.IconImageSequence = [item]
    where = stored(site, ds)
    uri = get(site, f"{where}/metadata", "*/*").json()[0]["00880200"]["Value"][0]["7FE00010"]["BulkDataURI"]

    assert get(site, uri, OCTETS).content == CELLS[1].tobytes()
    assert parts_of(get(site, uri, related("image/jp2")))[0][1].rstrip(b"\0") == coded(CELLS[1]).rstrip(b"\0")
    assert [content for _, content in parts_of(get(site, where, related(OCTETS)))] == [
        CELLS[1].tobytes(),
        CELLS.tobytes(),
    ]


def test_native_pixels_are_their_value_with_its_name(site: Site) -> None:
    file = a_file()
    (receipt,) = keep(site.bank, file)
    where = f"/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}"
    uri = uri_of(site, where)

    for accept in (OCTETS, UNCOMPRESSED, "*/*"):
        answer = get(site, uri, accept)
        assert (answer.content, answer.headers["content-type"]) == (read(file).PixelData, UNCOMPRESSED)
    assert get(site, uri, OCTETS, 206, Range="bytes=2-3").content == read(file).PixelData[2:4]


def test_third_party_clients_read_the_value(site: Site) -> None:
    client: DICOMwebClient = site.client

    assert client.retrieve_bulkdata(uri_of(site, stored(site, a_cine()))) == [CELLS.tobytes()]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("folder", ["us-multiframe", "transfer-syntaxes", "endoscopy", "mr-enhanced"])
def test_samples_are_given_as_their_frames(site: Site, folder: str) -> None:
    for path in sorted((sample_data() / folder).rglob("*.dcm"))[:8]:
        ds = pydicom.dcmread(path, force=True)
        if not ds.file_meta.TransferSyntaxUID.is_encapsulated or not 0 < len(ds.get("SOPInstanceUID", "")) <= 64:
            continue
        (receipt,) = keep(site.bank, path.read_bytes())
        if not receipt.is_kept:
            continue
        where = f"/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}"
        count = int(ds.get("NumberOfFrames") or 1)
        numbers = ",".join(str(number) for number in range(1, count + 1))
        frames = [content for _, content in parts_of(get(site, f"{where}/frames/{numbers}", related(OCTETS)))]
        expected = list(generate_frames(io.BytesIO(ds.PixelData).read(), number_of_frames=count))

        assert get(site, uri_of(site, where), OCTETS).content == b"".join(frames), path.name
        assert [one for _, one in parts_of(get(site, uri_of(site, where), related(OCTETS, "*")))] == expected, path.name
