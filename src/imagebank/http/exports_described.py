"""The part of the OpenAPI document about exports."""

from typing import Any, Final

from imagebank.http import exports
from imagebank.http.described import UID, Group, closed, paths
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.export import LONGEST_PASSWORD, MOST_STUDIES, SHORTEST_PASSWORD, Format

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_YES: Final = {"type": "boolean"}
_STUDIES: Final = {"type": "array", "items": UID, "minItems": 1, "maxItems": MOST_STUDIES}
_FORMAT: Final = {"type": "string", "enum": list(Format)}
_PASSWORD: Final = {
    "type": "string",
    "minLength": SHORTEST_PASSWORD,
    "maxLength": LONGEST_PASSWORD,
    "description": "Of a ZIP file, which is AES-256 (WinZip AE-2) then; a disc has none",
}
_WISH: Final = {
    **closed({"studies": _STUDIES}, {"format": _FORMAT, "reports": _YES, "password": _PASSWORD}),
    "not": {"required": ["format", "password"], "properties": {"format": {"const": Format.ISO}}},
}
_TOLD: Final = as_json(
    closed(
        {
            "id": _TEXT,
            "format": _FORMAT,
            **dict.fromkeys(("done", "of"), _WHOLE),
            **dict.fromkeys(("is_ready", "has_password"), _YES),
            "expires_at": _TEXT,
            "troubles": {"type": "array", "items": _TEXT},
        },
        {"bytes": _WHOLE, "file": _TEXT},
    )
)
_FILE: Final[dict[str, Any]] = {kind: {"schema": {}} for kind in ("application/zip", "application/x-iso9660-image")}
_MADE: Final = answer(202, "It is being made; `Location` says where to ask how far it is", _TOLD)
_WHOLE_FILE: Final = {
    200: answer(200, "The file", _FILE),
    206: answer(206, "The ranges that were asked for", {**_FILE, "multipart/byteranges": {"schema": {}}}),
    304: answer(304, "The caller has it"),
    416: answer(416, "No range lies within the file"),
}
_REFUSED: Final = {
    404: REFUSED[404],
    429: answer(429, "Many exports of the caller's wait"),
    507: REFUSED[507],
}
_GROUP: Final = Group(
    "Exports",
    answers={
        "take_export": {**_WHOLE_FILE, 202: _MADE, **_REFUSED},
        "post_export": {200: _WHOLE_FILE[200], 202: _MADE, **_REFUSED},
        "begin_export": {202: _MADE, **_REFUSED},
        "show_export": {200: answer(200, "How far it is; `file` is there once it is ready", _TOLD), 404: REFUSED[404]},
        "end_export": {204: answer(204, "It is gone"), 404: REFUSED[404]},
        "export_file": {**_WHOLE_FILE, 404: REFUSED[404], 409: answer(409, "It is not ready yet")},
    },
    bodies={"post_export": _WISH, "begin_export": _WISH},
    names={"export": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
    parameters={
        "take_export": [
            {"name": "study", "in": "query", "required": True, "schema": _STUDIES, "style": "form", "explode": True},
            {"name": "format", "in": "query", "schema": _FORMAT},
            {"name": "reports", "in": "query", "schema": _YES},
        ]
    },
)


def export_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(exports.RESOURCES, _GROUP)
