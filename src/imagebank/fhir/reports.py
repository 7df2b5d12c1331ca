"""DiagnosticReport: a report in its newest version, with what it says; and its documents as Binary."""

from base64 import b32decode, b32encode, b64encode
from collections.abc import Iterator, Mapping
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import reporting
from imagebank.actions.reporting import Reported
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.fhir import imaging_studies, patients, search
from imagebank.fhir.dates import moments_of
from imagebank.fhir.edge import HEADERS, as_json, for_programs, value_of
from imagebank.fhir.resources import Resource, system_of
from imagebank.fhir.search import Asked
from imagebank.fhir.values import filled, instant_of, subject_of
from imagebank.http.auth import address_of, bank_of, origin_of
from imagebank.model.access import Principal
from imagebank.model.imaging import Digest
from imagebank.model.report import Part

KIND: Final = "DiagnosticReport"
SEARCH: Final[Mapping[str, str]] = {
    **patients.OF_PATIENT,
    "_id": "token",
    "identifier": "token",
    "status": "token",
    "issued": "date",
}
WAY: Final = f"FHIR {KIND}"
_ALGORITHM: Final = "blake3"
_BYTES: Final = 32
_STATUSES: Final[Mapping[str, str]] = {
    "P": "preliminary",
    "R": "preliminary",
    "F": "final",
    "C": "corrected",
    "A": "partial",
    "X": "cancelled",
}
_LOINC: Final = "http://loinc.org"
CODE: Final = {"coding": [{"system": _LOINC, "code": "18748-4", "display": "Diagnostic imaging study"}]}
CATEGORY: Final = {"coding": [{"system": _LOINC, "code": "LP29684-5", "display": "Radiology"}]}


def id_of(digest: Digest) -> str:
    """What a report is called: 52 characters that tell nothing of it, and stay when the index is rebuilt."""
    return b32encode(digest.value).decode().rstrip("=").lower()


def digest_of(name: str) -> Digest:
    """The digest of such a name. Raises NotFound for what is none."""
    try:
        value = b32decode(name.upper() + "=" * (-len(name) % 8)) if name.isascii() else b""
    except ValueError:
        value = b""
    if len(value) != _BYTES:
        raise NotFound("there is no such report here")
    return Digest(_ALGORITHM, value)


def status_of(one: Reported) -> str:
    """As FHIR's diagnostic-report-status has it."""
    return _STATUSES.get(one.newest.report.status, "unknown")


def diagnostic_report(one: Reported, origin: str, inlined: int = 0) -> Resource:
    """A report. Documents of at most `inlined` bytes stand in it themselves, and larger ones by their addresses."""
    report, body = one.newest.report, one.newest.body
    author = "" if body is None else body.author
    return filled(
        resourceType=KIND,
        id=id_of(one.name),
        meta={"versionId": str(one.versions), "lastUpdated": instant_of(report.received_at or report.event_at)},
        identifier=[{"system": system_of(report.organization), "value": report.number}] if report.number else [],
        status=status_of(one),
        category=[CATEGORY],
        code=CODE | filled(text="" if body is None else body.title.strip()),
        subject=subject_of(report.patient, one.record),
        issued=instant_of(report.event_at),
        resultsInterpreter=[{"display": author.strip()}] if author.strip() else [],
        imagingStudy=[{"reference": f"{imaging_studies.KIND}/{study}"} for study in one.studies],
        presentedForm=list(_forms(one, origin, inlined)),
    )


def _forms(one: Reported, origin: str, inlined: int) -> Iterator[Resource]:
    body = one.newest.body
    for place, part in enumerate(() if body is None else body.parts):
        if part.kind == "text/plain" or len(part.content) <= inlined:
            content = filled(data=b64encode(part.content).decode())
        else:
            content = {"url": f"{origin}/fhir/Binary/{id_of(one.name)}.{place}", "size": len(part.content)}
        yield {"contentType": _kind(part), **content, **filled(title=part.title.strip())}


def _kind(part: Part) -> str:
    return f"{part.kind}; charset=utf-8" if part.kind == "text/plain" else part.kind


@for_programs
async def read(request: Request, principal: Principal) -> Response:
    name = digest_of(request.path_params["report"])
    given = (bank_of(request), principal, name, WAY, address_of(request))
    return as_json(diagnostic_report(await run_in_threadpool(reporting.one, *given), origin_of(request)))


@for_programs
async def find(request: Request, principal: Principal) -> Response:
    asked = await search.asked(request, SEARCH)
    found = await run_in_threadpool(reported, bank_of(request), principal, asked, KIND, address_of(request))
    since, until = moments_of(asked.values.get("issued", ()))
    told = [diagnostic_report(one, origin_of(request)) for one in found if _fits(one, asked)]
    shown = [one for one in told if (since is None or one["issued"] >= instant_of(since))]
    shown = [one for one in shown if until is None or one["issued"] < instant_of(until)]
    return search.answer(request, asked, KIND, shown[asked.skipped :])


def _fits(one: Reported, asked: Asked) -> bool:
    number = [value_of(text) for text in asked.each("identifier")]
    status = [value_of(text) for text in asked.each("status")]
    name = asked.each("_id")
    return (
        (not number or one.newest.report.number in number)
        and (not status or status_of(one) in status)
        and (not name or id_of(one.name) in name)
    )


def reported(bank: Bank, principal: Principal, asked: Asked, kind: str, address: str) -> list[Reported]:
    """The reports of the persons that a search names. Raises Invalid where it names nobody, NotAllowed."""
    whose = patients.require_somebody(patients.whose(bank, principal, asked))
    return reporting.of_patients(bank, principal, whose, asked.sought(kind), f"FHIR {kind}", address)


@for_programs
async def read_binary(request: Request, principal: Principal) -> Response:
    """A part of a report: its bytes, or a Binary where the caller takes FHIR alone (R4 2.21.1)."""
    name, _, place = request.path_params["binary"].partition(".")
    if not (place.isascii() and place.isdigit() and len(place) < 4):
        raise NotFound("there is no such document here")
    given = (bank_of(request), principal, digest_of(name), int(place), "FHIR Binary", address_of(request))
    part = await run_in_threadpool(reporting.part, *given)
    if "fhir+json" in request.headers.get("accept", ""):
        content = b64encode(part.content).decode()
        return as_json({"resourceType": "Binary", "id": f"{name}.{place}", "contentType": _kind(part), "data": content})
    # Who made the document is nobody of ours: it is for a program of its own, and can do nothing on our pages.
    apart = {"Content-Disposition": "attachment", "Content-Security-Policy": "sandbox"}
    return Response(part.content, headers={**HEADERS, **apart}, media_type=_kind(part))
