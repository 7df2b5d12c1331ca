"""Files in which something follows the pixel data: padding, or a lawful last element that is as short."""

import struct
from collections.abc import Iterator

import imagecodecs
import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless, generate_uid

from imagebank import worker
from make import a_dataset, as_file, read
from protocol.dicomweb_site import AS_STORED, Site, a_site, parts_of, store

OCTETS = 'multipart/related; type="application/octet-stream"'
SYNTAXES = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian), str(JPEGLSLossless))
ROWS = COLUMNS = 16


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("trailing")) as found:
        yield found


def pixels() -> bytes:
    return (np.arange(ROWS * COLUMNS, dtype="<u2") % 4096).tobytes()


def an_image(syntax: str) -> bytes:
    """An image whose file ends with its pixel data; one study of one series."""
    ds = a_dataset(rows=ROWS, columns=COLUMNS, PixelData=pixels())
    if syntax == JPEGLSLossless:
        coded = imagecodecs.jpegls_encode(np.frombuffer(pixels(), "<u2").reshape(ROWS, COLUMNS))
        ds.PixelData = encapsulate([bytes(coded)])
        ds["PixelData"].VR = "OB"
    return as_file(ds, syntax)


def given_whole(site: Site, file: bytes) -> dict[str, object]:
    """The metadata of a stored file, after every way to it has been tried."""
    ds = read(file)
    study = f"/studies/{ds.StudyInstanceUID}"
    series = f"{study}/series/{ds.SeriesInstanceUID}"
    instance = f"{series}/instances/{ds.SOPInstanceUID}"
    found = [site.http.get(f"{level}/metadata") for level in (instance, series, study)]
    assert [one.status_code for one in found] == [200] * 3
    assert found[0].json() == found[1].json() == found[2].json()
    for path, accept in (
        (instance, OCTETS),
        (f"{instance}/bulkdata/7FE00010", "application/octet-stream"),
        (f"{instance}/frames/1", OCTETS),
        (f"{instance}/frames/1", 'multipart/related; type="image/jls"'),
        (f"{instance}/rendered", "image/png"),
    ):
        assert site.http.get(path, headers={"Accept": accept}).status_code == 200, (path, accept)
    assert parts_of(site.http.get(f"{instance}/frames/1", headers={"Accept": OCTETS}))[0][1] == pixels()
    assert parts_of(site.http.get(instance, headers={"Accept": AS_STORED}))
    return dict(found[0].json()[0])


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("fill", [b"\0", b"\xa5"])
@pytest.mark.parametrize("length", range(17))
def test_bytes_after_the_pixel_data_keep_nothing_from_being_read(
    site: Site, syntax: str, fill: bytes, length: int
) -> None:
    file = an_image(syntax) + fill * length

    answer = store(site.http, file)

    assert answer.status_code in (200, 202), answer.text
    assert "7FE00010" in given_whole(site, file)


def explicit(tag: int, vr: bytes, value: bytes = b"") -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def implicit(tag: int, value: bytes = b"") -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


@pytest.mark.parametrize(
    ("syntax", "last", "tag"),
    [
        (ExplicitVRLittleEndian, explicit(0x7FE10010, b"LO"), "7FE10010"),
        (ExplicitVRLittleEndian, explicit(0x7FE10010, b"LO", b"VENDOR"), "7FE10010"),
        (ImplicitVRLittleEndian, implicit(0x7FE10010), "7FE10010"),
        (JPEGLSLossless, explicit(0x7FE10010, b"LO"), "7FE10010"),
        (ImplicitVRLittleEndian, implicit(0xFFFCFFFC), ""),
        (ExplicitVRLittleEndian, b"\xfc\xff\xfc\xffOB\0\0\0\0\0\0", ""),
    ],
)
def test_a_last_element_may_be_as_short_as_a_delimiter(site: Site, syntax: str, last: bytes, tag: str) -> None:
    file = an_image(syntax) + last

    answer = store(site.http, file)

    assert answer.status_code == 200, answer.text
    found = given_whole(site, file)
    assert not tag or tag in found


def test_one_padded_image_leaves_its_series_readable_and_its_metadata_ready_made(site: Site) -> None:
    study, series = generate_uid(), generate_uid()
    images = [a_dataset(StudyInstanceUID=study, SeriesInstanceUID=series) for _ in range(3)]
    files = [as_file(one) + b"\0" * length for one, length in zip(images, (0, 2, 8), strict=True)]
    store(site.http, *files)

    worker.make_metadata(site.bank, {"series": series})

    answer = site.http.get(f"/studies/{study}/metadata")
    assert len(answer.json()) == len(files)
