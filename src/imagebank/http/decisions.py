"""`/api/v1`: consents (FHIR R4), care relationships, labels, and emergencies."""

from collections.abc import Callable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

import msgspec
import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import consent, emergency
from imagebank.errors import Invalid
from imagebank.http import fhir_consent
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import Patient, body_of, decoded, line, typed
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model.access import Principal
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Kind, Provision
from imagebank.model.uid import Uid

T = TypeVar("T")

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Care(msgspec.Struct, forbid_unknown_fields=True):
    """Who cares for a patient, until when."""

    patient: Patient
    principal: str = ""
    organization: str = ""
    until: datetime | None = None
    reason: str = ""


class Opening(msgspec.Struct, forbid_unknown_fields=True):
    """Whose record is opened in an emergency, and why: a patient's, or that of whom a study is."""

    reason: str
    patient: Patient | None = None
    study: str | None = None


class Review(msgspec.Struct, forbid_unknown_fields=True):
    """What came of looking at an emergency."""

    words: str


async def write_consent(request: Request) -> Response:
    """Write down a FHIR Consent; it is in force with the next read."""
    principal = await caller(request)
    resource = decoded(await body_of(request), orjson.loads)
    given = await _act(request, principal, consent.decide_together, fhir_consent.read(resource, bank_of(request).now()))
    name = consent.name_of(given[0])
    headers = {**_NO_STORE, "Location": f"{request.url.path.rstrip('/')}/{name}"}
    return JSONResponse(fhir_consent.write(name, given), 201, headers, fhir_consent.TYPE)


async def list_consents(request: Request) -> Response:
    """Consents about a patient's images, ended ones, too: `patient.identifier=ISSUER|ID`."""
    principal = await caller(request)
    patient = _patient_asked(request)
    found = await run_in_threadpool(consent.listed, bank_of(request), patient, principal, address_of(request))
    consents = [one for one in found if one.kind is Kind.CONSENT]
    entries = [{"resource": fhir_consent.write(name, given)} for name, given in by_name(consents)]
    bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
    return JSONResponse(bundle, 200, _NO_STORE, fhir_consent.TYPE)


def by_name(found: list[Provision]) -> list[tuple[str, list[Provision]]]:
    """Provisions that were decided together, oldest first."""
    ordered = sorted(found, key=lambda one: (one.starts_at, consent.name_of(one)))
    return [(name, list(given)) for name, given in groupby(ordered, consent.name_of)]


def _patient_asked(request: Request) -> PatientId:
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    values = [value for name, value in pairs if name == "patient.identifier"]
    if len(values) != 1 or len(pairs) != 1:
        raise Invalid("ask for one patient, and nothing else: patient.identifier=ISSUER|ID")
    issuer, bar, identifier = values[0].partition("|")
    if not bar:
        raise Invalid("name who gave the identifier, too: patient.identifier=ISSUER|ID")
    return PatientId(line(issuer, "the issuer"), line(identifier, "the identifier"))


async def read_consent(request: Request) -> Response:
    """One consent."""
    principal = await caller(request)
    name = request.path_params["consent"]
    given = await run_in_threadpool(consent.kept, bank_of(request), name, principal, address_of(request))
    return JSONResponse(fhir_consent.write(name, given), 200, _NO_STORE, fhir_consent.TYPE)


async def revoke_consent(request: Request) -> Response:
    """End a consent or a care relationship, from the next read on."""
    principal = await caller(request)
    await _act(request, principal, consent.revoke, request.path_params["consent"])
    return Response(status_code=204)


