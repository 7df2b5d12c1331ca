"""What this service offers, for machines: WADL and JSON (PS3.18 8.9), and the paths of the OpenAPI document."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from starlette.responses import JSONResponse, Response

from imagebank.dicomweb.accept import Offer
from imagebank.dicomweb.edge import Call
from imagebank.dicomweb.resources import RESOURCES, WADO_URI, Method, Resource
from imagebank.dicomweb.tables import JSON, ROOT
from imagebank.http.openapi import answer
from imagebank.model.declared import Declared, State
from imagebank.model.uid import BORNE_LENGTH

WADL: Final = "application/vnd.sun.wadl+xml"
_NOT_OFFERED: Final = (
    "application/dicom+xml is neither taken (415) nor given (406); send and ask for application/dicom+json."
)


async def describe(call: Call) -> Response:
    """The Capabilities Description."""
    offers = [Offer(WADL), *(Offer(name, is_usual=False) for name in ("application/xml", "application/json"))]
    offers.append(Offer("application/dicom+json", is_usual=False))
    kind = call.prefers.require(offers).name
    headers = {"Allow": "OPTIONS", "Vary": "Accept"}
    declared = await call.quickly(call.bank.index.searchable.declared)
    if kind.endswith("json"):
        own = [one for one in declared if one.state is not State.GOING]
        return JSONResponse(as_json(call.base) | {"attributes": [*map(_as_json, own)]}, headers=headers)
    return Response(as_wadl(call.base), 200, headers, kind)


def _as_json(one: Declared) -> dict[str, Any]:
    """An attribute that the site has made searchable; whether it is known of what was deposited before, too."""
    held = one.attribute
    level, is_whole = held.level.name.lower(), one.state is State.WHOLE
    return {"path": one.written, "name": held.keyword, "vr": held.vr, "level": level, "is_whole": is_whole}


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


_SIDE: Final = "([1-9][0-9]{0,2}|[1-7][0-9]{3}|80[0-9]{2}|81[0-8][0-9]|819[0-2])"
_DECIMAL: Final = r"-?[0-9]{1,9}(\.[0-9]{1,6})?"
_WIDTH: Final = r"[1-9][0-9]{0,8}(\.[0-9]{1,6})?"
_FRAME: Final = "[1-9][0-9]{0,5}"
_TEXT: Final = {"type": "string", "pattern": r"^[^\u0000-\u001f]*$"}
_DOTTED: Final = r"[0-9]+(\.[0-9]+)*"
_UID: Final = {"type": "string", "pattern": f"^{_DOTTED}$", "maxLength": BORNE_LENGTH}
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
_PERCENT: Final = {"type": "integer", "minimum": 1, "maximum": 100}
_PIXELS: Final = {"type": "integer", "minimum": 1, "maximum": 8192}


def _form(pattern: str) -> dict[str, Any]:
    """Text of a form, or empty, which is the same as not given."""
    return {"type": "string", "pattern": f"^({pattern})?$"}


_COUNT_IF_ANY: Final = {"anyOf": [_COUNT, {"type": "string", "maxLength": 0}]}
_REQUIRED: Final = frozenset({"requestType", "studyUID", "seriesUID", "objectUID"})
_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    **dict.fromkeys(("study", "series", "instance", "workitem", "studyUID", "seriesUID", "objectUID"), _UID),
    **dict.fromkeys(("limit", "offset"), _COUNT_IF_ANY),
    **dict.fromkeys(("quality", "imageQuality"), _PERCENT),
    **dict.fromkeys(("rows", "columns"), _PIXELS),
    # With commas between them, as a list in a path is (OpenAPI 3.1, style `simple`); no number twice, by PS3.18 10.4.1.1.6.
    "frames": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 999_999},
        "minItems": 1,
        "uniqueItems": True,
    },
    "frameNumber": {"type": "integer", "minimum": 1, "maximum": 10_000_000},
    "fuzzymatching": {"type": "string", "enum": ["true", "false"]},
    "requestType": {"type": "string", "enum": ["WADO"]},
    "transferSyntax": _form(_DOTTED) | {"maxLength": BORNE_LENGTH},
    "viewport": _form(f"{_SIDE},{_SIDE}(,[0-9]{{0,4}},[0-9]{{0,4}}(,-?[1-9][0-9]{{0,3}},-?[1-9][0-9]{{0,3}})?)?"),
    "windowCenter": {"type": "number", "minimum": -1e9, "maximum": 1e9},
    "windowWidth": {"type": "number", "minimum": 1, "maximum": 1e9},
    "window": _form(f"{_DECIMAL},{_WIDTH},(linear|linear-exact|sigmoid)"),
}
"""What a parameter has to be like, where it is not any text."""
_OF_ONE_FRAME: Final[Mapping[str, Mapping[str, Any]]] = {
    "frames": {"type": "string", "pattern": f"^{_FRAME}$"},
    "viewport": _form(f"{_SIDE},{_SIDE}"),
}
"""The same for thumbnails."""
_CONDITIONS: Final[Mapping[int, str]] = {304: "If-None-Match", 416: "Range"}
"""The header field that leads to a status."""

_FOUND: Final[Mapping[str, str]] = {
    "study": "$response.body#/0/0020000D/Value/0",
    "series": "$response.body#/0/0020000E/Value/0",
    "instance": "$response.body#/0/00080018/Value/0",
}
"""Where the first match of a search says what it is."""
_FOUND_AT: Final[Mapping[str, str]] = {
    "studies": "/studies/{study}",
    "series": "/studies/{study}/series/{series}",
    "instances": "/studies/{study}/series/{series}/instances/{instance}",
}
"""Where a match is retrieved, by the last word of the search's path."""


