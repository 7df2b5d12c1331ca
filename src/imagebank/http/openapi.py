"""The OpenAPI document, made from the routes that are served."""

import inspect
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank import __version__
from imagebank.http.auth import caller
from imagebank.http.receipts import PROPOSALS
from imagebank.http.search import FOUND, PARAMETERS
from imagebank.http.tokens import ASSERTION, GRANT
from imagebank.model.upload import FIELDS, PERSON

_OPEN: Final = frozenset({"/healthz", "/readyz", "/api/v1/token", "/.well-known/oauth-authorization-server"})
_TEXT: Final = {"type": "string"}
_SOME_TEXT: Final = {"type": "string", "minLength": 1}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_NUMBER: Final = {"name": "number", "in": "path", "required": True, "schema": _WHOLE}
_FILES: Final = {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}}
_UPLOAD: Final = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": _FILES},
                # No schema can ask for an order.
                "description": (
                    f"Fields that stand before the files say what is known of them: {', '.join(FIELDS)}. The owner of an "
                    f"account adds to the images of the person whose key `{PERSON}` is, or of the first"
                ),
            },
        }
    },
}


def _object(*required: str, **optional: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object: texts that are always there, and fields that may be."""
    properties = {**dict.fromkeys(required, _TEXT), **optional}
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


def _list(name: str, schema: str) -> dict[str, Any]:
    listed = {"type": "array", "items": {"$ref": f"#/components/schemas/{schema}"}}
    return {"type": "object", "required": [name], "properties": {name: listed}, "additionalProperties": False}


_SCHEMAS: Final[Mapping[str, Any]] = {
    "Refusal": _object("error", "message"),
    "Receipt": _object(
        *("file", "outcome"),
        **dict.fromkeys(("study", "series", "uid", "sop_class"), _TEXT),
        quarantine=_WHOLE,
        warnings={"type": "array", "items": _TEXT},
        rule=_TEXT,
        changed={"type": "array", "items": _TEXT},
        proposals=PROPOSALS,
        error=_object("kind", "message"),
    ),
    "Quarantined": _object(
        *("reason", "file", "way", "from", "organization", "received_at", "digest"), number=_WHOLE, bytes=_WHOLE
    ),
    "DataSet": {
        "description": "A data set in the DICOM JSON model (PS3.18 annex F)",
        "type": "object",
        "patternProperties": {
            "^[0-9A-F]{8}$": {
                "type": "object",
                "required": ["vr"],
                "properties": {
                    "vr": {"type": "string", "pattern": "^[A-Z]{2}$"},
                    "Value": {"type": "array"},
                    "BulkDataURI": _TEXT,
                    "InlineBinary": _TEXT,
                },
                "additionalProperties": False,
            }
        },
        "additionalProperties": False,
    },
}

_HEADERS: Final[Mapping[int, Mapping[str, Any]]] = {
    HTTPStatus.NOT_MODIFIED: {"ETag": {"required": True, "schema": _TEXT}},
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": {"required": True, "schema": _TEXT}},
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: {"Content-Range": {"required": True, "schema": _TEXT}},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": {"required": True, "schema": _WHOLE}},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": {"required": True, "schema": _WHOLE}},
}
_WITHOUT_WORDS: Final = frozenset({HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})


def answer(code: int, text: str, content: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """One answer of an operation: what it means, and the header fields and the body that come with it.

    A refusal has the same body everywhere, so none need be given.
    """
    described: dict[str, Any] = {"description": text}
    if code in _HEADERS:
        described["headers"] = _HEADERS[code]
    if content is None and code >= HTTPStatus.BAD_REQUEST and code not in _WITHOUT_WORDS:
        content = as_json("Refusal")
    return described | ({"content": content} if content else {})


def as_json(schema: str | Mapping[str, Any]) -> dict[str, Any]:
    """JSON content of a schema: one of the document's own by its name, or another."""
    named = {"$ref": f"#/components/schemas/{schema}"} if isinstance(schema, str) else schema
    return {"application/json": {"schema": named}}


REFUSED: Final[Mapping[int, dict[str, Any]]] = {
    code: answer(code, text)
    for code, text in {
        400: "The request cannot be understood",
        401: "Nobody known is asking",
        403: "The caller may not do this",
        404: "There is no such thing here",
        503: "A part of the bank did not answer; `Retry-After` says when to try again",
        507: "There is no room",
    }.items()
}
"""Refusals that mean the same everywhere."""
_NO_TOKEN: Final = as_json(_object("error", "error_description"))
_TOKEN: Final = as_json(_object("access_token", "token_type", expires_in=_WHOLE))
_ASKED: Final = {
    "required": True,
    "content": {
        "application/x-www-form-urlencoded": {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"const": GRANT},
                    "client_assertion_type": {"const": ASSERTION},
                    "client_assertion": _SOME_TEXT,
                    "client_id": _SOME_TEXT
                    | {"description": "The system that shows a TLS certificate and signs nothing"},
                },
                "anyOf": [
                    {"required": ["client_assertion_type", "client_assertion"]},
                    {"required": ["client_id"], "not": {"required": ["client_assertion"]}},
                ],
            }
        }
    },
}
_STATE: Final = as_json(_object("status"))
_READY: Final = as_json(_object("status", degraded=_TEXT))
_OUTCOMES: Final = as_json(_list("outcomes", "Receipt"))


