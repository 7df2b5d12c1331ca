"""What this service offers, for machines: WADL and JSON (PS3.18 8.9), and the paths of the OpenAPI document."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from starlette.responses import JSONResponse, Response

from imagebank.dicomweb.accept import Offer
from imagebank.dicomweb.edge import Call
from imagebank.dicomweb.resources import RESOURCES, WADO_URI, Method, Resource
from imagebank.dicomweb.tables import ROOT
from imagebank.model.uid import MAX_LENGTH

WADL: Final = "application/vnd.sun.wadl+xml"
_NOT_OFFERED: Final = (
    "application/dicom+xml is neither taken (415) nor given (406); send and ask for application/dicom+json."
)


async def describe(call: Call) -> Response:
    """The Capabilities Description."""
    offers = [Offer(WADL), *(Offer(name, is_usual=False) for name in ("application/xml", "application/json"))]
    offers.append(Offer("application/dicom+json", is_usual=False))
    kind = call.prefers.require(offers).name
    allow = {"Allow": "GET, HEAD, OPTIONS", "Vary": "Accept"}
    if kind.endswith("json"):
        return JSONResponse(as_json(call.base), headers=allow)
    return Response(as_wadl(call.base), 200, allow, kind)


def as_json(base: str) -> dict[str, Any]:
    """The same as the WADL, in JSON."""
    return {
        "base": base,
        "notes": [_NOT_OFFERED],
        "resources": [
            {
                "path": plain_path(resource.path),
                "methods": [
                    {
                        "name": name,
                        "summary": method.summary,
                        "parameters": list(method.parameters),
                        "takes": list(method.takes),
                        "gives": list(method.gives),
                        "statuses": {str(code): text for code, text in method.meanings.items()},
                    }
                    for name, method in resource.methods.items()
                ],
            }
            for resource in RESOURCES
        ],
    }


def as_wadl(base: str) -> str:
    """The Web Application Description Language document."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<application xmlns="http://wadl.dev.java.net/2009/02">',
        f"<doc title={quoteattr('Imagebank DICOMweb')}>{_NOT_OFFERED}</doc>",
        f"<resources base={quoteattr(base)}>",
    ]
    for resource in RESOURCES:
        lines.append(f"<resource path={quoteattr(plain_path(resource.path).lstrip('/'))}>")
        lines += [
            f'<param name={quoteattr(name)} style="template" required="true"/>' for name in _path_names(resource.path)
        ]
        for name, method in resource.methods.items():
            lines += _wadl_method(name, method)
        lines.append("</resource>")
    return "\n".join([*lines, "</resources>", "</application>", ""])


def _wadl_method(name: str, method: Method) -> Iterator[str]:
    yield f"<method name={quoteattr(name)} id={quoteattr(method.summary)}>"
    yield "<request>"
    for parameter in method.parameters:
        yield f'<param name={quoteattr(parameter)} style="query"/>'
    for media in method.takes:
        yield f"<representation mediaType={quoteattr(media)}/>"
    yield "</request>"
    for code in method.meanings:
        given = "".join(f"<representation mediaType={quoteattr(media)}/>" for media in method.gives)
        yield f'<response status="{code}">{given if code in (200, 206) else ""}</response>'
    yield "</method>"


_TEXT: Final = {"type": "string"}
_UID: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": MAX_LENGTH}
_COUNT: Final = {"type": "integer", "minimum": 0}
_REQUIRED: Final = frozenset({"requestType", "studyUID", "seriesUID", "objectUID"})
_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    **dict.fromkeys(("study", "series", "instance", "studyUID", "seriesUID", "objectUID"), _UID),
    **dict.fromkeys(("limit", "offset"), _COUNT),
    "frames": {"type": "string", "pattern": "^[1-9][0-9]{0,5}(,[1-9][0-9]{0,5})*$"},
    "fuzzymatching": {"type": "string", "enum": ["true", "false"]},
    "quality": {"type": "integer", "minimum": 1, "maximum": 100},
    "requestType": {"type": "string", "enum": ["WADO"]},
}
"""What a parameter has to be like, where it is not any text."""


def openapi_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI 3.1 document for everything under `/dicom-web`, and `/wado`."""
    found = {ROOT + plain_path(resource.path): _openapi(resource) for resource in RESOURCES}
    return {**found, WADO_URI.path: _openapi(WADO_URI)}


def _openapi(resource: Resource) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if names := _path_names(resource.path):
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": _SCHEMAS.get(name, _TEXT)} for name in names
        ]
    for name, method in resource.methods.items():
        described[name.lower()] = _operation(name, resource, method)
    return described


def _operation(name: str, resource: Resource, method: Method) -> Mapping[str, Any]:
    words = [part.strip("{}") for part in plain_path(resource.path).split("/") if part]
    operation: dict[str, Any] = {
        "operationId": "_".join([name.lower(), "dicomweb", *words]),
        "summary": method.summary,
        "tags": ["DICOMweb"],
        "parameters": [
            {"name": one, "in": "query", "required": one in _REQUIRED, "schema": _SCHEMAS.get(one, _TEXT)}
            for one in method.parameters
            if "{" not in one
        ],
        "responses": {
            str(code): {
                "description": text,
                **({"content": _content(method.gives)} if code in (200, 206) and method.gives else {}),
            }
            for code, text in method.meanings.items()
        },
    }
    if method.takes:
        operation["requestBody"] = {"required": True, "content": _content(method.takes)}
    return operation


def _content(media: tuple[str, ...]) -> dict[str, Any]:
    # OpenAPI knows a media type once, with its parameters left out.
    return {name: {"schema": {}} for name in dict.fromkeys(one.partition(";")[0] for one in media)}


def plain_path(path: str) -> str:
    """A path without the router's own marks."""
    return path.replace("{path:path}", "{path}")


def _path_names(path: str) -> list[str]:
    return [part.strip("{}") for part in plain_path(path).split("/") if part.startswith("{")]
