"""What people's eyes get: pictures, thumbnails, documents, videos; WADO-URI; capabilities."""

import io
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import generate_uid

from bank import keep, keep_paths
from imagebank.dicomweb.capabilities import openapi_paths, plain_path
from imagebank.dicomweb.conformance import statement
from imagebank.dicomweb.resources import RESOURCES
from imagebank.dicomweb.routes import TRANSACTIONS
from make import a_dataset, a_file, a_series, as_file, read
from protocol.dicomweb_site import Site, a_site, parts_of
from samples import sample_data

STUDY, SERIES = generate_uid(), generate_uid()
FILES = a_series(3, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, rows=64, columns=32)
CINE = "us-multiframe/OBXXXX1A_rle_2frame.dcm"
PDF = "objects/encapsulated-pdf/ecg-report-pdf.dcm"
VIDEO = "video-dicom/us-echo-mpeg4-avc-h264-high41.dcm"
SR = "objects/sr/sample-sr.dcm"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("rendered")) as found:
        keep(found.bank, *FILES)
        keep_paths(found.bank, [sample_data() / name for name in (CINE, PDF, VIDEO, SR)])
        yield found


def where(name: str = "") -> str:
    """Where the first of our files, or a sample, is."""
    ds = pydicom.dcmread(sample_data() / name, stop_before_pixels=True) if name else read(FILES[0])
    return f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


def get(site: Site, path: str, accept: str = "*/*", status: int = 200, **parameters: Any) -> httpx.Response:
    answer = site.http.get(path, headers={"Accept": accept}, params=parameters or None)
    assert answer.status_code == status, answer.text
    return answer


def picture(answer: httpx.Response) -> Image.Image:
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("image/png", "image/png"),
        ("image/gif", "image/gif"),
        ("text/html,image/avif,image/webp,image/png;q=0.9,*/*;q=0.8", "image/png"),
    ],
)
def test_an_instance_is_shown_as_the_caller_likes(site: Site, accept: str, kind: str) -> None:
    answer = get(site, f"{where()}/rendered", accept)

    assert answer.headers["content-type"] == kind
    assert picture(answer).size == (32, 64)
    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_gif_of_a_loop_moves(site: Site) -> None:
    answer = get(site, f"{where(CINE)}/rendered", "image/gif")

    assert getattr(picture(answer), "n_frames", 1) == 2


def test_a_viewport_a_window_and_a_quality_are_heeded(site: Site) -> None:
    small = get(site, f"{where()}/rendered", viewport="16,16")
    dark = get(site, f"{where()}/rendered", "image/png", window="60000,2,linear")
    poor = get(site, f"{where(CINE)}/rendered", quality=1)
    good = get(site, f"{where(CINE)}/rendered", quality=100)

    assert picture(small).size == (8, 16)
    assert np.asarray(picture(dark)).max() == 0
    assert len(poor.content) < len(good.content)


