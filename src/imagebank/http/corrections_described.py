"""The part of the OpenAPI document about corrections and versions."""

from collections.abc import Mapping
from typing import Any, Final

from imagebank.http import corrections
from imagebank.http.described import UID, Group, closed, paths
from imagebank.http.openapi import REFUSED, answer, as_json

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_NAMES: Final[Mapping[str, Mapping[str, Any]]] = {
    "study": UID,
    "instance": UID,
    "correction": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "number": {"type": "integer", "minimum": 1, "maximum": 10**9 - 1},
}
_ELEMENT: Final = {
    "type": "object",
    "required": ["vr"],
    "properties": {"vr": {"type": "string"}, "Value": {"type": "array"}, "InlineBinary": _TEXT},
}
_VALUES: Final = {"type": "array", "items": {"oneOf": [_ELEMENT, {"type": "null"}]}}
_ATTRIBUTES: Final = {
    "type": "array",
    "items": closed({"tag": _TEXT, "keyword": _TEXT, "before": _VALUES, "after": _VALUES}),
}
_TEXTS: Final = ("id", "at", "by", "organization", "reason", "series", "instance", "undoes", "state", "fault")
_CORRECTION: Final = closed(
    {**dict.fromkeys(_TEXTS, _TEXT), "count": _WHOLE, "total": _WHOLE, "attributes": _ATTRIBUTES}
)
_PREVIEW: Final = closed({"attributes": _ATTRIBUTES, "count": _WHOLE, "total": _WHOLE})
_VERSION: Final = closed(
    {"number": _WHOLE, "bytes": _WHOLE, **dict.fromkeys(("received_at", "digest", "superseded_by"), _TEXT)}
)


def _list(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return as_json(closed({name: {"type": "array", "items": schema}}))


_MADE: Final[Mapping[int, Any]] = {
    201: answer(201, "The correction, done", as_json(_CORRECTION)),
    202: answer(202, "The correction, which a job goes on with", as_json(_CORRECTION)),
    404: REFUSED[404],
    409: answer(409, "Nothing was corrected, for the reason that is given"),
    507: REFUSED[507],
}
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "list_corrections": {
        200: answer(200, "The corrections", _list("corrections", _CORRECTION)),
        404: REFUSED[404],
    },
    "write_correction": {200: answer(200, "What would change", as_json(_PREVIEW)), **_MADE},
    "undo_correction": _MADE,
    "list_versions": {200: answer(200, "The versions", _list("versions", _VERSION)), 404: REFUSED[404]},
    "get_version": {200: answer(200, "The file", {"application/dicom": {"schema": {}}}), 404: REFUSED[404]},
}
_VALUE: Final = {"oneOf": [_TEXT, _ELEMENT, {"type": "null"}]}
_BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "write_correction": closed(
        {"attributes": {"type": "object", "minProperties": 1, "additionalProperties": _VALUE}},
        {"reason": _TEXT, "series": UID, "instance": UID, "dry_run": {"type": "boolean"}},
    ),
    "undo_correction": closed({"reason": _TEXT}),
}


_GROUP: Final = Group("Corrections", _ANSWERS, _BODIES, _NAMES)


def correction_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(corrections.RESOURCES, _GROUP)
