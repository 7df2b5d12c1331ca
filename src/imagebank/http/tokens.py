"""Tokens for systems: OAuth 2.0 client credentials by a signed JWT or a certificate, and where it is told (RFC 8414)."""

from http import HTTPStatus
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import clients
from imagebank.errors import NotFound
from imagebank.http.auth import address_of, bank_of, certificate_of
from imagebank.http.whereabouts import web_url

GRANT = "client_credentials"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_PATH = "/api/v1/token"
_MOST_FIELDS = 20
_NO_STORE = {"Cache-Control": "no-store"}


async def token(request: Request) -> Response:
    """A bearer token of ten minutes for a system, by a JWT that it has signed (RFC 7523) or its certificate (RFC 8705)."""
    try:
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return _refused(HTTPStatus.BAD_REQUEST, "invalid_request", "send a form")
    if (wrong := _wrong(form)) is not None:
        return _refused(HTTPStatus.BAD_REQUEST, *wrong)
    try:
        made = await run_in_threadpool(_made, request, form)
    except NotFound as error:
        return _refused(HTTPStatus.UNAUTHORIZED, "invalid_client", str(error))
    lasts = int(clients.TOKEN_LASTS.total_seconds())
    return JSONResponse({"access_token": made, "token_type": "Bearer", "expires_in": lasts}, headers=_NO_STORE)


def _wrong(form: dict[str, str]) -> tuple[str, str] | None:
    """The error and the words for a form that asks for no token as we give them (RFC 6749 5.2)."""
    if "grant_type" not in form:
        return "invalid_request", "the form has no grant_type"
    if form["grant_type"] != GRANT:
        return "unsupported_grant_type", f"the grant is {GRANT}"
    if "client_assertion" in form:
        is_ours = form.get("client_assertion_type") == ASSERTION and form["client_assertion"]
        return None if is_ours else ("invalid_request", f"send client_assertion, of the type {ASSERTION}")
    if not form.get("client_id"):
        return "invalid_request", "send client_assertion, or client_id and a TLS certificate"
    return None


def _made(request: Request, form: dict[str, str]) -> str:
    """A token by an assertion where there is one, else by the certificate alone. Raises NotFound."""
    bank, shown, address = bank_of(request), certificate_of(request), address_of(request)
    if "client_assertion" not in form:
        return clients.token_by_certificate(bank, form["client_id"], shown, address)
    return clients.token(bank, form["client_assertion"], web_url(bank.settings) + _PATH, address, shown)


def _refused(status: int, error: str, words: str) -> Response:
    """A refusal as OAuth has it (RFC 6749 5.2)."""
    headers = dict(_NO_STORE)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="imagebank"'
    return JSONResponse({"error": error, "error_description": words}, status, headers)


async def metadata(request: Request) -> Response:
    """How programs get tokens here (RFC 8414)."""
    settings = bank_of(request).settings
    web = web_url(settings)
    # Only a proxy sees certificates. For a client both ways are one; we know it by the very certificate in either.
    by_certificate = ["self_signed_tls_client_auth", "tls_client_auth"] if settings.trusted_proxies else []
    return JSONResponse(
        {
            "issuer": web,
            "token_endpoint": web + _PATH,
            "grant_types_supported": [GRANT],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["private_key_jwt", *by_certificate],
            "token_endpoint_auth_signing_alg_values_supported": list(clients.ALGORITHMS),
            "tls_client_certificate_bound_access_tokens": bool(by_certificate),
        }
    )


def token_routes() -> list[BaseRoute]:
    return [
        Route(_PATH, token, methods=["POST"]),
        Route("/.well-known/oauth-authorization-server", metadata),
    ]
