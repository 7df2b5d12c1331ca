"""STOW-RS against a live server: what is kept, what is refused, and how it is said."""

import copy
import gzip
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.uid import VideoEndoscopicImageStorage, generate_uid

from bank import keep
from imagebank.actions import retrieve
from imagebank.errors import OutOfSpace, Unavailable
from imagebank.model.access import Role, Scope
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid
from make import a_dataset, a_file, a_series, as_file, read
from protocol.dicomweb_site import (
    AS_STORED,
    BOUNDARY,
    DICOM,
    Site,
    a_body,
    a_site,
    parts_of,
    store,
    store_metadata,
    values,
)
from samples import sample_data

OURS = Scope(organizations=None)
TYPE = {"Content-Type": f"{DICOM}; boundary={BOUNDARY.decode()}"}
FAILED, REFERENCED, OTHERS = "00081198", "00081199", "0008119A"
WORDS = "00091001"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as found:
        yield found


def held(site: Site, file: bytes) -> Instance:
    uid = Uid(read(file).SOPInstanceUID)
    return retrieve.select(site.bank, Selection(instance=uid), OURS)[0]


def reasons(answer: dict[str, Any], sequence: str = FAILED) -> list[int]:
    return [values(item, "00081197") for item in answer[sequence]["Value"]]


def test_stored_files_are_kept_byte_for_byte(site: Site) -> None:
    files = a_series(3)

    answer = store(site.http, *files)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    assert len(answer.json()[REFERENCED]["Value"]) == 3
    assert FAILED not in answer.json()
    assert [retrieve.file(site.bank, held(site, file)) for file in files] == files


def test_the_answer_says_where_each_instance_is(site: Site) -> None:
    file = a_file()

    answer = store(site.http, file).json()

    (item,) = answer[REFERENCED]["Value"]
    assert values(item, "00081155") == read(file).SOPInstanceUID
    assert values(answer, "00081190") == f"{site.url}/dicom-web/studies/{read(file).StudyInstanceUID}"
    assert site.http.get(values(item, "00081190"), headers={"Accept": AS_STORED}).status_code == 200


@pytest.mark.parametrize(
    "kind",
    [
        f"multipart/related; type=application/dicom; boundary={BOUNDARY.decode()}",
        f'multipart/related; boundary="{BOUNDARY.decode()}"; type="application/dicom"',
    ],
)
def test_the_type_may_stand_with_or_without_quotes(site: Site, kind: str) -> None:
    assert store(site.http, a_file(), **{"Content-Type": kind}).status_code == 200


def test_a_single_file_needs_no_multipart(site: Site) -> None:
    file = a_file()

    answer = site.http.post("/studies", content=file, headers={"Content-Type": "application/dicom"})

    assert answer.status_code == 200
    assert retrieve.file(site.bank, held(site, file)) == file


def test_a_third_party_client_stores(site: Site) -> None:
    ds = read(a_file())

    answer = site.client.store_instances([ds])

    assert answer.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == ds.SOPInstanceUID


def test_sending_the_same_again_is_a_success(site: Site) -> None:
    file = a_file()

    assert store(site.http, file).status_code == 200
    assert store(site.http, file, file).status_code == 200


def test_other_content_under_a_known_uid_is_refused_and_lies_in_quarantine(site: Site) -> None:
    ds = a_dataset()
    store(site.http, as_file(ds))
    ds.StudyDescription = "another"

    answer = store(site.http, as_file(ds))

    assert answer.status_code == 409
    assert reasons(answer.json()) == [0x0111]
    assert "quarantine" in values(answer.json()[FAILED]["Value"][0], WORDS)


def test_what_belongs_to_another_study_is_refused(site: Site) -> None:
    good, other = a_file(), a_file()

    answer = store(site.http, good, other, path=f"/studies/{read(good).StudyInstanceUID}")

    assert answer.status_code == 202
    assert reasons(answer.json()) == [0xA901]
    assert site.http.get(f"/studies/{read(other).StudyInstanceUID}", headers={"Accept": "*/*"}).status_code == 404


