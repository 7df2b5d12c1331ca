"""The part of the OpenAPI document about attributes that the site makes searchable."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from imagebank.http import attributes
from imagebank.http.described import closed
from imagebank.http.openapi import REFUSED, answer, as_json

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_PATH: Final = {
    "name": "path",
    "in": "path",
    "required": True,
    "description": "`series:ContrastBolusAgent`, `study:00101010`, `series:0019xx10@ACME 1.1` and the like",
    "schema": {"type": "string", "pattern": "^(patient|study|series|instance):[^/]+$", "maxLength": 256},
}
_ATTRIBUTE: Final = closed(
    {
        **dict.fromkeys(("path", "name", "vr", "level", "state", "since", "by"), _TEXT),
        **dict.fromkeys(("read", "of"), _WHOLE),
        "remaining_s": {"type": ["integer", "null"]},
    }
)
_GIVEN: Final = closed({}, {"name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9]{0,63}$"}, "vr": _TEXT})
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "list_attributes": {
        200: answer(200, "The attributes", as_json(closed({"attributes": {"type": "array", "items": _ATTRIBUTE}})))
    },
    "put_attribute": {
        200: answer(200, "It was searchable already", as_json(_ATTRIBUTE)),
        201: answer(201, "It is searchable", as_json(_ATTRIBUTE)),
        409: answer(409, "It is searchable in another way, or a former one is being forgotten"),
    },
    "delete_attribute": {
        204: answer(204, "It is searchable no more"),
        404: REFUSED[404],
        409: answer(409, "The settings name it"),
    },
}


def attribute_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return {path: _described(path) for path in attributes.RESOURCES}


def _described(path: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        method.lower(): _operation(method, endpoint.__name__, inspect.getdoc(endpoint) or "")
        for method, endpoint in attributes.RESOURCES[path].items()
    }
    return found | ({"parameters": [_PATH]} if "{" in path else {})


def _operation(method: str, name: str, words: str) -> dict[str, Any]:
    shared = {code: REFUSED[code] for code in (400, 401, 403, 503)}
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{name}",
        "summary": words.partition("\n")[0],
        "tags": ["Attributes"],
        "responses": {str(code): found for code, found in sorted({**shared, **_ANSWERS[name]}.items())},
    }
    if method == "PUT":
        operation["requestBody"] = {"content": {"application/json": {"schema": _GIVEN}}}
    return operation
