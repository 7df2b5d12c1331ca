"""Signing in at the site's OpenID provider: to it, and back."""

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import signing_in_elsewhere
from imagebank.actions.identity import Provider
from imagebank.errors import BankError, NotFound
from imagebank.http.auth import address_of, bank_of, is_https
from imagebank.http.fetch import fetch
from imagebank.portal.language import noted
from imagebank.portal.layout import page, refused, see_other
from imagebank.portal.signin import opened, site_of

COOKIE = "imagebank-provider"
_PATH = "/sign-in/provider"
_NOTICE = noted(
    "The sign-in there opened nothing here. Try again; if it stays so, whoever runs this bank can say which groups "
    "are let in."
)


def _provider(request: Request) -> Provider:
    """What is known of the provider, kept for the next who signs in. Raises NotFound where there is none."""
    bank = bank_of(request)
    if not signing_in_elsewhere.is_offered(bank):
        raise NotFound("this bank has no sign-in elsewhere")
    state = request.app.state
    if not isinstance(getattr(state, "provider", None), Provider):
        state.provider = Provider(bank.settings, fetch)
    provider: Provider = state.provider
    return provider


async def go(request: Request) -> Response:
    """Send a browser to the provider. HEAD, which programs send to look at links, begins nothing."""
    try:
        provider = _provider(request)
        if request.method == "HEAD":
            return page(request, "sign-in.html", notice="")
        back = site_of(request).origin + f"{_PATH}/answer"
        there, cookie = await run_in_threadpool(
            signing_in_elsewhere.begin, bank_of(request), provider, back, address_of(request)
        )
    except BankError as error:
        return refused(request, error)
    response = see_other(there)
    lasts = int(signing_in_elsewhere.ANSWER_WITHIN.total_seconds())
    # Lax: it has to come along when the provider sends the browser back.
    response.set_cookie(
        COOKIE, cookie, max_age=lasts, path=_PATH, httponly=True, secure=is_https(request), samesite="lax"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


async def come_back(request: Request) -> Response:
    """Open a session for whom the provider vouches for."""
    try:
        provider = _provider(request)
        cookie, answer = request.cookies.get(COOKIE, ""), dict(request.query_params)
        opened_ = await run_in_threadpool(
            signing_in_elsewhere.finish, bank_of(request), provider, cookie, answer, address_of(request)
        )
        response = opened(request, opened_)
    except NotFound:
        response = page(request, "sign-in.html", HTTPStatus.FORBIDDEN, notice=_NOTICE)
    except BankError as error:
        response = refused(request, error)
    response.delete_cookie(COOKIE, path=_PATH, httponly=True, secure=is_https(request), samesite="lax")
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


ROUTES: list[BaseRoute] = [
    Route(_PATH, go, methods=["GET"]),
    Route(f"{_PATH}/answer", come_back, methods=["GET"]),
]
