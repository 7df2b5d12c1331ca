"""Pages to bring in what a card of another Imagebank opens: the form, then how far it is."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import fetching
from imagebank.errors import BankError, NotAllowed, NotFound, TooOften, Unavailable, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.taking import WEB
from imagebank.model.access import Principal, Right
from imagebank.model.transfer import State
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other

_AGAIN_S: Final = 3
# What is typed again after a refusal; the PIN is not shown.
_FIELDS: Final = ("address", "number", "name", "institution", "purpose")
_STATUS: Final[Mapping[type[BankError], HTTPStatus]] = {
    NotFound: HTTPStatus.FORBIDDEN,
    NotAllowed: HTTPStatus.FORBIDDEN,
    TooOften: HTTPStatus.TOO_MANY_REQUESTS,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


@for_the_signed_in
async def ask_for_card(request: Request, principal: Principal) -> Response:
    """The form, and what was brought in before."""
    principal.require(Right.STORE)
    given = {"name": principal.name, "institution": principal.organization, "purpose": "Treatment"}
    return await _form(request, principal, given)


@for_the_signed_in
async def fetch(request: Request, principal: Principal) -> Response:
    """Redeem the card that a form shows, and have its studies brought in."""
    form = await read_own_form(request)
    wanted = fetching.Wanted(
        *(form.get(name, "") for name in ("address", "number", "pin", "name", "institution", "purpose", "code"))
    )
    try:
        made = await run_in_threadpool(fetching.ask, bank_of(request), WEB, wanted, principal, address_of(request))
    except BankError as error:
        principal.require(Right.STORE)
        status = status_for(error, _STATUS, HTTPStatus.UNPROCESSABLE_ENTITY)
        return await _form(request, principal, form, status, error)
    return see_other(f"/desk/fetch/{made.id}")


async def _form(
    request: Request,
    principal: Principal,
    typed: Mapping[str, str],
    status: int = HTTPStatus.OK,
    notice: BankError | str = "",
) -> Response:
    found = await run_in_threadpool(fetching.listed, bank_of(request), principal)
    shown = {name: typed.get(name, "") for name in _FIELDS}
    return page(request, "fetch.html", status, principal, typed=shown, notice=notice, fetches=found)


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """How far it is; while it goes on, the page comes again by itself."""
    found = await run_in_threadpool(fetching.kept, bank_of(request), request.path_params["fetch"], principal)
    answer = page(request, "fetched.html", HTTPStatus.OK, principal, fetch=found)
    if found.state is State.WAITING:
        answer.headers["Refresh"] = str(_AGAIN_S)
    return answer


ROUTES: Final[list[BaseRoute]] = [
    Route("/desk/fetch", ask_for_card, methods=["GET"]),
    Route("/desk/fetch", fetch, methods=["POST"]),
    Route("/desk/fetch/{fetch}", show, methods=["GET"]),
]
