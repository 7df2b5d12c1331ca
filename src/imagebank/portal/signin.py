"""Signing in by a one-time link or a bearer token, and signing out."""

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import access
from imagebank.errors import BankError, NotFound
from imagebank.http.auth import COOKIE, address_of, bank_of, caller_if_any, is_from_our_pages
from imagebank.portal.layout import page, read_form, read_own_form, refused, see_other

SEARCH_COOKIE = "imagebank-search"


async def show(request: Request) -> Response:
    """The sign-in page."""
    return page(request, "sign-in.html", notice="")


async def by_link(request: Request) -> Response:
    """Spend a one-time link. HEAD, which programs send to look at links, spends nothing."""
    if request.method == "HEAD":
        return page(request, "sign-in.html", notice="")
    try:
        cookie = await run_in_threadpool(
            access.sign_in, bank_of(request), request.path_params["code"], address_of(request)
        )
    except NotFound:
        notice = (
            "This link has been used or is too old, and nothing was opened. "
            "Whoever runs this bank makes another with `imagebank sign-in-link`."
        )
        return page(request, "sign-in.html", HTTPStatus.NOT_FOUND, notice=notice)
    except BankError as error:
        return refused(request, error)
    return _opened(request, cookie)


async def by_token(request: Request) -> Response:
    """Open a session with a bearer token that was typed into the form."""
    try:
        form = await read_form(request)
        if not is_from_our_pages(request):
            return page(request, "sign-in.html", HTTPStatus.FORBIDDEN, notice="Please fill in the form on this page.")
        cookie = await run_in_threadpool(
            access.sign_in_by_token, bank_of(request), form.get("token", ""), address_of(request)
        )
    except NotFound:
        notice = "This token does not open anything. Check that it was copied whole. It may also have expired."
        return page(request, "sign-in.html", HTTPStatus.FORBIDDEN, notice=notice)
    except BankError as error:
        return refused(request, error)
    return _opened(request, cookie)


async def sign_out(request: Request) -> Response:
    """End the session. The browser forgets what it kept of it."""
    try:
        await read_own_form(request)
        await run_in_threadpool(access.sign_out, bank_of(request), request.cookies.get(COOKIE, ""))
    except BankError as error:
        return refused(request, error, await caller_if_any(request) if request.method == "GET" else None)
    response = see_other("/sign-in")
    response.headers["Clear-Site-Data"] = '"cache"'
    for name in (COOKIE, SEARCH_COOKIE):
        response.delete_cookie(name, path="/", httponly=True, secure=is_https(request), samesite="lax")
    return response


def is_https(request: Request) -> bool:
    """Whether browsers reach us by https, directly or through a proxy."""
    return request.url.scheme == "https" or bank_of(request).settings.public_url.startswith("https:")


def _opened(request: Request, cookie: str) -> Response:
    hours = bank_of(request).settings.session_hours
    response = see_other("/")
    # Lax, not Strict: a sign-in link that is clicked in a mail has to find its session on the page it leads to.
    response.set_cookie(
        COOKIE, cookie, max_age=int(hours * 3600), path="/", httponly=True, secure=is_https(request), samesite="lax"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


ROUTES: list[BaseRoute] = [
    Route("/sign-in", show, methods=["GET"]),
    Route("/sign-in", by_token, methods=["POST"]),
    Route("/sign-in/{code}", by_link, methods=["GET"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
