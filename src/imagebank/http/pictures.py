"""Pictures that are held twice, by REST: what was found, and what somebody says of it; and how OpenAPI tells it."""

from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import pixels
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import body_of, typed
from imagebank.http.described import UID, closed, query
from imagebank.http.methods import METHODS, by_method
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.picture import Answer, Finding, Ground, Side, Whose
from imagebank.model.uid import Uid

_PATH: Final = "/api/v1/pixels/findings"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_MOST: Final = 1_000
_USUAL: Final = 100
_STATES: Final = ("open", "settled")


class Settling(msgspec.Struct, forbid_unknown_fields=True):
    """What somebody says of the pictures that two studies have in common."""

    studies: tuple[str, str]
    answer: Answer
    reason: str = ""


async def list_findings(request: Request) -> Response:
    """Studies that have pictures in common under other identities, as far as the caller sees both."""
    principal = await caller(request)
    given = dict(request.query_params)
    if not set(given) <= {"state", "limit", "offset"} or given.get("state", "open") not in _STATES:
        raise Invalid(f"this takes limit, offset, and state: {' or '.join(_STATES)}")
    limit = _number(given.get("limit", str(_USUAL)), "limit", 1, _MOST)
    offset = _number(given.get("offset", "0"), "offset", 0, 10**9)
    is_open, address = given.get("state", "open") == "open", address_of(request)

    def read() -> list[Finding]:
        return pixels.findings(bank_of(request), principal, limit, is_open=is_open, offset=offset, address=address)

    found = await run_in_threadpool(read)
    return JSONResponse({"findings": [_told(one) for one in found]}, headers=_NO_STORE)


async def settle_finding(request: Request) -> Response:
    """Say that the same picture is rightly in both studies, or that they are not the same; nothing is merged."""
    principal = await caller(request)
    given = typed(await body_of(request), Settling)
    one, other = (Uid.parse(each) for each in given.studies)
    bank, address = bank_of(request), address_of(request)
    found = await run_in_threadpool(pixels.settle, bank, principal, one, other, given.answer, given.reason, address)
    return JSONResponse(_told(found), headers=_NO_STORE)


def _number(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 11 and least <= int(text) <= most):
        raise Invalid(f"{name} is a number from {least} to {most}")
    return int(text)


def _told(found: Finding) -> dict[str, Any]:
    verdict = found.verdict
    said = None
    if verdict is not None:
        said = {"answer": str(verdict.answer), "by": verdict.by, "at": verdict.at.isoformat(), "reason": verdict.reason}
    return {
        "whose": str(found.whose),
        "ground": str(found.ground),
        "pictures": found.pictures,
        "found_at": found.found_at.isoformat(),
        "sides": [_side(found.first), _side(found.second)],
        "settled": said,
    }


def _side(side: Side) -> dict[str, Any]:
    named = {"study": str(side.study), "series": str(side.series), "instance": str(side.instance)}
    patient = {"issuer": side.patient.issuer, "identifier": side.patient.identifier}
    return named | {"patient": patient, "organization": side.organization, "date": side.date}


def picture_routes() -> list[BaseRoute]:
    return [Route(_PATH, by_method({"GET": list_findings, "POST": settle_finding}), methods=METHODS)]


_TEXT: Final = {"type": "string"}
_ANSWER: Final = {"enum": [str(one) for one in Answer]}
_SIDE: Final = closed(
    {
        **dict.fromkeys(("study", "series", "instance", "organization", "date"), _TEXT),
        "patient": closed({"issuer": _TEXT, "identifier": _TEXT}),
    }
)
_FINDING: Final = closed(
    {
        "whose": {"enum": [str(one) for one in Whose]},
        "ground": {"enum": [str(one) for one in Ground]},
        "pictures": {"type": "integer", "minimum": 1},
        "found_at": _TEXT,
        "sides": {"type": "array", "items": _SIDE, "minItems": 2, "maxItems": 2},
        "settled": {
            "anyOf": [{"type": "null"}, closed({"answer": _ANSWER, "by": _TEXT, "at": _TEXT, "reason": _TEXT})]
        },
    }
)
_LIST: Final = closed({"findings": {"type": "array", "items": _FINDING}})
_BODY: Final = closed(
    {"studies": {"type": "array", "items": UID, "minItems": 2, "maxItems": 2}, "answer": _ANSWER},
    {"reason": {"type": "string", "maxLength": 1000}},
)


_PARAMETERS: Final = [
    query("state", {"enum": list(_STATES)}, "open if not given"),
    query("limit", {"type": "integer", "minimum": 1, "maximum": _MOST}, f"Findings a page; {_USUAL} if not given"),
    query("offset", {"type": "integer", "minimum": 0, "maximum": 10**9}, "How many to leave out"),
]


def picture_paths() -> dict[str, Any]:
    """What the OpenAPI document says of these routes."""
    refused = {str(code): REFUSED[code] for code in (400, 401, 403, 503)}
    body = {"required": True, "content": {"application/json": {"schema": _BODY}}}
    settled = {"200": answer(200, "The finding", as_json(_FINDING)), "404": REFUSED[404]}
    return {
        _PATH: {
            "get": {
                "operationId": "list_picture_findings",
                "summary": list_findings.__doc__,
                "tags": ["Imagebank"],
                "parameters": _PARAMETERS,
                "responses": {"200": answer(200, "A page of them", as_json(_LIST)), **refused},
            },
            "post": {
                "operationId": "settle_picture_finding",
                "summary": settle_finding.__doc__,
                "tags": ["Imagebank"],
                "requestBody": body,
                "responses": {**refused, **settled, "409": answer(409, "That was said already")},
            },
        }
    }
