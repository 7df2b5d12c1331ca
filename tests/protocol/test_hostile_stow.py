"""STOW requests that are very long, very many, broken off or lying, against the program as it runs."""

import gzip
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, JPEGBaseline8Bit, generate_uid

from make import a_dataset, a_file, as_file, read
from protocol.dicomweb_site import BOUNDARY, DICOM, a_body, store
from running import Running, descendants, running_bank

TYPE = {"Content-Type": f"{DICOM}; boundary={BOUNDARY.decode()}"}
HEAD = b"--" + BOUNDARY + b"\r\nContent-Type: application/dicom\r\n\r\n"
TAIL = b"\r\n--" + BOUNDARY + b"--\r\n"
FAILED, REFERENCED, OTHERS = "00081198", "00081199", "0008119A"
MB = 1 << 20


@dataclass(frozen=True)
class Site:
    """A bank in processes of its own; `http` speaks for an admin, relative to the DICOMweb root."""

    running: Running
    http: httpx.Client

    @contextmanager
    def growing_less_than(self, megabytes: float) -> Iterator[None]:
        """No process of the bank gets larger than it ever was by more than this."""
        before = self.peaks_mb()
        yield
        # What was forked meanwhile begins with the memory of the process that it was forked off.
        shared = before[self.running.pid]
        grown = {pid: peak - before.get(pid, shared) for pid, peak in self.peaks_mb().items()}
        assert max(grown.values()) < megabytes, grown

    def peaks_mb(self) -> dict[int, float]:
        return {pid: peak_mb(pid) for pid in [self.running.pid, *descendants(self.running.pid)]}

    def count(self) -> int:
        answer = self.http.get("/instances", params={"limit": 1})
        return int(answer.headers["x-total-count"])

    def spooled(self) -> list[Path]:
        return list((self.running.data / "spool").iterdir())


def peak_mb(pid: int) -> float:
    """The most memory that a process ever had; 0 for one that has ended since."""
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0)
    return 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_bank(tmp_path_factory.mktemp("hostile")) as running, running.http() as http:
        http.base_url = httpx.URL(f"{running.url}/dicom-web")
        http.timeout = httpx.Timeout(600)
        # What every process needs anyway is not counted against a test.
        assert store(http, a_file()).status_code == 200
        yield Site(running, http)


def test_ten_thousand_parts_each_get_their_receipt_in_little_memory(site: Site) -> None:
    study, series = generate_uid(), generate_uid()
    first = f"2.25.{10**30}"
    file = a_file(rows=2, columns=2, StudyInstanceUID=study, SeriesInstanceUID=series, SOPInstanceUID=first)
    uids = [f"2.25.{10**30 + number}" for number in range(9_900)]
    parts = [file.replace(first.encode(), uid.encode()) for uid in uids] + [b"no DICOM at all"] * 100

    with site.growing_less_than(200):
        answer = store(site.http, *parts)

    assert answer.status_code == 202
    module = answer.json()
    assert [item["00081155"]["Value"][0] for item in module[REFERENCED]["Value"]] == uids
    assert len(module[OTHERS]["Value"]) == 100
    found = site.http.get("/instances", params={"StudyInstanceUID": study, "limit": 1})
    assert found.headers["x-total-count"] == str(len(uids))
    site.http.delete(f"/studies/{study}")


