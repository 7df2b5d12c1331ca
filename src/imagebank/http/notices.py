"""`/api/v1/notices`: what the owner of an account was told, for programs in their browser; and how OpenAPI tells it."""

from datetime import datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import notices
from imagebank.errors import Invalid, NotFound
from imagebank.http.auth import bank_of, caller, session_of
from imagebank.http.described import Group, closed, paths
from imagebank.http.methods import METHODS, Endpoint, by_method
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.notice import CHOSEN, Notice

_ALL: Final = "/api/v1/notices"
_SEEN: Final = "/api/v1/notices/seen"
_ONE_SEEN: Final = "/api/v1/notices/{notice}/seen"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_MOST: Final = 200
_USUAL: Final = 50


async def _owner(request: Request) -> str:
    """Whose notices are asked for: one's own. Raises NotFound for who did not sign in to an account."""
    await caller(request)
    found = await session_of(request)
    if found is None:
        raise NotFound("notices are an account's, and you came by a token")
    return notices.owner_of(found)


async def list_notices(request: Request) -> Response:
    """What you were told, the newest first; earlier ones by `before`."""
    owner, bank = await _owner(request), bank_of(request)
    limit, before = _asked(dict(request.query_params))
    found = await run_in_threadpool(notices.listed, bank, owner, limit, before)
    unseen = await run_in_threadpool(notices.unseen, bank, owner)
    return JSONResponse({"unseen": unseen, "notices": [_told(one) for one in found]}, headers=_NO_STORE)


async def see_notices(request: Request) -> Response:
    """You have looked at all of them."""
    owner = await _owner(request)
    seen = await run_in_threadpool(notices.see, bank_of(request), owner)
    return JSONResponse({"seen": seen}, headers=_NO_STORE)


async def see_notice(request: Request) -> Response:
    """You have looked at this one."""
    owner = await _owner(request)
    seen = await run_in_threadpool(notices.see, bank_of(request), owner, request.path_params["notice"])
    return JSONResponse({"seen": seen}, headers=_NO_STORE)


def _asked(given: dict[str, str]) -> tuple[int, datetime | None]:
    if not set(given) <= {"limit", "before"}:
        raise Invalid("this takes limit and before")
    limit, before = given.get("limit", str(_USUAL)), given.get("before")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 9 and 1 <= int(limit) <= _MOST):
        raise Invalid("limit is a number from 1 to {most}", most=_MOST)
    try:
        at = datetime.fromisoformat(before) if before is not None else None
    except ValueError:
        raise Invalid("before is a moment, such as 2026-10-11T14:05:00Z") from None
    if at is not None and at.tzinfo is None:
        raise Invalid("before is a moment with its offset from UTC")
    return int(limit), at


def _told(one: Notice) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": str(one.kind),
        "at": one.at.isoformat(),
        "times": one.number,
        "link": one.link or None,
        "mail": str(one.state),
        "seen_at": one.seen_at.isoformat() if one.seen_at else None,
    }


_RESOURCES: Final[dict[str, dict[str, Endpoint]]] = {
    _ALL: {"GET": list_notices},
    _SEEN: {"POST": see_notices},
    _ONE_SEEN: {"POST": see_notice},
}


def notice_routes() -> list[BaseRoute]:
    return [Route(path, by_method(methods), methods=METHODS) for path, methods in _RESOURCES.items()]


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_MOMENT: Final = {"type": "string", "format": "date-time"}
_NOTICE: Final = closed(
    {
        "id": _TEXT,
        "kind": {"enum": [str(kind) for kind in CHOSEN]},
        "at": _MOMENT,
        "times": _WHOLE,
        "link": {"type": ["string", "null"]},
        "mail": {"enum": ["listed", "held", "waiting", "sent", "aside"]},
        "seen_at": {"anyOf": [_MOMENT, {"type": "null"}]},
    }
)


def notice_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    listed = closed({"unseen": _WHOLE, "notices": {"type": "array", "items": _NOTICE}})
    seen = {200: answer(200, "How many had not been seen", as_json(closed({"seen": _WHOLE}))), 404: REFUSED[404]}
    limit = {"type": "integer", "minimum": 1, "maximum": _MOST}
    group = Group(
        "Notices",
        {
            "list_notices": {200: answer(200, "Your notices", as_json(listed)), 404: REFUSED[404]},
            "see_notices": seen,
            "see_notice": seen,
        },
        names={"notice": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
        parameters={
            "list_notices": [
                {"name": "limit", "in": "query", "description": f"{_USUAL} if not given", "schema": limit},
                {"name": "before", "in": "query", "description": "Only earlier ones", "schema": _MOMENT},
            ]
        },
    )
    return paths(_RESOURCES, group)
