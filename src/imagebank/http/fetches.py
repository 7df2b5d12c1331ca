"""`/api/v1/fetches`: what a card of another bank opens is brought in, and how far that is."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import fetching
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import body_of, typed
from imagebank.http.described import Group, closed, paths
from imagebank.http.methods import Endpoint, routes_of
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.http.taking import WEB
from imagebank.model.fetch import Fetch

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Shown(msgspec.Struct, forbid_unknown_fields=True):
    """A card of another bank, with that bank's address, who asks, and why; a code where its owner wants one."""

    address: str
    number: str
    pin: str | int
    institution: str
    purpose: str
    name: str = ""
    code: str | int = ""


async def fetch_studies(request: Request) -> Response:
    """Redeem a card of another bank, and have its studies brought in. The answer tells where to ask how far it is."""
    principal = await caller(request)
    given = typed(await body_of(request), Shown)
    wanted = fetching.Wanted(
        given.address, given.number, str(given.pin), given.name, given.institution, given.purpose, str(given.code)
    )
    made = await run_in_threadpool(fetching.ask, bank_of(request), WEB, wanted, principal, address_of(request))
    return JSONResponse(_told(made), 202, {**_NO_STORE, "Location": f"{_ROOT}/{made.id}"})


async def list_fetches(request: Request) -> Response:
    """What the caller has had brought in, the newest first."""
    principal = await caller(request)
    found = await run_in_threadpool(fetching.listed, bank_of(request), principal)
    return JSONResponse({"fetches": [_told(one) for one in found]}, 200, _NO_STORE)


async def get_fetch(request: Request) -> Response:
    """How far it is."""
    principal = await caller(request)
    found = await run_in_threadpool(fetching.kept, bank_of(request), request.path_params["fetch"], principal)
    return JSONResponse(_told(found), 200, _NO_STORE)


def _told(one: Fetch) -> dict[str, Any]:
    return {
        "id": one.id,
        "address": one.url,
        "studies": list(one.studies),
        "made_at": one.made_at.isoformat(),
        "state": str(one.state),
        "reason": one.reason,
        "total": one.total,
        "kept": one.kept,
        "ended_at": one.ended_at.isoformat() if one.ended_at else None,
    }


_ROOT: Final = "/api/v1/fetches"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _ROOT: {"GET": list_fetches, "POST": fetch_studies},
    f"{_ROOT}/{{fetch}}": {"GET": get_fetch},
}
"""What is done at each address, by method."""


def fetch_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_LINE: Final = {"type": "string", "minLength": 1, "maxLength": 200}
_PIN: Final = {"type": ["string", "integer"]}
_FETCH: Final = closed(
    {
        **dict.fromkeys(("id", "address", "made_at", "state", "reason"), _TEXT),
        "studies": {"type": "array", "items": _TEXT},
        "total": _WHOLE,
        "kept": _WHOLE,
        "ended_at": {"type": ["string", "null"], "format": "date-time"},
    }
)
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "fetch_studies": {
        202: answer(202, "The card is redeemed, and a job brings its studies in", as_json(_FETCH)),
        404: answer(404, "Number and PIN open nothing at the other bank, whatever is wrong"),
        429: answer(429, "The other bank has heard too many wrong tries"),
    },
    "list_fetches": {200: answer(200, "At most 100", as_json(closed({"fetches": {"type": "array", "items": _FETCH}})))},
    "get_fetch": {200: answer(200, "How far it is", as_json(_FETCH)), 404: REFUSED[404]},
}
_GROUP: Final = Group(
    "Transfers",
    _ANSWERS,
    {
        "fetch_studies": closed(
            {"address": _LINE, "number": _LINE, "pin": _PIN, "institution": _LINE, "purpose": _LINE},
            {"name": {"type": "string", "maxLength": 200}, "code": _PIN},
        )
    },
    {"fetch": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
)


def fetch_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(RESOURCES, _GROUP)
