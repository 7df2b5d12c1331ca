"""Pages to send studies to a place that is offered: begun where they are taken along, then how far it is, and the receipt."""

from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import transfer
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other

_AGAIN_S: Final = 3
_LONGEST_FORM: Final = 64 << 10


@for_the_signed_in
async def send(request: Request, principal: Principal) -> Response:
    """Have the studies sent that were chosen."""
    form = await read_own_form(request, _LONGEST_FORM)
    studies, place = [Uid.parse(one) for one in form.get("studies", "").split()], form.get("destination", "")
    made = await run_in_threadpool(transfer.ask, bank_of(request), studies, place, principal, address_of(request))
    return see_other(f"/sent/{made.id}")


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """How far it is; while it goes on, the page comes again by itself."""
    name = request.path_params["transfer"]
    found, objects = await run_in_threadpool(transfer.kept, bank_of(request), name, principal)
    digest = transfer.digest_of(one for one in objects if one.sent_at)
    answer = page(request, "sent.html", HTTPStatus.OK, principal, sent=found, digest=digest)
    if found.state is State.WAITING:
        answer.headers["Refresh"] = str(_AGAIN_S)
    return answer


@for_the_signed_in
async def list_sent(request: Request, principal: Principal) -> Response:
    """What one has had sent."""
    found = await run_in_threadpool(transfer.listed, bank_of(request), principal)
    return page(request, "sent-list.html", HTTPStatus.OK, principal, transfers=found)


@for_the_signed_in
async def stop(request: Request, principal: Principal) -> Response:
    """Send no more of it."""
    await read_own_form(request)
    name = request.path_params["transfer"]
    await run_in_threadpool(transfer.stop, bank_of(request), name, principal, address_of(request))
    return see_other(f"/sent/{name}")


ROUTES: Final[list[BaseRoute]] = [
    Route("/export/send", send, methods=["POST"]),
    Route("/sent", list_sent, methods=["GET"]),
    Route("/sent/{transfer}", show, methods=["GET"]),
    Route("/sent/{transfer}/stop", stop, methods=["POST"]),
]
