"""What every page of the portal shares: templates, headers, forms, refusals in plain words."""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from imagebank.actions import cards, emergency, notices, own, reconciling, requests
from imagebank.bank import Bank
from imagebank.dicom import moments
from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, TooOften, Unavailable, status_for
from imagebank.http.auth import bank_of, caller, caller_if_any, cookie_of, is_from_our_pages
from imagebank.http.errors import HTTP_STATUS, RETRY_AFTER_S, NotSignedIn, say
from imagebank.http.quick import quickly
from imagebank.model.access import HOLDERS, OWNERS, Principal, Right, Role
from imagebank.portal import here, language, qr, refusals, shell, wording
from imagebank.portal.language import gettext, noted
from imagebank.portal.look import look_of

HEADERS: Mapping[str, str] = {
    "Cache-Control": "private, no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self'; media-src 'self'; object-src 'self'; "
        "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
_POLICY = "Content-Security-Policy"
ASKING: Mapping[str, str] = {_POLICY: HEADERS[_POLICY] + "; connect-src 'self'"}
"""What a page has beside `HEADERS` whose script asks us for more."""
SHARED_COOKIE = "imagebank-shared"
"""What tells for a day that a browser was opened by a card: its user reads that this has ended, and signs in to nothing."""
_SHARED = "/shared"
_FORM_LIMIT_BYTES = 16 << 10
_FIELDS_LIMIT = 30

_HEADINGS: Mapping[type[BankError], str] = {
    Invalid: noted("That could not be understood"),
    NotFound: noted("There is nothing here for you"),
    NotAllowed: noted("You may not do this"),
    TooOften: noted("Too many tries"),
    Unavailable: noted("A part of the bank did not answer"),
}

_FOR_PROGRAMS = re.compile(r"/(api|dicom-web|fhir|wado|healthz|readyz)(/|$)")
_LOST: Mapping[int, tuple[str, str]] = {
    404: (
        noted("There is no such page"),
        noted("the address may have been typed wrongly, or cut short where it was copied from"),
    ),
    405: (noted("This address is not a page"), noted("it takes what a form of ours sends; nothing was changed")),
}
_ODD = (noted("That did not work"), noted("nothing was changed"))

# A right; the address; its name.
_DOORS = (
    (Right.FIND, "/", noted("Studies")),
    (Right.STORE, "/upload", noted("Upload")),
    (Right.RECONCILE, "/queue", noted("Queue")),
    (Right.RECONCILE, "/completeness", noted("Arrivals")),
    (Right.CONSENT, "/consents", noted("Consents")),
    (Right.ENROL, "/desk", noted("Accounts")),
    (Right.AUDIT, "/reviews", noted("Reviews")),
    (Right.AUDIT, "/disclosures", noted("Disclosures")),
    (Right.QUALITY, "/quality", noted("Repeats")),
    (Right.EMERGENCY, "/emergency", noted("Emergency")),
    (Right.ADMINISTER, "/rules", noted("Rules")),
    (Right.ADMINISTER, "/words", noted("Words")),
    (Right.ADMINISTER, "/prefetch", noted("Prefetch")),
)

_FIRST = frozenset(("base.html", "studies.html", "study.html", "quick-look.html"))

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    extensions=["jinja2.ext.i18n"],
)
_templates.policies["ext.i18n.trimmed"] = True
_templates.install_gettext_callables(gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
_templates.filters["day"] = language.day
_templates.filters["day_of_year"] = language.day_of_year
_templates.filters["clock"] = moments.clock
_templates.globals["counted"] = language.counted
_templates.globals["whole"] = language.whole
_templates.globals["contributed"] = wording.contributed
_templates.globals["minutes_left"] = wording.minutes_left
_templates.filters["listed"] = language.listed
_templates.filters["moment"] = language.moment
_templates.filters["day_at"] = language.day_at
_templates.filters["clock_at"] = here.clock
_templates.filters["local"] = here.local
_templates.globals["zone_name"] = here.zone_name
_templates.filters["name_parts"] = wording.name_of
_templates.filters["plain"] = wording.plain
_templates.filters["purpose"] = wording.purpose
_templates.filters["way"] = wording.way
_templates.filters["sentence"] = refusals.sentence
_templates.globals["language"] = language.spoken
_templates.globals["direction"] = language.direction
_templates.globals["languages"] = language.names
_templates.globals["qr_drawing"] = qr.drawing


def environment() -> Environment:
    """What templates are read by."""
    return _templates


def warm() -> None:
    """Read the templates of the pages that staff open first, with all parts, so that the first of them waits for none."""
    for name in _templates.list_templates():
        if name in _FIRST or name.startswith("parts/"):
            _templates.get_template(name)


def page(
    request: Request, template: str, status: int = HTTPStatus.OK, principal: Principal | None = None, **context: Any
) -> Response:
    """A page from a template. `principal` is who is signed in."""
    speak_to(request)
    cookie = cookie_of(request)
    is_owner = principal is not None and principal.role in OWNERS
    shared = {
        "principal": principal,
        "may": frozenset() if principal is None else principal.rights,
        "csrf": csrf_token(cookie) if cookie else "",
        "emergencies": getattr(request.state, "emergencies", ()),
        "unread": getattr(request.state, "unread", 0),
        "at": bank_of(request).now(),
        "doors": () if principal is None or is_owner else _open_to(request, principal),
        "is_owner": is_owner,
        "owner_name": getattr(request.state, "owner_name", ""),
        "lent": getattr(request.state, "lent", ""),
        "tabs_of_owner": shell.tabs(request) if is_owner else (),
        "look": look_of(request),
        "home": _home(principal),
        "here": _door_of(request.url.path, principal),
        # Where the same page is had again by its address.
        "page_address": request.url.path if request.method == "GET" else "",
        "provider": urlsplit(bank_of(request).settings.oidc_issuer).hostname,
    }
    body = _templates.get_template(template).render({**shared, **context})
    return HTMLResponse(body, status, HEADERS)


def _open_to(request: Request, principal: Principal) -> list[tuple[str, str, int]]:
    """The doors of the bar: address, name, and how many wait there. Whom a card let in has one of their own, and no other."""
    if principal.role is Role.RECIPIENT:
        return [(_SHARED, gettext("Shown to you"), 0)]
    waiting: dict[str, int] = getattr(request.state, "waiting", {})
    rights = principal.rights
    return [(address, gettext(name), waiting.get(address, 0)) for right, address, name in _DOORS if right in rights]


def speak_to(request: Request) -> None:
    """Let what is written for this request be in the language that was chosen, else that its browser asks for.

    Its times are the site's.
    """
    here.stand_in(bank_of(request).settings.zone)
    asked = request.headers.get("accept-language", "")
    language.speak(look_of(request).language or language.chosen(asked, bank_of(request).settings.language))


def _home(principal: Principal | None) -> str:
    """Where the name of the bank leads."""
    if principal is None or principal.role not in HOLDERS:
        return "/"
    return shell.HOME if principal.role in OWNERS else _SHARED


def _door_of(path: str, principal: Principal | None) -> str:
    """Which part of the portal a page belongs to, by the address that leads into it."""
    if principal is not None and principal.role is Role.RECIPIENT:
        return _SHARED
    door = "/" + path.split("/")[1]
    return "/" if door in {"/studies", "/search", "/find", "/patients"} else door


def first_door(principal: Principal) -> str | None:
    """The first part of the portal that is open to somebody; None when none is."""
    if principal.role in HOLDERS:
        return _home(principal)
    return next((address for right, address, _ in _DOORS if right in principal.rights), None)


def see_other(address: str) -> Response:
    """Go on to another page with GET."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, HEADERS)


def refused(request: Request, error: BankError, principal: Principal | None = None) -> Response:
    """A refusal as a page."""
    heading = gettext(status_for(error, _HEADINGS, _ODD[0]))
    status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
    answer = page(request, "refused.html", status, principal, heading=heading, message=error)
    return too_often(answer) if isinstance(error, TooOften | Unavailable) else answer


def too_often(answer: Response) -> Response:
    """An answer that says when it is worth to ask again."""
    answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


async def on_unrouted(request: Request, error: Exception) -> Response:
    """What no route answers: a page with a way back for a person among our pages, the one JSON shape for programs."""
    assert isinstance(error, HTTPException)
    if "text/html" not in request.headers.get("accept", "") or _FOR_PROGRAMS.match(request.url.path):
        words = {404: "there is nothing at this address", 405: f"{request.method} is not offered here"}
        kind = error.detail.replace(" ", "")
        return say(error.status_code, kind, words.get(error.status_code, error.detail), error.headers)
    try:
        principal = await caller_if_any(request)
    except BankError:
        principal = None
    speak_to(request)
    heading, message = map(gettext, _LOST.get(error.status_code, _ODD))
    answer = page(request, "refused.html", error.status_code, principal, heading=heading, message=message)
    answer.headers.update(error.headers or {})
    return answer


PageOf = Callable[[Request, Principal], Awaitable[Response]]


def for_the_signed_in(show: PageOf) -> Callable[[Request], Awaitable[Response]]:
    """A page for known callers only: others are sent to sign in, and refusals are answered as pages."""

    @wraps(show)
    async def shown(request: Request) -> Response:
        principal = None
        speak_to(request)
        try:
            principal = await caller(request)
            await _look_for_emergencies(request, principal)
            await _count_tasks(request, principal)
            await _count_notices(request)
            await _name_owner(request, principal)
            await _name_giver(request, principal)
            return await show(request, principal)
        except NotSignedIn:
            return see_other("/ended" if cookie_of(request, SHARED_COOKIE) else "/sign-in")
        except BankError as error:
            return refused(request, error, principal)

    return shown


async def _look_for_emergencies(request: Request, principal: Principal) -> None:
    """Every page says so as long as somebody has a record open in an emergency."""
    if Right.EMERGENCY in principal.rights:
        bank = bank_of(request)
        request.state.emergencies = await quickly(bank, emergency.open_to, bank, principal)


async def _count_tasks(request: Request, principal: Principal) -> None:
    """How many tasks of the queue wait, and how many requests of patients, for the bar."""
    bank, waiting = bank_of(request), {}
    if Right.RECONCILE in principal.rights:
        waiting["/queue"] = await quickly(bank, reconciling.waiting, bank, principal)
    if Right.ENROL in principal.rights:
        waiting["/desk"] = await quickly(bank, requests.waiting, bank, principal)
    request.state.waiting = waiting


async def _count_notices(request: Request) -> None:
    """How many notices the owner of the account has not looked at, for the bar."""
    if account := getattr(request.state, "account", ""):
        bank = bank_of(request)
        request.state.unread = await quickly(bank, notices.unseen, bank, account)


async def _name_owner(request: Request, principal: Principal) -> None:
    """Every page of a person's account says whose it is."""
    if principal.role in OWNERS:
        bank = bank_of(request)
        request.state.owner_name = await quickly(bank, own.called, bank, principal)


async def _name_giver(request: Request, principal: Principal) -> None:
    """Every page that a card has opened says who shares, and until when."""
    if principal.role is Role.RECIPIENT:
        bank = bank_of(request)
        found = await quickly(bank, cards.lent, bank, principal.name)
        request.state.lent = lent_words(bank, found) if found else ""


def lent_words(bank: Bank, lent: cards.Lent) -> str:
    """`Shared by Ada Varga until 3 Dec 2026, 17:00 UTC at the latest`; staff share in the name of the site."""
    giver = bank.settings.site_name if lent.is_from_staff else lent.giver or gettext("a patient")
    told = {"name": giver, "moment": language.moment(lent.ends_at)}
    return gettext("Shared by %(name)s until %(moment)s at the latest") % told


async def read_form(
    request: Request, most_bytes: int = _FORM_LIMIT_BYTES, most_fields: int = _FIELDS_LIMIT
) -> dict[str, str]:
    """The fields of a posted form, the last of each name. Raises Invalid when it is no form or too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise Invalid("this form is too large; shorten what you typed")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=most_fields))
    except ValueError:
        raise Invalid("the browser sent no form that can be read") from None


async def read_own_form(
    request: Request, most_bytes: int = _FORM_LIMIT_BYTES, most_fields: int = _FIELDS_LIMIT
) -> dict[str, str]:
    """The same for a form that changes something: it must come from a page that this session was shown.

    Raises NotAllowed otherwise.
    """
    form = await read_form(request, most_bytes, most_fields)
    wanted = csrf_token(cookie_of(request))
    if not is_from_our_pages(request) or not hmac.compare_digest(form.get("csrf", "").encode(), wanted.encode()):
        raise NotAllowed("this form did not come from our own pages; open the page again and repeat it")
    return form


def csrf_token(cookie: str) -> str:
    """What only a page shown in this session can know."""
    return hashlib.sha256(b"imagebank form " + cookie.encode()).hexdigest()
