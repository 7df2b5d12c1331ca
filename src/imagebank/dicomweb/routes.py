"""DICOMweb under `/dicom-web`, WADO-URI under `/wado`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from imagebank.dicomweb import (
    bulkdata,
    capabilities,
    delete,
    frames,
    metadata,
    qido,
    rendered,
    stow,
    wado,
    wado_uri,
    workitems,
)
from imagebank.dicomweb.edge import Call, endpoint
from imagebank.dicomweb.resources import RESOURCES, WADO_URI, Resource
from imagebank.dicomweb.tables import ROOT
from imagebank.http.methods import METHODS, by_method
from imagebank.http.routing import Table

_STUDY: Final = "/studies/{study}"
_SERIES: Final = f"{_STUDY}/series/{{series}}"
_INSTANCE: Final = f"{_SERIES}/instances/{{instance}}"
_WORKITEM: Final = "/workitems/{workitem}"
_FRAMES: Final = f"{_INSTANCE}/frames/{{frames}}"

_ROOT_WORDS: Final = f"; this is DICOMweb's root for programs: {ROOT}/studies lists studies, and OPTIONS says what else"

Transaction = Callable[[Call], Awaitable[Response]]

TRANSACTIONS: Final[Mapping[tuple[str, str], Transaction]] = {
    ("OPTIONS", "/"): capabilities.describe,
    ("GET", "/studies"): qido.search_studies,
    ("GET", "/series"): qido.search_series,
    ("GET", "/instances"): qido.search_instances,
    ("GET", f"{_STUDY}/series"): qido.search_series,
    ("GET", f"{_STUDY}/instances"): qido.search_instances,
    ("GET", f"{_SERIES}/instances"): qido.search_instances,
    ("POST", "/studies"): stow.store,
    ("POST", _STUDY): stow.store,
    **{("GET", path): wado.retrieve_instances for path in (_STUDY, _SERIES, _INSTANCE)},
    **{("DELETE", path): delete.delete for path in (_STUDY, _SERIES, _INSTANCE)},
    **{("GET", f"{path}/metadata"): metadata.retrieve_metadata for path in (_STUDY, _SERIES, _INSTANCE)},
    **{("GET", f"{path}/rendered"): rendered.retrieve_rendered for path in (_STUDY, _SERIES, _INSTANCE, _FRAMES)},
    **{("GET", f"{path}/thumbnail"): rendered.retrieve_thumbnail for path in (_STUDY, _SERIES, _INSTANCE, _FRAMES)},
    ("GET", _FRAMES): frames.retrieve_frames,
    ("GET", f"{_INSTANCE}/bulkdata/{{path:path}}"): bulkdata.retrieve_bulkdata,
    ("GET", "/workitems"): workitems.search,
    ("GET", _WORKITEM): workitems.retrieve,
    ("POST", _WORKITEM): workitems.update,
    ("PUT", f"{_WORKITEM}/state"): workitems.change_state,
    ("POST", f"{_WORKITEM}/cancelrequest"): workitems.ask_to_cancel,
    ("GET", "/wado"): wado_uri.retrieve_by_uri,
}
"""What is done at each resource of `resources.RESOURCES`."""


def dicomweb_routes() -> list[BaseRoute]:
    """The routes of this edge, for the root of the web application."""
    return [Mount(ROOT, Table([_route(resource) for resource in RESOURCES])), _route(WADO_URI)]


def _route(resource: Resource) -> Route:
    endpoints = {method: endpoint(TRANSACTIONS[method, resource.path]) for method in resource.methods}
    return Route(resource.path, by_method(endpoints, _ROOT_WORDS if resource.path == "/" else ""), methods=METHODS)
