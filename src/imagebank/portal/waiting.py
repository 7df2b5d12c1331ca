"""What pages say of reports that wait, and the button by which staff let them be read at once."""

from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import releasing
from imagebank.bank import Bank
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.uid import Uid
from imagebank.portal.layout import for_the_signed_in, read_own_form, see_other

_PATH: Final = "/studies/{study}/release"


def of_study(bank: Bank, principal: Principal, study: Uid) -> dict[str, Any]:
    """What the page of a study says: what waits, and whether its reader may let it be read at once."""
    found = releasing.of_study(bank, principal, study)
    return {"waiting": found, "may_release": any(releasing.may_release(principal, one) for one in found)}


@for_the_signed_in
async def release(request: Request, principal: Principal) -> Response:
    """Let the person of a study read at once what waits of it."""
    await read_own_form(request)
    study = Uid.parse(request.path_params["study"])
    await run_in_threadpool(releasing.release, bank_of(request), study, principal, address_of(request))
    return see_other(f"/studies/{study}#reports")


ROUTES: list[BaseRoute] = [Route(_PATH, release, methods=["POST"])]
