"""Sharing in three steps: what, for whom and how long, and the card. For owners of accounts, and for staff at a desk."""

import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import card_contents, cards, once, own
from imagebank.actions.own import Held
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotAllowed, NotFound, Unsupported, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.errors import HTTP_STATUS
from imagebank.model import card_number
from imagebank.model.access import OWNERS, Principal, Right
from imagebank.model.person import PatientId
from imagebank.model.timeline import Entry, Page
from imagebank.paper import language as paper_language
from imagebank.paper.typeset import PaperSize, usual_paper
from imagebank.portal import card_words, exams, plain_words, share_form
from imagebank.portal.language import day_of_year, spoken
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.my import exam_of
from imagebank.portal.share_form import Form
from imagebank.portal.signin import site_of

ROOTS: Final = ("/my", "/desk")
"""Where the pages of cards stand: for owners of accounts, and for staff."""
PAPERS: Final = ((PaperSize.A4, "A4"), (PaperSize.LETTER, "US Letter"))
_WAY: Final = "portal"
_TILES: Final = 50
_TYPED: Final = (Invalid, Conflict, NotFound, NotAllowed, Unsupported)


def root_of(request: Request) -> str:
    """Which of them a page belongs to."""
    return next(root for root in ROOTS if request.url.path.startswith(root))


@for_the_signed_in
async def begin(request: Request, principal: Principal) -> Response:
    """What there is to be shared, with what another page has chosen. Staff say first whose it is."""
    if principal.role not in OWNERS:
        principal.require(Right.ENROL)
        return see_other("/desk/cards")
    asked = request.query_params
    return await _what(request, principal, share_form.begun(asked.get("study", "")[:64], of=asked.get("of", "")[:64]))


@for_the_signed_in
async def go_on(request: Request, principal: Principal) -> Response:
    """The step that the form asks for; on the page it is said what has to be typed otherwise."""
    form: Form = await read_own_form(request, share_form.BYTES, share_form.FIELDS)
    step = form.get("step", "")
    if step == "begin":
        form = share_form.begun(**form)
    try:
        if step == "make":
            return await _made(request, principal, form)
        if step == "whom":
            share_form.reach(form, None)
            return await _whom(request, principal, form)
    except _TYPED as error:
        again = _whom if step == "make" else _what
        return await again(request, principal, form, error)
    return await _what(request, principal, form)


async def _what(request: Request, principal: Principal, form: Form, error: BankError | None = None) -> Response:
    """The first step."""
    shown = await run_in_threadpool(_choices, bank_of(request), principal, form, address_of(request))
    kept = {**share_form.of_whom(form), **{name: form[name] for name in ("patient_id", "issuer") if name in form}}
    return _step(request, principal, "share-what.html", form, error, {**shown, "kept": kept})


def _choices(bank: Bank, principal: Principal, form: Form, address: str) -> dict[str, Any]:
    """Whose images, and which of them."""
    if principal.role not in OWNERS:
        patient = share_form.patient_of(form)
        if patient is None:
            raise Invalid("name the patient by the ID, and say which organization gave it")
        found: Sequence[Entry] = card_contents.studies_of(bank, principal, patient, _WAY, address)
        return {"people": [], "whose": "", **_offered(found, form)}
    held = card_contents.givers(bank, principal)
    if not held:
        return {"people": [], "whose": None, **_offered((), form)}
    mine = _chosen(bank, held, form)
    found = own.images(bank, principal, [mine], _WAY, address, Page(500)).entries
    people = [(one.key, plain_words.called(one.name), one is mine) for one in held] if len(held) > 1 else []
    return {"people": people, "whose": mine.key, **_offered(found, form)}


def _chosen(bank: Bank, held: Sequence[Held], form: Form) -> Held:
    """Whose images are shared: of whom the address names, or of whom the first study that is chosen is."""
    if key := form.get("of"):
        return own.chosen(held, key)[0]
    some = share_form.studies(form)
    return card_contents.whose(bank, held, some[0]) if some else held[0]