async def write_care(request: Request) -> Response:
    """Write down who cares for a patient."""
    principal = await caller(request)
    given = typed(await body_of(request), Care)
    if not (given.principal or given.organization):
        raise Invalid("name who cares for the patient: a principal, an organization, or both")
    if given.until is not None and given.until.tzinfo is None:
        raise Invalid("until: a time has its zone, such as 2026-12-31T23:59:59Z")
    now = bank_of(request).now()
    wanted = Provision(
        "",
        Kind.CARE,
        permits=True,
        patient=given.patient.id,
        starts_at=now,
        ends_at=given.until or FOR_EVER,
        organization=given.organization and line(given.organization, "organization"),
        principal=given.principal and line(given.principal, "principal"),
        reason=" ".join(given.reason.split()),
    )
    one = await _act(request, principal, consent.decide, wanted)
    until = None if one.ends_at == FOR_EVER else one.ends_at.isoformat()
    return JSONResponse({"id": one.id, "from": one.starts_at.isoformat(), "until": until}, 201, _NO_STORE)


async def put_label(request: Request) -> Response:
    """Put a label on a study, such as `sensitive`."""
    return await _label(request, consent.put_label)


async def remove_label(request: Request) -> Response:
    """Take a label off a study."""
    return await _label(request, consent.remove_label)


async def _label(request: Request, act: Callable[..., None]) -> Response:
    principal = await caller(request)
    await _act(request, principal, act, Uid.parse(request.path_params["study"]), request.path_params["label"])
    return Response(status_code=204)


async def open_emergency(request: Request) -> Response:
    """Open a record beyond the caller's rights, for a stated reason and a while."""
    principal = await caller(request)
    given = typed(await body_of(request), Opening)
    if (given.patient is None) == (given.study is None):
        raise Invalid("name a patient, or one of the studies")
    whose = given.patient.id if given.patient is not None else Uid.parse(given.study or "")
    bank, address = bank_of(request), address_of(request)
    # The same answer whether there is such a record or not.
    one = await run_in_threadpool(emergency.break_glass, bank, whose, given.reason, principal, address)
    return JSONResponse({"id": one.id, "until": one.ends_at.isoformat()}, 201, _NO_STORE)


async def list_emergencies(request: Request) -> Response:
    """Emergencies that nobody has reviewed yet, oldest first."""
    principal = await caller(request)
    found = await run_in_threadpool(emergency.unreviewed, bank_of(request), principal, address_of(request))
    return JSONResponse({"emergencies": [_emergency(one) for one in found]}, 200, _NO_STORE)


def _emergency(one: Provision) -> dict[str, Any]:
    return {
        "id": one.id,
        "by": one.by,
        "organization": one.organization,
        "patient": {"issuer": one.patient.issuer, "identifier": one.patient.identifier},
        "study": one.study or "",
        "reason": one.reason,
        "from": one.starts_at.isoformat(),
        "until": one.ends_at.isoformat(),
    }


async def review_emergency(request: Request) -> Response:
    """Note what came of looking at an emergency."""
    principal = await caller(request)
    words = typed(await body_of(request), Review).words
    await _act(request, principal, emergency.review, request.path_params["emergency"], words)
    return Response(status_code=204)


async def end_emergency(request: Request) -> Response:
    """Close a record before its time that the caller has opened in an emergency."""
    principal = await caller(request)
    await _act(request, principal, emergency.end, request.path_params["emergency"])
    return Response(status_code=204)


async def _act(request: Request, principal: Principal, action: Callable[..., T], *given: Any) -> T:
    """Call an action whose last parameters are who asks, and from where."""
    return await run_in_threadpool(action, bank_of(request), *given, principal, address_of(request))


_ROOT: Final = "/api/v1"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    f"{_ROOT}/consents": {"GET": list_consents, "POST": write_consent},
    f"{_ROOT}/consents/{{consent}}": {"GET": read_consent},
    f"{_ROOT}/consents/{{consent}}/revoke": {"POST": revoke_consent},
    f"{_ROOT}/care": {"POST": write_care},
    f"{_ROOT}/studies/{{study}}/labels/{{label}}": {"PUT": put_label, "DELETE": remove_label},
    f"{_ROOT}/emergencies": {"GET": list_emergencies, "POST": open_emergency},
    f"{_ROOT}/emergencies/{{emergency}}/end": {"POST": end_emergency},
    f"{_ROOT}/emergencies/{{emergency}}/review": {"POST": review_emergency},
}
"""What is done at each address, by method."""


def decision_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
