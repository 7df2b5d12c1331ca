"""What pages say of reports that wait, and the button by which staff let them be read at once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import releasing
from imagebank.bank import Bank
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.report import Waiting
from imagebank.model.uid import Uid
from imagebank.portal.layout import for_the_signed_in, read_own_form, see_other

_A_MINUTE: Final = timedelta(minutes=1)
_PATH: Final = "/studies/{study}/release"


@dataclass(frozen=True, slots=True)
class Later:
    """Reports of one organization that can be read from the same minute on, for the same reason."""

    organization: str
    until: datetime
    reason: str
    number: int


def together(found: Iterable[Waiting]) -> list[Later]:
    """What waits as it is told, the first to come first."""
    # The minute that is shown is one in which they can be read.
    alike = Counter((one.which.organization, _minute(one.until + _A_MINUTE), one.reason) for one in found)
    return [Later(*key, number) for key, number in alike.items()]


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def of_study(bank: Bank, principal: Principal, study: Uid) -> dict[str, Any]:
    """What the page of a study says: what waits, and whether its reader may let it be read at once."""
    found = releasing.of_study(bank, principal, study)
    may_release = any(releasing.may_release(principal, one) for one in found)
    return {"waiting": together(found), "is_bound": bool(principal.scope.delays), "may_release": may_release}


@for_the_signed_in
async def release(request: Request, principal: Principal) -> Response:
    """Let the person of a study read at once what waits of it."""
    await read_own_form(request)
    study = Uid.parse(request.path_params["study"])
    await run_in_threadpool(releasing.release, bank_of(request), study, principal, address_of(request))
    return see_other(f"/studies/{study}#reports")


ROUTES: list[BaseRoute] = [Route(_PATH, release, methods=["POST"])]