def test_a_part_that_is_no_dicom_fails_alone(site: Site) -> None:
    answer = store(site.http, a_file(), b"this is not DICOM at all", a_file())

    assert answer.status_code == 202
    assert len(answer.json()[REFERENCED]["Value"]) == 2
    assert reasons(answer.json(), OTHERS) == [0xC000]
    assert "part 2" in values(answer.json()[OTHERS]["Value"][0], WORDS)


def test_an_odd_file_is_kept_with_a_warning(site: Site) -> None:
    answer = store(site.http, a_file(PatientID=None))

    assert answer.status_code == 202
    (item,) = answer.json()[REFERENCED]["Value"]
    assert values(item, "00081196") == 0xB007
    assert values(item, WORDS)


def test_nothing_kept_is_a_conflict(site: Site) -> None:
    assert store(site.http, b"nothing").status_code == 409
    assert store(site.http, a_file(StudyInstanceUID=None)).status_code == 409


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({"Content-Type": "multipart/related; boundary=B"}, b"--B--", "type parameter"),
        ({"Content-Type": DICOM}, b"--B--", "boundary"),
        ({"Content-Type": f"{DICOM}; boundary={'x' * 201}"}, b"--B--", "boundary"),
        ({"Content-Type": f"{DICOM}; boundary=other"}, a_body(b"x"), "does not occur"),
        (TYPE, a_body(b"x")[:-20], "ends in the middle"),
        (TYPE, b"", "does not occur"),
        (TYPE, a_body(), "no part"),
        ({"Content-Type": "application/dicom"}, b"", "empty"),
        (TYPE | {"Content-Encoding": "gzip"}, a_body(b"x"), "gzip"),
    ],
)
def test_a_body_that_is_not_well_formed_is_refused_in_words(
    site: Site, headers: dict[str, str], body: bytes, words: str
) -> None:
    answer = site.http.post("/studies", content=body, headers=headers)

    assert answer.status_code == 400
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "application/json"},
        {"Content-Type": 'multipart/related; type="application/dicom+xml"; boundary=B'},
        {"Content-Type": "multipart/form-data; boundary=B"},
        TYPE | {"Content-Encoding": "br"},
    ],
)
def test_what_is_not_taken_is_415(site: Site, headers: dict[str, str]) -> None:
    assert site.http.post("/studies", content=a_body(a_file()), headers=headers).status_code == 415


