"""`/api/v1/archives`: other archives, how they answer, and studies that are fetched from them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import elsewhere, recalling
from imagebank.errors import NotAllowed
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import body_of, typed
from imagebank.http.described import UID, Group, closed, paths
from imagebank.http.methods import Endpoint, routes_of
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.access import HOLDERS, Right
from imagebank.model.elsewhere import Line, Recall
from imagebank.model.uid import Uid

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    """A study that an archive was heard to hold."""

    archive: str
    study: str


async def list_archives(request: Request) -> Response:
    """The archives that are asked what they hold, and how each answers."""
    principal = await caller(request)
    principal.require(Right.FIND)
    if principal.role in HOLDERS:
        raise NotAllowed("other archives are asked for staff")
    found = await run_in_threadpool(elsewhere.lines, bank_of(request))
    return JSONResponse({"archives": [line_told(one) for one in found]}, 200, _NO_STORE)


async def fetch_study(request: Request) -> Response:
    """Have a study fetched that another archive holds. The answer tells where to ask how far it is."""
    principal = await caller(request)
    given = typed(await body_of(request), Wanted)
    wanted = (principal, given.archive, Uid.parse(given.study), address_of(request))
    return _told(await run_in_threadpool(recalling.ask, bank_of(request), *wanted), 202)


async def list_recalls(request: Request) -> Response:
    """What the caller has had fetched from other archives, the newest first."""
    principal = await caller(request)
    found = await run_in_threadpool(recalling.recalls, bank_of(request), principal)
    return JSONResponse({"fetches": [recall_told(one) for one in found]}, 200, _NO_STORE)


async def get_recall(request: Request) -> Response:
    """How far it is."""
    principal = await caller(request)
    named = (request.path_params["archive"], Uid.parse(request.path_params["study"]))
    return _told(await run_in_threadpool(recalling.one, bank_of(request), principal, *named), 200)


def line_told(one: Line) -> dict[str, Any]:
    """How an archive answers, as REST tells it."""
    return {
        "archive": one.archive,
        "answers": not one.is_away,
        "away_since": _moment(one.since),
        "rests_until": _moment(one.rests_until),
    }


def recall_told(one: Recall) -> dict[str, Any]:
    return {
        "archive": one.archive,
        "study": one.study,
        "made_at": _moment(one.made_at),
        "state": str(one.state),
        "reason": one.reason,
        "total": one.total,
        "kept": one.kept,
        "ended_at": _moment(one.ended_at),
    }


def _told(one: Recall, status: int) -> Response:
    return JSONResponse(recall_told(one), status, _NO_STORE)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


_ROOT: Final = "/api/v1/archives"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _ROOT: {"GET": list_archives},
    f"{_ROOT}/fetches": {"GET": list_recalls, "POST": fetch_study},
    f"{_ROOT}/{{archive}}/studies/{{study}}/fetch": {"GET": get_recall},
}
"""What is done at each address, by method."""


def archive_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 64}
MOMENT: Final = {"type": ["string", "null"], "format": "date-time"}
LINE: Final = closed({"archive": _TEXT, "answers": {"type": "boolean"}, "away_since": MOMENT, "rests_until": MOMENT})
_RECALL: Final = closed(
    {
        **dict.fromkeys(("archive", "study", "made_at", "state", "reason"), _TEXT),
        **dict.fromkeys(("total", "kept"), _WHOLE),
        "ended_at": MOMENT,
    }
)
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "list_archives": {
        200: answer(200, "Each archive", as_json(closed({"archives": {"type": "array", "items": LINE}})))
    },
    "fetch_study": {
        202: answer(202, "A job fetches it", as_json(_RECALL)),
        404: answer(404, "The archive is not known to hold it, or it is not for the caller"),
    },
    "list_recalls": {
        200: answer(200, "At most 100", as_json(closed({"fetches": {"type": "array", "items": _RECALL}})))
    },
    "get_recall": {200: answer(200, "How far it is", as_json(_RECALL)), 404: REFUSED[404]},
}
_GROUP: Final = Group(
    "Transfers",
    _ANSWERS,
    {"fetch_study": closed({"archive": _NAME, "study": UID})},
    {"archive": _NAME, "study": UID},
)


def archive_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(RESOURCES, _GROUP)
