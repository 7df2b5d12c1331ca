"""The page of priors that are made ready before somebody reads, for who administers the bank."""

from dataclasses import dataclass
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import prefetch_standing
from imagebank.actions.prefetch_standing import Standing
from imagebank.bank import Bank
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.prefetch import Prefetch, State, archive_of
from imagebank.portal.language import gettext, noted
from imagebank.portal.layout import for_the_signed_in, page
from imagebank.portal.rows import StudyRow, row_of

_WAY: Final = "portal"
_STATES: Final = {
    State.WAITING: ("arriving", noted("Waiting")),
    State.LIMITED: ("held", noted("Beyond a limit")),
    State.FAILED: ("failed", noted("Failed")),
    State.DONE: ("complete", noted("Done")),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A study that was made ready or waits, and how far it is, in words."""

    one: Prefetch
    study: StudyRow
    state: str
    state_words: str


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The page."""
    shown = await run_in_threadpool(_shown, bank_of(request), principal, address_of(request))
    return page(request, "prefetched.html", principal=principal, **shown)


def _shown(bank: Bank, principal: Principal, address: str) -> dict[str, Any]:
    links, newest = prefetch_standing.report(bank, principal, _WAY, address)
    rows = [Row(one, row_of(told), _STATES[one.state][0], gettext(_STATES[one.state][1])) for one, told in newest]
    hours = {one.link.device: _hours(one) for one in links}
    return {"links": links, "rows": rows, "hours": hours, "archive_of": archive_of}


def _hours(one: Standing) -> str:
    """Within which hours something may go, on the site's clock; empty where that is always."""
    rule = one.rule
    if rule is None or rule.from_hour % 24 == rule.until_hour % 24:
        return ""
    return gettext("%(begin)s to %(end)s o'clock") % {"begin": rule.from_hour, "end": rule.until_hour}


ROUTES: Final[list[BaseRoute]] = [Route("/prefetch", show, methods=["GET"])]
