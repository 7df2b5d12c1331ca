"""The part of the OpenAPI document about statements and checkpoints."""

from typing import Any, Final

from imagebank.actions.statement import Theme
from imagebank.http import statement
from imagebank.http.described import Group, closed, paths, query
from imagebank.http.openapi import REFUSED, answer, as_json

_TEXT: Final = {"type": "string"}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_CHECKPOINT: Final = closed(
    {"number": {"type": "integer", "minimum": 1}, **dict.fromkeys(("digest", "key", "at"), _TEXT)}
)
_ENTRY: Final = closed(
    {
        **dict.fromkeys(statement.COLUMNS, _TEXT),
        "theme": {"enum": [str(one) for one in Theme]},
        "count": {"type": "integer"},
        "is_own": {"type": "boolean"},
    }
)
_PAGE: Final = closed(
    {
        "entries": {"type": "array", "items": _ENTRY},
        "next": {"type": ["string", "null"]},
        "checkpoint": {"anyOf": [_CHECKPOINT, {"type": "null"}]},
    }
)
_TOLD: Final = {**as_json(_PAGE), "text/csv": {"schema": _TEXT}, "application/jsonl": {"schema": _TEXT}}
_ONE: Final = "|".join(Theme)
_THEMES: Final = {"type": "string", "pattern": f"^({_ONE})(,({_ONE}))*$"}
_PARAMETERS: Final = [
    query(
        "format", {"enum": list(statement.FORMATS)}, "JSON in pages, or all of it as CSV or as a file to be verified"
    ),
    query(
        "person", {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "A holding: only the person whose records it holds"
    ),
    query("theme", _THEMES, "What entries are about, several between commas"),
    query("since", _MOMENT, "Entries of this moment or later"),
    query("until", _MOMENT, "Entries before this moment"),
    query("after", _TEXT, "Entries behind those of the page before: its `next`"),
    query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": statement.MOST},
        f"Entries a page; {statement.USUAL} if not given",
    ),
]


def statement_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    answers = {
        "get_statement": {200: answer(200, "Entries, newest first", _TOLD), 404: REFUSED[404]},
        "get_latest_checkpoint": {200: answer(200, "The newest checkpoint", as_json(_CHECKPOINT)), 404: REFUSED[404]},
    }
    is_open = frozenset({"get_latest_checkpoint"})
    group = Group("Statement", answers, parameters={"get_statement": _PARAMETERS}, is_open=is_open)
    return paths(statement.RESOURCES, group)
