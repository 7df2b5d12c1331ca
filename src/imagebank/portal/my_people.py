"""Who has access to the images that an account holds, how a carer is let in, and how access ends."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import enrol, once, own
from imagebank.actions.own import Access, Held
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotAllowed, NotFound, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.errors import HTTP_STATUS
from imagebank.model import account_number
from imagebank.model.access import Principal, Session
from imagebank.model.provision import ACTING, FOR_EVER, Relation
from imagebank.model.zone import beginning
from imagebank.portal import enrolment, here, language, plain_words
from imagebank.portal.language import day_at, gettext, noted
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.proving import of_the_proven
from imagebank.portal.shell import is_there

_PAGE: Final = "/my/people"
RELATIONS: Final[Mapping[Relation, str]] = {
    Relation.OWNER: noted("their own images"),
    Relation.PARENT: noted("parent"),
    Relation.CARER: noted("carer"),
    Relation.REPRESENTATIVE: noted("legal representative"),
}
"""What somebody is to the person whose images they see."""


@dataclass(frozen=True, slots=True)
class Row:
    """Somebody with access, in words."""

    access: Access
    relation: str
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Group:
    """Who has access to one person's images; `may_let_in` for who acts for the person."""

    key: str
    name: str
    rows: tuple[Row, ...]
    may_let_in: bool


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    return await _show(request, principal)


async def _show(
    request: Request,
    principal: Principal,
    error: BankError | None = None,
    made: enrol.Sheet | None = None,
    form: Mapping[str, str] | None = None,
) -> Response:
    groups = await run_in_threadpool(_groups, bank_of(request), principal, address_of(request))
    status = HTTPStatus.OK if error is None else status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
    return page(
        request,
        "my-people.html",
        status,
        principal,
        groups=groups,
        made=made,
        typed={name: (form or {}).get(name, "") for name in ("person", "name", "account", "until")},
        notice=error or "",
        once=secrets.token_urlsafe(16),
        shown=account_number.shown,
        spoken=language.spoken(),
    )


def _groups(bank: Bank, principal: Principal, address: str) -> list[Group]:
    return [_group(bank, principal, one, address) for one in own.people(bank, principal)]


def _group(bank: Bank, principal: Principal, held: Held, address: str) -> Group:
    rows = tuple(_row(one) for one in own.who_has_access(bank, principal, held, address))
    return Group(held.key, plain_words.called(held.name), rows, held.relation in ACTING)


def _row(one: Access) -> Row:
    holding = one.holding
    until = "" if holding.ends_at == FOR_EVER else day_at(holding.ends_at - timedelta(seconds=1))
    return Row(one, gettext(RELATIONS[Relation(holding.terms)]), day_at(holding.starts_at), until)


@of_the_proven
async def let_in(request: Request, principal: Principal, _: Session) -> Response:
    """Let a carer in, after a fresh proof; what they need to sign in is shown once."""
    form = await read_own_form(request)
    given = (bank_of(request), principal, form, address_of(request))
    try:
        made = await run_in_threadpool(_let_in, *given)
    except (Invalid, Conflict, NotFound, NotAllowed) as error:
        return await _show(request, principal, error, form=form)
    return await _show(request, principal, made=made, form=form)


def _let_in(bank: Bank, principal: Principal, form: Mapping[str, str], address: str) -> enrol.Sheet:
    (held,) = _one(own.people(bank, principal), form.get("person", ""))
    typed, name = form.get("account", "").strip(), " ".join(form.get("name", "").split())
    if not typed and not name:
        raise Invalid("say how your carer is called")
    number = account_number.read(typed) if typed else ""
    wanted = enrol.Wanted(held.patient, Relation.CARER, number, name, until=_end(form.get("until", "")))
    drawn = form.get("once", "")
    if drawn and not once.is_first(bank, principal, drawn):
        raise Conflict(
            "this form was sent already, and your carer was let in; if you have not seen their secret, "
            "end their access and let them in anew"
        )
    return enrol.enrol(bank, wanted, principal, address)


def _one(held: Sequence[Held], key: str) -> list[Held]:
    if not key:
        raise Invalid("say whose images your carer may see")
    return own.chosen(held, key)


def _end(text: str) -> datetime:
    """The end of the day that was chosen."""
    try:
        return beginning(date.fromisoformat(text) + timedelta(days=1), here.zone()) if text else FOR_EVER
    except (ValueError, OverflowError):
        raise Invalid("a day is written as 2026-01-31") from None


@for_the_signed_in
async def print_sheet(request: Request, _: Principal) -> Response:
    """The sheet for a carer, of what the page before has shown."""
    return await enrolment.sheet_of(request, await read_own_form(request))


@for_the_signed_in
async def end(request: Request, principal: Principal) -> Response:
    """End an access: one's own, or somebody's to images of whom one acts for."""
    await read_own_form(request)
    given = (bank_of(request), request.path_params["access"], principal, address_of(request))
    try:
        await run_in_threadpool(enrol.end, *given)
    except NotFound as error:
        return await _show(request, principal, error)
    return see_other(_PAGE)


@for_the_signed_in
async def settings(request: Request, principal: Principal) -> Response:
    """What can be set, each with the page for it."""
    shown: dict[str, Any] = await run_in_threadpool(_settings, request, principal)
    return page(request, "my-settings.html", HTTPStatus.OK, principal, **shown)


def _settings(request: Request, principal: Principal) -> dict[str, Any]:
    bank = bank_of(request)
    mailbox = own.mailbox(bank, principal)
    number = account_number.shown(principal.name) if principal.name.isdigit() else ""
    return {
        "number": number,
        "mail": mailbox.address if mailbox else "",
        "can_mail": bool(bank.settings.smtp),
        "can_close": is_there(request, "/my/close"),
        "has_account": own.called(bank, principal) != "",
    }


ROUTES: list[BaseRoute] = [
    Route(_PAGE, show, methods=["GET"]),
    Route(f"{_PAGE}/let-in", let_in, methods=["POST"]),
    Route(f"{_PAGE}/sheet", print_sheet, methods=["POST"]),
    Route(f"{_PAGE}/{{access}}/end", end, methods=["POST"]),
    Route("/my/settings", settings, methods=["GET"]),
]
