"""Tokens for systems: OAuth 2.0 client credentials by a signed JWT, and where programs learn how (RFC 8414)."""

from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import clients
from imagebank.errors import NotFound
from imagebank.http.auth import address_of, bank_of
from imagebank.http.whereabouts import web_url

GRANT = "client_credentials"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PATH = "/api/v1/token"
_MOST_FIELDS = 20
_NO_STORE = {"Cache-Control": "no-store"}


async def token(request: Request) -> Response:
    """A bearer token of ten minutes for a system, by a JWT that it has signed (RFC 7523)."""
    try:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return _refused(HTTPStatus.BAD_REQUEST, "invalid_request", "send a form")
    if "grant_type" not in form:
        return _refused(HTTPStatus.BAD_REQUEST, "invalid_request", "the form has no grant_type")
    if form["grant_type"] != GRANT:
        return _refused(HTTPStatus.BAD_REQUEST, "unsupported_grant_type", f"the grant is {GRANT}")
    if form.get("client_assertion_type") != ASSERTION or not form.get("client_assertion"):
        return _refused(HTTPStatus.BAD_REQUEST, "invalid_request", f"send client_assertion, of the type {ASSERTION}")
    bank = bank_of(request)
    endpoint = web_url(bank.settings) + _PATH
    try:
        made = await run_in_threadpool(clients.token, bank, form["client_assertion"], endpoint, address_of(request))
    except NotFound as error:
        return _refused(HTTPStatus.UNAUTHORIZED, "invalid_client", str(error))
    lasts = int(clients.TOKEN_LASTS.total_seconds())
    return JSONResponse({"access_token": made, "token_type": "Bearer", "expires_in": lasts}, headers=_NO_STORE)


def _refused(status: int, error: str, words: str) -> Response:
    """A refusal as OAuth has it (RFC 6749 5.2)."""
    headers = dict(_NO_STORE)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="imagebank"'
    return JSONResponse({"error": error, "error_description": words}, status, headers)


async def metadata(request: Request) -> Response:
    """How programs get tokens here (RFC 8414)."""
    web = web_url(bank_of(request).settings)
    return JSONResponse(
        {
            "issuer": web,
            "token_endpoint": web + _PATH,
            "grant_types_supported": [GRANT],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "token_endpoint_auth_signing_alg_values_supported": list(clients.ALGORITHMS),
        }
    )


def token_routes() -> list[BaseRoute]:
    return [
        Route(_PATH, token, methods=["POST"]),
        Route("/.well-known/oauth-authorization-server", metadata),
    ]
