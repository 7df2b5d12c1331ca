"""The part of the OpenAPI document about uploads that may break off and go on."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from imagebank.http import uploads
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.http.receipts import PROPOSALS

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_YES: Final = {"type": "boolean"}
_LENGTH: Final = {"type": "integer", "minimum": 0, "maximum": (10**18) - 1}
_PAIRS: Final = {"type": "string", "pattern": "^(filename|description) (YWJj|eHl6)$"}
_BYTES: Final = {uploads.TYPE: {"schema": {"type": "string", "format": "binary"}}}
_RECEIPT: Final = {
    "type": "object",
    "required": ["file", "outcome"],
    "properties": {
        **dict.fromkeys(("file", "outcome", "study", "series", "uid", "sop_class"), _TEXT),
        "quarantine": _WHOLE,
        "warnings": {"type": "array", "items": _TEXT},
        "rule": _TEXT,
        "changed": {"type": "array", "items": _TEXT},
        "error": {"type": "object", "required": ["kind", "message"], "properties": {"kind": _TEXT, "message": _TEXT}},
        "unidentified": _YES,
        "proposals": PROPOSALS,
    },
    "additionalProperties": False,
}
_OUTCOMES: Final = as_json(
    {"type": "object", "required": ["outcomes"], "properties": {"outcomes": {"type": "array", "items": _RECEIPT}}}
)
_UPLOAD: Final = as_json(
    {
        "type": "object",
        "required": ["id", "length", "offset", "done", "expires_at"],
        "properties": {"id": _TEXT, "length": _WHOLE, "offset": _WHOLE, "done": _YES, "expires_at": _TEXT},
        "additionalProperties": False,
    }
)
_VERSION: Final = answer(412, "The caller speaks another version of tus, as `Tus-Resumable` says")
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "begin_upload": {
        201: answer(201, "It has begun; `Location` is its address"),
        409: answer(409, "Another request has sent the same bytes; ask where to go on"),
        413: answer(413, "It is larger than `Tus-Max-Size`"),
        429: answer(429, "Many uploads are unfinished; `Retry-After` says when to try again"),
        507: REFUSED[507],
    },
    "show_upload": {200: answer(200, "How far it is; the same in `Upload-Offset`", _UPLOAD)},
    "fill_upload": {
        204: answer(204, "They are kept; `Upload-Offset` says how many have come"),
        409: answer(409, "They are not the next ones; ask where to go on"),
        413: answer(413, "The body is larger than an upload may be"),
        415: answer(415, f"The body is not {uploads.TYPE}"),
        507: REFUSED[507],
    },
    "end_upload": {204: answer(204, "It is gone")},
    "deposit_upload": {
        200: answer(200, "All that it held is kept", _OUTCOMES),
        207: answer(207, "Something of it is not kept; each has its outcome", _OUTCOMES),
        409: answer(409, "It is not whole yet, or is being taken in at this moment"),
        507: REFUSED[507],
    },
}


def _header(name: str, schema: Mapping[str, Any], *, required: bool = True) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "schema": schema}


_ASKED: Final = {
    "begin_upload": [_header("Upload-Length", _LENGTH), _header("Upload-Metadata", _PAIRS, required=False)],
    "fill_upload": [_header("Upload-Offset", _LENGTH)],
}
_NAME: Final = {
    "name": "upload",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
}


def upload_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return {path: _described(path) for path in uploads.RESOURCES}


def _described(path: str) -> dict[str, Any]:
    has_name = "{upload}" in path
    found: dict[str, Any] = {
        method.lower(): _operation(method, endpoint, has_name=has_name)
        for method, endpoint in uploads.RESOURCES[path].items()
    }
    return found | ({"parameters": [_NAME]} if has_name else {})


def _operation(method: str, endpoint: Any, *, has_name: bool) -> dict[str, Any]:
    name = endpoint.__name__
    shared = {code: REFUSED[code] for code in (400, 401, 403, 503, *([404] if has_name else []))}
    operation: dict[str, Any] = {
        "operationId": f"{method.lower()}_{name}",
        "summary": (inspect.getdoc(endpoint) or "").partition("\n")[0],
        "tags": ["Uploads"],
        "parameters": _ASKED.get(name, []),
        "responses": {str(code): found for code, found in sorted({**shared, 412: _VERSION, **_ANSWERS[name]}.items())},
    }
    if name == "fill_upload":
        operation["requestBody"] = {"required": True, "content": _BYTES}
    return operation