def a_large_file(uid: str, fragments: int, fragment_bytes: int) -> Iterator[bytes]:
    """A file whose pixel data is encapsulated in fragments of zeros."""
    ds = a_dataset(SOPInstanceUID=uid, StudyInstanceUID=f"{uid}.1", PixelData=None, rows=64, columns=64)
    ds.NumberOfFrames = fragments
    yield as_file(ds, JPEGBaseline8Bit)
    yield struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    block = bytes(MB)
    for _ in range(fragments):
        yield struct.pack("<HHI", 0xFFFE, 0xE000, fragment_bytes)
        for _ in range(fragment_bytes // MB):
            yield block
    yield struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def send_large(site: Site, fragments: int, fragment_bytes: int) -> None:
    uid = generate_uid()[:60]
    url = f"/studies/{uid}.1"

    def body() -> Iterator[bytes]:
        yield HEAD
        yield from a_large_file(uid, fragments, fragment_bytes)
        yield TAIL

    answer = site.http.post("/studies", content=body(), headers=TYPE)
    assert answer.status_code in (200, 202), answer.text
    size = 0
    with site.http.stream("GET", url, headers={"Accept": f"{DICOM}; transfer-syntax=*"}) as given:
        assert given.status_code == 200
        for piece in given.iter_raw():
            size += len(piece)
    assert size > fragments * fragment_bytes
    assert site.http.delete(url).status_code == 204


def test_a_part_of_600_megabytes_goes_in_and_out_in_little_memory(site: Site) -> None:
    with site.growing_less_than(200):
        send_large(site, fragments=12, fragment_bytes=50 * MB)

    assert not site.spooled()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_part_of_five_gigabytes_goes_in_and_out_in_little_memory(site: Site) -> None:
    with site.growing_less_than(300):
        send_large(site, fragments=100, fragment_bytes=51 * MB)

    assert not site.spooled()


def raw_data(size: int) -> Iterator[bytes]:
    """An object without pixels whose one private value is long."""
    yield as_file(without_pixels(SOPClassUID="1.2.840.10008.5.1.4.1.1.66"))
    yield struct.pack("<HH2sH", 0x0029, 0x0010, b"LO", 4) + b"TEST"
    yield struct.pack("<HH2sHI", 0x0029, 0x1010, b"OB", 0, size)
    yield from [bytes(MB)] * (size // MB)


def junk_after_the_pixels(size: int) -> Iterator[bytes]:
    yield a_file()
    yield from [bytes(MB)] * (size // MB)


def big_endian(size: int) -> Iterator[bytes]:
    yield as_file(without_pixels(), ExplicitVRBigEndian)
    yield struct.pack(">HH2sHI", 0x7FE0, 0x0010, b"OW", 0, size)
    yield from [bytes(MB)] * (size // MB)


def without_pixels(**given: Any) -> Dataset:
    return a_dataset(PixelData=None, **given)


@pytest.mark.parametrize(
    ("build", "status"),
    [(raw_data, 200), (junk_after_the_pixels, 202), (big_endian, 409)],
    ids=["raw data", "junk after the pixels", "big endian"],
)
def test_a_long_object_of_another_kind_takes_little_memory_in_any_form(
    site: Site, build: Callable[[int], Iterator[bytes]], status: int
) -> None:
    def body() -> Iterator[bytes]:
        yield HEAD
        yield from build(300 * MB)
        yield TAIL

    with site.growing_less_than(100):
        answer = site.http.post("/studies", content=body(), headers=TYPE)
        assert answer.status_code == status, answer.text
        for item in answer.json().get(REFERENCED, {}).get("Value", ()):
            url = item["00081190"]["Value"][0]
            for form in ("", "/metadata", "/frames/1", "/rendered", "/bulkdata/00291010"):
                with site.http.stream("GET", url + form, headers={"Accept": "*/*"}) as given:
                    assert given.status_code in (200, 404, 406)
                    size = sum(map(len, given.iter_raw()))
                assert form or size > 300 * MB
            assert site.http.delete(url).status_code == 204
    assert not site.spooled()


def test_a_bomb_costs_neither_memory_nor_the_disk(site: Site) -> None:
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = squeezed.compress(HEAD + a_file())
    bomb += b"".join(squeezed.compress(bytes(10 * MB)) for _ in range(100)) + squeezed.flush()
    started = time.monotonic()

    with site.growing_less_than(150):
        answer = site.http.post("/studies", content=bomb, headers=TYPE | {"Content-Encoding": "gzip"})

    assert answer.status_code == 413
    assert time.monotonic() - started < 30
    assert not site.spooled()


def test_a_gzip_body_that_breaks_off_is_refused(site: Site) -> None:
    body = gzip.compress(a_body(a_file()))

    for cut in (10, len(body) // 2, len(body) - 4):
        answer = site.http.post("/studies", content=body[:cut], headers=TYPE | {"Content-Encoding": "gzip"})
        assert answer.status_code in (202, 400), answer.text


@pytest.mark.parametrize(
    "boundary",
    ["other", '"other"', "", '""', '"', "x" * 300, "a\tb", "ü", "test-boundary-and-more", "test"],
)
def test_a_boundary_that_is_not_in_the_body_is_refused_in_words(site: Site, boundary: str) -> None:
    kind = f"{DICOM}; boundary={boundary}".encode()

    answer = site.http.post("/studies", content=a_body(a_file()), headers={b"Content-Type": kind})

    assert answer.status_code == 400
    assert "boundary" in answer.json()["message"]


@pytest.mark.parametrize("cut", [1, 14, 70, 600, 1000, 1500, -35, -25, -10, -6])
def test_a_body_cut_anywhere_keeps_whole_parts_and_says_so(site: Site, cut: int) -> None:
    body = a_body(a_file(), a_file())[:cut]
    whole = body.count(b"\r\n--" + BOUNDARY + b"\r\n")

    answer = site.http.post("/studies", content=body, headers=TYPE)

    assert answer.status_code == (202 if whole else 400), answer.text
    assert len(answer.json().get(REFERENCED, {}).get("Value", ())) == whole
    said = answer.headers["warning"] if whole else answer.json()["message"]
    assert "ends in the middle" in said or "does not occur" in said


def talk(site: Site, head: str, body: bytes, *, hang_up: bool = False) -> bytes:
    """Send bytes as they are; what comes back until the server closes."""
    lines = f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: {site.http.headers['authorization']}\r\n"
    lines += f"Content-Type: {TYPE['Content-Type']}\r\n{head}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", site.running.http_port), timeout=30) as line:
        line.sendall(lines.encode() + body)
        if hang_up:
            line.shutdown(socket.SHUT_WR)
        try:
            return line.makefile("rb").read()
        except (ConnectionResetError, TimeoutError):
            return b""


def is_held(site: Site, file: bytes) -> bool:
    found = site.http.get("/instances", params={"SOPInstanceUID": read(file).SOPInstanceUID})
    return found.status_code == 200


def test_a_length_that_says_too_little_keeps_what_is_whole(site: Site) -> None:
    first, second = a_file(), a_file()
    body = a_body(first, second)

    answer = talk(site, f"Content-Length: {len(body) - 300}\r\nConnection: close", body)

    assert answer.startswith(b"HTTP/1.1 202") or not answer
    assert is_held(site, first)
    assert not is_held(site, second)


def test_a_length_that_says_too_much_hurts_nobody_else(site: Site) -> None:
    first, second = a_file(), a_file()
    body = a_body(first, second)

    talk(site, f"Content-Length: {len(body) + 5000}\r\nConnection: close", body, hang_up=True)

    assert store(site.http, second).status_code == 200
    assert not site.spooled()


@pytest.mark.parametrize("length", ["-1", "x", "99999999999999999999999", "1\r\nContent-Length: 2"])
def test_a_length_that_is_none_is_refused(site: Site, length: str) -> None:
    file = a_file()

    answer = talk(site, f"Content-Length: {length}\r\nConnection: close", a_body(file), hang_up=True)

    assert b" 4" in answer[:14] or not answer
    assert not is_held(site, file)
    assert store(site.http, file).status_code == 200


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"10\r\nshort\r\n", b"ffffffffffffffffff\r\n"])
def test_chunks_that_lie_are_refused(site: Site, chunk: bytes) -> None:
    file = a_file()

    answer = talk(site, "Transfer-Encoding: chunked\r\nConnection: close", chunk, hang_up=True)

    assert b" 4" in answer[:14] or not answer
    assert store(site.http, file).status_code == 200


def test_a_hundred_senders_that_fall_silent_keep_nobody_waiting(site: Site) -> None:
    body = a_body(a_file())
    head = (
        f"POST /dicom-web/studies HTTP/1.1\r\nHost: x\r\nAuthorization: {site.http.headers['authorization']}\r\n"
        f"Content-Type: {TYPE['Content-Type']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    lines = []
    for _ in range(100):
        line = socket.create_connection(("127.0.0.1", site.running.http_port), timeout=10)
        line.sendall(head.encode() + body[:500])
        lines.append(line)
    started = time.monotonic()

    answer = store(site.http, a_file())

    assert answer.status_code == 200
    assert time.monotonic() - started < 15
    for line in lines:
        line.close()