def test_whole_parts_before_a_break_are_kept_and_said_to_be(site: Site) -> None:
    first, second = a_file(), a_file()
    body = a_body(first, second)[: -len(second) // 2]

    answer = site.http.post("/studies", content=body, headers=TYPE)

    assert answer.status_code == 202
    assert len(answer.json()[REFERENCED]["Value"]) == 1
    assert "ends in the middle" in answer.headers["warning"]
    assert retrieve.file(site.bank, held(site, first)) == first


def test_a_whole_part_survives_a_broken_header_of_the_next(site: Site) -> None:
    first = a_file()
    body = a_body(first, b"x").replace(b"Content-Type", b"ContentXType", 2).replace(b"ContentXType: ", b"no colon ", 2)

    answer = site.http.post(
        "/studies", content=b"--" + BOUNDARY + b"\r\n\r\n" + first + body[body.index(b"\r\n--") :], headers=TYPE
    )

    assert answer.status_code == 202
    assert retrieve.file(site.bank, held(site, first)) == first


def test_a_refusal_is_heard_by_a_sender_who_is_still_sending(site: Site) -> None:
    body = bytes(20 << 20)

    for _ in range(5):
        refused = site.http.post("/studies", content=body, headers={"Content-Type": "text/plain"})
        unknown = httpx.post(f"{site.url}/dicom-web/studies", content=body, headers=TYPE)

        assert (refused.status_code, unknown.status_code) == (415, 401)


def test_a_gzip_body_is_taken_and_a_bomb_is_not(site: Site) -> None:
    headers = TYPE | {"Content-Encoding": "gzip"}

    good = site.http.post("/studies", content=gzip.compress(a_body(a_file())), headers=headers)
    bomb = site.http.post("/studies", content=gzip.compress(a_body(bytes(100 << 20))), headers=headers)

    assert good.status_code == 200
    assert bomb.status_code == 413


def test_a_caller_who_takes_only_xml_is_told_before_anything_is_kept(site: Site) -> None:
    file = a_file()

    assert store(site.http, file, Accept="application/dicom+xml").status_code == 406
    assert site.http.get("/studies").status_code == 204


def test_who_may_not_store_stores_nothing(site: Site) -> None:
    assert store(site.http, a_file(), Authorization="").status_code == 401
    assert site.http.get("/studies").status_code == 204


def a_socket(site: Site) -> socket.socket:
    where = urlsplit(site.url)
    return socket.create_connection((where.hostname or "", where.port or 0), timeout=20)


@pytest.mark.parametrize("difference", [-200, 200])
def test_a_wrong_length_keeps_what_was_whole_and_hurts_nobody_else(site: Site, difference: int) -> None:
    first, second = a_file(), a_file()
    body = a_body(first, second)
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: {site.http.headers['authorization']}\r\n"
        f"Content-Type: {TYPE['Content-Type']}\r\nContent-Length: {len(body) + difference}\r\nConnection: close\r\n\r\n"
    )
    with a_socket(site) as sender:
        sender.sendall(head.encode() + body)
        if difference > 0:
            sender.shutdown(socket.SHUT_WR)
        answer = sender.makefile("rb").read()

    # Where the length says too much the sender hangs up before the body is whole, and nobody is left to answer.
    if difference < 0:
        assert answer.startswith(b"HTTP/1.1 202")
        assert retrieve.file(site.bank, held(site, first)) == first
    assert store(site.http, second).status_code == 200


def test_ten_thousand_parts_are_bounded_work(site: Site) -> None:
    file = a_file(rows=2, columns=2)

    answer = store(site.http, *[file] * 5_000, *[b"x"] * 5_000)

    assert answer.status_code == 202
    assert len(answer.json()[REFERENCED]["Value"]) == len(answer.json()[OTHERS]["Value"]) == 5_000


def test_a_part_larger_than_memory_allows_lies_in_a_file_meanwhile(site: Site) -> None:
    large = a_file(rows=3000, columns=2000)

    assert store(site.http, large, a_file()).status_code == 200
    assert retrieve.file(site.bank, held(site, large)) == large
    assert not any((site.bank.settings.data / "spool").iterdir())


def test_an_object_larger_than_the_bank_takes_is_refused_alone(tmp_path: Path) -> None:
    with a_site(tmp_path, max_instance_bytes=100_000) as site:
        answer = store(site.http, a_file(rows=400, columns=400), a_file())

        assert answer.status_code == 202
        assert "larger than" in values(answer.json()[OTHERS]["Value"][0], WORDS)


