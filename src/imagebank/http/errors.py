"""Refusals in HTTP's words: one table from the bank's errors to status codes, one JSON shape for every endpoint."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from imagebank.errors import (
    BankError,
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    OutOfSpace,
    TooOften,
    Unavailable,
    Unsupported,
    status_for,
)

HTTP_STATUS: Mapping[type[BankError], int] = {
    Invalid: HTTPStatus.BAD_REQUEST,
    NotFound: HTTPStatus.NOT_FOUND,
    NotAllowed: HTTPStatus.FORBIDDEN,
    Conflict: HTTPStatus.CONFLICT,
    Unsupported: HTTPStatus.NOT_IMPLEMENTED,
    TooOften: HTTPStatus.TOO_MANY_REQUESTS,
    OutOfSpace: HTTPStatus.INSUFFICIENT_STORAGE,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
RETRY_AFTER_S = 5


class NotSignedIn(Exception):
    """Nobody known is asking. Not a refusal of the bank's, so not among its errors."""


def refusal(error: BankError) -> Response:
    """`{"error": kind, "message": words}` with the status of the kind."""
    status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
    headers = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, Unavailable | TooOften) else {}
    return say(status, type(error).__name__, str(error), headers)


def say(status: int, kind: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": kind, "message": message}, status, {"Cache-Control": "no-store", **(headers or {})})


async def on_bank_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, BankError)
    return refusal(error)


async def on_not_signed_in(request: Request, _error: Exception) -> Response:
    """401; what a viewer has cached of a closed session is to be forgotten (RFC 9110 15.5.2)."""
    challenge, words = 'Bearer realm="imagebank"', "sign in, or send a bearer token in the Authorization header"
    if request.headers.get("authorization", "").lower().startswith("bearer "):
        # RFC 6750 3.1: said only to who sent a token.
        challenge += ', error="invalid_token"'
        words = "this bearer token is unknown, expired or revoked; `imagebank token create` makes another"
    return say(HTTPStatus.UNAUTHORIZED, "NotSignedIn", words, {"WWW-Authenticate": challenge})