def openapi_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI 3.1 document for everything under `/dicom-web`, and `/wado`."""
    found = {ROOT + plain_path(resource.path): _openapi(resource) for resource in RESOURCES}
    return {**found, WADO_URI.path: _openapi(WADO_URI)}


def _openapi(resource: Resource) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if names := _path_names(resource.path):
        described["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": _schema(name, resource)} for name in names
        ]
    for name, method in resource.methods.items():
        described[name.lower()] = _operation(name, resource, method)
    return described


def _schema(name: str, resource: Resource) -> Mapping[str, Any]:
    special = _OF_ONE_FRAME if resource.path.endswith("/thumbnail") else {}
    return special.get(name) or _SCHEMAS.get(name, _TEXT)


def _operation_id(name: str, path: str) -> str:
    words = [part.strip("{}") for part in plain_path(path).split("/") if part]
    return "_".join([name.lower(), "dicomweb", *words])


def _operation(name: str, resource: Resource, method: Method) -> Mapping[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(name, resource.path),
        "summary": method.summary,
        "tags": ["DICOMweb"],
        "parameters": [
            *(
                {"name": one, "in": "query", "required": one in _REQUIRED, "schema": _schema(one, resource)}
                for one in method.parameters
                if "{" not in one
            ),
            *(
                {"name": field, "in": "header", "schema": {"type": "string"}}
                for code, field in _CONDITIONS.items()
                if code in method.statuses
            ),
        ],
        "responses": {
            str(code): answer(code, text, _body(method, code)) | _linked(name, resource, code)
            for code, text in method.meanings.items()
        },
    }
    if method.takes:
        operation["requestBody"] = {"required": method.is_required, "content": _content(method.takes)}
    return operation


def _body(method: Method, code: int) -> dict[str, Any] | None:
    """What an answer holds; None for the usual of its status."""
    if method.is_store and code in (200, 202, 409):
        return {JSON: {"schema": {"$ref": "#/components/schemas/DataSet"}}}
    if code not in (200, 206) or not method.gives:
        return None
    pieces = ("multipart/byteranges",) if code == 206 and 416 in method.statuses else ()
    return _content((*method.gives, *pieces))


def _content(media: tuple[str, ...]) -> dict[str, Any]:
    # OpenAPI knows a media type once, with its parameters left out.
    names = dict.fromkeys(one.partition(";")[0] for one in media)
    data_sets = {"type": "array", "items": {"$ref": "#/components/schemas/DataSet"}}
    return {name: {"schema": data_sets if name == JSON else {}} for name in names}


def _linked(name: str, resource: Resource, code: int) -> dict[str, Any]:
    """What can be asked next: about the first match of a search, about the study that was stored into."""
    if code != 200:
        return {}
    stored = {_FOUND_AT["studies"]} & {resource.path} if name == "POST" else set()
    target = next(iter(stored), _FOUND_AT.get(resource.path.rpartition("/")[2], "") if name == "GET" else "")
    own = _path_names(resource.path)
    given = {one: f"$request.path.{one}" if one in own else _FOUND[one] for one in _path_names(target)}
    operations = [("GET", f"{target}/metadata"), ("GET", target), ("DELETE", target)] if target else []
    links = {}
    for method, path in operations:
        parameters = {**given, "accept": JSON} if path.endswith("metadata") else given
        links[_operation_id(method, path)] = {"operationId": _operation_id(method, path), "parameters": parameters}
    return {"links": links} if links else {}


def plain_path(path: str) -> str:
    """A path without the router's own marks."""
    return path.replace("{path:path}", "{path}")


def _path_names(path: str) -> list[str]:
    return [part.strip("{}") for part in plain_path(path).split("/") if part.startswith("{")]
