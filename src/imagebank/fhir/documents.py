"""DocumentReference: documents of reports, and objects that are documents, with where each is got."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import reporting
from imagebank.actions.reporting import Document, Reported
from imagebank.bank import Bank
from imagebank.dicom.sop_class import DOCUMENT_TYPES
from imagebank.errors import NotFound
from imagebank.fhir import imaging_studies, patients, search
from imagebank.fhir.edge import as_json, for_programs, value_of
from imagebank.fhir.reports import CATEGORY, CODE, digest_of, id_of, reported
from imagebank.fhir.resources import Resource
from imagebank.fhir.search import Asked
from imagebank.fhir.values import UIDS, filled, instant_of, meta_of, moment_of, subject_of, text_of
from imagebank.http.auth import address_of, bank_of, origin_of
from imagebank.model.access import Principal, Right
from imagebank.model.outline import Wanted
from imagebank.model.uid import Uid

KIND: Final = "DocumentReference"
SEARCH: Final[Mapping[str, str]] = {
    **patients.OF_PATIENT,
    "related": "reference",
    "contenttype": "token",
    "status": "token",
}
_DOC_STATUSES: Final[Mapping[str, str]] = {"P": "preliminary", "R": "preliminary", "F": "final", "C": "amended"}


def of_report(one: Reported, origin: str) -> Iterator[Resource]:
    """A report's documents other than its texts, each by itself."""
    report, body = one.newest.report, one.newest.body
    for place, part in enumerate(() if body is None else body.parts):
        if part.kind != "text/plain":
            name = f"{id_of(one.name)}.{place}"
            attachment = filled(
                contentType=part.kind,
                url=f"{origin}/fhir/Binary/{name}",
                size=len(part.content),
                title=part.title.strip() or ("" if body is None else body.title.strip()),
            )
            yield filled(
                resourceType=KIND,
                id=name,
                meta={"lastUpdated": instant_of(report.received_at or report.event_at)},
                status="entered-in-error" if report.status == "X" else "current",
                docStatus=_DOC_STATUSES.get(report.status, ""),
                type=CODE,
                category=[CATEGORY],
                subject=subject_of(report.patient, one.record),
                date=instant_of(report.event_at),
                author=[{"display": body.author.strip()}] if body is not None and body.author.strip() else [],
                content=[{"attachment": attachment}],
                context={"related": [_study(study) for study in one.studies]},
            )


def of_object(one: Document, origin: str) -> Resource:
    """An object that is a document: as DICOM and, where a viewer may show it, as itself."""
    held, about = one.held, one.attributes
    series, uid, sop_class = (text_of(about, key) for key in ("0020000E", "00080018", "00080016"))
    address = f"{origin}/dicom-web/studies/{held.study}/series/{series}/instances/{uid}"
    title = filled(title=text_of(about, "0008103E") or text_of(about, "00081030"))
    made = moment_of(text_of(about, "00080023"), text_of(about, "00080033"), text_of(about, "00080201"))
    return filled(
        resourceType=KIND,
        id=uid,
        meta=meta_of(held.updated_at, held.patient),
        masterIdentifier={"system": UIDS, "value": f"urn:oid:{uid}"},
        status="current",
        type={"text": title.get("title", "Document")},
        subject=subject_of(held.patient, held.record),
        content=[
            {"attachment": {"contentType": DOCUMENT_TYPES[Uid(sop_class)], "url": f"{address}/rendered", **title}},
            {"attachment": {"contentType": "application/dicom", "url": address, **title}},
        ],
        context=filled(period=filled(start=made), related=[_study(held.study)]),
    )


def _study(uid: str) -> Resource:
    return {"reference": f"{imaging_studies.KIND}/{uid}"}


@for_programs
async def read(request: Request, principal: Principal) -> Response:
    bank, name, address = bank_of(request), request.path_params["document"], address_of(request)
    origin = origin_of(request)
    if name.replace(".", "").isdigit():
        found = await run_in_threadpool(reporting.document, bank, principal, Uid.parse(name), f"FHIR {KIND}", address)
        return as_json(of_object(found, origin))
    given = (bank, principal, digest_of(name.partition(".")[0]), f"FHIR {KIND}", address)
    for one in of_report(await run_in_threadpool(reporting.one, *given), origin):
        if one["id"] == name:
            return as_json(one)
    raise NotFound("there is no such document here")


@for_programs
async def find(request: Request, principal: Principal) -> Response:
    asked = await search.asked(request, SEARCH)
    found = await run_in_threadpool(_found, bank_of(request), principal, asked, address_of(request), origin_of(request))
    shown = [one for one in found if _fits(one, asked)]
    return search.answer(request, asked, KIND, shown[asked.skipped :])


def _found(bank: Bank, principal: Principal, asked: Asked, address: str, origin: str) -> Sequence[Resource]:
    whose = patients.require_somebody(patients.whose(bank, principal, asked))
    wanted = Wanted(whose, limit=reporting.MOST_STUDIES)
    objects = reporting.documents(bank, principal, wanted, asked.sought(KIND), address)
    reports = reported(bank, principal, asked, KIND, address) if Right.GET in principal.rights else []
    return [
        *(one for each in reports for one in of_report(each, origin)),
        *(of_object(each, origin) for each in objects),
    ]


def _fits(one: Resource, asked: Asked) -> bool:
    kinds = [value_of(text) for text in asked.each("contenttype")]
    statuses = [value_of(text) for text in asked.each("status")]
    related = {f"{imaging_studies.KIND}/{text.rpartition('/')[2]}" for text in asked.each("related")}
    return (
        (not kinds or any(each["attachment"]["contentType"] in kinds for each in one["content"]))
        and (not statuses or one["status"] in statuses)
        and (not related or any(each["reference"] in related for each in one["context"]["related"]))
    )