@pytest.mark.parametrize(("error", "status"), [(OutOfSpace, 507), (Unavailable, 503)])
def test_no_room_is_said_and_what_was_kept_before_stays(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: type[Exception], status: int
) -> None:
    first = a_file()
    store(site.http, first)

    def full(*_: object) -> None:
        raise error("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(type(site.bank.blobs), "write", full)
        answer = store(site.http, a_file())

    assert answer.status_code == status
    assert retrieve.file(site.bank, held(site, first)) == first
    assert store(site.http, a_file()).status_code == 200


def test_a_device_stores_for_its_own_organization(site: Site) -> None:
    with site.as_role(Role.DEVICE, "north") as north, site.as_role(Role.DEVICE, "south") as south:
        assert store(north, a_file()).status_code == 200
        assert len(north.get("/studies").json()) == 1
        assert south.get("/studies").status_code == 204


# Metadata and bulk data


def described(ds: pydicom.Dataset, uri: str = "http://any.example/pixels/1") -> dict[str, Any]:
    """A data set in the JSON model with its pixel data named by an address."""
    found = ds.to_json_dict()
    return {**found, "7FE00010": {"vr": "OW", "BulkDataURI": uri}}


def fetched(site: Site, ds: pydicom.Dataset) -> pydicom.Dataset:
    url = f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    answer = site.http.get(url, headers={"Accept": AS_STORED})
    assert answer.status_code == 200, answer.text
    return pydicom.dcmread(io.BytesIO(parts_of(answer)[0][1]))


def test_metadata_and_native_pixels_become_an_object(site: Site) -> None:
    ds = a_dataset(PatientName="Müller^Jürgen")

    answer = store_metadata(
        site.http, [described(ds)], ("http://any.example/pixels/1", "application/octet-stream", ds.PixelData)
    )

    assert answer.status_code == 200, answer.text
    found = fetched(site, ds)
    assert (found.PixelData, found.PatientName) == (ds.PixelData, "Müller^Jürgen")


def test_a_jpeg_needs_no_description_of_its_pixels(site: Site) -> None:
    cells = np.arange(64 * 48, dtype=np.uint8).reshape(48, 64)
    left_out: dict[str, Any] = dict.fromkeys(
        ["Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel"]
    )
    ds = a_dataset(PhotometricInterpretation=None, PixelData=None, **left_out)
    picture = bytes(imagecodecs.jpeg8_encode(cells))

    answer = store_metadata(site.http, [described(ds, "1")], ("1", "image/jpeg", picture))

    assert answer.status_code == 200, answer.text
    found = fetched(site, ds)
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.50"
    assert (found.Rows, found.Columns) == (48, 64)


def test_relative_addresses_are_the_same_as_absolute_ones(site: Site) -> None:
    ds = a_dataset()

    answer = store_metadata(
        site.http, [described(ds, "bulk/1")], (f"{site.url}/dicom-web/bulk/1", "application/octet-stream", ds.PixelData)
    )

    assert answer.status_code == 200, answer.text


def test_an_address_without_a_part_is_never_fetched(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.5)
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}/secret"
        answer = store_metadata(site.http, [described(a_dataset(), uri)])
        with pytest.raises(TimeoutError):
            listener.accept()

    assert answer.status_code == 409
    assert "never fetched" in values(answer.json()[FAILED]["Value"][0], WORDS)


def test_bulk_data_of_a_type_that_is_not_taken_fails_with_its_reason(site: Site) -> None:
    good, bad = a_dataset(), a_dataset()

    answer = store_metadata(
        site.http,
        [described(good, "1"), described(bad, "2")],
        ("1", "application/octet-stream", good.PixelData),
        ("2", "image/tiff", b"II*\0"),
    )

    assert answer.status_code == 202
    assert reasons(answer.json()) == [0xC122]


@pytest.mark.parametrize("text", ["[", "5", "[5]", '"x"', ""])
def test_metadata_that_is_no_array_of_data_sets_is_refused(site: Site, text: str) -> None:
    head = b"--" + BOUNDARY + b"\r\nContent-Type: application/dicom+json\r\n\r\n"
    kind = f'multipart/related; type="application/dicom+json"; boundary={BOUNDARY.decode()}'
    body = head + text.encode() + b"\r\n--" + BOUNDARY + b"--"

    assert site.http.post("/studies", content=body, headers={"Content-Type": kind}).status_code == 400


def test_a_data_set_outside_the_model_fails_alone(site: Site) -> None:
    good = a_dataset()
    bad = json.loads(json.dumps(a_dataset(PixelData=None).to_json_dict()))
    bad["00280010"] = {"vr": "US", "Value": ["many"]}

    answer = store_metadata(site.http, [described(good, "1"), bad], ("1", "application/octet-stream", good.PixelData))

    assert answer.status_code == 202
    assert reasons(answer.json()) == [0xC000]


