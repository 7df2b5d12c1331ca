"""The part of the OpenAPI document about the site's rules."""

from collections.abc import Mapping
from typing import Any, Final

from imagebank.http import rules
from imagebank.http.described import Group, closed, paths
from imagebank.http.openapi import REFUSED, answer, as_json

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_YES: Final = {"type": "boolean"}
_TABLES: Final = {"type": "object", "additionalProperties": _TEXT}
_SINCE: Final = {"type": "string", "pattern": "^([1-9][0-9]{0,3}h|[1-9][0-9]{0,2}d)$"}


def _list(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


def _wholes(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, _WHOLE)


def _texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, _TEXT)


_HEAD: Final = {**_wholes("number"), **_texts("at", "by", "way", "sha256")}
_WHOLE_VERSION: Final = closed({**_HEAD, "text": _TEXT, "tables": _TABLES})
_IN_FORCE: Final = closed(
    {
        "number": _WHOLE,
        "text": _TEXT,
        "tables": _TABLES,
        "rules": _list(closed({**_texts("name", "in_words"), "line": _WHOLE})),
    },
    _texts("at", "by", "way", "sha256"),
)
_CHANGE: Final = closed({**_texts("rule", "attribute", "before"), "after": {"type": ["string", "null"]}})
_SAMPLE: Final = closed(
    {
        **_texts("at", "file", "from", "way", "uid", "was", "would", "reason"),
        "changes": _list(_CHANGE),
        "conflicts": _list(_TEXT),
    }
)
_REPORT: Final = closed(
    {
        "since": _TEXT,
        **_wholes("looked_at", "applied", "changed", "held", "refused", "let_in", "conflicts", "unread"),
        "is_partial": _YES,
        "is_clean": _YES,
        "unjudged": _list(_TEXT),
        "days": {"type": "object", "additionalProperties": _WHOLE},
        "rules": _list(closed({"name": _TEXT, **_wholes("applied", "changed", "held", "refused")})),
        "samples": _list(_SAMPLE),
    }
)
_TRIED: Final = closed(
    {"faults": _list(closed({"line": _WHOLE, "words": _TEXT})), "report": {"anyOf": [_REPORT, {"type": "null"}]}}
)

_BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "write_rules": closed({"text": _TEXT}, {"tables": _TABLES}),
    "try_rules": closed({}, {"text": _TEXT, "tables": _TABLES, "since": _SINCE, "source": _TEXT}),
}
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "read_rules": {200: answer(200, "The rules in force", as_json(_IN_FORCE))},
    "write_rules": {
        200: answer(200, "The version, in force", as_json(closed(_HEAD))),
        409: answer(409, "A rule could not be judged on a deposit of the past"),
    },
    "try_rules": {200: answer(200, "What is wrong, or what came of it", as_json(_TRIED))},
    "list_versions": {200: answer(200, "The versions", as_json(closed({"versions": _list(closed(_HEAD))})))},
    "read_version": {200: answer(200, "The version", as_json(_WHOLE_VERSION)), 404: REFUSED[404]},
}


_GROUP: Final = Group("Rules", _ANSWERS, _BODIES, {"number": _WHOLE})


def rule_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(rules.RESOURCES, _GROUP)
