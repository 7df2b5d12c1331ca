"""WADO-RS against a live server: files, frames, metadata, bulk data."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pydicom
import pytest
import zstandard
from pydicom.encaps import generate_frames
from pydicom.uid import generate_uid

from bank import keep, keep_paths
from imagebank.dicomweb.tables import TYPE_OF_SYNTAX
from imagebank.model.access import Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Outcome, Receipt
from imagebank.model.uid import Uid
from make import a_file, a_series, read
from protocol.dicomweb_site import AS_STORED, DICOM, Site, a_site, parts_of, values
from samples import sample_data

EXPLICIT, J2K, HTJ2K = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.201"
OCTETS = 'multipart/related; type="application/octet-stream"'
NEVER = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
STUDY, SERIES = generate_uid(), generate_uid()
FILES = a_series(4, StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES, rows=64, columns=48)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("wado")) as found:
        keep(found.bank, *FILES)
        yield found


def url_of(file: bytes) -> str:
    ds = read(file)
    return f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


def url(receipt: Receipt) -> str:
    return f"/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}"


def kept(site: Site, path: Path) -> str:
    """Where a sample file is now; an earlier sample of the same object, in whatever coding, makes room for it."""
    (receipt,) = keep_paths(site.bank, [path])
    if receipt.outcome is not Outcome.STORED:
        site.http.delete(url(receipt))
        (receipt,) = keep_paths(site.bank, [path])
    assert receipt.outcome is Outcome.STORED, receipt
    return url(receipt)


def get(site: Site, path: str, accept: str, status: int = 200, **headers: str) -> httpx.Response:
    answer = site.http.get(path, headers={"Accept": accept} | headers)
    assert answer.status_code == status, answer.text
    return answer


def syntax_of(part: bytes) -> str:
    return str(pydicom.dcmread(io.BytesIO(part), stop_before_pixels=True).file_meta.TransferSyntaxUID)


# Files


@pytest.mark.parametrize("path", [f"/studies/{STUDY}", f"/studies/{STUDY}/series/{SERIES}"])
def test_a_study_comes_as_it_was_stored(site: Site, path: str) -> None:
    answer = get(site, path, AS_STORED)

    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert [content for _, content in parts_of(answer)] == FILES
    assert parts_of(answer)[0][0]["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert parts_of(answer)[0][0]["content-location"] == f"{site.url}/dicom-web{url_of(FILES[0])}"


def test_one_instance_comes_with_and_without_multipart(site: Site) -> None:
    related = get(site, url_of(FILES[0]), "*/*")
    single = get(site, url_of(FILES[0]), "application/dicom")

    assert parts_of(related)[0][1] == single.content == FILES[0]
    assert single.headers["content-type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
    assert single.headers["x-content-type-options"] == "nosniff"


def test_one_file_can_be_had_in_pieces(site: Site) -> None:
    answer = get(site, url_of(FILES[0]), "application/dicom", 206, Range="bytes=128-131")

    assert answer.content == b"DICM"


@pytest.mark.parametrize(
    "syntax", [J2K, HTJ2K, "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.5"]
)
def test_an_object_is_coded_as_the_caller_wants(site: Site, syntax: str) -> None:
    answer = get(site, url_of(FILES[0]), f"application/dicom; transfer-syntax={syntax}")

    assert syntax_of(answer.content) == syntax
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"


def test_the_accept_parameter_wins_and_quotes_are_optional(site: Site) -> None:
    answer = site.http.get(url_of(FILES[0]), params={"accept": f"application/dicom;transfer-syntax={J2K}"})
    other = get(site, url_of(FILES[0]), f'{DICOM}; transfer-syntax="{J2K}"; q=0.9, {DICOM}; q=0.1')

    assert syntax_of(answer.content) == syntax_of(parts_of(other)[0][1]) == J2K


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        *(f"{DICOM}; transfer-syntax={one}" for one in NEVER),
        f"{DICOM}; transfer-syntax=1.2.3",
        DICOM + ";q=0",
    ],
)
def test_what_cannot_be_given_is_406(site: Site, accept: str) -> None:
    assert get(site, url_of(FILES[0]), accept, 406).json()["message"]


def is_identified(ds: pydicom.Dataset) -> bool:
    """Whether the bank can take it at all: some codec samples have no UIDs."""
    uids = [ds.get(name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")]
    return all(uid and len(uid) <= 64 for uid in uids)


def samples_of_syntaxes() -> list[str]:
    lines = (sample_data() / "MANIFEST.tsv").read_text("utf-8").splitlines()[1:]
    return [line.split("\t")[0] for line in lines if line.startswith("transfer-syntaxes/")]


# pydicom warns of values in the samples that are odd; they are what the samples are for.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", samples_of_syntaxes())
def test_every_transfer_syntax_is_returned_as_stored_and_decoded(site: Site, name: str) -> None:
    path = sample_data() / name
    original = pydicom.dcmread(path, force=True)
    if not is_identified(original):
        return
    stored = str(original.file_meta.TransferSyntaxUID)
    where = kept(site, path)

    (part, content) = parts_of(get(site, where, AS_STORED))[0]
    decoded = pydicom.dcmread(io.BytesIO(parts_of(get(site, where, f"{DICOM}; transfer-syntax={EXPLICIT}"))[0][1]))

    assert stored in NEVER or content == path.read_bytes()
    assert part["content-type"].endswith(EXPLICIT if stored in NEVER else stored)
    assert decoded.file_meta.TransferSyntaxUID == EXPLICIT
    assert decoded.get("PatientName") == original.get("PatientName")
    # The decoder of JPEG that pydicom needs is under a licence that we cannot take; the decoders have tests of their own.
    if (original.SamplesPerPixel == 1 and stored not in TYPE_OF_SYNTAX) or TYPE_OF_SYNTAX.get(
        Uid(stored)
    ) == "image/jls":
        assert np.array_equal(decoded.pixel_array, original.pixel_array)
    assert get(site, f"{where}/rendered", "image/jpeg").content[:2] == b"\xff\xd8"


def test_a_study_of_several_syntaxes_goes_out_in_one(site: Site) -> None:
    study, series = generate_uid(), generate_uid()
    shared = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    keep(site.bank, *(a_file(**shared) for _ in range(2)))
    pdf = read((sample_data() / "objects/encapsulated-pdf/ecg-report-pdf.dcm").read_bytes())
    pdf.StudyInstanceUID = study
    with io.BytesIO() as file:
        pdf.save_as(file)
        keep(site.bank, file.getvalue())

    whole = get(site, f"/studies/{study}", DICOM)
    some = get(site, f"/studies/{study}", f"{DICOM}; transfer-syntax={J2K}", 206)

    assert len(parts_of(whole)) == 3
    assert [syntax_of(content) for _, content in parts_of(some)] == [J2K, J2K]
    assert "1 instances cannot be given" in some.headers["warning"]


def test_pixels_that_cannot_be_decoded_leave_as_they_are_stored(site: Site) -> None:
    path = sample_data() / "malformed/JPEG2000-embedded-sequence-delimiter.dcm"
    where = kept(site, path)

    assert get(site, where, "application/dicom").content == path.read_bytes()
    get(site, where, f"application/dicom; transfer-syntax={EXPLICIT}", 406)
    get(site, f"{where}/frames/1", OCTETS, 406)
    get(site, f"{where}/rendered", "*/*", 406)


def test_a_data_set_without_a_file_leaves_with_the_head_of_one(site: Site) -> None:
    file = a_file()
    bare = file[file.index(b"\x08\x00\x05\x00") :]
    keep(site.bank, bare)

    answer = get(site, url_of(file), "application/dicom")

    assert answer.content.endswith(bare)
    assert syntax_of(answer.content) == EXPLICIT
    assert syntax_of(get(site, url_of(file), f"application/dicom; transfer-syntax={J2K}").content) == J2K


def test_what_the_caller_has_is_not_sent_again(site: Site) -> None:
    for path in (f"/studies/{STUDY}", f"{url_of(FILES[0])}/frames/1", f"{url_of(FILES[0])}/rendered"):
        first = get(site, path, "*/*")
        again = get(site, path, "*/*", 304, **{"If-None-Match": first.headers["etag"]})

        assert again.content == b""
        assert "private" in first.headers["cache-control"]


def test_a_head_request_says_the_same_without_the_body(site: Site) -> None:
    answer = site.http.head(url_of(FILES[0]), headers={"Accept": "application/dicom"})

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(FILES[0]))


# Frames


def test_frames_equal_the_pixels_of_the_file(site: Site) -> None:
    answer = get(site, f"{url_of(FILES[0])}/frames/1", f"{OCTETS}; transfer-syntax=*")

    assert parts_of(answer)[0][0]["content-type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    assert parts_of(answer)[0][1] == read(FILES[0]).PixelData
    assert site.client.retrieve_instance_frames(STUDY, SERIES, read(FILES[0]).SOPInstanceUID, [1]) == [
        read(FILES[0]).PixelData
    ]


def encapsulated_samples() -> list[str]:
    names = ("transfer-syntaxes/", "us-multiframe/", "xa/", "mr-enhanced/")
    return [
        path.relative_to(sample_data()).as_posix()
        for path in sorted(sample_data().rglob("*"))
        if path.relative_to(sample_data()).as_posix().startswith(names) and path.is_file()
    ]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", encapsulated_samples())
def test_stored_frames_are_those_that_pydicom_cuts(site: Site, name: str) -> None:
    path = sample_data() / name
    original = pydicom.dcmread(path, force=True)
    if not is_identified(original) or not original.file_meta.TransferSyntaxUID.is_encapsulated:
        return
    count = int(original.get("NumberOfFrames") or 1)
    expected = list(generate_frames(original.PixelData, number_of_frames=count))
    wanted = sorted({1, count, (count + 1) // 2})
    where = kept(site, path)

    parts = parts_of(get(site, f"{where}/frames/{','.join(map(str, wanted))}", f"{OCTETS}; transfer-syntax=*"))

    kind = TYPE_OF_SYNTAX[Uid(original.file_meta.TransferSyntaxUID)]
    assert [content for _, content in parts] == [expected[number - 1] for number in wanted]
    assert {head["content-type"] for head, _ in parts} == {
        f"{kind}; transfer-syntax={original.file_meta.TransferSyntaxUID}"
    }


def test_a_list_of_frames_keeps_its_order(site: Site) -> None:
    path = sample_data() / "us-multiframe/OBXXXX1A_rle_2frame.dcm"
    where = kept(site, path)

    parts = parts_of(get(site, f"{where}/frames/2,1", OCTETS))

    decoded = pydicom.dcmread(path).pixel_array
    assert [content == decoded[number].tobytes() for (_, content), number in zip(parts, (1, 0), strict=True)] == [
        True
    ] * 2
    assert parts[0][0]["content-type"] == f"application/octet-stream; transfer-syntax={EXPLICIT}"


@pytest.mark.parametrize(
    ("accept", "syntax"),
    [
        ('multipart/related; type="image/jpeg"', "1.2.840.10008.1.2.4.70"),
        ('multipart/related; type="image/jls"', "1.2.840.10008.1.2.4.80"),
        ('multipart/related; type="image/x-jls"', "1.2.840.10008.1.2.4.80"),
        ('multipart/related; type="image/jp2"', J2K),
        ("multipart/related; type=image/jphc", HTJ2K),
        ('multipart/related; type="image/dicom-rle"', "1.2.840.10008.1.2.5"),
        (OCTETS, EXPLICIT),
        ("*/*", EXPLICIT),
        ("image/jp2", J2K),
        ("application/octet-stream", EXPLICIT),
    ],
)
def test_a_media_type_without_a_syntax_means_its_default(site: Site, accept: str, syntax: str) -> None:
    answer = get(site, f"{url_of(FILES[0])}/frames/1", accept)

    related = answer.headers["content-type"].startswith("multipart/related")
    kind = parts_of(answer)[0][0]["content-type"] if related else answer.headers["content-type"]
    assert kind == f"{TYPE_OF_SYNTAX[Uid(syntax)]}; transfer-syntax={syntax}"


@pytest.mark.parametrize(
    ("frames", "status"),
    [
        ("2", 404),
        ("1,2", 404),
        ("0", 400),
        ("a", 400),
        ("1,,2", 400),
        ("-1", 400),
        ("999999999", 404),
        ("1-2", 400),
        ("1,1", 400),
    ],
)
def test_frames_that_are_not_there_are_refused(site: Site, frames: str, status: int) -> None:
    get(site, f"{url_of(FILES[0])}/frames/{frames}", "*/*", status)


def test_frames_of_single_bits_are_packed_for_each_frame(site: Site) -> None:
    path = sample_data() / "objects/seg/seg.dcm"
    original = pydicom.dcmread(path, force=True)
    where = kept(site, path)

    parts = parts_of(get(site, f"{where}/frames/1", OCTETS))

    cells = original.pixel_array[0] if original.NumberOfFrames > 1 else original.pixel_array
    assert np.packbits(cells.ravel(), bitorder="little").tobytes() == parts[0][1]


# Metadata


@pytest.mark.parametrize("path", [f"/studies/{STUDY}", f"/studies/{STUDY}/series/{SERIES}"])
@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd", "gzip, deflate, br, zstd"])
def test_metadata_is_every_attribute_but_bulk(site: Site, path: str, coding: str) -> None:
    answer = get(site, f"{path}/metadata", "application/dicom+json", 200, **{"Accept-Encoding": coding})

    assert answer.headers["content-type"] == "application/dicom+json"
    assert answer.headers.get("content-encoding", "identity") in coding
    assert [values(one, "00080018") for one in answer.json()] == [read(file).SOPInstanceUID for file in FILES]
    first = answer.json()[0]
    assert values(first, "00083002") == EXPLICIT
    assert first["7FE00010"]["BulkDataURI"].startswith(f"{site.url}/dicom-web/studies/")
    assert pydicom.Dataset.from_json(first, lambda *_: b"").PatientName == "Doe^Jane"


def test_an_instance_s_metadata_is_that_of_its_series(site: Site) -> None:
    one = get(site, f"{url_of(FILES[1])}/metadata", "application/dicom+json").json()
    series = get(site, f"/studies/{STUDY}/series/{SERIES}/metadata", "application/dicom+json").json()

    assert one == [series[1]]


def test_a_browser_gets_the_ready_made_body(site: Site) -> None:
    headers = {"Accept-Encoding": "gzip, zstd", "Sec-Fetch-Mode": "cors"}
    with site.http.stream("GET", f"/studies/{STUDY}/series/{SERIES}/metadata", headers=headers) as answer:
        raw = b"".join(answer.iter_raw())

    found = json.loads(zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(raw))
    assert found[0]["7FE00010"]["BulkDataURI"].startswith("/dicom-web/studies/")
    assert "Accept-Encoding" in answer.headers["vary"]


def test_metadata_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    study, series = generate_uid(), generate_uid()
    shared = {"StudyInstanceUID": study, "SeriesInstanceUID": series}
    keep(site.bank, a_file(**shared))
    path = f"/studies/{study}/metadata"
    etag = get(site, path, "*/*").headers["etag"]

    get(site, path, "*/*", 304, **{"If-None-Match": etag})
    keep(site.bank, a_file(**shared))

    assert len(get(site, path, "*/*", 200, **{"If-None-Match": etag}).json()) == 2


@pytest.mark.parametrize(
    "host", ['x","Value":["', "a b", "a/b", "a?b", "a@b", "a#b", "a\\b", "a<b>", "a:b", "[::1", "a,b", "", "a:1:2", "'"]
)
def test_a_host_that_is_none_is_refused(site: Site, host: str) -> None:
    assert site.http.get(f"{url_of(FILES[0])}/metadata", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize(
    "host", ["pacs.example", "pacs_1.example:8080", "127.0.0.1", "[::1]:80", "xn--bcher-kva.example"]
)
def test_addresses_begin_with_the_host_that_was_asked(site: Site, host: str) -> None:
    found = get(site, f"{url_of(FILES[0])}/metadata", "*/*", 200, Host=host).json()

    assert found[0]["7FE00010"]["BulkDataURI"].startswith(f"http://{host}")


def test_metadata_as_xml_is_not_offered(site: Site) -> None:
    get(site, f"/studies/{STUDY}/metadata", 'multipart/related; type="application/dicom+xml"', 406)


# Bulk data


def bulk_uri(site: Site) -> str:
    metadata = get(site, f"{url_of(FILES[0])}/metadata", "application/dicom+json").json()
    return str(metadata[0]["7FE00010"]["BulkDataURI"])


def test_bulk_data_is_the_value_whole_or_in_ranges(site: Site) -> None:
    uri, pixels = bulk_uri(site), read(FILES[0]).PixelData

    assert get(site, uri, "*/*").content == pixels
    assert get(site, uri, "*/*", 206, Range="bytes=10-19").content == pixels[10:20]
    assert get(site, uri, "*/*", 206, Range="bytes=-7").content == pixels[-7:]
    assert (
        get(site, uri, "*/*", 416, Range=f"bytes={len(pixels)}-").headers["content-range"] == f"bytes */{len(pixels)}"
    )


def test_a_range_of_something_else_is_the_whole(site: Site) -> None:
    etag = get(site, bulk_uri(site), "*/*").headers["etag"]

    get(site, bulk_uri(site), "*/*", 206, **{"Range": "bytes=0-1", "If-Range": etag})
    get(site, bulk_uri(site), "*/*", 200, Range="bytes=0-1", **{"If-Range": '"other"'})


def test_a_third_party_client_reads_bulk_data(site: Site) -> None:
    assert site.client.retrieve_bulkdata(bulk_uri(site)) == [read(FILES[0]).PixelData]


def test_every_bulk_value_of_a_report_is_where_its_address_says(site: Site) -> None:
    where = kept(site, sample_data() / "objects/waveform/waveform_ecg.dcm")
    original = pydicom.dcmread(sample_data() / "objects/waveform/waveform_ecg.dcm")
    metadata = get(site, f"{where}/metadata", "application/dicom+json").json()[0]
    item = metadata["54000100"]["Value"][0]["54001010"]

    content = get(site, item["BulkDataURI"], "application/octet-stream").content

    assert content == original.WaveformSequence[0].WaveformData


def test_all_bulk_data_of_a_study_comes_as_parts(site: Site) -> None:
    answer = get(site, f"/studies/{STUDY}", OCTETS)

    assert [content for _, content in parts_of(answer)] == [read(file).PixelData for file in FILES]
    assert parts_of(answer)[0][0]["content-location"] == bulk_uri(site)


def test_a_study_without_bulk_data_has_none_to_give(site: Site) -> None:
    where = kept(site, sample_data() / "objects/sr/sample-sr.dcm")

    get(site, where.partition("/series")[0], OCTETS, 404)


@pytest.mark.parametrize("path", ["", "00100010/9/00100020", "nonsense", "99999999", "7FE00010/1", "..%2Fmetadata"])
def test_an_address_that_names_no_value_is_not_found(site: Site, path: str) -> None:
    assert site.http.get(f"{url_of(FILES[0])}/bulkdata/{path}").status_code == 404


# Who may


PATHS = ("", "/metadata", "/frames/1", "/rendered", "/thumbnail", "/bulkdata/7FE00010")


def test_what_lies_outside_the_scope_is_not_found(site: Site) -> None:
    with site.as_role(Role.CLINICIAN, "elsewhere") as stranger:
        statuses: dict[str, Any] = {path: stranger.get(url_of(FILES[0]) + path).status_code for path in PATHS}
        statuses["delete"] = stranger.delete(url_of(FILES[0])).status_code

    assert statuses == dict.fromkeys(PATHS, 404) | {"delete": 403}


def test_nobody_reads_without_signing_in(site: Site) -> None:
    address = f"{site.url}/dicom-web{url_of(FILES[0])}"

    assert {httpx.get(address + path).status_code for path in PATHS} == {401}


@pytest.mark.parametrize("path", ["/studies/1.2.3", "/studies/x", f"/studies/1.2.3/series/{SERIES}", "/studies/..%2fx"])
def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    assert site.http.get(path).status_code in (400, 404)


def test_a_read_stands_in_the_ledger_before_it_leaves(site: Site) -> None:
    file = a_file()
    keep(site.bank, file)

    for path in ("/frames/1", "/frames/1", "/rendered"):
        get(site, url_of(file) + path, "*/*")

    study = read(file).StudyInstanceUID
    seen = [e for e in site.bank.index.events(Scope(organizations=None)) if e.study == study and e.act is Act.VIEWED]
    assert {event.detail for event in seen} >= {"WADO-RS", "rendered"}


@pytest.mark.parametrize(
    ("path", "accept", "way"),
    [
        ("/frames/1", "*/*", "WADO-RS"),
        ("/rendered", "*/*", "rendered"),
        ("/thumbnail", "*/*", "rendered"),
        ("/metadata", "application/dicom+json", "WADO-RS metadata"),
        ("", AS_STORED, "WADO-RS"),
    ],
)
def test_who_is_shown_what_a_browser_kept_for_somebody_else_stands_in_the_ledger(
    site: Site, path: str, accept: str, way: str
) -> None:
    file = a_file()
    keep(site.bank, file)
    study = read(file).StudyInstanceUID
    address = (f"/studies/{study}" if not path else url_of(file)) + path
    etag = get(site, address, accept).headers["etag"]
    with site.as_role(Role.CLINICIAN, "local") as doctor:
        again = doctor.get(address, headers={"Accept": accept, "If-None-Match": etag})

    looks = [e for e in site.bank.index.events(Scope(organizations=None)) if e.study == study and e.act is Act.VIEWED]
    assert again.status_code == 304
    assert len({(event.principal, event.purpose) for event in looks if event.detail == way}) == 2


def test_deleting_needs_its_own_right_and_takes_everything(site: Site) -> None:
    files = a_series(2)
    keep(site.bank, *files)
    study = f"/studies/{read(files[0]).StudyInstanceUID}"
    with site.as_role(Role.CLINICIAN, "local") as clinician:
        assert clinician.delete(study).status_code == 403

    assert site.http.delete(url_of(files[0])).status_code == 204
    assert len(parts_of(get(site, study, AS_STORED))) == 1
    assert site.http.delete(study).status_code == 204
    assert site.http.delete(study).status_code == 404
    get(site, study, "*/*", 404)