@pytest.mark.parametrize(
    "odd",
    [
        {"00081140": {"vr": "SQ", "Value": 5}},
        {"00081140": {"vr": "SQ", "Value": "abc"}},
        {"00280010": {"vr": "US", "Value": [-1]}},
        {"7FE00010": {"vr": "OW", "BulkDataURI": "http://["}},
        {"7FE00010": {"vr": "OW", "BulkDataURI": "//[::1%zz]/"}},
        {"7FE00010": {"vr": "OW", "BulkDataURI": ["1"]}},
        {"00081140": 5},
    ],
)
def test_what_json_may_hold_and_the_model_does_not_fails_alone(site: Site, odd: dict[str, Any]) -> None:
    good = a_dataset(PixelData=None).to_json_dict()
    bad = a_dataset(PixelData=None).to_json_dict() | odd

    answer = store_metadata(site.http, [good, bad])

    assert answer.status_code == 202, answer.text
    assert reasons(answer.json())[0] in (0xC000, 0xA900)


def test_an_address_of_bulk_data_that_is_none_is_refused(site: Site) -> None:
    answer = store_metadata(site.http, [described(a_dataset(), "1")], ("http://[", "application/octet-stream", b"x"))

    assert answer.status_code == 400
    assert "Content-Location" in answer.json()["message"]


def test_a_film_is_stored_under_the_transfer_syntax_of_its_profile(site: Site) -> None:
    film = (sample_data() / "non-dicom/mp4/echo-cardiac.mp4").read_bytes()
    ds = a_dataset(SOPClassUID=VideoEndoscopicImageStorage, PixelData=None, Modality="ES")
    for keyword in ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation"):
        delattr(ds, keyword)
    main = film.replace(b"avcC\x01\x64", b"avcC\x01\x4d")
    other = copy.deepcopy(ds)
    other.SOPInstanceUID = generate_uid()

    answer = store_metadata(
        site.http, [described(ds, "1"), described(other, "2")], ("1", "video/mp4", film), ("2", "video/mp4", main)
    )

    assert reasons(answer.json()) == [0xC122]
    assert "Main Profile" in values(answer.json()[FAILED]["Value"][0], WORDS)
    found = fetched(site, ds)
    assert found.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.102"
    assert (found.Rows, found.Columns, found.NumberOfFrames) == (600, 800, 67)


def test_numbers_of_the_metadata_are_written_as_dicom_has_them(site: Site) -> None:
    good, bad = a_dataset(PixelData=None), a_dataset(PixelData=None)
    private = {"00090010": {"vr": "LO", "Value": ["VENDOR"]}, "00091001": {"vr": "DS", "Value": [2 / 3]}}
    spacing = {"00280030": {"vr": "DS", "Value": [1 / 3, None]}, "00200013": {"vr": "IS", "Value": [None]}}
    no_number = {"00280030": {"vr": "DS", "Value": [0.5, "NaN"]}}

    answer = store_metadata(
        site.http, [good.to_json_dict() | private | spacing, bad.to_json_dict() | private | no_number]
    )

    assert reasons(answer.json()) == [0xC000]
    assert "(0028,0030)" in values(answer.json()[FAILED]["Value"][0], WORDS)
    found = fetched(site, good)
    assert list(found.PixelSpacing) == [0.33333333333333, ""]
    assert (found.InstanceNumber, found[0x00091001].value) == (None, 0.66666666666667)


def test_a_study_deleted_can_be_stored_again(site: Site) -> None:
    uid = generate_uid()
    files = a_series(2, StudyInstanceUID=uid)
    keep(site.bank, *files)

    assert site.http.delete(f"/studies/{uid}").status_code == 204
    assert store(site.http, *files).status_code == 200
    assert [retrieve.file(site.bank, held(site, file)) for file in files] == files
