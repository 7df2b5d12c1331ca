"""What a caller may not see is as much work as what is not there: the same statements, and no object is read.

How long each takes is measured by `benchmarks/hiding.py`; this is what must not differ on any machine.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import httpx
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import Engine, event

from associations import steady
from bank import a_token, bearer, open_test_bank, serving
from imagebank.actions import devices
from imagebank.bank import Bank
from imagebank.dimse.server import start
from imagebank.model.access import Device, Right, Role
from imagebank.model.imaging import Location
from imagebank.ports import Objects
from imagebank.storage import searchable
from journeys.relations import RELATIONS, SEES, Known, deposit, naming_a_study, unknown
from journeys.senders import STUDY_FIND
from protocol import dimse_peers
from protocol.dimse_peers import ALL_RIGHTS, HOST, associate

SEARCHES: Final = (
    "/dicom-web/studies?StudyInstanceUID={study}",
    "/dicom-web/series?StudyInstanceUID={study}",
    "/dicom-web/series?SeriesInstanceUID={series}",
    "/dicom-web/instances?StudyInstanceUID={study}",
    "/dicom-web/instances?SeriesInstanceUID={series}",
    "/dicom-web/instances?SOPInstanceUID={instance}",
)
STUDY_MOVE, STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"
# Of each kind of scope one: a role that rules and patients permit something, one that is never denied by a label, and
# one that nothing permits.
ROLES: Final = (Role.CLINICIAN, Role.SYSTEM, Role.PATIENT)
_MOMENT: Final = re.compile(r"\b\d{16}\b")


@dataclass(frozen=True)
class Work:
    """What the bank did for one question, without what names the study or the moment."""

    statements: tuple[str, ...]
    reads: int


class CountedBlobs:
    """The real store, which says how often it was read."""

    def __init__(self, blobs: Objects) -> None:
        self._blobs = blobs
        self.reads = 0

    def read(self, location: Location, start: int = 0, end: int | None = None) -> bytes:
        self.reads += 1
        return self._blobs.read(location, start, end)

    def stream(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        self.reads += 1
        return self._blobs.stream(location, start, end)

    def from_store(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        self.reads += 1
        return self._blobs.from_store(location, start, end)

    def note(self, location: Location) -> bytes:
        self.reads += 1
        return self._blobs.note(location)

    def secret(self, location: Location, use: bytes) -> bytes:
        self.reads += 1  # a picture that is kept is opened by what its object tells
        return self._blobs.secret(location, use)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)


class Statements:
    """Every statement that SQLite runs, also those that the driver is given without SQLAlchemy."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def listen_to(self, connection: Any, _: object) -> None:
        connection.set_trace_callback(self._note)

    def _note(self, statement: str) -> None:
        # Counts of reads are written every second, whoever asks what.
        if threading.current_thread().name != "every-second":
            self.seen.append(statement)


@dataclass(frozen=True)
class Watched:
    """A bank behind HTTP and DIMSE, and what it is seen to do."""

    bank: Bank
    url: str
    dimse: dimse_peers.Site
    studies: dict[str, Known]
    statements: Statements
    blobs: CountedBlobs

    def work(self, ask: Callable[[], object], known: Known) -> Work:
        self.statements.seen.clear()
        self.blobs.reads = 0
        ask()
        seen = tuple(_MOMENT.sub("<moment>", known.masked(statement)) for statement in self.statements.seen)
        return Work(seen, self.blobs.reads)

    def hidden(self, role: Role) -> dict[str, Known]:
        return {relation: known for relation, known in self.studies.items() if relation not in SEES[role]}


