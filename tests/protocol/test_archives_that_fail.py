"""Other archives that hang, answer what is none, go away in the midst; and another Imagebank, which does none of this."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined] # made at run time

from bank import SOURCE, a_token, free_port, keep, open_test_bank, serving
from imagebank.actions import asking, devices, recalling, rights
from imagebank.actions.other_archives import Archive, secret_of
from imagebank.app import asking_work, recalling_work
from imagebank.bank import Bank
from imagebank.dicomweb import other_archive as by_web
from imagebank.dimse import other_archive as by_dimse
from imagebank.dimse.contexts import STUDY_FIND, STUDY_GET
from imagebank.errors import Invalid, NotFound, Unavailable
from imagebank.model.access import Device, Right, Role, Scope
from imagebank.model.imaging import Selection, Source
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from imagebank.worker import step
from make import a_file, read
from unit.actions.archives_there import ADA, THERE, ada_is_here, listed, objects, said

ABOUT = {"name": "Harbour", "organization": "harbour", "issuer": "harbour", "timeout_s": 0.4}
STUDY = Uid("2.1")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("failing")) as opened:
        yield opened


Answer = tuple[int, str, bytes]


@contextmanager
def a_web(answer: Callable[[str], Answer | None]) -> Iterator[tuple[str, list[str]]]:
    """A web server: its address, and how it was asked. An answer that is None never comes; half of a `half` does."""
    asked, end = list[str](), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.headers.get('Authorization', '')} {self.path}")
            found = answer(self.path)
            if found is None:
                end.wait(10)
                return
            status, kind, body = found
            self.send_response(status)
            self.send_header("Content-Type", kind.removeprefix("half "))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if kind.startswith("half ") else body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        end.set()
        server.shutdown()
        server.server_close()


WRONG: dict[str, tuple[Answer | None, str]] = {
    "it hangs": (None, "did not answer as a web server does"),
    "it answers with a page": ((200, "text/html", b"<html>Sign in"), "did not answer as an archive does"),
    "it answers with one object": ((200, "application/json", b"{}"), "did not answer as an archive does"),
    "it does not know us": ((401, "text/plain", b"no"), "does not know us: status 401"),
    "it fails": ((500, "text/plain", b"oh"), "answered with status 500"),
    "it leads elsewhere": ((302, "text/plain", b""), "answered with status 302"),
    "it answers without end": ((200, "application/json", b"[" + b" " * (2 << 20)), "more than 1048576 bytes"),
    "it breaks off": ((200, "half application/json", b"[" + b" " * 2000 + b"]"), "did not answer"),
    "it names too much": ((200, "application/json", orjson.dumps([{}] * 501)), "more than 500 studies"),
}


@pytest.mark.parametrize("why", WRONG)
def test_an_archive_by_dicomweb_that_fails_is_away(why: str, bank: Bank) -> None:
    answer, words = WRONG[why]
    with a_web(lambda _: answer) as (url, _):
        archive = Archive(url=url, **ABOUT)  # type: ignore[arg-type] # by their names
        with pytest.raises(Unavailable, match=words):
            by_web.WAY.studies(bank, archive, THERE)


def test_an_archive_is_shown_who_asks_and_asked_for_one_patient_alone(bank: Bank, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken\n", "utf-8")
    (tmp_path / "password").write_text("ada:secret\n", "utf-8")
    with a_web(lambda path: (204, "text/plain", b"") if "limit" in path else None) as (url, asked):
        for shown in ({"token_file": str(tmp_path / "token")}, {"password_file": str(tmp_path / "password")}, {}):
            archive = Archive(url=url, **ABOUT, **shown)  # type: ignore[arg-type] # by their names
            assert by_web.WAY.studies(bank, archive, THERE) == []
        with pytest.raises(NotFound, match="names this study no more"):
            by_web.WAY.named(bank, archive, STUDY)

    assert [one.split()[:-1] for one in asked] == [["Bearer", "t0ken"], ["Basic", "YWRhOnNlY3JldA=="], [], []]
    assert "PatientID=H7&" in asked[0]
    assert secret_of(str(tmp_path / "token")) == "t0ken"


def multipart(files: list[bytes]) -> bytes:
    parts = [b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files]
    return b"".join(parts) + b"--b--\r\n"


def test_what_came_before_an_archive_went_away_is_kept(tmp_path: Path) -> None:
    files = objects("2.1", count=4)
    rows = [{"0020000E": {"Value": ["2.1.1"]}, "00080018": {"Value": [uid]}} for uid in files]
    goes_away = [True]

    def answer(path: str) -> Answer:
        if "instances?" in path:
            return 200, "application/dicom+json", orjson.dumps(rows)
        if "/studies?" in path:
            return 200, "application/dicom+json", orjson.dumps([said("2.1")])
        half = "half " if goes_away[0] else ""
        wanted = [file for uid, file in files.items() if "/instances/" not in path or path.endswith(uid)]
        return 200, f'{half}multipart/related; type="application/dicom"; boundary=b', multipart(wanted)

    with a_web(answer) as (url, asked):
        text = f"[[archive]]\nname = 'H'\norganization = 'harbour'\nissuer = 'harbour'\nurl = '{url}'\n"
        with open_test_bank(tmp_path, archives_file=listed(tmp_path, text)) as bank:
            found = brought(bank, "H")
            assert (found.state, 0 < found.kept < 4, found.total) == (State.WAITING, True, 4)
            goes_away[0] = False
            asked.clear()
            recalling_work()[recalling.JOB](bank, {"archive": "H", "study": STUDY})
            done = bank.index.elsewhere.recall("H", STUDY)
            assert done is not None
            assert (done.state, done.kept) == (State.DONE, 4)
            assert len([one for one in asked if "/instances/" in one]) == 4 - found.kept


def brought(bank: Bank, archive: str) -> Any:
    """Ada's study there once it was asked for and fetched, or was tried to be."""
    ada_is_here(bank)
    asking.have_asked(bank, [ADA], "kim", "local")
    work = {**asking_work(), **recalling_work()}
    while step(bank, work):
        pass
    recalling.ask(bank, rights.principal(bank, "kim", Role.ADMIN, "local"), archive, STUDY)
    while step(bank, work):
        pass
    return bank.index.elsewhere.recall(archive, STUDY)