def _offered(entries: Sequence[Entry], form: Form) -> dict[str, Any]:
    """Tiles of the newest studies and of those that are chosen, and the kinds and parts of the body that there are."""
    chosen = {str(uid) for uid in share_form.studies(form)}
    parts = {part for entry in entries for part in entry.parts}
    kinds = {one.modality: card_words.kind(one.modality) for one in parts if one.modality}
    bodies = {one.body_part: exams.part_of_body(one.body_part) for one in parts if one.body_part}
    return {
        "exams": [
            exam_of(entry, lambda _: "") for at, entry in enumerate(entries) if at < _TILES or str(entry.uid) in chosen
        ],
        "number": len(entries),
        "kinds": sorted(kinds.items(), key=lambda one: one[1]),
        "bodies": sorted(bodies.items(), key=lambda one: one[1]),
    }


async def _whom(request: Request, principal: Principal, form: Form, error: BankError | None = None) -> Response:
    """The second step. What is drawn for the form lets one card be made by it, however often it is sent."""
    bank = bank_of(request)
    spans = [(days, day_of_year(f"{share_form.after(bank, days):%Y%m%d}")) for days in share_form.DAYS]
    shown = {
        "kept": share_form.of_what(form),
        "once": secrets.token_urlsafe(16),
        "spans": spans,
        "today": share_form.after(bank, 1).isoformat(),
        "can_mail": bool(bank.settings.smtp),
    }
    return _step(request, principal, "share-whom.html", form, error, shown)


def _step(
    request: Request,
    principal: Principal,
    template: str,
    form: Form,
    error: BankError | None,
    shown: Mapping[str, Any],
) -> Response:
    status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR) if error else HTTPStatus.OK
    root = root_of(request)
    return page(
        request, template, status, principal, form=share_form.typed(form), notice=error or "", root=root, **shown
    )


async def _made(request: Request, principal: Principal, form: Form) -> Response:
    """Make the card, and show it with its number and its PIN: this once."""
    bank, address = bank_of(request), address_of(request)
    patient = await run_in_threadpool(_patient, bank, principal, form)
    wanted = share_form.wanted(bank, form, patient)
    if not await run_in_threadpool(once.is_first, bank, principal, form.get("once", "")):
        return page(request, "share-again.html", HTTPStatus.CONFLICT, principal, root=root_of(request))
    made = await run_in_threadpool(cards.issue, bank, wanted, principal, address)
    told = cards.Told(made.card, made.opens, made.card.state(bank.now()))
    contents = await run_in_threadpool(card_contents.named, bank, principal, made.opens)
    site, asked = site_of(request), request.headers.get("accept-language", "")
    return page(
        request,
        "card-made.html",
        HTTPStatus.CREATED,
        principal,
        root=root_of(request),
        card=card_words.shown(told, card_number.shown(made.number)),
        opened=card_words.opened(made.opens, contents),
        until=card_words.until(told),
        pin=grouped(made.pin),
        code=code_of(site.origin, made.number),
        site=site.origin.partition("://")[2],
        papers=PAPERS,
        languages_of_paper=paper_language.names(),
        usual=(paper_language.spoken(spoken()), usual_paper(asked.partition(",")[0])),
    )


def _patient(bank: Bank, principal: Principal, form: Form) -> PatientId | None:
    """For whom the card is."""
    if principal.role not in OWNERS:
        return share_form.patient_of(form)
    held = card_contents.givers(bank, principal)
    return _chosen(bank, held, form).patient if held else None


def grouped(pin: str) -> str:
    """A PIN as it is read out: in two halves where it is long enough."""
    middle = (len(pin) + 1) // 2
    return f"{pin[:middle]} {pin[middle:]}" if len(pin) > 5 else pin


def code_of(origin: str, number: str) -> str:
    """What the QR code of a card holds. The number stands where no server sees it: behind the #."""
    return f"{origin}/redeem#{number}"


ROUTES: list[BaseRoute] = [
    *(Route(f"{root}/share", begin, methods=["GET"]) for root in ROOTS),
    *(Route(f"{root}/share", go_on, methods=["POST"]) for root in ROOTS),
]
