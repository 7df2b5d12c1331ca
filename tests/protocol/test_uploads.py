"""Uploads by tus 1.0, as a plain client of the protocol sends them, broken off in every way."""

import base64
import http.client
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from bank import a_token, bearer, open_test_bank, serving
from imagebank.bank import Bank
from imagebank.model.access import Role
from make import a_file
from samples import sample_data
from unit.actions.test_media import a_jpeg

ROOT = "/api/v1/uploads"
TYPE = "application/offset+octet-stream"
TUS = {"Tus-Resumable": "1.0.0"}
SAID = {"filename": "photo.jpg", "patient_id": "4711", "department": "dermatology"}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("uploads")) as bank:
        yield bank


@pytest.fixture(scope="module")
def url(bank: Bank) -> Iterator[str]:
    with serving(bank) as url:
        yield url


@pytest.fixture
def client(bank: Bank, url: str) -> Iterator[httpx.Client]:
    with a_client(bank, url) as client:
        yield client


def a_client(bank: Bank, url: str, role: Role = Role.TECHNOLOGIST, **given: Any) -> httpx.Client:
    token = a_token(bank, role, **{"organization": "local", "name": "tess", **given})
    return httpx.Client(base_url=url, headers={**bearer(token), **TUS}, timeout=60)


def metadata(**said: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in said.items())


def begin(client: httpx.Client, length: int, **said: str) -> str:
    """The address of a new upload."""
    headers = {"Upload-Length": str(length), "Upload-Metadata": metadata(**(said or SAID))}
    answer = client.post(ROOT, headers=headers)
    assert answer.status_code == 201, answer.text
    assert answer.headers["tus-resumable"] == "1.0.0"
    return answer.headers["location"]


def patch(client: httpx.Client, address: str, offset: int, data: bytes) -> httpx.Response:
    return client.patch(address, content=data, headers={"Upload-Offset": str(offset), "Content-Type": TYPE})


def offset(client: httpx.Client, address: str) -> int:
    return int(client.head(address).raise_for_status().headers["upload-offset"])


def send_whole(client: httpx.Client, data: bytes, **said: str) -> httpx.Response:
    address = begin(client, len(data), **said)
    assert patch(client, address, 0, data).status_code == 204
    return client.post(f"{address}/deposit")


def test_anybody_is_told_what_is_offered(url: str, bank: Bank) -> None:
    answer = httpx.options(f"{url}{ROOT}")

    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-max-size"] == str(bank.settings.max_upload_bytes)
    assert answer.headers["tus-extension"] == "creation,creation-with-upload,expiration,termination"


def test_a_line_that_breaks_in_the_midst_loses_nothing_that_came(client: httpx.Client, url: str) -> None:
    data = (sample_data() / "non-dicom/jpeg/fundus-retina.jpg").read_bytes()
    address, half = begin(client, len(data)), len(data) // 2
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.putrequest("PATCH", address)
    for name, value in {**dict(client.headers), "Upload-Offset": "0", "Content-Type": TYPE}.items():
        if name.lower() not in ("host", "connection", "accept-encoding"):
            connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data[:half])
    connection.close()
    while (come := offset(client, address)) < half:
        pass
    assert come == half
    answer = patch(client, address, half, data[half:])

    assert answer.status_code == 204
    assert answer.headers["upload-offset"] == str(len(data))
    assert datetime.now(UTC).year <= int(answer.headers["upload-expires"].split()[3])
    (outcome,) = client.post(f"{address}/deposit").json()["outcomes"]
    assert (outcome["file"], outcome["outcome"]) == ("photo.jpg", "stored")


def test_bytes_that_are_not_the_next_are_refused(client: httpx.Client) -> None:
    address = begin(client, 10)
    assert patch(client, address, 0, b"01234").status_code == 204
    wrong = [patch(client, address, at, b"5").status_code for at in (0, 4, 6)]
    too_many = patch(client, address, 5, b"567890")
    no_number = client.patch(address, content=b"x", headers={"Content-Type": TYPE})
    no_type = client.patch(address, content=b"x", headers={"Upload-Offset": "5"})

    assert wrong == [409, 409, 409]
    assert [answer.status_code for answer in (too_many, no_number, no_type)] == [400, 400, 415]
    assert client.post(f"{address}/deposit").status_code == 409
    assert offset(client, address) == 5


def test_of_two_at_once_one_is_heard(client: httpx.Client, url: str) -> None:
    """The first has sent half of a block and waits; meanwhile the second sends all."""
    address = begin(client, 10)

    def slowly() -> Iterator[bytes]:
        yield b"01234"
        assert patch(client, address, 0, b"abcdefghij").status_code == 204
        yield b"56789"

    with httpx.Client(base_url=url, headers=client.headers, timeout=60) as other:
        late = other.patch(address, content=slowly(), headers={"Upload-Offset": "0", "Content-Type": TYPE})

    assert late.status_code == 409
    assert offset(client, address) == 10


