"""Endpoint: where the images of every study are retrieved, by DICOMweb and with the caller's own token."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from imagebank.errors import NotFound
from imagebank.fhir import search
from imagebank.fhir.edge import as_json, for_programs, value_of
from imagebank.fhir.resources import Resource
from imagebank.http.auth import origin_of
from imagebank.model.access import Principal

KIND: Final = "Endpoint"
NAME: Final = "dicom-web"
"""The id of the one that there is."""
SEARCH: Final[Mapping[str, str]] = {"_id": "token", "connection-type": "token", "status": "token"}
_REQUIRES: Final = "http://hl7.org/fhir/smart-app-launch/StructureDefinition/requires-access-token"
_CONNECTIONS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
_PAYLOADS: Final = "http://terminology.hl7.org/CodeSystem/endpoint-payload-type"
_WADO: Final = "dicom-wado-rs"


def endpoint(origin: str, token: str = "") -> Resource:
    """As SMART Imaging Access asks for it: the address is the root, without `/studies`.

    With a token it says by which header field the images are got: for who has no other way to learn it.
    """
    header = {"header": [f"Authorization: Bearer {token}"]} if token else {}
    return {
        "resourceType": KIND,
        "id": NAME,
        "extension": [{"url": _REQUIRES, "valueBoolean": True}],
        "status": "active",
        "connectionType": {"system": _CONNECTIONS, "code": _WADO},
        "name": "DICOMweb of this bank",
        "payloadType": [{"coding": [{"system": _PAYLOADS, "code": "any"}]}],
        "payloadMimeType": ["application/dicom"],
        "address": f"{origin}/dicom-web",
        **header,
    }


@for_programs
async def read(request: Request, principal: Principal) -> Response:  # noqa: ARG001 - it is the same for everybody
    if request.path_params["endpoint"] != NAME:
        raise NotFound("there is no such endpoint here")
    return as_json(endpoint(origin_of(request)))


@for_programs
async def find(request: Request, principal: Principal) -> Response:  # noqa: ARG001 - the same
    asked = await search.asked(request, SEARCH)
    has = {"_id": NAME, "connection-type": _WADO, "status": "active"}
    fits = all(has[name] in map(value_of, asked.each(name)) for name in asked.values)
    return search.answer(request, asked, KIND, [endpoint(origin_of(request))] if fits and not asked.skipped else [])
