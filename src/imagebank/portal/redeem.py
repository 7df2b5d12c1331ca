"""Opening a patient's images by card number and PIN, and what is open then: pages for whoever has no account here."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import cards, redeem, search
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, TooOften, Unavailable, status_for
from imagebank.http.auth import address_of, bank_of, caller, cookie_name, is_from_our_pages, is_https
from imagebank.http.deliberate import deliberately
from imagebank.http.quick import quickly
from imagebank.model import card_number
from imagebank.model.access import Principal, Role
from imagebank.model.attribute import Level
from imagebank.model.query import Query
from imagebank.portal import language
from imagebank.portal.language import gettext, noted
from imagebank.portal.layout import (
    HEADERS,
    SHARED_COOKIE,
    for_the_signed_in,
    lent_words,
    page,
    read_form,
    see_other,
    speak_to,
    too_often,
)
from imagebank.portal.rows import StudyRow, row_of
from imagebank.portal.signin import opened

_MOST: Final = 500
_MARKED_S: Final = 86_400
_FIELDS: Final = ("number", "name", "institution", "why", "other")
PURPOSES: Final = (
    ("Treatment", noted("Treatment")),
    ("Second opinion", noted("Second opinion")),
    ("Emergency", noted("Emergency")),
    ("", noted("Other")),
)
"""Why somebody looks: as the patient reads it, and as it stands on the page. The empty one is told in words."""


_NOTHING: Final = noted(
    "This number and PIN do not open anything. Check both with the patient. The card may also have ended."
)
_STATUS: Final[Mapping[type[BankError], HTTPStatus]] = {
    NotFound: HTTPStatus.FORBIDDEN,
    NotAllowed: HTTPStatus.FORBIDDEN,
    TooOften: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


@dataclass(frozen=True, slots=True)
class _Fault:
    """What is to be looked at: the field, and what is said of it."""

    field: str
    words: BankError | str


async def show(request: Request) -> Response:
    """The form."""
    return _form(request, {})


def _form(
    request: Request,
    typed: dict[str, str],
    status: int = HTTPStatus.OK,
    fault: _Fault | None = None,
    *,
    wants_code: bool = False,
) -> Response:
    shown = {name: typed.get(name, "") for name in _FIELDS}
    shown["why"] = typed.get("why", "Treatment")
    return page(
        request, "redeem.html", status, typed=shown, purposes=PURPOSES, fault=fault, wants_code=wants_code, pin_tries=5
    )


async def open_(request: Request) -> Response:
    """Redeem the card that a form shows."""
    form: dict[str, str] = {}
    try:
        form = await read_form(request)
        if not is_from_our_pages(request):
            raise NotAllowed("this form did not come from our own pages; open the page again and repeat it")
        done = await deliberately(request, _redeem, bank_of(request), form, address_of(request))
    except redeem.CodeWanted:
        return _form(request, form, wants_code=True)
    except BankError as error:
        return _refused(request, form, error)
    return _marked(request, opened(request, done.secret, "/shared"))


def _refused(request: Request, form: dict[str, str], error: BankError) -> Response:
    """The form again, with what was typed but for the PIN, and what is to be looked at."""
    status = status_for(error, _STATUS, HTTPStatus.UNPROCESSABLE_ENTITY)
    has_code = bool(form.get("code"))
    if isinstance(error, NotFound) and not has_code:
        fault = _Fault("pin", _NOTHING)
    elif isinstance(error, Invalid):
        fault = _Fault("name" if _is_number(form) else "number", error)
    else:
        fault = _Fault("code" if has_code else "pin", error)
    answer = _form(request, form, status, fault, wants_code=has_code)
    return too_often(answer) if isinstance(error, TooOften | Unavailable) else answer


def _is_number(form: dict[str, str]) -> bool:
    try:
        return bool(card_number.read(form.get("number", "")))
    except Invalid:
        return False


def _redeem(bank: Bank, form: dict[str, str], address: str) -> redeem.Opened:
    claim = redeem.Claim(
        form.get("number", ""),
        form.get("pin", ""),
        form.get("name", ""),
        form.get("institution", ""),
        form.get("why") or form.get("other", ""),
        code=form.get("code", ""),
        language=language.spoken(),
    )
    return redeem.for_browser(bank, claim, address)


def _marked(request: Request, response: Response) -> Response:
    """Let this browser remember for a day that it was a card that opened it: what it reads when that has ended."""
    name = cookie_name(request, SHARED_COOKIE)
    response.set_cookie(name, "1", max_age=_MARKED_S, path="/", httponly=True, secure=is_https(request), samesite="lax")
    return response


@for_the_signed_in
async def shared(request: Request, principal: Principal) -> Response:
    """What a card has opened; others are at home elsewhere."""
    if principal.role is not Role.RECIPIENT:
        return see_other("/")
    bank = bank_of(request)
    shown = await quickly(bank, _shared, bank, principal, address_of(request))
    return page(request, "shared.html", HTTPStatus.OK, principal, **shown)


def _shared(bank: Bank, principal: Principal, address: str) -> dict[str, Any]:
    query = Query(Level.STUDY, limit=_MOST)
    search.searching(bank, principal, query, "card", address)
    rows: list[StudyRow] = [row_of(found.attributes) for found in search.find(bank, query, principal.scope)]
    return {"rows": rows}


async def tell_lent(request: Request) -> Response:
    """Who shares and until when, in words, for the bar above the viewer; nothing for whom no card let in."""
    principal = await caller(request)
    bank = bank_of(request)
    found = await quickly(bank, cards.lent, bank, principal.name) if principal.role is Role.RECIPIENT else None
    if found is None:
        return Response(None, HTTPStatus.NO_CONTENT, HEADERS)
    speak_to(request)
    told = {"words": lent_words(bank, found), "back": gettext("All that is shown to you"), "address": "/shared"}
    return JSONResponse(told, headers=HEADERS)


async def ended(request: Request) -> Response:
    """What somebody reads whose access has ended. It does not say why."""
    return page(request, "ended.html", HTTPStatus.FORBIDDEN)


ROUTES: list[BaseRoute] = [
    Route("/redeem", show, methods=["GET"]),
    Route("/redeem", open_, methods=["POST"]),
    Route("/shared", shared, methods=["GET"]),
    Route("/shared/open", tell_lent, methods=["GET"]),
    Route("/ended", ended, methods=["GET"]),
]