def test_another_imagebank_is_asked_and_fetched_from(tmp_path: Path) -> None:
    with open_test_bank(tmp_path / "other", organization="harbour") as other, serving(other) as url:
        source = Source("import", "tester", "harbour", "127.0.0.1")
        keep(other, *objects("2.1").values(), a_file(PatientID="H8", StudyInstanceUID="2.2"), source=source)
        (tmp_path / "token").write_text(a_token(other, Role.SYSTEM), "utf-8")
        text = "[[archive]]\nname = 'Bank'\norganization = 'harbour'\nissuer = 'harbour'\ntoken_file = 'token'\n"
        file = listed(tmp_path, f"{text}url = '{url}/dicom-web'\n")
        with open_test_bank(tmp_path / "own", archives_file=file) as bank:
            done = brought(bank, "Bank")

            assert (done.state, done.kept, done.total, done.reason) == (State.DONE, 3, 3, "")
            here = bank.index.instances(Selection(study=STUDY), Scope(None))
            there = other.index.instances(Selection(study=STUDY), Scope(None))
            assert {(one.uid, one.content_digest) for one in here} == {(one.uid, one.content_digest) for one in there}
            (only,) = bank.index.elsewhere.held([THERE], Scope(None))
            assert (only.study, only.objects, only.modalities) == (STUDY, 3, ("CT",))


def a_device(bank: Bank, port: int, **changes: Any) -> Archive:
    devices.add(bank, Device("HARBOUR", "127.0.0.1", port, tls=False, rights=frozenset({Right.FIND}), organization="h"))
    given: dict[str, Any] = {**ABOUT, **changes}
    return Archive(device="HARBOUR", **given)


def test_a_device_that_never_answers_is_away(bank: Bank) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        archive = a_device(bank, silent.getsockname()[1])
        with pytest.raises(Unavailable, match="stopped writing"):
            by_dimse.WAY.studies(bank, archive, THERE)
    with pytest.raises(Unavailable, match="does not answer"):
        by_dimse.WAY.studies(bank, archive, THERE)
    devices.remove(bank, "HARBOUR")
    with pytest.raises(Unavailable, match="no device is registered as HARBOUR"):
        by_dimse.WAY.studies(bank, archive, THERE)


