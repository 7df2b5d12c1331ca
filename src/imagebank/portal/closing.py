"""The page on which the owner of an account closes it, and what stands there afterwards."""

from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import closing, contributing, own
from imagebank.errors import Conflict, Invalid, NotAllowed
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import OWNERS, Principal, Session
from imagebank.portal.layout import page, read_own_form, see_other
from imagebank.portal.proving import of_the_proven


@of_the_proven
async def ask(request: Request, principal: Principal, _: Session) -> Response:
    """What ends and what stays, before it is done."""
    return await _page(request, principal)


async def _page(request: Request, principal: Principal, notice: Invalid | None = None) -> Response:
    if principal.role not in OWNERS:
        raise NotAllowed("an account of staff is ended by an admin")
    bank = bank_of(request)
    held = await run_in_threadpool(own.people, bank, principal)
    status = HTTPStatus.OK if notice is None else HTTPStatus.BAD_REQUEST
    added = await run_in_threadpool(contributing.kept, bank, principal)
    shown = {"holds": bool(held), "years": bank.settings.retention_years, "added": added.files}
    return page(request, "close.html", status, principal, **shown, notice=notice or "")


@of_the_proven
async def close(request: Request, principal: Principal, found: Session) -> Response:
    """Close it. Whoever sends the form twice reads the same."""
    form = await read_own_form(request)
    if form.get("sure") != "yes":
        return await _page(request, principal, Invalid("tick that you want this, and press the button again"))
    erase = form.get("erase") == "yes"
    try:
        given = (bank_of(request), found, principal, address_of(request))
        await run_in_threadpool(lambda: closing.close(*given, erase=erase))
    except Conflict:
        pass
    return see_other("/closed")


async def closed(request: Request) -> Response:
    """The account is no more."""
    return page(request, "closed.html")


ROUTES: list[BaseRoute] = [
    Route("/my/close", ask, methods=["GET"]),
    Route("/my/close", close, methods=["POST"]),
    Route("/closed", closed, methods=["GET"]),
]
