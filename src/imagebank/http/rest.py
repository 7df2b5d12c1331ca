"""All of `/api/v1`: the routes of its groups, and what the OpenAPI document says of them."""

from collections.abc import Callable
from typing import Any, Final

from starlette.routing import BaseRoute

from imagebank.http.accounts import account_routes
from imagebank.http.accounts_described import account_paths
from imagebank.http.api import api_routes
from imagebank.http.archives import archive_paths, archive_routes
from imagebank.http.attributes import attribute_routes
from imagebank.http.attributes_described import attribute_paths
from imagebank.http.cards import card_routes
from imagebank.http.cards_described import card_paths
from imagebank.http.completeness import completeness_paths, completeness_routes
from imagebank.http.corrections import correction_routes
from imagebank.http.corrections_described import correction_paths
from imagebank.http.decisions import decision_routes
from imagebank.http.decisions_described import decision_paths
from imagebank.http.doses import dose_paths, dose_routes
from imagebank.http.exports import export_routes
from imagebank.http.exports_described import export_paths
from imagebank.http.fetches import fetch_paths, fetch_routes
from imagebank.http.health_links import health_link_api_routes, health_link_paths
from imagebank.http.metrics import metrics_paths, metrics_routes
from imagebank.http.notices import notice_paths, notice_routes
from imagebank.http.persons import person_routes
from imagebank.http.persons_described import person_paths
from imagebank.http.pictures import picture_paths, picture_routes
from imagebank.http.priors import priors_paths, priors_routes
from imagebank.http.queue import queue_routes
from imagebank.http.queue_described import queue_paths
from imagebank.http.repeat_check import repeat_paths, repeat_routes
from imagebank.http.repeat_report import brought_paths, brought_routes
from imagebank.http.reports import report_paths, report_routes
from imagebank.http.requests import request_paths, request_routes
from imagebank.http.rules import rule_routes
from imagebank.http.rules_described import rule_paths
from imagebank.http.statement import statement_routes
from imagebank.http.statement_described import statement_paths
from imagebank.http.timeline import timeline_paths, timeline_routes
from imagebank.http.transfers import transfer_paths, transfer_routes
from imagebank.http.uploads import upload_routes
from imagebank.http.uploads_described import upload_paths

_ROUTES: Final[tuple[Callable[[], list[BaseRoute]], ...]] = (
    api_routes,
    decision_routes,
    upload_routes,
    person_routes,
    report_routes,
    completeness_routes,
    attribute_routes,
    timeline_routes,
    priors_routes,
    repeat_routes,
    brought_routes,
    dose_routes,
    correction_routes,
    rule_routes,
    picture_routes,
    queue_routes,
    export_routes,
    notice_routes,
    account_routes,
    statement_routes,
    health_link_api_routes,
    transfer_routes,
    request_routes,
    fetch_routes,
    archive_routes,
    card_routes,
    metrics_routes,
)
_PATHS: Final[tuple[Callable[[], dict[str, Any]], ...]] = (
    decision_paths,
    upload_paths,
    person_paths,
    report_paths,
    completeness_paths,
    attribute_paths,
    timeline_paths,
    priors_paths,
    repeat_paths,
    brought_paths,
    dose_paths,
    correction_paths,
    rule_paths,
    picture_paths,
    queue_paths,
    export_paths,
    notice_paths,
    account_paths,
    statement_paths,
    health_link_paths,
    transfer_paths,
    request_paths,
    fetch_paths,
    archive_paths,
    card_paths,
    metrics_paths,
)


def rest_routes() -> list[BaseRoute]:
    return [route for of_group in _ROUTES for route in of_group()]


def rest_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document, but for those that are described where they stand."""
    return {path: told for of_group in _PATHS for path, told in of_group().items()}
