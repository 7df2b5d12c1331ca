"""`/fhir/metadata`: what is offered, told from the tables that the server itself uses."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from imagebank import __version__
from imagebank.fhir import detected_issues, documents, endpoints, imaging_studies, patients, read, reports
from imagebank.fhir.edge import ROOT, as_json
from imagebank.fhir.resources import Resource, operation_outcome
from imagebank.http.auth import origin_of

_SECURITY: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_READ: Final = ("read", "search-type")
RESOURCES: Final[Mapping[str, tuple[tuple[str, ...], Mapping[str, str], frozenset[str]]]] = {
    "AuditEvent": (("search-type",), read.SEARCH, frozenset()),
    "Binary": (("read",), {}, frozenset()),
    detected_issues.KIND: (_READ, detected_issues.SEARCH, frozenset()),
    reports.KIND: (_READ, reports.SEARCH, frozenset()),
    documents.KIND: (_READ, documents.SEARCH, frozenset()),
    endpoints.KIND: (_READ, endpoints.SEARCH, frozenset()),
    imaging_studies.KIND: (_READ, imaging_studies.SEARCH, imaging_studies.INCLUDES),
    patients.KIND: (_READ, patients.SEARCH, frozenset()),
}
"""Interactions, search parameters with their types, and what may be included, of each resource."""


def statement(origin: str) -> Resource:
    """The CapabilityStatement. It names nobody and nothing that is held."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-01",
        "kind": "instance",
        "software": {"name": "Imagebank", "version": __version__},
        "implementation": {"description": "Imagebank", "url": origin + ROOT},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {
                    "cors": False,
                    "service": [{"coding": [{"system": _SECURITY, "code": "OAuth"}]}],
                    "description": "A bearer token of this bank; it shows what its holder may see.",
                },
                "resource": [_resource(kind, *told) for kind, told in sorted(RESOURCES.items())],
            }
        ],
    }


def _resource(
    kind: str, interactions: tuple[str, ...], parameters: Mapping[str, str], includes: frozenset[str]
) -> Resource:
    searched: dict[str, Any] = {}
    if parameters:
        searched["searchParam"] = [
            {"name": name, "type": of} for name, of in sorted(parameters.items()) if "." not in name
        ]
    if includes:
        searched["searchInclude"] = sorted(includes)
    return {"type": kind, "interaction": [{"code": one} for one in interactions], **searched}


async def metadata(request: Request) -> Response:
    """What is offered here, for anybody: it is needed before a program has a token (R4 3.1.0.1.2)."""
    return as_json(statement(origin_of(request)))


async def smart_configuration(request: Request) -> Response:
    """How programs get a token, and that images are there by the same one (SMART App Launch 2.2, Imaging Access)."""
    origin = origin_of(request)
    return JSONResponse(
        {
            "token_endpoint": f"{origin}/api/v1/token",
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "grant_types_supported": ["client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "capabilities": ["client-confidential-asymmetric", "smart-imaging-access"],
        }
    )


async def nothing(request: Request) -> Response:
    """What is not offered under this root, in FHIR's words: nobody else's page answers a program here."""
    if request.method in ("GET", "HEAD"):
        return as_json(operation_outcome("not-found", "there is no such resource here"), HTTPStatus.NOT_FOUND)
    words = f"{request.method} is not offered here"
    return as_json(operation_outcome("not-supported", words), HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
