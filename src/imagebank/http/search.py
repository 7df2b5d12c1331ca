"""`/api/v1/search`: one question over everything, and its description."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from imagebank.actions import finding
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.model.contributed import is_contributed
from imagebank.model.imaging import DataSet
from imagebank.model.search import LONGEST_QUESTION, Answer, Facet, Match, Nearness, Wish

_MOST: Final = 100
_USUAL: Final = 20
_FACETS: Final = {facet.value.replace(" ", "_"): facet for facet in Facet}

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_VALUES: Final = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 256}, "maxItems": 20}


def _query(name: str, schema: Mapping[str, Any], words: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": words, "schema": schema}


PARAMETERS: Final = [
    _query("q", {"type": "string", "maxLength": LONGEST_QUESTION}, "Words, or their beginnings, in any order"),
    *(_query(name, _VALUES, f"Only studies of this {facet}, or of one of these") for name, facet in _FACETS.items()),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": _MOST}, f"Studies a page; {_USUAL} if not given"),
    _query("cursor", {"type": "string", "pattern": "^[A-Za-z0-9_-]{11}$"}, "Where the page before ended: its `next`"),
]


def _closed(required: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": required, "additionalProperties": False}


def _several(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": schema}


_STUDY: Final = {
    "study": "0020000D",
    "patient_name": "00100010",
    "patient_id": "00100020",
    "issuer": "00100021",
    "birth_date": "00100030",
    "sex": "00100040",
    "date": "00080020",
    "time": "00080030",
    "accession": "00080050",
    "description": "00081030",
}
_COUNTED: Final = {"series": "00201206", "instances": "00201208"}
_MATCH: Final = _closed(
    dict.fromkeys(_STUDY, _TEXT)
    | dict.fromkeys(_COUNTED, _WHOLE)
    | {
        "modalities": _several(_TEXT),
        "added_by_patient": {"type": "boolean"},
        "hit": {"enum": [str(one) for one in Nearness]},
        "passages": _several(
            _closed({"attribute": _TEXT, "text": _TEXT, "spans": _several({"type": "array", "items": _WHOLE})})
        ),
    }
)
_COUNTS: Final = _several(_closed({"value": _TEXT, "count": _WHOLE}))
FOUND: Final = _closed(
    {
        "studies": _several(_MATCH),
        "total": _WHOLE,
        "is_whole": {"type": "boolean"},
        "facets": _closed(dict.fromkeys(_FACETS, _COUNTS)),
        "next": {"type": ["string", "null"]},
    }
)
"""The schema of an answer."""


async def search(request: Request) -> Response:
    """Studies by words of anything that is said of them, and by facets; the nearest first."""
    principal = await caller(request)
    wish, limit, after = _asked(request)
    given = (bank_of(request), wish, principal, "api", limit, after, address_of(request))
    answer = await run_in_threadpool(finding.everything, *given)
    return JSONResponse(_answer(answer), headers={"Cache-Control": "no-store"})


def _asked(request: Request) -> tuple[Wish, int, str]:
    params = request.query_params
    if not set(params) <= {*_FACETS, "q", "limit", "cursor"}:
        raise Invalid("this takes q, limit, cursor and the names of facets")
    chosen = {facet: tuple(params.getlist(name)) for name, facet in _FACETS.items() if name in params}
    if any(not 0 < len(value) <= 256 for some in chosen.values() for value in some):
        raise Invalid("the value of a facet has 1 to 256 signs")
    if any(len(some) > 20 for some in chosen.values()):
        raise Invalid("choose at most 20 values of a facet")
    limit = params.get("limit", str(_USUAL))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= _MOST):
        raise Invalid(f"limit is a number from 1 to {_MOST}")
    after = params.get("cursor", "")
    if "cursor" in params and not after:
        raise Invalid("the cursor is empty; leave it out for the first page")
    return Wish(params.get("q", ""), chosen), int(limit), after


def _answer(answer: Answer) -> dict[str, Any]:
    facets = {
        name: [{"value": value, "count": number} for value, number in answer.counts[facet]]
        for name, facet in _FACETS.items()
    }
    return {
        "studies": [_match(match) for match in answer.matches],
        "total": answer.total,
        "is_whole": answer.is_whole,
        "facets": facets,
        "next": answer.after or None,
    }


def _match(match: Match) -> dict[str, Any]:
    attributes = match.study.attributes
    texts = {name: _first(attributes, key) for name, key in _STUDY.items()}
    numbers = {name: int(_first(attributes, key) or 0) for name, key in _COUNTED.items()}
    passages = [{"attribute": p.label, "text": p.text, "spans": [list(s) for s in p.spans]} for p in match.passages]
    modalities = [str(one) for one in attributes.get("00080061", {}).get("Value", ())]
    marked = {"modalities": modalities, "added_by_patient": is_contributed(texts["issuer"])}
    return {**texts, **numbers, **marked, "hit": str(match.nearness), "passages": passages}


def _first(attributes: DataSet, key: str) -> str:
    values = attributes.get(key, {}).get("Value") or [""]
    value = values[0]
    if isinstance(value, dict):
        return "=".join(str(value.get(group) or "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return "" if value is None else str(value)