@pytest.mark.parametrize(
    "parameters",
    [
        {"viewport": "0,0"},
        {"viewport": "a,b"},
        {"viewport": "10"},
        {"window": "1,2"},
        {"window": "1,2,cubic"},
        {"quality": "0"},
        {"quality": "101"},
        {"quality": "fine"},
        {"quality": "0100999"},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(site: Site, parameters: dict[str, str]) -> None:
    get(site, f"{where()}/rendered", "*/*", 400, **parameters)


@pytest.mark.parametrize("below", ["", f"/series/{SERIES}"])
def test_an_answer_without_any_picture_is_no_answer(site: Site, below: str) -> None:
    get(site, f"/studies/{STUDY}{below}/rendered", "*/*", 406, viewport="16,16,4000,4000")


def test_a_wish_that_cannot_be_heeded_is_said(site: Site) -> None:
    answer = get(site, f"{where()}/rendered", annotation="patient", iccprofile="srgb")

    assert "annotation" in answer.headers["warning"]
    assert "iccprofile" in answer.headers["warning"]


def test_frames_are_shown_alone_together_and_as_a_loop(site: Site) -> None:
    one = get(site, f"{where(CINE)}/frames/2/rendered")
    both = get(site, f"{where(CINE)}/frames/1,2/rendered")
    loop = get(site, f"{where(CINE)}/frames/1,2/rendered", "image/gif")

    assert one.headers["content-type"] == "image/jpeg"
    assert parts_of(both)[1][1] == one.content
    assert getattr(picture(loop), "n_frames", 1) == 2
    get(site, f"{where(CINE)}/frames/3/rendered", "*/*", 404)


@pytest.mark.parametrize("path", [f"/studies/{STUDY}", f"/studies/{STUDY}/series/{SERIES}"])
def test_a_study_is_shown_whole_or_by_one_picture(site: Site, path: str) -> None:
    whole = get(site, f"{path}/rendered", 'multipart/related; type="image/png"')
    one = get(site, f"{path}/rendered", "image/png")

    assert len(parts_of(whole)) == 3
    assert parts_of(whole)[1][1] == one.content


@pytest.mark.parametrize("below", ["", f"/series/{SERIES}"])
def test_a_study_and_a_series_have_a_thumbnail(site: Site, below: str) -> None:
    answer = get(site, f"/studies/{STUDY}{below}/thumbnail", viewport="20,20")

    assert answer.headers["content-type"] == "image/jpeg"
    assert max(picture(answer).size) == 20


def test_an_instance_and_a_frame_have_a_thumbnail(site: Site) -> None:
    assert max(picture(get(site, f"{where(CINE)}/thumbnail")).size) <= 128
    assert max(picture(get(site, f"{where(CINE)}/frames/2/thumbnail")).size) <= 128
    get(site, f"{where(CINE)}/frames/1,2/thumbnail", "*/*", 400)
    get(site, f"{where(PDF)}/thumbnail", "*/*", 404)


def test_a_document_is_shown_in_its_own_type_within_our_pages(site: Site) -> None:
    answer = get(site, f"{where(PDF)}/rendered", "text/html,application/xhtml+xml,*/*;q=0.8")

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    get(site, f"{where(PDF)}/rendered", "image/jpeg", 406)


def test_a_video_plays_from_any_place(site: Site) -> None:
    whole = get(site, f"{where(VIDEO)}/rendered")
    answer = site.http.get(f"{where(VIDEO)}/rendered", headers={"Range": "bytes=4-7"})

    assert whole.headers["content-type"] == "video/mp4"
    assert (answer.status_code, answer.content) == (206, whole.content[4:8])
    assert whole.headers["accept-ranges"] == "bytes"
    (part,) = parts_of(get(site, f"{where(VIDEO)}/frames/1", "*/*"))
    assert part[0]["content-type"].startswith("video/mp4; transfer-syntax=1.2.840.10008.1.2.4.10")
    assert part[1] == whole.content


def test_a_report_is_shown_in_words_and_without_any_script(site: Site) -> None:
    page = get(site, f"{where(SR)}/rendered", "text/html")
    text = get(site, f"{where(SR)}/rendered", "text/plain")

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<article>" in page.text
    assert "sandbox" in page.headers["content-security-policy"]
    assert "<" not in text.text.split("\n")[0]


CDA_CLASS = "1.2.840.10008.5.1.4.1.1.104.2"
SCRIPT = b'<html xmlns="http://www.w3.org/1999/xhtml"><script>fetch("/api/v1/quarantine")</script></html> '


def a_document(**attributes: Any) -> bytes:
    """An encapsulated CDA that holds a script. Long enough to be bulk data."""
    ds = a_dataset(SOPClassUID=CDA_CLASS, **attributes)
    for keyword in [element.keyword for element in ds if element.tag.group in (0x28, 0x7FE0)]:
        delattr(ds, keyword)
    ds.EncapsulatedDocument = SCRIPT * 20
    ds.MIMETypeOfEncapsulatedDocument = "text/xml"
    return as_file(ds)


@pytest.mark.parametrize("path", ["rendered", "bulkdata/00420011"])
def test_a_script_in_a_document_runs_nowhere(site: Site, path: str) -> None:
    (receipt,) = keep(site.bank, a_document())
    at = f"/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}/{path}"
    answer = get(site, at, "text/xml")

    assert answer.content == SCRIPT * 20
    assert answer.headers["content-type"] == "text/xml"
    assert answer.headers["content-disposition"] == "attachment"
    assert {"default-src 'none'", "sandbox"} <= set(answer.headers["content-security-policy"].split("; "))


def test_a_document_as_bulk_data_may_be_embedded_by_our_viewer(site: Site) -> None:
    answer = get(site, f"{where(PDF)}/bulkdata/00420011", "application/pdf")

    assert answer.headers["content-disposition"] == "inline"
    assert answer.headers["content-security-policy"] == "frame-ancestors 'self'"


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/studies", "application/dicom+json", 200),
        (f"/studies/{STUDY}", "multipart/related; type=application/dicom", 200),
        (f"/studies/{STUDY}/metadata", "application/dicom+json", 200),
        (where(), "application/dicom", 200),
        (f"{where()}/frames/1", "application/octet-stream", 200),
        (f"{where()}/rendered", "image/png", 200),
        ("/studies/1.2.3", "*/*", 404),
        ("/studies/x", "*/*", 400),
    ],
)
def test_no_answer_is_a_page_of_ours(site: Site, path: str, accept: str, status: int) -> None:
    answer = get(site, path, accept, status)

    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_asking_again_changes_no_policy(site: Site) -> None:
    path = f"{where(PDF)}/rendered"
    first = get(site, path)
    again = site.http.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert again.status_code == 304
    assert "content-security-policy" not in again.headers


# WADO-URI