@contextmanager
def listening() -> Iterator[Statements]:
    statements = Statements()
    event.listen(Engine, "connect", statements.listen_to)
    try:
        yield statements
    finally:
        event.remove(Engine, "connect", statements.listen_to)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("hiding")
    with (
        pytest.MonkeyPatch.context() as patched,
        listening() as statements,
        open_test_bank(folder, organization="north") as opened,
    ):
        # Every second somebody looks whether attributes were declared, whoever asks what.
        patched.setattr(searchable, "_LOOKED_FOR_S", 3600.0)
        studies = {relation: deposit(opened, relation) for relation in RELATIONS}
        blobs = CountedBlobs(opened.blobs)
        bank = replace(opened, blobs=cast("Objects", blobs))
        devices.add(bank, Device("NORTH", HOST, 11112, tls=False, rights=ALL_RIGHTS, organization="north"))
        devices.add(bank, Device("DEST", HOST, 11113, tls=False, rights=frozenset({Right.STORE}), organization="north"))
        with serving(bank) as url:
            server = start(bank, HOST, 0)
            try:
                yield Watched(bank, url, dimse_peers.Site(bank, server), studies, statements, blobs)
            finally:
                server.stop(5)


@contextmanager
def client(watched: Watched, role: Role) -> Iterator[httpx.Client]:
    token = a_token(watched.bank, role, organization="north")
    with httpx.Client(base_url=watched.url, headers=bearer(token), timeout=60) as http:
        yield http


@pytest.mark.parametrize("role", ROLES)
def test_over_http_what_is_hidden_is_as_much_work_as_what_is_not_there(watched: Watched, role: Role) -> None:
    differing = []
    with client(watched, role) as http:
        for path in (*naming_a_study(watched.bank), *SEARCHES):

            def work(known: Known, path: str = path) -> Work:
                return watched.work(lambda: http.get(known.fill(path)), known)

            work(unknown())  # the first question of its kind stands in the ledger before its answer
            nothing = work(unknown())
            assert nothing.statements, path
            assert nothing.reads == 0, path
            differing += [
                (path, relation) for relation, known in watched.hidden(role).items() if work(known) != nothing
            ]

    assert differing == []


def identifier(known: Known, level: str) -> Dataset:
    asked = Dataset()
    asked.QueryRetrieveLevel = level
    asked.StudyInstanceUID = known.study
    if level != "STUDY":
        asked.SeriesInstanceUID = known.series
    if level == "IMAGE":
        asked.SOPInstanceUID = known.instance
    return asked


def test_by_dimse_what_is_hidden_is_as_much_work_as_what_is_not_there(watched: Watched) -> None:
    association = steady(associate(watched.dimse, STUDY_FIND, STUDY_GET, STUDY_MOVE, aet="NORTH"))
    services: dict[str, Callable[[Dataset], object]] = {
        "C-FIND": lambda asked: list(association.send_c_find(asked, STUDY_FIND)),
        "C-GET": lambda asked: list(association.send_c_get(asked, STUDY_GET)),
        "C-MOVE": lambda asked: list(association.send_c_move(asked, "DEST", STUDY_MOVE)),
    }
    differing = []
    for name, ask in services.items():
        for level in ("STUDY", "SERIES", "IMAGE"):

            def work(known: Known, ask: Callable[[Dataset], object] = ask, level: str = level) -> Work:
                return watched.work(lambda: ask(identifier(known, level)), known)

            work(unknown())
            nothing = work(unknown())
            assert nothing.statements, (name, level)
            assert nothing.reads == 0, (name, level)
            hidden = watched.hidden(Role.DEVICE)
            differing += [(name, level, relation) for relation, known in hidden.items() if work(known) != nothing]
    association.release()

    assert differing == []


def test_the_watch_sees_what_is_read_of_a_study_that_the_caller_may_see(watched: Watched) -> None:
    """Else the others would prove nothing."""
    own = watched.studies["own"]
    instance = "/studies/{study}/series/{series}/instances/{instance}"
    below = ("", "/metadata", "/frames/{frames}", "/rendered", "/thumbnail", "/bulkdata/{path:path}")
    with client(watched, Role.CLINICIAN) as http:
        for path in (*(f"/dicom-web{instance}{part}" for part in below), instance, f"{instance}/original", "/wado"):
            done = watched.work(lambda path=path: http.get(own.fill(path)).raise_for_status(), own)  # type: ignore[misc]

            assert done.reads > 0, path
            assert any("<study>" in statement for statement in done.statements), path
