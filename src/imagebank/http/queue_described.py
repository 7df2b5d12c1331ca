"""The part of the OpenAPI document about the reconciliation queue."""

from collections.abc import Mapping
from typing import Any, Final

from imagebank.actions.guesses import FIELDS
from imagebank.http import queue
from imagebank.http.described import Group, closed, paths
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.task import Kind, Priority, State

_TEXT: Final = {"type": "string"}
_LINE: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_MOMENT: Final = {"type": ["string", "null"]}
_NUMBER: Final = {"type": ["number", "null"]}
_ID: Final = {
    "type": "string",
    "pattern": r"^(unidentified|same-person|same-pixels|media|contributed)-[0-9a-f.-]{1,64}$",
}


def _list(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


_COUNTED: Final = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}


_PATIENT: Final = closed({"issuer": _LINE, "identifier": _LINE})
_EVIDENCE: Final = _list(closed({"field": _TEXT, "finding": _TEXT, "weight": {"type": "number"}}))
_TASK_FIELDS: Final[Mapping[str, Any]] = {
    "id": _ID,
    "kind": {"enum": [str(kind) for kind in Kind]},
    "state": {"enum": [str(state) for state in State]},
    **dict.fromkeys(("organization", "department", "opened_at", "note", "taken_by", "how", "by", "reason"), _TEXT),
    "priority": {"enum": [one.name.lower() for one in Priority]},
    "studies": _list(_TEXT),
    "records": _list(closed({"issuer": _TEXT, "identifier": _TEXT})),
    "score": _NUMBER,
    "evidence": _EVIDENCE,
    "taken_until": _MOMENT,
    "postponed_until": _MOMENT,
}
_TASK: Final = closed(_TASK_FIELDS)
_PROPOSAL: Final = closed({**dict.fromkeys(("value", "source", "evidence"), _TEXT), "confidence": {"type": "number"}})
_FIELD: Final = closed({**dict.fromkeys(("field", "held", "value"), _TEXT), "proposals": _list(_PROPOSAL)})
_CANDIDATE: Final = closed(
    {
        **dict.fromkeys(("issuer", "identifier", "birth_date", "sex", "accession"), _TEXT),
        "name": closed(dict.fromkeys(("alphabetic", "ideographic", "phonetic"), _TEXT)),
        "score": _NUMBER,
        "evidence": _EVIDENCE,
        "is_likely": {"type": "boolean"},
        "that_day": {"type": ["array", "null"], "items": _TEXT},
    }
)
_SHOWN: Final = closed(
    {**_TASK_FIELDS, "objects": _list(_TEXT), "fields": _list(_FIELD), "candidates": _list(_CANDIDATE)}
)
_PAGE: Final = closed(
    {
        "tasks": _list(_TASK),
        "after": _TEXT,
        "counts": closed(dict.fromkeys(("kinds", "departments", "ages"), _COUNTED)),
    }
)
_BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "identify_task": closed(
        {"patient": _PATIENT},
        {
            "accepted": closed({}, dict.fromkeys(FIELDS, _TEXT)),
            "new": closed({}, dict.fromkeys(("name", "birth_date", "sex"), _TEXT)),
        },
    ),
    "search_task": closed({"sought": _LINE}),
    "claim_task": closed({}),
    "release_task": closed({}),
    "postpone_task": closed({}, {"until": _MOMENT}),
    "settle_task": closed({"how": _TEXT}, {"reason": _TEXT}),
    "undo_task": closed({}, {"reason": _TEXT}),
}
_DONE: Final = {
    200: answer(200, "The task as it stands now", as_json(_TASK)),
    404: REFUSED[404],
    409: answer(409, "Somebody else has it, or it does not stand so that this could be done"),
    507: REFUSED[507],
}
_FIRST: Final = {
    "get_read_task": {"operationId": "get_read_task", "parameters": {"task": "$response.body#/tasks/0/id"}}
}
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "list_tasks": {200: answer(200, "A page of tasks", as_json(_PAGE)) | {"links": _FIRST}},
    "read_task": {200: answer(200, "The task", as_json(_SHOWN)), 404: REFUSED[404]},
    **dict.fromkeys(_BODIES, _DONE),
    "search_task": {200: answer(200, "The task, with those patients", as_json(_SHOWN)), 404: REFUSED[404]},
}
_QUERY: Final = [
    {"name": name, "in": "query", "required": False, "schema": schema}
    for name, schema in (
        ("state", {"enum": [str(state) for state in State]}),
        ("kind", {"enum": [str(kind) for kind in Kind]}),
        ("department", {"type": "string", "maxLength": 64}),
        ("limit", {"type": "integer", "minimum": 1, "maximum": 200}),
        ("after", {"type": "string", "pattern": "^[A-Za-z0-9_=-]*$", "maxLength": 1024}),
    )
]


_GROUP: Final = Group("Queue", _ANSWERS, _BODIES, {"task": _ID}, {"list_tasks": _QUERY})


def queue_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(queue.RESOURCES, _GROUP)
