"""Cards that were given: their list, and the page of each, where it is frozen, changed, and taken back."""

import hmac
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import card_contents, cards
from imagebank.actions.cards import Changes, Told
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.errors import HTTP_STATUS
from imagebank.model import card_number
from imagebank.model.access import OWNERS, Principal, Right
from imagebank.model.card import NO_END, TRIES, State
from imagebank.paper.language import known as papers_known
from imagebank.paper.sheets import CardSheet, card_pdf
from imagebank.paper.typeset import PaperSize
from imagebank.portal import card_words, here, language, plain_words, share_form
from imagebank.portal.layout import HEADERS, for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.share import ROOTS, code_of, root_of
from imagebank.portal.share_form import Form
from imagebank.portal.shell import is_there
from imagebank.portal.signin import site_of

_LINK: Final = "/my/cards/{card}/link"
_LIVING: Final = frozenset({State.WORKS, State.FROZEN})
_CHANGEABLE: Final = frozenset(State) - {State.TAKEN_BACK, State.SWALLOWED}
Switch = Callable[[Bank, str, Principal, str], Told]


@for_the_signed_in
async def list_cards(request: Request, principal: Principal) -> Response:
    """All cards, those that can still open something first. Staff say first of which patient."""
    return await _list(request, principal)


@for_the_signed_in
async def list_of_patient(request: Request, principal: Principal) -> Response:
    """Those of a patient whom staff name; the name stands in no address."""
    return await _list(request, principal, await read_own_form(request))


async def _list(request: Request, principal: Principal, form: Form | None = None) -> Response:
    patient = share_form.patient_of(form) if form is not None else None
    if form is not None and patient is None:
        raise Invalid("name the patient by the ID, and say which organization gave it")
    bank, is_owner = bank_of(request), principal.role in OWNERS
    if is_owner or patient is not None:
        found = await run_in_threadpool(cards.listed, bank, principal, patient, address_of(request))
    else:
        principal.require(Right.ENROL)
        found = []
    givers = await run_in_threadpool(card_contents.givers, bank, principal) if is_owner else []
    return page(
        request,
        "cards.html",
        HTTPStatus.OK,
        principal,
        root=root_of(request),
        living=[card_words.shown(one) for one in found if one.state in _LIVING],
        over=[card_words.shown(one) for one in found if one.state not in _LIVING],
        form=share_form.typed({"issuer": principal.organization, **(form or {})}),
        is_asked=form is not None,
        can_give=bool(givers) or not is_owner,
        uses={one.card.id: card_words.uses(one) for one in found},
    )


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    return await _card(request, principal)


async def _card(request: Request, principal: Principal, error: BankError | None = None) -> Response:
    """The page of a card, with what went wrong."""
    bank, name = bank_of(request), request.path_params["card"]
    told = await run_in_threadpool(cards.kept, bank, name, principal, address_of(request))
    used = await run_in_threadpool(cards.withdrawals, bank, name, principal)
    contents = await run_in_threadpool(card_contents.named, bank, principal, told.opens)
    status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR) if error else HTTPStatus.OK
    return page(
        request,
        "card.html",
        status,
        principal,
        root=root_of(request),
        told=told,
        card=card_words.shown(told),
        now=card_words.now(told.state),
        opened=card_words.opened(told.opens, contents),
        until=card_words.until(told),
        uses=card_words.uses(told),
        tries=card_words.tries(told, TRIES),
        used=used,
        no_end=NO_END,
        can_change=told.state in _CHANGEABLE,
        can_link=is_there(request, _LINK) and told.state in _LIVING and principal.role in OWNERS,
        notice=error or "",
    )


def _switched(switch: Switch) -> Any:
    """Freeze, thaw or take back a card, and show what became of it."""

    @for_the_signed_in
    async def changed(request: Request, principal: Principal) -> Response:
        await read_own_form(request)
        name = request.path_params["card"]
        try:
            await run_in_threadpool(switch, bank_of(request), name, principal, address_of(request))
        except Conflict as error:
            return await _card(request, principal, error)
        return see_other(f"{root_of(request)}/cards/{name}")

    return changed


