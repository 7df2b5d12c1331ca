"""`/api/v1/export` and `/api/v1/exports`: files that go on where they broke, and what is refused."""

import io
import zipfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pyzipper

from bank import a_token, bearer, keep, open_test_bank
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.http import exports
from imagebank.model.access import Role
from make import a_series
from unit.portal.browsing import Browser

STUDY = "1.2.1"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("exports")) as opened:
        keep(opened, *a_series(3, StudyInstanceUID=STUDY))
        yield opened


@pytest.fixture(scope="module")
def browser(bank: Bank) -> Browser:
    return Browser(web_application(bank))


@pytest.fixture(scope="module")
def token(bank: Bank) -> dict[str, str]:
    return bearer(a_token(bank, Role.CLINICIAN))


def test_a_download_that_broke_goes_on_where_it_broke(browser: Browser, token: dict[str, str]) -> None:
    address = f"/api/v1/export?study={STUDY}&format=zip"
    whole = browser.get(address, token)
    half = len(whole.content) // 2
    again = {"Range": f"bytes={half}-", "If-Range": whole.headers["etag"]}
    rest = browser.get(address, {**token, **again})
    changed = browser.get(address, {**token, **again, "If-Range": '"another"'})
    known = browser.get(address, {**token, "If-None-Match": whole.headers["etag"]})

    assert (whole.status_code, rest.status_code, changed.status_code, known.status_code) == (200, 206, 200, 304)
    assert whole.headers["content-length"] == str(len(whole.content))
    assert whole.headers["content-disposition"].endswith('.zip"')
    assert rest.headers["content-range"] == f"bytes {half}-{len(whole.content) - 1}/{len(whole.content)}"
    assert sha256(whole.content[:half] + rest.content).digest() == sha256(whole.content).digest()
    with zipfile.ZipFile(io.BytesIO(whole.content)) as archive:
        assert archive.testzip() is None


def test_one_can_be_begun_watched_taken_and_let_go(browser: Browser, token: dict[str, str]) -> None:
    begun = browser.ask("POST", "/api/v1/exports", token, json={"studies": [STUDY], "format": "iso"})
    same = browser.ask("POST", "/api/v1/exports", token, json={"studies": [STUDY], "format": "iso"})
    early = browser.get(f"{begun.headers['location']}/file", token)
    browser.get(f"/api/v1/export?study={STUDY}&format=iso", token)
    ready = browser.get(begun.headers["location"], token)
    file = browser.get(ready.json()["file"], token)
    gone = browser.ask("DELETE", begun.headers["location"], token)

    assert (begun.status_code, begun.json()["is_ready"], begun.headers["retry-after"]) == (202, False, "3")
    assert same.json()["id"] == begun.json()["id"]
    assert (early.status_code, early.json()["error"]) == (409, "Conflict")
    assert ready.json()["bytes"] == len(file.content)
    assert file.headers["content-type"] == "application/x-iso9660-image"
    assert gone.status_code == 204
    assert browser.get(begun.headers["location"], token).status_code == 404


def test_a_password_goes_by_post_and_stands_in_no_answer(browser: Browser, token: dict[str, str]) -> None:
    wish = {"studies": [STUDY], "password": "correct horse", "reports": False}
    answer = browser.ask("POST", "/api/v1/export", token, json=wish)
    by_address = browser.get(f"/api/v1/export?study={STUDY}&password=x", token)
    begun = browser.ask("POST", "/api/v1/exports", token, json=wish)
    with pyzipper.AESZipFile(io.BytesIO(answer.content)) as archive:
        archive.setpassword(b"correct horse")
        assert archive.read("INDEX.HTM").startswith(b"<!DOCTYPE html>")

    assert by_address.status_code == 400
    assert begun.json()["has_password"] is True
    assert "horse" not in begun.text


def test_pages_are_in_the_callers_language(browser: Browser, token: dict[str, str]) -> None:
    asked = {**token, "Accept-Language": "de"}
    with zipfile.ZipFile(io.BytesIO(browser.get(f"/api/v1/export?study={STUDY}", asked).content)) as archive:
        assert b'lang="de"' in archive.read("INDEX.HTM")


def test_who_waits_too_long_is_told_where_to_ask(
    browser: Browser, token: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PATIENCE_S", 0.0)
    answer = browser.get(f"/api/v1/export?study={STUDY}&format=pictures&reports=false", token)

    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/exports/{answer.json()['id']}"
    assert (answer.json()["done"], answer.json()["of"]) == (0, 3)


def test_while_others_make_theirs_one_waits_for_a_worker(
    browser: Browser, token: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("AT_ONCE", 0), ("PATIENCE_S", 0.01), ("_SLICE_S", 0.02)):
        monkeypatch.setattr(exports, name, value)
    answer = browser.get(f"/api/v1/export?study={STUDY}&format=iso&reports=false", token)

    assert (answer.status_code, answer.json()["done"]) == (202, 0)


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("", 400, "at least one study"),
        ("?format=zip", 400, "at least one study"),
        (f"?study={STUDY}&format=rar", 400, "zip, iso, pictures"),
        (f"?study={STUDY}&reports=maybe", 400, "true or false"),
        ("?study=Doe", 400, "a UID has digits"),
        ("?study=9.9", 404, "there is no such study"),
        (f"?study={STUDY}&study=9.9", 404, "there is no such study"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_words(
    browser: Browser, token: dict[str, str], query: str, status: int, words: str
) -> None:
    answer = browser.get(f"/api/v1/export{query}", token)

    assert (answer.status_code, words in answer.json()["message"]) == (status, True)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"studies": "x"}', b'{"studies": [], "more": 1}', b" " * (257 << 10)])
def test_a_body_that_is_no_wish_is_refused(browser: Browser, token: dict[str, str], body: bytes) -> None:
    answer = browser.ask("POST", "/api/v1/exports", token, content=body)

    assert answer.status_code == 400


def test_an_export_is_its_owners_alone(bank: Bank, browser: Browser, token: dict[str, str]) -> None:
    name = browser.ask("POST", "/api/v1/exports", token, json={"studies": [STUDY]}).json()["id"]
    other = bearer(a_token(bank, Role.CLINICIAN, name="somebody else"))
    answers: list[Any] = [
        browser.get(f"/api/v1/exports/{one}{rest}", other) for one in (name, "0" * 32) for rest in ("", "/file")
    ]

    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert browser.ask("DELETE", f"/api/v1/exports/{name}", other).status_code == 404
    assert Browser(web_application(bank)).get(f"/api/v1/exports/{name}").status_code == 401


def test_a_folder_of_an_export_holds_nothing_in_clear(bank: Bank) -> None:
    found = [path for path in Path(bank.settings.data / "exports").rglob("*") if path.is_file()]

    assert found
    assert not [path for path in found if b"Doe" in path.read_bytes() or STUDY.encode() in path.read_bytes()]