def by_uri(site: Site, name: str = "", status: int = 200, **parameters: Any) -> httpx.Response:
    ds = pydicom.dcmread(sample_data() / name, stop_before_pixels=True) if name else read(FILES[0])
    uids = {"studyUID": ds.StudyInstanceUID, "seriesUID": ds.SeriesInstanceUID, "objectUID": ds.SOPInstanceUID}
    given = {"requestType": "WADO"} | uids | parameters
    answer = site.http.get(f"{site.url}/wado", params={key: one for key, one in given.items() if one is not None})
    assert answer.status_code == status, answer.text
    return answer


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "image/jpeg"),
        (CINE, "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"),
        (VIDEO, "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.102"),
        (PDF, "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"),
        (SR, "text/html"),
    ],
)
def test_a_uri_gives_what_suits_the_object(site: Site, name: str, kind: str) -> None:
    assert by_uri(site, name).headers["content-type"].startswith(kind)


def test_a_uri_gives_files_in_the_wanted_syntax(site: Site) -> None:
    stored = by_uri(site, contentType="application/dicom")
    coded = by_uri(site, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2.4.90")

    assert stored.content == FILES[0]
    assert read(coded.content).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.90"
    by_uri(site, status=406, contentType="application/dicom", transferSyntax="1.2.840.10008.1.2")


def test_a_uri_may_leave_the_syntax_open(site: Site) -> None:
    stored = by_uri(site, VIDEO, contentType="application/dicom", transferSyntax="*")

    assert stored.headers["content-type"].endswith("1.2.840.10008.1.2.4.102")
    assert by_uri(site, contentType="application/dicom", transferSyntax="*").content == FILES[0]


def test_a_wish_in_a_uri_that_cannot_be_heeded_is_said(site: Site) -> None:
    assert "annotation" in by_uri(site, annotation="patient,technique").headers["warning"]
    assert "warning" not in by_uri(site, annotation="").headers


def test_a_uri_gives_pictures_as_they_are_wanted(site: Site) -> None:
    part = by_uri(site, contentType="image/png", region="0,0,0.5,0.5")

    assert picture(part).size == (16, 32)
    assert picture(by_uri(site, rows=16)).size == (8, 16)
    assert picture(by_uri(site, CINE, contentType="image/jpeg", frameNumber=2)).size[0] > 1
    assert np.asarray(picture(by_uri(site, contentType="image/png", windowCenter=60000, windowWidth=2))).max() == 0
    assert by_uri(site, PDF, contentType="application/pdf").content.startswith(b"%PDF")


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"requestType": None}, 400),
        ({"requestType": "X"}, 400),
        ({"studyUID": None}, 400),
        ({"objectUID": ""}, 400),
        ({"objectUID": "1.2.3"}, 404),
        ({"studyUID": "1.2.3"}, 404),
        ({"windowCenter": "1"}, 400),
        ({"rows": "-1"}, 400),
        ({"region": "0,0,2,2"}, 400),
        ({"imageQuality": "200"}, 400),
        ({"contentType": "text/rtf"}, 406),
        ({"anonymize": "yes"}, 501),
        ({"presentationUID": "1.2"}, 501),
    ],
)
def test_a_uri_that_cannot_be_answered_is_refused(site: Site, parameters: dict[str, Any], status: int) -> None:
    by_uri(site, "", status, **parameters)


# Capabilities


def test_the_service_says_what_it_offers(site: Site) -> None:
    wadl = site.http.options("/")
    as_json = site.http.options("/", headers={"Accept": "application/json"})

    assert wadl.headers["content-type"].startswith("application/vnd.sun.wadl+xml")
    space = "{http://wadl.dev.java.net/2009/02}"
    paths = {"/" + node.get("path", "") for node in ET.fromstring(wadl.text).iter(f"{space}resource")}
    assert paths == {one["path"] for one in as_json.json()["resources"]}


def test_every_resource_has_a_transaction_and_every_transaction_a_resource() -> None:
    offered = {(method, resource.path) for resource in RESOURCES for method in resource.methods}

    assert offered == set(TRANSACTIONS) - {("GET", "/wado")}
    assert len(openapi_paths()) == len(RESOURCES) + 1


def test_operations_have_names_of_their_own() -> None:
    names = [
        operation["operationId"]
        for path in openapi_paths().values()
        for method, operation in path.items()
        if method != "parameters"
    ]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/studies", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/instances", "GET, HEAD, OPTIONS"),
        ("PATCH", where(), "DELETE, GET, HEAD, OPTIONS"),
        ("DELETE", f"{where()}/metadata", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_is_not_offered_names_those_that_are(site: Site, method: str, path: str, allowed: str) -> None:
    answer = site.http.request(method, path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert site.http.options(path).headers["allow"] == allowed


def test_no_other_site_is_let_in(site: Site) -> None:
    answer = site.http.get("/studies", headers={"Origin": "https://elsewhere.example"})

    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_the_statement_names_every_resource() -> None:
    assert all(f"`{plain_path(resource.path)}`" in statement() for resource in RESOURCES)


def test_an_object_without_anything_to_see_says_so(site: Site) -> None:
    file = a_file(PixelData=None)
    keep(site.bank, file)
    ds = read(file)
    path = f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"

    get(site, f"{path}/rendered", "*/*", 404)
    get(site, f"{path}/frames/1", "*/*", 404)
