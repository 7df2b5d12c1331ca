"""Names that a sender makes up are words in an answer, and nothing else anywhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from bank import a_token, bearer, open_test_bank, serving
from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.model.access import Role
from make import a_file, read
from running import imagebank

NAMES = {
    "line breaks": "a.dcm\r\nSet-Cookie: imagebank-session=stolen\r\n\r\n<script>",
    "quotes": 'a"; filename="evil.html\'`.dcm',
    "a way up": "../../../../root.key",
    "an absolute path": "/etc/cron.d/imagebank",
    "a page": "<img src=x onerror=alert(1)>.dcm",
    "right to left": "exam\u202egpj.exe",
    "nothing": "\0\x1b[2J",
    "length": "x" * 3_000,
}
EACH = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())


@dataclass(frozen=True)
class Site:
    bank: Bank
    http: httpx.Client
    browser: httpx.Client


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("names") / "inner"
    with open_test_bank(folder) as bank, serving(bank) as url:
        link = access.sign_in_link(bank, Role.ADMIN, "keeper")
        with (
            httpx.Client(base_url=url, headers=bearer(a_token(bank)), timeout=60) as http,
            httpx.Client(base_url=url, timeout=60, follow_redirects=True) as browser,
        ):
            browser.get(f"/sign-in/{link.rpartition('/')[2]}")
            yield Site(bank, http, browser)


def deposit(site: Site, name: str, file: bytes) -> httpx.Response:
    """A part whose file name is written as RFC 7578 4.2 has browsers do it: quotes and line breaks in percents."""
    written = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{written}"\r\n\r\n'.encode()
    body = head + file + b"\r\n--b--\r\n"
    return site.http.post("/api/v1/deposits", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"})


@EACH
def test_the_name_of_a_file_is_told_back_and_reaches_no_path_and_no_header(site: Site, name: str) -> None:
    before = {path for path in site.bank.settings.data.parent.parent.rglob("*") if "objects" not in path.parts}
    first = a_file()
    kept = deposit(site, name, first)
    aside = deposit(site, name, a_file(SOPInstanceUID=read(first).SOPInstanceUID))
    number = aside.json()["outcomes"][0]["quarantine"]
    content = site.http.get(f"/api/v1/quarantine/{number}/content")
    after = {path for path in site.bank.settings.data.parent.parent.rglob("*") if "objects" not in path.parts}

    assert (kept.status_code, aside.status_code) == (200, 207), kept.text
    assert {path.name for path in after - before} <= {"index.db-wal", "index.db-shm"}
    assert content.headers["content-disposition"] == f'attachment; filename="quarantine-{number}.dcm"'
    for answer in (kept, aside, content):
        assert answer.headers["content-type"].startswith(("application/json", "application/octet-stream"))
        assert "set-cookie" not in answer.headers


def test_a_name_of_ten_thousand_characters_is_refused(site: Site) -> None:
    answer = deposit(site, "x" * 10_000, a_file())

    assert answer.status_code == 400
    assert len(answer.text) < 500


def test_a_terminal_obeys_no_name(site: Site) -> None:
    for name in NAMES.values():
        first = a_file()
        deposit(site, name, first)
        deposit(site, name, a_file(SOPInstanceUID=read(first).SOPInstanceUID))
    shown = imagebank("quarantine", "list", "--data", site.bank.settings.data)
    listed = imagebank("quarantine", "list", "--json", "--data", site.bank.settings.data)

    assert shown.status == 0, shown.err
    assert not {"\x1b", "\0", "\r", "\u202e"} & set(shown.out)
    assert len(json.loads(listed.out)) >= len(NAMES)


@EACH
def test_words_in_an_object_are_words_on_a_page(site: Site, name: str) -> None:
    words = name.replace("\\", "")[:64].replace("\r", "").replace("\n", "").replace("\0", "").replace("\x1b", "")
    file = a_file(StudyDescription=words, PatientName=words, PatientID=words, SeriesDescription=words)
    study = read(file).StudyInstanceUID
    deposit(site, "plain.dcm", file)
    page = site.browser.get(f"/studies/{study}")

    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert 'filename="evil' not in page.text