@contextmanager
def a_peer(
    bank: Bank, find: Callable[[Any], Iterator[Any]], get: Callable[[Any], Iterator[Any]] | None = None
) -> Iterator[Archive]:
    """pynetdicom as another archive."""
    ae = AE("HARBOUR")
    ae.add_supported_context(STUDY_FIND)
    if get is not None:
        ae.add_supported_context(STUDY_GET)
        ae.add_supported_context(CTImageStorage, scu_role=False, scp_role=True)
    handlers: Any = [(evt.EVT_C_FIND, find), *([(evt.EVT_C_GET, get)] if get else [])]
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        # It answers, if only as soon as a busy machine lets it.
        yield a_device(bank, port, timeout_s=30)
    finally:
        server.shutdown()


def answer(**values: str) -> Dataset:
    found = Dataset()
    for name, value in values.items():
        setattr(found, name, value)
    return found


# pynetdicom leaves its socket open where it is aborted while it answers.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_device_that_names_too_much_or_fails_is_away(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_dimse, "MOST_STUDIES", 3)

    def too_many(_: Any) -> Iterator[Any]:
        for number in range(9):
            yield 0xFF00, answer(StudyInstanceUID=f"1.{number}", PatientID="H7")

    def failing(_: Any) -> Iterator[Any]:
        yield 0xA700, None

    with a_peer(bank, too_many) as archive, pytest.raises(Unavailable, match="names more than 3"):
        by_dimse.WAY.studies(bank, archive, THERE)
    with a_peer(bank, failing) as archive, pytest.raises(Unavailable, match="answered with status 0xa700"):
        by_dimse.WAY.studies(bank, archive, THERE)


def test_a_device_that_goes_away_in_the_midst_has_given_what_came(bank: Bank) -> None:
    files = [read(file) for file in objects("2.1").values()]

    def find(event: Any) -> Iterator[Any]:
        if event.identifier.QueryRetrieveLevel == "SERIES":
            yield 0xFF00, answer(StudyInstanceUID="2.1", SeriesInstanceUID="2.1.1")
            return
        for one in files:
            yield 0xFF00, answer(SOPInstanceUID=one.SOPInstanceUID, SOPClassUID=one.SOPClassUID)

    def get(event: Any) -> Iterator[Any]:
        yield len(files)
        yield 0xFF00, files[0]
        event.assoc.abort()

    with a_peer(bank, find, get) as archive:
        named = by_dimse.WAY.named(bank, archive, STUDY)
        came = by_dimse.WAY.bring(bank, archive, STUDY, named, set())
        first = next(came)
        receipts = keep(bank, first.content.read(), source=SOURCE)
        with pytest.raises(Unavailable, match="abort"):
            next(came)

    assert list(named) == ["2.1.1"]
    assert [str(one.uid) for one in receipts] == ["2.1.1.0"]


def test_a_device_that_says_of_no_class_what_it_has_is_not_asked_by_get(bank: Bank) -> None:
    def find(event: Any) -> Iterator[Any]:
        key = "SeriesInstanceUID" if event.identifier.QueryRetrieveLevel == "SERIES" else "SOPInstanceUID"
        yield 0xFF00, answer(**{key: "2.1.1"})

    def nothing(_: Any) -> Iterator[Any]:
        yield 0x0000, None

    with a_peer(bank, find) as archive:
        with pytest.raises(Unavailable, match="does not say of which SOP classes"):
            list(by_dimse.WAY.bring(bank, archive, STUDY, {}, set()))
        moved = Archive(device="HARBOUR", retrieve="move", **ABOUT)  # type: ignore[arg-type] # by their names
        with pytest.raises(Invalid, match="deposits for h, and the archive is harbour's"):
            list(by_dimse.WAY.bring(bank, moved, STUDY, {}, set()))
    with a_peer(bank, nothing) as archive, pytest.raises(NotFound, match="names this study no more"):
        by_dimse.WAY.named(bank, archive, STUDY)
