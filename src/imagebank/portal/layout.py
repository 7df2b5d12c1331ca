"""What every page of the portal shares: templates, headers, forms, refusals in plain words."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, TooOften, Unavailable, status_for
from imagebank.http.auth import COOKIE, caller, is_from_our_pages
from imagebank.http.errors import HTTP_STATUS, NotSignedIn
from imagebank.model.access import Principal
from imagebank.portal import wording

HEADERS: Mapping[str, str] = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self'; media-src 'self'; object-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_FORM_LIMIT_BYTES = 16 << 10
_FIELDS_LIMIT = 30

_HEADINGS: Mapping[type[BankError], str] = {
    Invalid: "That could not be understood",
    NotFound: "There is nothing here for you",
    NotAllowed: "You may not do this",
    TooOften: "Too many tries",
    Unavailable: "A part of the bank did not answer",
}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["day"] = wording.day
_templates.filters["clock"] = wording.clock
_templates.globals["counted"] = wording.counted


def page(
    request: Request, template: str, status: int = HTTPStatus.OK, principal: Principal | None = None, **context: Any
) -> Response:
    """A page from a template. `principal` is who is signed in."""
    cookie = request.cookies.get(COOKIE, "")
    body = _templates.get_template(template).render(
        principal=principal, csrf=csrf_token(cookie) if cookie else "", **context
    )
    return HTMLResponse(body, status, HEADERS)


def see_other(address: str) -> Response:
    """Go on to another page with GET."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, HEADERS)


def refused(request: Request, error: BankError, principal: Principal | None = None) -> Response:
    """A refusal as a page."""
    heading = status_for(error, _HEADINGS, "That did not work")
    status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
    return page(request, "refused.html", status, principal, heading=heading, message=str(error))


PageOf = Callable[[Request, Principal], Awaitable[Response]]


def for_the_signed_in(show: PageOf) -> Callable[[Request], Awaitable[Response]]:
    """A page for known callers only: others are sent to sign in, and refusals are answered as pages."""

    @wraps(show)
    async def shown(request: Request) -> Response:
        principal = None
        try:
            principal = await caller(request)
            return await show(request, principal)
        except NotSignedIn:
            return see_other("/sign-in")
        except BankError as error:
            return refused(request, error, principal)

    return shown


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a posted form, the last of each name. Raises Invalid when it is no form or too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _FORM_LIMIT_BYTES:
            raise Invalid("this form is too large; shorten what you typed")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_LIMIT))
    except ValueError:
        raise Invalid("the browser sent no form that can be read") from None


async def read_own_form(request: Request) -> dict[str, str]:
    """The same for a form that changes something: it must come from a page that this session was shown.

    Raises NotAllowed otherwise.
    """
    form = await read_form(request)
    wanted = csrf_token(request.cookies.get(COOKIE, ""))
    if not is_from_our_pages(request) or not hmac.compare_digest(form.get("csrf", "").encode(), wanted.encode()):
        raise NotAllowed("this form did not come from our own pages; open the page again and repeat it")
    return form


def csrf_token(cookie: str) -> str:
    """What only a page shown in this session can know."""
    return hashlib.sha256(b"imagebank form " + cookie.encode()).hexdigest()
