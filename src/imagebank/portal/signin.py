"""Signing in by a passkey, a password, a one-time link or a bearer token, and signing out."""

import re
from collections.abc import Awaitable, Callable
from functools import wraps
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import access, passkey, signing_in
from imagebank.errors import BankError, NotFound, TooOften
from imagebank.http.auth import (
    COOKIE,
    address_of,
    bank_of,
    caller_if_any,
    cookie_name,
    cookie_of,
    is_from_our_pages,
    is_https,
)
from imagebank.http.deliberate import deliberately
from imagebank.model import account_number
from imagebank.portal.language import noted
from imagebank.portal.layout import SHARED_COOKIE, page, read_form, read_own_form, refused, see_other, too_often

SEARCH_COOKIE = "imagebank-search"
FIND_COOKIE = "imagebank-find"
_THEN_COOKIE: Final = "imagebank-then"
_THEN: Final = re.compile(r"/notices/[0-9a-f]{32}|/account/notices")
"""Pages to which mail leads, and so to which somebody may be on the way who has to sign in first; and no other."""
_THEN_S: Final = 1800


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
        notice = noted(
            "This link has been used or is too old, and nothing was opened. "
            "Whoever runs this bank makes another with `imagebank sign-in-link`."
        )
        return page(request, "sign-in.html", HTTPStatus.NOT_FOUND, notice=notice)
    except BankError as error:
        return refused(request, error)
    return opened(request, cookie)


async def by_token(request: Request) -> Response:
    """Open a session with a bearer token that was typed into the form."""

    def open_(form: dict[str, str]) -> str:
        return access.sign_in_by_token(bank_of(request), form.get("token", ""), address_of(request))

    notice = noted("This token does not open anything. Check that it was copied whole. It may also have expired.")
    return await _by_form(request, open_, notice)


async def by_password(request: Request) -> Response:
    """Open a session with a name, its password, and where there is an authenticator app its code."""

    def open_(form: dict[str, str]) -> str:
        name, password, code = (form.get(field, "") for field in ("name", "password", "code"))
        name = account_number.name_of(name)
        return signing_in.by_password(bank_of(request), name, password, code, address_of(request))

    notice = noted(
        "These do not open anything. Check name and password, and the code if you have set up an app for codes: "
        "each code works once."
    )
    return await _by_form(request, open_, notice, is_deliberate=True)


async def ask_passkey(request: Request) -> Response:
    """The page on which the browser asks for a passkey."""
    try:
        if not is_from_our_pages(request):
            return _elsewhere(request)
        site, address = site_of(request), address_of(request)
        options = await run_in_threadpool(passkey.offer, bank_of(request), site, address)
    except TooOften as error:
        return too_often(page(request, "sign-in.html", HTTPStatus.TOO_MANY_REQUESTS, notice=error))
    except BankError as error:
        return refused(request, error)
    return page(
        request,
        "passkey.html",
        options=options,
        answer_to="/sign-in/passkey/answer",
        heading=noted("Sign in with a passkey"),
        act=noted("Sign in"),
        back="/sign-in",
    )


async def by_passkey(request: Request) -> Response:
    """Open a session with what a passkey has answered."""

    def open_(form: dict[str, str]) -> str:
        return passkey.sign_in(bank_of(request), site_of(request), form.get("answer", ""), address_of(request))

    notice = noted(
        "This passkey does not open anything here. Sign in in another way, and make a new one under your name."
    )
    return await _by_form(request, open_, notice)


async def _by_form(
    request: Request, open_: Callable[[dict[str, str]], str], notice: str, *, is_deliberate: bool = False
) -> Response:
    """Open a session by what a form of the sign-in page says. `notice` stands there when it opens nothing."""
    try:
        form = await read_form(request)
        if not is_from_our_pages(request):
            return _elsewhere(request)
        in_a_thread = deliberately(request, open_, form) if is_deliberate else run_in_threadpool(open_, form)
        cookie = await in_a_thread
    except NotFound:
        return page(request, "sign-in.html", HTTPStatus.FORBIDDEN, notice=notice)
    except TooOften as error:
        return too_often(page(request, "sign-in.html", HTTPStatus.TOO_MANY_REQUESTS, notice=error))
    except BankError as error:
        return refused(request, error)
    return opened(request, cookie)


def _elsewhere(request: Request) -> Response:
    return page(request, "sign-in.html", HTTPStatus.FORBIDDEN, notice=noted("Please fill in the form on this page."))


async def sign_out(request: Request) -> Response:
    """End the session. The browser forgets what it kept of it."""
    try:
        await read_own_form(request)
        cookie, address = cookie_of(request), address_of(request)
        await run_in_threadpool(access.sign_out, bank_of(request), cookie, address)
    except BankError as error:
        return refused(request, error, await caller_if_any(request) if request.method == "GET" else None)
    response = see_other("/sign-in")
    response.headers["Clear-Site-Data"] = '"cache"'
    for name in (COOKIE, SEARCH_COOKIE, FIND_COOKIE):
        ours = cookie_name(request, name)
        response.delete_cookie(ours, path="/", httponly=True, secure=is_https(request), samesite="lax")
    return response


def site_of(request: Request) -> passkey.Site:
    """Where browsers find us: by the public address, else as this request did."""
    public = urlsplit(bank_of(request).settings.public_url or str(request.base_url))
    return passkey.Site(f"{public.scheme}://{public.netloc}", public.hostname or "")


def coming_back(show: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A page to which mail leads: whoever has to sign in first comes to it with that."""

    @wraps(show)
    async def shown(request: Request) -> Response:
        answer = await show(request)
        path = request.url.path
        if answer.headers.get("location") == "/sign-in" and _THEN.fullmatch(path):
            ours, is_safe = cookie_name(request, _THEN_COOKIE), is_https(request)
            answer.set_cookie(ours, path, max_age=_THEN_S, path="/", httponly=True, secure=is_safe, samesite="lax")
        return answer

    return shown


def opened(request: Request, cookie: str, address: str = "/") -> Response:
    """On to a page with a new session: to the one that somebody was on the way to, where they were."""
    hours = bank_of(request).settings.session_hours
    then = cookie_of(request, _THEN_COOKIE)
    response = see_other(then if address == "/" and _THEN.fullmatch(then) else address)
    if then:
        ours = cookie_name(request, _THEN_COOKIE)
        response.delete_cookie(ours, path="/", httponly=True, secure=is_https(request), samesite="lax")
    # Lax, not Strict: a sign-in link that is clicked in a mail has to find its session on the page it leads to.
    name, lasts = cookie_name(request, COOKIE), int(hours * 3600)
    response.set_cookie(name, cookie, max_age=lasts, path="/", httponly=True, secure=is_https(request), samesite="lax")
    response.delete_cookie(cookie_name(request, SHARED_COOKIE), path="/", secure=is_https(request))
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


ROUTES: list[BaseRoute] = [
    Route("/sign-in", show, methods=["GET"]),
    Route("/sign-in", by_token, methods=["POST"]),
    Route("/sign-in/password", by_password, methods=["POST"]),
    Route("/sign-in/passkey", ask_passkey, methods=["POST"]),
    Route("/sign-in/passkey/answer", by_passkey, methods=["POST"]),
    Route("/sign-in/{code}", by_link, methods=["GET"]),
    Route("/sign-out", sign_out, methods=["POST"]),
]
