"""`/shl`: what to do with a health link in a browser; and, for a card's owner, the page that shows one once."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import cards, health_links
from imagebank.actions.health_links import Wish
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, origin_of
from imagebank.http.health_links import behind_viewer
from imagebank.model.access import Principal
from imagebank.model.health_link import Access
from imagebank.portal.language import gettext
from imagebank.portal.layout import for_the_signed_in, page, read_own_form
from imagebank.portal.share import ROOTS, root_of


async def explain(request: Request) -> Response:
    """For whoever follows a link without a program for it. Nothing of the link comes here."""
    return page(request, "health-link.html")


@for_the_signed_in
async def ask(request: Request, principal: Principal) -> Response:
    """What a link of this card is to be like."""
    given = (bank_of(request), request.path_params["card"], principal, address_of(request))
    shown = {"told": await run_in_threadpool(cards.kept, *given), "card_page": _card_page(request)}
    return page(request, "card-link.html", HTTPStatus.OK, principal, **shown)


@for_the_signed_in
async def make(request: Request, principal: Principal) -> Response:
    """Make the link, and show it with its QR code: this once."""
    form = await read_own_form(request)
    label = gettext("Medical images")
    wish = Wish("passcode" in form, "updates" in form, access=_access(form.get("access", "")), label=label)
    bank, identifier, address = bank_of(request), request.path_params["card"], address_of(request)
    origin = origin_of(request)
    made = await run_in_threadpool(health_links.make, bank, identifier, wish, origin, principal, address)
    shown = {"viewer": behind_viewer(made, origin), "wish": wish, "card_page": _card_page(request)}
    return page(request, "card-link-made.html", HTTPStatus.OK, principal, **shown)


def _access(chosen: str) -> Access:
    """Raises Invalid for what is no choice of the page, so that nobody gives more than they meant."""
    if chosen and chosen not in list(Access):
        raise Invalid("choose how the program is to get the images")
    return Access(chosen) if chosen else health_links.ACCESS


def _card_page(request: Request) -> str:
    """Where the card itself is: among its owner's pages, or at the desk."""
    return f"{root_of(request)}/cards/{quote(request.path_params['card'], safe='')}"


ROUTES: Final[list[BaseRoute]] = [
    Route("/shl", explain, methods=["GET"]),
    *(Route(f"{root}/cards/{{card}}/link", ask, methods=["GET"]) for root in ROOTS),
    *(Route(f"{root}/cards/{{card}}/link", make, methods=["POST"]) for root in ROOTS),
]
