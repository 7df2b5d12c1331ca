"""ImagingStudy: a study with its series and, where they are few, its instances; as SMART Imaging Access asks for it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import outlining
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.fhir import endpoints, patients, search
from imagebank.fhir.dates import days_of, moments_of
from imagebank.fhir.edge import as_json, for_programs, value_of
from imagebank.fhir.resources import Resource, system_of
from imagebank.fhir.search import Asked
from imagebank.fhir.values import (
    UIDS,
    filled,
    meta_of,
    modality,
    moment_of,
    number_of,
    subject_of,
    text_of,
    texts_of,
)
from imagebank.http.auth import address_of, bank_of, origin_of
from imagebank.model.access import Principal
from imagebank.model.identity import Linked
from imagebank.model.imaging import DataSet
from imagebank.model.outline import Outline, Wanted
from imagebank.model.uid import Uid

KIND: Final = "ImagingStudy"
SEARCH: Final[Mapping[str, str]] = {
    **patients.OF_PATIENT,
    "_id": "token",
    "identifier": "token",
    "started": "date",
    "modality": "token",
    "_lastUpdated": "date",
    "status": "token",
}
INCLUDES: Final = frozenset({"ImagingStudy:endpoint", "ImagingStudy:patient", "ImagingStudy:subject"})
_WAY: Final = "FHIR"
_IDENTIFIERS: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_SNOMED: Final = "http://snomed.info/sct"
_SIDES: Final = {"L": ("7771000", "Left"), "R": ("24028007", "Right"), "B": ("51440002", "Bilateral")}
_ENDPOINT: Final = {"reference": f"{endpoints.KIND}/{endpoints.NAME}"}


def imaging_study(outline: Outline) -> Resource:
    """Its id is the Study Instance UID. Instances are left out where there are many: DICOMweb tells them."""
    held, study = outline.held, outline.study
    by_series: dict[str, list[DataSet]] = {}
    for one in outline.instances:
        by_series.setdefault(text_of(one, "0020000E"), []).append(one)
    return filled(
        resourceType=KIND,
        id=held.study,
        meta=meta_of(held.updated_at, held.patient),
        identifier=[{"system": UIDS, "value": f"urn:oid:{held.study}"}, *_accession(outline)],
        status="available",
        modality=[modality(code) for code in texts_of(study, "00080061")],
        subject=subject_of(held.patient, held.record),
        started=moment_of(text_of(study, "00080020"), text_of(study, "00080030"), text_of(study, "00080201")),
        referrer=filled(display=text_of(study, "00080090")),
        interpreter=[filled(display=text) for text in texts_of(study, "00081060")],
        endpoint=[_ENDPOINT],
        numberOfSeries=number_of(study, "00201206"),
        numberOfInstances=number_of(study, "00201208"),
        description=text_of(study, "00081030"),
        series=[_series(one, by_series.get(text_of(one, "0020000E"), ())) for one in outline.series],
    )


def _accession(outline: Outline) -> Iterator[Resource]:
    """The accession number, in the name of the organization whose study it is."""
    number = text_of(outline.study, "00080050")
    if number:
        kind = {"coding": [{"system": _IDENTIFIERS, "code": "ACSN"}]}
        yield {"type": kind, "system": system_of(outline.held.organization), "value": number}


def _series(series: DataSet, instances: Sequence[DataSet]) -> Resource:
    side = _SIDES.get(text_of(series, "00200060"))
    return filled(
        uid=text_of(series, "0020000E"),
        number=number_of(series, "00200011"),
        # R4 requires it, and DICOM too; OT is what is neither this nor that.
        modality=modality(text_of(series, "00080060") or "OT"),
        description=text_of(series, "0008103E"),
        numberOfInstances=number_of(series, "00201209"),
        endpoint=[_ENDPOINT],
        bodySite=filled(display=text_of(series, "00180015")),
        laterality={"system": _SNOMED, "code": side[0], "display": side[1]} if side else {},
        started=moment_of(text_of(series, "00080021"), text_of(series, "00080031"), text_of(series, "00080201")),
        performer=[{"actor": filled(display=text)} for text in texts_of(series, "00081050")],
        instance=[
            filled(
                uid=text_of(one, "00080018"),
                sopClass={"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{text_of(one, '00080016')}"},
                number=number_of(one, "00200013"),
            )
            for one in instances
        ],
    )


@for_programs
async def read(request: Request, principal: Principal) -> Response:
    uid = Uid.parse(request.path_params["study"])
    found = await run_in_threadpool(
        outlining.study, bank_of(request), principal, uid, f"{_WAY} {KIND}", address_of(request)
    )
    return as_json(imaging_study(found))


@for_programs
async def find(request: Request, principal: Principal) -> Response:
    asked = await search.asked(request, SEARCH, INCLUDES)
    bank, address = bank_of(request), address_of(request)
    found, others = await run_in_threadpool(_found, bank, principal, asked, address)
    included = [patients.patient(*one) for one in others]
    if found and "ImagingStudy:endpoint" in asked.includes:
        included.append(endpoints.endpoint(origin_of(request)))
    return search.answer(request, asked, KIND, [imaging_study(one) for one in found], included)


def _found(
    bank: Bank, principal: Principal, asked: Asked, address: str
) -> tuple[list[Outline], list[tuple[Linked, tuple[Linked, ...]]]]:
    wanted = wanted_of(bank, principal, asked)
    found = outlining.studies(bank, principal, wanted, asked.sought(KIND), address) if wanted is not None else []
    if not asked.includes & {"ImagingStudy:patient", "ImagingStudy:subject"}:
        return found, []
    whose = dict.fromkeys(one.held.patient for one in found[: asked.count] if one.held.record)
    known = (outlining.record_of(bank, principal, patient) for patient in whose)
    return found, [one for one in known if one is not None]


def wanted_of(bank: Bank, principal: Principal, asked: Asked) -> Wanted | None:
    """Which studies a search wants; None where there can be none. Raises Invalid."""
    uids, accessions = _identifiers(asked.each("identifier"))
    uids += [Uid.parse(text) for text in asked.each("_id")]
    statuses = [value_of(text) for text in asked.each("status")]
    if statuses and "available" not in statuses:
        return None
    since, until = days_of(asked.values.get("started", ()))
    updated_since, updated_before = moments_of(asked.values.get("_lastUpdated", ()))
    return Wanted(
        patients.whose(bank, principal, asked),
        tuple(uids),
        tuple(accessions),
        tuple(value_of(text) for text in asked.each("modality")),
        since,
        until,
        updated_since,
        updated_before,
        limit=asked.count + 1,
        offset=asked.skipped,
    )


def _identifiers(tokens: Sequence[str]) -> tuple[list[Uid], list[str]]:
    """Study Instance UIDs, and accession numbers. Raises Invalid for a mixture: both would have to hold."""
    uids, accessions = [], []
    for token in tokens:
        value = value_of(token)
        if value.startswith("urn:oid:") or token.startswith(f"{UIDS}|"):
            uids.append(Uid.parse(value.removeprefix("urn:oid:")))
        else:
            accessions.append(value)
    if uids and accessions:
        raise Invalid("ask for Study Instance UIDs, or for accession numbers")
    return uids, accessions
