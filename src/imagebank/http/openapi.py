"""The OpenAPI document, made from the routes that are served."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank import __version__
from imagebank.http.auth import caller

_OPEN = frozenset({"/healthz", "/readyz"})
_UPLOAD = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
            }
        }
    },
}


def openapi_route(routes: Iterable[BaseRoute], further: Mapping[str, Any]) -> Route:
    """`/api/openapi.json`, for known callers: these routes, and `further` paths that an edge describes itself."""
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Imagebank", "version": __version__, "license": {"name": "Apache-2.0"}},
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": {**_paths(routes), **further},
    }

    async def openapi(request: Request) -> Response:
        await caller(request)
        return JSONResponse(document)

    return Route("/api/openapi.json", openapi)


def _paths(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for route in routes:
        assert isinstance(route, Route)
        described = found.setdefault(route.path_format, {})
        if "number" in route.param_convertors:
            number = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer"}}
            described["parameters"] = [number]
        for method in sorted((route.methods or set()) - {"HEAD"}):
            described[method.lower()] = _operation(method, route)
    return found


def _operation(method: str, route: Route) -> dict[str, Any]:
    answers = {"2XX": "Done", "400": "The request cannot be understood", "404": "There is no such thing here"}
    if route.path not in _OPEN:
        answers |= {"401": "Nobody known is asking", "403": "The caller may not do this"}
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{route.name}",
        "summary": (inspect.getdoc(route.endpoint) or "").partition("\n")[0],
        "tags": ["Imagebank"],
        "responses": {code: {"description": text} for code, text in answers.items()},
    }
    if route.path in _OPEN:
        operation["security"] = []
    if route.name == "deposit":
        operation["requestBody"] = _UPLOAD
    return operation
