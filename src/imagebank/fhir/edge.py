"""What every FHIR interaction shares: who asks, under which address we answer, refusals as OperationOutcomes."""

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, TooOften, Unavailable, Unsupported, status_for
from imagebank.fhir.resources import Resource, issuer_of, operation_outcome
from imagebank.http.auth import caller
from imagebank.http.errors import HTTP_STATUS, RETRY_AFTER_S
from imagebank.model.access import Principal
from imagebank.model.person import PatientId

ROOT: Final = "/fhir"
JSON: Final = frozenset({"json", "application/json", "application/fhir+json"})
"""What `_format` may say."""
TYPE: Final = "application/fhir+json; charset=utf-8"
_ISSUES: Final[Mapping[type[BankError], str]] = {
    Invalid: "invalid",
    NotAllowed: "forbidden",
    NotFound: "not-found",
    Unsupported: "not-supported",
    TooOften: "throttled",
    Unavailable: "transient",
}
HEADERS: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}

Endpoint = Callable[[Request, Principal], Awaitable[Response]]


def for_programs(answer: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for known callers, whose refusals are OperationOutcomes."""

    @wraps(answer)
    async def answered(request: Request) -> Response:
        principal = await caller(request)
        try:
            return await answer(request, principal)
        except BankError as error:
            status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
            body = operation_outcome(status_for(error, _ISSUES, "processing"), str(error))
            wait = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, Unavailable | TooOften) else {}
            return as_json(body, status, wait)

    return answered


def as_json(body: Resource, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(orjson.dumps(body), status, {**HEADERS, **(headers or {})}, media_type=TYPE)


def patient_of(text: str) -> PatientId:
    """The patient that a token names. Raises Invalid for one without a system."""
    system, bar, value = text.rpartition("|")
    if not bar or not system or not value:
        raise Invalid("name a patient by patient.identifier=SYSTEM|VALUE: a bare identifier may mean several people")
    return PatientId(issuer_of(system), value)


def value_of(token: str) -> str:
    """What stands after the system of a token."""
    return token.rpartition("|")[2]


def whole_number(name: str, text: str) -> int:
    """Raises Invalid, naming the parameter."""
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise Invalid(f"{name} is a whole number")
    return int(text)
