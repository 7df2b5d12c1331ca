"""Did everything arrive, by REST: of one study, and of all that wait or lack something; and how OpenAPI tells it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import completeness
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import body_of, typed
from imagebank.http.described import closed, query, several
from imagebank.http.methods import METHODS, by_method
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.completeness import Completeness, Lack, Progress, Word
from imagebank.model.expectation import Origin
from imagebank.model.query import comparable_date
from imagebank.model.uid import Uid
from imagebank.ports.completeness import Asked

_ONE: Final = "/api/v1/studies/{study}/completeness"
_ALL: Final = "/api/v1/completeness"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_MOST: Final = 1_000
_USUAL: Final = 100
_SAYERS: Final = (Origin.MPPS, Origin.ORDER, Origin.MEDIA, Origin.HEADER, Origin.NUMBERS)


class Settling(msgspec.Struct, forbid_unknown_fields=True):
    """That there is no more of a study, and why; or that this is taken back."""

    is_all: bool
    reason: str = ""


async def read_completeness(request: Request) -> Response:
    """Whether everything of a study has come: what was announced by whom, and what is missing."""
    principal = await caller(request)
    study = Uid.parse(request.path_params["study"])
    found = await run_in_threadpool(completeness.of_study, bank_of(request), study, principal, address_of(request))
    return JSONResponse(told(found), headers=_NO_STORE)


async def settle_study(request: Request) -> Response:
    """Say that there is no more of a study than what is here, or take that back."""
    principal = await caller(request)
    study = Uid.parse(request.path_params["study"])
    given = typed(await body_of(request), Settling)
    bank, address = bank_of(request), address_of(request)
    if given.is_all:
        found = await run_in_threadpool(completeness.settle, bank, study, given.reason, principal, address)
    else:
        found = await run_in_threadpool(completeness.reopen, bank, study, principal, address)
    return JSONResponse(told(found), headers=_NO_STORE)


async def list_completeness(request: Request) -> Response:
    """Studies that something is missing of, or that are arriving, newest first; others by `state`."""
    principal = await caller(request)
    asked = read_asked(request.query_params.multi_items())
    total, found = await run_in_threadpool(completeness.listed, bank_of(request), asked, principal, address_of(request))
    return JSONResponse({"total": total, "studies": [told(one) for one in found]}, headers=_NO_STORE)


def read_asked(items: list[tuple[str, str]]) -> Asked:
    """What is asked for, from the parameters of an address. Raises Invalid."""
    given = dict(items)
    if not set(given) <= {"state", "modality", "since", "until", "source", "limit", "offset"}:
        raise Invalid("this takes state, modality, since, until, source, limit and offset")
    states = [value for name, value in items if name == "state"]
    wrong = set(states) - set(Progress)
    if wrong or given.get("source", _SAYERS[0]) not in set(_SAYERS):
        raise Invalid(f"a state is one of {', '.join(Progress)}, a source one of {', '.join(_SAYERS)}")
    if not 0 < len(given.get("modality", "CT")) <= 16:
        raise Invalid("a modality has 1 to 16 signs")
    return Asked(
        tuple(Progress(one) for one in states) or Asked().progress,
        given.get("modality", ""),
        comparable_date(given["since"]) if "since" in given else "",
        comparable_date(given["until"]) if "until" in given else "",
        Origin(given["source"]) if "source" in given else None,
        _number(given.get("limit", str(_USUAL)), "limit", 1, _MOST),
        _number(given.get("offset", "0"), "offset", 0, 10**9),
    )


def _number(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 11 and least <= int(text) <= most):
        raise Invalid(f"{name} is a number from {least} to {most}")
    return int(text)


def told(found: Completeness) -> dict[str, Any]:
    """What is known of a study, for machines."""
    standing = found.standing
    return {
        "study": str(found.study),
        "organization": found.organization,
        "patient": {"issuer": found.patient.issuer, "identifier": found.patient.identifier},
        "state": str(standing.progress),
        "is_certain": standing.is_certain,
        "is_here": found.is_here,
        "received": found.received,
        "expected": standing.expected or None,
        "missing": standing.missing,
        "modalities": list(found.modalities),
        "date": found.date,
        "accession": found.accession,
        "lacks": [_lack(one) for one in found.lacks],
        "words": [_word(one) for one in found.words],
        "settled": None if found.settled is None else _word(found.settled) | {"reason": found.settled.reason},
    }


def _lack(one: Lack) -> dict[str, Any]:
    named = {"series": one.series or None, "series_number": one.series_number, "numbers": one.numbers}
    counted = {"missing": one.missing, "expected": one.expected, "unit": one.unit, "instances": list(one.instances)}
    return {"source": str(one.origin), "by": one.by, "is_certain": one.is_certain} | named | counted


def _word(one: Word) -> dict[str, Any]:
    said = {"source": str(one.origin), "by": one.by, "at": one.said_at.isoformat()}
    return said | {"expected": one.expected or None, "is_final": one.is_final}


def completeness_routes() -> list[BaseRoute]:
    one = {"GET": read_completeness, "POST": settle_study}
    return [
        Route(_ONE, by_method(one), methods=METHODS),
        Route(_ALL, by_method({"GET": list_completeness}), methods=METHODS),
    ]


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_NONE_OR_WHOLE: Final = {"type": ["integer", "null"], "minimum": 0}
_YES: Final = {"type": "boolean"}
_SOURCE: Final = {"enum": [str(one) for one in (*_SAYERS, Origin.PERSON)]}


_WORD: Final = {"source": _SOURCE, "by": _TEXT, "at": _TEXT, "expected": _NONE_OR_WHOLE, "is_final": _YES}
_LACK: Final = {
    "source": _SOURCE,
    "by": _TEXT,
    "is_certain": _YES,
    "series": {"type": ["string", "null"]},
    "series_number": _TEXT,
    "numbers": _TEXT,
    "missing": _WHOLE,
    "expected": _WHOLE,
    "unit": {"enum": ["image", "series", "study"]},
    "instances": several(_TEXT),
}
_FOUND: Final = closed(
    {
        "study": _TEXT,
        "organization": _TEXT,
        "patient": closed({"issuer": _TEXT, "identifier": _TEXT}),
        "state": {"enum": [str(one) for one in Progress]},
        "is_certain": _YES,
        "is_here": _YES,
        "received": _WHOLE,
        "expected": _NONE_OR_WHOLE,
        "missing": _WHOLE,
        "modalities": several(_TEXT),
        "date": _TEXT,
        "accession": _TEXT,
        "lacks": several(closed(_LACK)),
        "words": several(closed(_WORD)),
        "settled": {"anyOf": [{"type": "null"}, closed({**_WORD, "reason": _TEXT})]},
    }
)
_LIST: Final = closed({"total": _WHOLE, "studies": several(_FOUND)})
_BODY: Final = closed({"is_all": _YES}, {"reason": {"type": "string", "maxLength": 500}})
_DAY: Final = {"type": "string", "format": "date"}


_PARAMETERS: Final = [
    query("state", several({"enum": [str(one) for one in Progress]}), "missing and arriving if not given"),
    query("modality", {"type": "string", "minLength": 1, "maxLength": 16}, "Only studies with this modality"),
    query("since", _DAY, "The first day of the study"),
    query("until", _DAY, "The last day of the study"),
    query("source", {"enum": [str(one) for one in _SAYERS]}, "Who says so"),
    query("limit", {"type": "integer", "minimum": 1, "maximum": _MOST}, f"Studies a page; {_USUAL} if not given"),
    query("offset", {"type": "integer", "minimum": 0, "maximum": 10**9}, "How many to leave out"),
]


def _operation(name: str, words: str, answers: Mapping[int, Any], **more: Any) -> dict[str, Any]:
    refused = {code: REFUSED[code] for code in (400, 401, 403, 503)}
    responses = {str(code): found for code, found in sorted({**refused, **answers}.items())}
    return {"operationId": name, "summary": words, "tags": ["Imagebank"], "responses": responses, **more}


def completeness_paths() -> dict[str, Any]:
    """What the OpenAPI document says of these routes."""
    study = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 128}
    one = {200: answer(200, "What is known of it", as_json(_FOUND)), 404: REFUSED[404]}
    body = {"required": True, "content": {"application/json": {"schema": _BODY}}}
    read, settled = (text.__doc__ or "" for text in (read_completeness, settle_study))
    listed = {200: answer(200, "A page of them, and how many there are", as_json(_LIST))}
    return {
        _ONE: {
            "parameters": [{"name": "study", "in": "path", "required": True, "schema": study}],
            "get": _operation("get_completeness", read, one),
            "post": _operation("post_completeness", settled, one, requestBody=body),
        },
        _ALL: {"get": _operation("list_completeness", list_completeness.__doc__ or "", listed, parameters=_PARAMETERS)},
    }