def test_a_small_file_comes_with_its_beginning(client: httpx.Client) -> None:
    data = a_jpeg("green")
    headers = {"Upload-Length": str(len(data)), "Upload-Metadata": metadata(**SAID), "Content-Type": TYPE}
    answer = client.post(ROOT, content=data, headers=headers)

    assert answer.headers["upload-offset"] == str(len(data))
    assert client.post(answer.headers["location"] + "/deposit").status_code == 200


def test_an_archive_is_opened_and_each_object_answered_for(client: httpx.Client) -> None:
    file = sample_data() / "zip-upload/mixed-dicom-jpeg-pdf.zip"
    answer = send_whole(client, file.read_bytes(), filename=file.name)
    with zipfile.ZipFile(file) as archive:
        inside = [entry.filename for entry in archive.infolist() if not entry.is_dir()]

    outcomes = answer.json()["outcomes"]
    assert [one["file"] for one in outcomes] == [f"{file.name}!/{name}" for name in inside]
    assert [one["outcome"] for one in outcomes] == ["stored"] * 3 + ["refused"] * 2
    assert any(one.get("unidentified") for one in outcomes)


def test_what_is_not_kept_is_said_with_the_reason(client: httpx.Client) -> None:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("a.dcm", a_file(SOPInstanceUID="1.2.99"))
            archive.writestr("b.txt", "no picture")
        answer = send_whole(client, stream.getvalue(), filename="mixed.zip")

    assert answer.status_code == 207
    good, bad = answer.json()["outcomes"]
    assert good["outcome"] == "stored"
    assert bad["error"]["message"]


def test_another_caller_meets_what_is_not_there(client: httpx.Client, bank: Bank, url: str) -> None:
    address = begin(client, 5)
    nothing = f"{ROOT}/{'0' * 32}"
    for who, where in (("tom", "local"), ("tess", "south")):
        with a_client(bank, url, name=who, organization=where) as other:
            for path in (address, nothing):
                answers = [other.head(path), patch(other, path, 0, b"01234"), other.delete(path)]
                assert [answer.status_code for answer in answers] == [404, 404, 404]
                assert other.post(f"{path}/deposit").status_code == 404
    with a_client(bank, url, Role.REFERRER) as referrer:
        assert referrer.post(ROOT, headers={"Upload-Length": "5"}).status_code == 403
        assert referrer.head(address).status_code == 403
    assert httpx.head(f"{url}{address}").status_code == 401
    assert offset(client, address) == 0


def test_what_is_asked_wrongly_is_refused_in_words(client: httpx.Client, bank: Bank) -> None:
    too_large = str(bank.settings.max_upload_bytes + 1)
    refused = [
        (413, {"Upload-Length": too_large}),
        (400, {}),
        (400, {"Upload-Length": "-1"}),
        (400, {"Upload-Length": "9" * 30}),
        (400, {"Upload-Length": "5", "Upload-Metadata": "filename ?"}),
        (400, {"Upload-Length": "5", "Upload-Metadata": metadata(birth_date="yesterday")}),
        (400, {"Upload-Defer-Length": "1"}),
        (412, {"Upload-Length": "5", "Tus-Resumable": "0.2.2"}),
    ]
    for status, headers in refused:
        answer = client.post(ROOT, headers=headers)
        assert answer.status_code == status, headers
        assert set(answer.json()) == {"error", "message"}
        assert answer.headers["tus-resumable"] == "1.0.0"


def test_an_upload_that_was_ended_is_gone(client: httpx.Client) -> None:
    address = begin(client, 5)

    assert client.delete(address).status_code == 204
    assert client.head(address).status_code == 404
    assert client.delete(address).status_code == 404


def test_an_upload_waits_for_a_day_and_survives_a_new_start(tmp_path: Path) -> None:
    data = a_jpeg("purple")
    with open_test_bank(tmp_path) as bank, serving(bank) as url, a_client(bank, url) as client:
        address, stale = begin(client, len(data)), begin(client, 5)
        assert patch(client, address, 0, data[:100]).status_code == 204
    with open_test_bank(tmp_path) as bank, serving(bank) as url, a_client(bank, url) as client:
        assert client.get(address).json()["offset"] == 100
        assert patch(client, address, 100, data[100:]).status_code == 204
        assert client.post(f"{address}/deposit").json() == client.post(f"{address}/deposit").json()
        tomorrow = datetime.now(UTC) + timedelta(hours=25)
        with serving(replace(bank, now=lambda: tomorrow)) as later, a_client(bank, later, days=9) as patient:
            assert patient.head(stale).status_code == 404