@for_the_signed_in
async def change(request: Request, principal: Principal) -> Response:
    """Change until when it works, how often, on which terms, and its texts."""
    form = await read_own_form(request)
    name = request.path_params["card"]
    try:
        await run_in_threadpool(_change, bank_of(request), name, form, principal, address_of(request))
    except (Invalid, Conflict) as error:
        return await _card(request, principal, error)
    return see_other(f"{root_of(request)}/cards/{name}")


def _change(bank: Bank, name: str, form: Form, principal: Principal, address: str) -> None:
    card = cards.kept(bank, name, principal, address).card
    ends_at = share_form.of_day(form.get("last_day", ""))
    wanted = Changes(
        ends_at=None if ends_at is None or here.local(ends_at).date() == here.local(card.ends_at).date() else ends_at,
        uses=share_form.changed_uses(form, card),
        recipient=form.get("recipient", "").strip(),
        purpose=form.get("purpose", "").strip(),
        label=form.get("label", "").strip(),
        reports="reports" in form,
        taking=form.get("taking") == "yes",
    )
    cards.change(bank, name, wanted, principal, address)


@for_the_signed_in
async def ask_to_take_back(request: Request, principal: Principal) -> Response:
    """What taking back does, before it is done."""
    bank, name = bank_of(request), request.path_params["card"]
    told = await run_in_threadpool(cards.kept, bank, name, principal, address_of(request))
    shown = {"card": card_words.shown(told), "root": root_of(request), "took": told.card.uses}
    return page(request, "card-take-back.html", HTTPStatus.OK, principal, **shown)


@for_the_signed_in
async def print_sheet(request: Request, principal: Principal) -> Response:
    """The sheet of a card that was made just now: nobody else can know its number. The PIN is never on it."""
    form = await read_own_form(request)
    bank, name = bank_of(request), request.path_params["card"]
    told = await run_in_threadpool(cards.kept, bank, name, principal, address_of(request))
    number = card_number.read(form.get("number", ""))
    if not hmac.compare_digest(cards.number_hash(bank, number), told.card.number):
        raise Invalid("this is not the number of this card")
    body = await run_in_threadpool(_printed, bank, principal, told, number, site_of(request).origin, form)
    named = {"Content-Disposition": 'attachment; filename="card.pdf"'}
    return Response(body, headers={**HEADERS, **named}, media_type="application/pdf")


def _printed(bank: Bank, principal: Principal, told: Told, number: str, site: str, form: Form) -> bytes:
    wanted, size = form.get("language", ""), form.get("paper", "")
    tongue = wanted if wanted in papers_known() else language.spoken()
    # What it opens is said in the language of the sheet, as far as pages are in that, too.
    language.speak(tongue if tongue in language.known() else language.ENGLISH)
    contents = card_contents.named(bank, principal, told.opens)
    name = card_contents.name_of(bank, told.card.patient)
    sheet = CardSheet(
        bank.settings.site_name,
        f"{site}/redeem",
        number,
        code_of(site, number),
        tuple(card_words.opened(told.opens, contents)),
        f"{site}/my/cards",
        here.local(told.card.ends_at),
        told.opens.taking,
        plain_words.called(name) if name.alphabetic or name.ideographic else "",
    )
    return card_pdf(sheet, tongue, PaperSize(size) if size in set(PaperSize) else PaperSize.A4)


def _routes(root: str) -> list[BaseRoute]:
    one = f"{root}/cards/{{card}}"
    return [
        Route(f"{root}/cards", list_cards, methods=["GET"]),
        Route(one, show, methods=["GET"]),
        Route(f"{one}/freeze", _switched(cards.freeze), methods=["POST"]),
        Route(f"{one}/thaw", _switched(cards.thaw), methods=["POST"]),
        Route(f"{one}/change", change, methods=["POST"]),
        Route(f"{one}/take-back", ask_to_take_back, methods=["GET"]),
        Route(f"{one}/take-back", _switched(cards.revoke), methods=["POST"]),
        Route(f"{one}/sheet", print_sheet, methods=["POST"]),
    ]


ROUTES: list[BaseRoute] = [
    *(route for root in ROOTS for route in _routes(root)),
    Route("/desk/cards", list_of_patient, methods=["POST"]),
]
