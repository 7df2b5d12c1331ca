"""`/shl`: what to do with a health link in a browser; and, for a card's owner, the page that shows one once."""

from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import cards, health_links
from imagebank.actions.health_links import Wish
from imagebank.http.auth import address_of, bank_of, origin_of
from imagebank.http.health_links import behind_viewer
from imagebank.model.access import Principal
from imagebank.model.health_link import text_of
from imagebank.portal.layout import for_the_signed_in, page, read_own_form

_PATH: Final = "/cards/{card}/link"


async def explain(request: Request) -> Response:
    """For whoever follows a link without a program for it. Nothing of the link comes here."""
    return page(request, "health-link.html")


@for_the_signed_in
async def ask(request: Request, principal: Principal) -> Response:
    """What a link of this card is to be like."""
    given = (bank_of(request), request.path_params["card"], principal, address_of(request))
    return page(request, "card-link.html", HTTPStatus.OK, principal, told=await run_in_threadpool(cards.kept, *given))


@for_the_signed_in
async def make(request: Request, principal: Principal) -> Response:
    """Make the link, and show it with its QR code: this once."""
    form = await read_own_form(request)
    wish = Wish(passcode="passcode" in form, updates="updates" in form)
    bank, identifier, address = bank_of(request), request.path_params["card"], address_of(request)
    told = await run_in_threadpool(cards.kept, bank, identifier, principal, address)
    origin = origin_of(request)
    made = await run_in_threadpool(health_links.make, bank, identifier, wish, origin, principal, address)
    shown = {"told": told, "link": text_of(made), "viewer": behind_viewer(made, origin), "wish": wish}
    return page(request, "card-link-made.html", HTTPStatus.OK, principal, **shown)


ROUTES: Final[list[BaseRoute]] = [
    Route("/shl", explain, methods=["GET"]),
    Route(_PATH, ask, methods=["GET"]),
    Route(_PATH, make, methods=["POST"]),
]