_FIRST: Final = {
    name: {"operationId": name, "parameters": {"number": "$response.body#/quarantine/0/number"}}
    for name in ("get_quarantine_content", "post_quarantine_submit", "delete_quarantine_delete")
}
"""What can be done with the first object in quarantine."""

_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "healthz": {200: answer(200, "It does", _STATE)},
    "readyz": {200: answer(200, "It can", _READY), 503: {"description": "It cannot yet", "content": _READY}},
    "token": {
        200: answer(200, "A token, and for how many seconds it is good", _TOKEN),
        400: answer(400, "The form asks for no token as this server gives them", _NO_TOKEN),
        401: answer(401, "Neither assertion nor certificate is of a system that is known here", _NO_TOKEN),
        503: REFUSED[503],
    },
    "metadata": {200: answer(200, "How programs get tokens (RFC 8414)", as_json({"type": "object"}))},
    "session": {204: answer(204, "The caller is signed in")},
    "search": {200: answer(200, "A page of studies, and how many there are of each kind", as_json(FOUND))},
    "deposit": {
        200: answer(200, "Every file is kept", _OUTCOMES),
        207: answer(207, "Some files are not kept, or the form broke off; each has its outcome", _OUTCOMES),
        413: answer(413, "There are more files than are taken at once"),
        507: REFUSED[507],
    },
    "quarantine_list": {
        200: answer(200, "What lies there", as_json(_list("quarantine", "Quarantined"))) | {"links": _FIRST}
    },
    "quarantine_content": {
        200: answer(200, "The bytes as they came", {"application/octet-stream": {"schema": {}}}),
        404: REFUSED[404],
    },
    "quarantine_submit": {
        200: answer(200, "It is kept, and has left quarantine", as_json("Receipt")),
        404: REFUSED[404],
        409: answer(409, "It is refused again, and stays in quarantine", as_json("Receipt")),
        507: REFUSED[507],
    },
    "quarantine_delete": {204: answer(204, "It is gone"), 404: REFUSED[404]},
    "openapi": {200: answer(200, "This document", as_json({"type": "object", "required": ["openapi"]}))},
}
"""What each endpoint answers, beside the refusals that all of them know."""


def openapi_route(routes: Iterable[BaseRoute], further: Mapping[str, Any]) -> Route:
    """`/api/openapi.json`, for known callers: itself, these routes, and `further` paths that an edge describes itself."""

    async def openapi(request: Request) -> Response:
        """This document."""
        await caller(request)
        return JSONResponse(document)

    route = Route("/api/openapi.json", openapi)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Imagebank", "version": __version__, "license": {"name": "Apache-2.0"}},
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}, "schemas": _SCHEMAS},
        "paths": {**_paths([*routes, route]), **further},
    }
    return route


def _paths(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for route in routes:
        assert isinstance(route, Route)
        described = found.setdefault(route.path_format, {})
        if "number" in route.param_convertors:
            described["parameters"] = [_NUMBER]
        for method in sorted((route.methods or set()) - {"HEAD"}):
            described[method.lower()] = _operation(method, route)
    return found


def _operation(method: str, route: Route) -> dict[str, Any]:
    shared = {} if route.path in _OPEN else {code: REFUSED[code] for code in (400, 401, 403, 503)}
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{route.name}",
        "summary": (inspect.getdoc(route.endpoint) or "").partition("\n")[0],
        "tags": ["Imagebank"],
        "responses": {str(code): found for code, found in sorted({**shared, **_ANSWERS[route.name]}.items())},
    }
    if route.path in _OPEN:
        operation["security"] = []
    if route.name == "token":
        operation["requestBody"] = _ASKED
    if route.name == "search":
        operation["parameters"] = PARAMETERS
    if route.name == "deposit":
        operation["requestBody"] = _UPLOAD
    return operation
