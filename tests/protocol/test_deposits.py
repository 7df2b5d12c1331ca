"""Files deposited at `/api/v1/deposits`, as they come."""

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from bank import a_token, bearer, open_test_bank, serving
from imagebank.bank import Bank
from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.query import Query
from make import a_file
from running import wait_for

PATH = "/api/v1/deposits"
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
SECRET = b"what nobody else may read"


class Site:
    def __init__(self, bank: Bank, url: str) -> None:
        self.bank = bank
        self.url = url
        self.headers = FORM | bearer(a_token(bank))

    def post(self, body: Any) -> httpx.Response:
        return httpx.post(self.url + PATH, content=body, headers=self.headers, timeout=120)

    def held(self) -> int:
        return self.bank.index.count(Query(Level.INSTANCE), Scope.of("local"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_test_bank(tmp_path, max_parts=200) as bank, serving(bank) as url:
        yield Site(bank, url)


def a_part(content: bytes, name: str = "x.dcm", field: str = "file") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n"


def opened() -> list[str]:
    """What this process, and with it the bank, holds open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(link.readlink()))
    return found


def test_what_is_not_whole_yet_lies_in_the_bank_s_own_folder(site: Site) -> None:
    before = set(opened())
    head = "".join(f"{name}: {value}\r\n" for name, value in site.headers.items())
    body = a_part(SECRET * (12 << 20 >> 4))
    with socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2]))) as line:
        line.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body) + 9}\r\n\r\n".encode())
        line.sendall(body)
        wait_for(lambda: any("spool" in path for path in opened()), "it is too large for memory")
        others = [path for path in set(opened()) - before if path.startswith("/") and "deleted" in path]

    assert others
    assert all(path.startswith(str(site.bank.settings.data / "spool")) for path in others)


def test_many_large_files_hold_few_descriptors(site: Site) -> None:
    most, over = [0], threading.Event()
    before = len(opened())

    def watch() -> None:
        while not over.wait(0.005):
            most[0] = max(most[0], len(opened()))

    def parts() -> Iterator[bytes]:
        for _ in range(60):
            yield a_part(bytes(9 << 20))
        yield b"--b--\r\n"

    watching = threading.Thread(target=watch)
    watching.start()
    answer = site.post(parts())
    over.set()
    watching.join()

    assert [one["outcome"] for one in answer.json()["outcomes"]] == ["refused"] * 60
    assert most[0] - before < 60


def test_many_small_files_hold_no_descriptors_and_are_kept(site: Site) -> None:
    answer = site.post(b"".join(a_part(a_file()) for _ in range(150)) + b"--b--\r\n")

    assert answer.status_code == 200
    assert site.held() == 150


def test_whole_files_before_a_break_are_kept_and_said_to_be(site: Site) -> None:
    answer = site.post(a_part(a_file(), "first.dcm") + a_part(a_file())[:-40])

    first, rest = answer.json()["outcomes"]
    assert answer.status_code == 207
    assert (first["file"], first["outcome"]) == ("first.dcm", "stored")
    assert (rest["outcome"], rest["error"]["kind"]) == ("refused", "Invalid")
    assert site.held() == 1


@pytest.mark.parametrize("body", [b"", b"no form", b"--b--\r\n", a_part(b"x", field="other") + b"--b--\r\n"])
def test_a_form_without_files_is_refused(site: Site, body: bytes) -> None:
    assert site.post(body).status_code == 400


def test_more_files_than_are_taken_are_refused_and_those_before_are_kept(site: Site) -> None:
    files = b"".join(a_part(a_file()) for _ in range(3))
    answer = site.post(files + a_part(b"x") * 200 + b"--b--\r\n")

    assert answer.status_code == 207
    assert "200 parts" in answer.json()["outcomes"][-1]["error"]["message"]
    assert site.held() == 3


def test_no_descriptor_left_is_said_and_passes(site: Site) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    sent = a_part(bytes(9 << 20)) + b"--b--\r\n"
    first = site.post(sent)
    with httpx.Client(base_url=site.url, headers=site.headers, timeout=60) as http:
        http.get("/healthz")
        taken = {int(path.name) for path in Path("/proc/self/fd").iterdir()}
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(set(range(1 << 16)) - taken), hard))
        try:
            answer = http.post(PATH, content=sent)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert first.status_code == 207
    assert answer.status_code == 503, answer.text
    assert "retry-after" in answer.headers
    assert site.post(sent).status_code == 207
