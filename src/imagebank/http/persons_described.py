"""The part of the OpenAPI document about persons, the queue, and the decisions about it."""

from collections.abc import Mapping
from typing import Any, Final

from imagebank.http import persons
from imagebank.http.described import Group, closed, paths
from imagebank.http.openapi import REFUSED, answer, as_json

_LINE: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_TEXT: Final = {"type": "string"}
_ID: Final = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_NAMES: Final[Mapping[str, Mapping[str, Any]]] = {"person": _ID, "decision": _ID}
_PATIENT: Final = closed({"issuer": _LINE, "identifier": _LINE})
_KEPT: Final = {"issuer": _TEXT, "identifier": _TEXT}


def _texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, _TEXT)


def _list(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


_EVIDENCE: Final = _list(closed({**_texts("field", "finding"), "weight": {"type": "number"}}))
_RECORD: Final = closed(
    {
        **_KEPT,
        "name": closed(_texts("alphabetic", "ideographic", "phonetic")),
        **_texts("birth_date", "sex", "heard_by", "heard_at"),
    }
)
_QUESTION: Final = closed(
    {
        "first": closed(_KEPT),
        "second": closed(_KEPT),
        "score": {"type": "number"},
        "evidence": _EVIDENCE,
        **_texts("why_asked"),
    }
)
_DECISION: Final = closed(
    {
        **_texts("id", "at", "deed", "ground", "by", "reason", "undoes"),
        "records": _list(closed(_KEPT)),
        "score": {"type": ["number", "null"]},
        "evidence": _EVIDENCE,
        "moves": _list(closed({**_KEPT, **_texts("before", "after")})),
    }
)
_UNDONE: Final = {
    "post_undo_decision": {"operationId": "post_undo_decision", "parameters": {"decision": "$response.body#/id"}}
}
_MADE: Final = answer(201, "The decision, in force", as_json(_DECISION)) | {"links": _UNDONE}

_BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "answer_question": closed({"first": _PATIENT, "second": _PATIENT, "is_same": {"type": "boolean"}}, {"why": _TEXT}),
    "write_decision": {
        "oneOf": [
            closed({"deed": {"enum": ["link", "merge"]}, "record": _PATIENT, "to": _PATIENT}, {"why": _TEXT}),
            closed({"deed": {"const": "unlink"}, "record": _PATIENT}, {"why": _TEXT}),
        ]
    },
    "undo_decision": closed({}, {"why": _TEXT}),
}
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "read_person": {
        200: answer(200, "The person", as_json(closed({"person": _TEXT, "records": _list(_RECORD)}))),
        404: REFUSED[404],
    },
    "list_questions": {200: answer(200, "The questions", as_json(closed({"questions": _list(_QUESTION)})))},
    "list_decisions": {200: answer(200, "The decisions", as_json(closed({"decisions": _list(_DECISION)})))},
    **{
        name: {201: _MADE, 404: REFUSED[404], 409: answer(409, "It would change nothing")}
        for name in ("answer_question", "write_decision", "undo_decision")
    },
}


_GROUP: Final = Group("Persons", _ANSWERS, _BODIES, _NAMES)


def person_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(persons.RESOURCES, _GROUP)
