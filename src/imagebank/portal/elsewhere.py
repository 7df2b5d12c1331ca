"""The page of a study that another archive holds: what it is, and how far the fetching of it is."""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import elsewhere, recalling, search
from imagebank.errors import NotFound
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal, Right
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.rows import row_of

_AGAIN_S: Final = 3
_PATH: Final = "/archives/{archive}/studies/{study}"


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """What it is, and how far it is fetched; while that goes on, the page comes again by itself."""
    bank, (archive, study) = bank_of(request), _named(request)
    held = await run_in_threadpool(elsewhere.looked_at, bank, principal, archive, study, "portal", address_of(request))
    if held is None:
        raise NotFound("there is no such study there")
    recall = await run_in_threadpool(bank.index.elsewhere.recall, archive, study)
    here = await run_in_threadpool(search.of_studies, bank, [study], principal.scope)
    told = {
        "held": held,
        "study": row_of(held.attributes),
        "recall": recall,
        "is_here": bool(here),
        "may_fetch": Right.STORE in principal.rights,
    }
    answer = page(request, "elsewhere.html", HTTPStatus.OK, principal, **told)
    if recall is not None and recall.state is State.WAITING:
        answer.headers["Refresh"] = str(_AGAIN_S)
    return answer


@for_the_signed_in
async def fetch(request: Request, principal: Principal) -> Response:
    """Have it fetched."""
    await read_own_form(request)
    archive, study = _named(request)
    await run_in_threadpool(recalling.ask, bank_of(request), principal, archive, study, address_of(request))
    return see_other(address_of_study(archive, study))


def address_of_study(archive: str, study: str) -> str:
    """Where the page of a study at an archive is."""
    return _PATH.format(archive=quote(archive, safe=""), study=study)


def _named(request: Request) -> tuple[str, Uid]:
    return request.path_params["archive"], Uid.parse(request.path_params["study"])


ROUTES: Final[list[BaseRoute]] = [Route(_PATH, show, methods=["GET"]), Route(_PATH, fetch, methods=["POST"])]
