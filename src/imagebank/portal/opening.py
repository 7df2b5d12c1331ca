"""What the viewer opens when an address names studies and no series, as other programs write it: what it can bear of them."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import retrieve
from imagebank.bank import Bank
from imagebank.errors import BankError
from imagebank.http.auth import bank_of, caller
from imagebank.model.access import Principal
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid
from imagebank.portal import launch
from imagebank.portal.layout import see_other

_MOST: Final = 8
"""So many studies the viewer opens together."""


async def with_series(request: Request) -> Response | None:
    """Lead to the same address with the series in it, or to a study's page where the viewer can show nothing of it.

    None where nothing has to be named, or where the caller may not see it: what is not there looks the same.
    """
    asked = {name.lower(): value for name, value in request.query_params.items()}
    studies = asked.get("studyinstanceuids", "").split(",")
    if request.path_params["path"] != "viewer" or "seriesinstanceuids" in asked or len(studies) > _MOST:
        return None
    try:
        principal = await caller(request)
        found = await run_in_threadpool(_seen, bank_of(request), principal, [Uid.parse(one) for one in studies])
    except BankError:
        return None  # the viewer says so itself
    if len(found) == 1 and not any(map(launch.series_for_viewer, found.values())):
        return see_other(f"/studies/{studies[0]}")
    named = launch.series_to_name(found)
    query = [*request.query_params.multi_items(), ("SeriesInstanceUIDs", ",".join(named))]
    return see_other("/viewer/viewer?" + urlencode(query, safe=",")) if named else None


def _seen(bank: Bank, principal: Principal, studies: Sequence[Uid]) -> Mapping[Uid, Sequence[Instance]]:
    return {study: retrieve.select(bank, Selection(study), principal.scope) for study in studies}
