"""Studies in every relation to the people of one organization, and the routes that name a study."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from pydicom.uid import generate_uid
from starlette.routing import BaseRoute, Mount

from bank import SOURCE, keep
from imagebank.actions import consent, notes, reports
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.dicom.digest import digest_of
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.note import Note
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid
from make import a_file, read

PHOTO: Final = b"a photograph"
OFFICER: Final = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
RELATIONS: Final = ("own", "other", "granted", "revoked", "expired", "denied", "sensitive", "in care")
SEES: Final[dict[Role, set[str]]] = {
    Role.ADMIN: set(RELATIONS),
    Role.CLINICIAN: {"own", "granted", "in care"},
    Role.TECHNOLOGIST: {"own", "granted", "in care"},
    Role.REFERRER: {"granted", "in care"},
    Role.RESEARCHER: {"granted"},
    Role.DEVICE: {"own", "granted", "in care"},
    Role.SYSTEM: {"own", "granted", "in care"},
    Role.PRIVACY_OFFICER: set(),
    Role.QUALITY_MANAGER: set(),
    Role.PATIENT: set(),
    Role.PROXY: set(),
    Role.RECIPIENT: {"own"},
}
"""What each role sees of north's rules, by the site's built-in rules. Written by hand: it is what the rules are held to."""

BY_PARAMETERS: Final = {
    "/wado": "/wado?requestType=WADO&studyUID={study}&seriesUID={series}&objectUID={instance}",
}


@dataclass(frozen=True)
class Known:
    """A study by its identifiers."""

    study: str
    series: str
    instance: str
    report: int = 1

    def fill(self, path: str) -> str:
        path = BY_PARAMETERS.get(path, path).replace("{path:path}", "7FE00010").replace("{frames}", "1")
        path = path.replace("{report}", str(self.report)).replace("{part}", "0").replace("{archive}", "none")
        return path.format(study=self.study, series=self.series, instance=self.instance)

    def masked(self, text: str) -> str:
        for name, uid in (("instance", self.instance), ("series", self.series), ("study", self.study)):
            text = text.replace(uid, f"<{name}>")
        return text


def unknown() -> Known:
    """A study that nobody has."""
    return Known(generate_uid(), generate_uid(), generate_uid())


def deposit(bank: Bank, relation: str) -> Known:
    """A study in this relation to the people of north."""
    owner = "north" if relation in ("own", "denied", "sensitive", "in care") else "south"
    patient = relation.upper()
    file = a_file(PatientID=patient, PatientName=f"Secret^{patient.title()}", Modality="CT", rows=8, columns=8)
    source = replace(SOURCE, organization=owner)
    keep(bank, file, source=source)
    found = read(file)
    digest = digest_of(PHOTO)
    note = Note(
        source, bank.now(), digest, digest, "photo.jpg", made_into=found.SOPInstanceUID, media_type="image/jpeg"
    )
    _keep_photograph(bank, PatientId(owner, patient), note)
    study = Uid(found.StudyInstanceUID)
    report = _keep_report(bank, Report(owner, PatientId(owner, patient), bank.now(), "F", relation, study=study))
    known = Known(study, found.SeriesInstanceUID, found.SOPInstanceUID, report)
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    draft = Provision("", Kind.CONSENT, True, PatientId(owner, patient), long_ago, organization="north")
    if relation in ("granted", "revoked"):
        given = consent.decide(bank, draft, OFFICER)
        if relation == "revoked":
            consent.revoke(bank, given.id, OFFICER)
    elif relation == "expired":
        before = replace(bank, now=lambda: datetime.now(UTC) - timedelta(hours=2))
        consent.decide(before, replace(draft, ends_at=datetime.now(UTC) - timedelta(hours=1)), OFFICER)
    elif relation == "denied":
        consent.decide(bank, replace(draft, permits=False), OFFICER)
    elif relation == "sensitive":
        consent.put_label(bank, Uid(known.study), "sensitive", OFFICER)
    elif relation == "in care":
        consent.put_label(bank, Uid(known.study), "sensitive", OFFICER)
        consent.decide(bank, replace(draft, kind=Kind.CARE), OFFICER)
    return known


def _keep_photograph(bank: Bank, patient: PatientId, note: Note) -> None:
    """A file that the object was made of, so that there is something to be hidden on every route."""
    key = bank.keys.of(patient)
    location = bank.blobs.write(io.BytesIO(PHOTO), len(PHOTO), notes.pack(note), key)
    bank.blobs.sync([location])
    with bank.index.begin() as tx:
        tx.keep_original(notes.original_of(note, location, key.name))


def _keep_report(bank: Bank, report: Report) -> int:
    """A report about a study; its number."""
    assert report.study is not None
    reports.keep(bank, report, Body("CT head", "Dr Varga", (Part("text/plain", b"Secret words"),)), "RIS")
    (kept,) = bank.index.orders.reports(report.study, Scope(None))
    return kept.id


def paths_of(routes: Iterable[BaseRoute], root: str = "") -> Iterator[str]:
    for route in routes:
        if isinstance(route, Mount) and route.routes:
            yield from paths_of(route.routes, root + route.path)
        else:
            yield root + str(getattr(route, "path", route))


def served(bank: Bank) -> list[str]:
    """The path of every route."""
    return list(dict.fromkeys(paths_of(web_application(bank).routes)))


def naming_a_study(bank: Bank) -> list[str]:
    """Routes that name a study and give something of it; labels are only put on and taken off, corrections taken back,
    and reports released.
    """
    named = [path for path in served(bank) if "{study}" in path or path in BY_PARAMETERS]
    return [path for path in named if "{label}" not in path and not path.endswith(("/undo", "/release"))]
