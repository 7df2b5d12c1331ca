"""`/fhir`, `/shl` and `/cds-services`: every address, and who answers there."""

from typing import Final

from starlette.routing import BaseRoute, Route

from imagebank.fhir import capabilities, detected_issues, documents, endpoints, imaging_studies, patients, reports
from imagebank.fhir.cds_hooks import cds_routes
from imagebank.fhir.edge import ROOT
from imagebank.fhir.health_links import health_link_routes
from imagebank.fhir.read import audit_events
from imagebank.fhir.statement import own_events
from imagebank.http.methods import METHODS

_FAMILIES: Final = (
    (patients, "record"),
    (imaging_studies, "study"),
    (endpoints, "endpoint"),
    (reports, "report"),
    (documents, "document"),
    (detected_issues, "issue"),
)


def fhir_routes() -> list[BaseRoute]:
    found: list[BaseRoute] = [
        Route(f"{ROOT}/metadata", capabilities.metadata, methods=["GET"]),
        Route(f"{ROOT}/.well-known/smart-configuration", capabilities.smart_configuration, methods=["GET"]),
        Route(f"{ROOT}/AuditEvent", audit_events, methods=["GET"]),
        Route(f"{ROOT}/AuditEvent/$statement", own_events, methods=["GET"]),
        Route(f"{ROOT}/Binary/{{binary}}", reports.read_binary, methods=["GET"]),
    ]
    for family, name in _FAMILIES:
        found += [
            Route(f"{ROOT}/{family.KIND}", family.find, methods=["GET"]),
            Route(f"{ROOT}/{family.KIND}/_search", family.find, methods=["POST"]),
            Route(f"{ROOT}/{family.KIND}/{{{name}}}", family.read, methods=["GET"]),
        ]
    found.append(Route(f"{ROOT}/{{rest:path}}", capabilities.nothing, methods=METHODS))
    return [*found, *health_link_routes(), *cds_routes()]
