"""`/api/v1/attributes`: what the site has made searchable, by path; for who may administer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import attributes
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import body_of, line, typed
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model.declared import Declared
from imagebank.model.note import Wanted

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """What an attribute is called in searches beside its tags, and for a private one what kind of value it has."""

    name: str = ""
    vr: str = ""


async def list_attributes(request: Request) -> Response:
    """Attributes that the site made searchable, and how far what had come before has been read for each."""
    bank, principal = bank_of(request), await caller(request)
    held = await run_in_threadpool(attributes.listed, bank, principal)
    return JSONResponse({"attributes": [as_json(one, bank.now()) for one in held]}, 200, _NO_STORE)


async def put_attribute(request: Request) -> Response:
    """Make an attribute searchable. It can be matched at once; what had come before is read in the background."""
    bank, principal = bank_of(request), await caller(request)
    written = line(request.path_params["path"], "the path").strip()
    body = await body_of(request)
    given = typed(body, Given) if body else Given()
    wanted = Wanted(written, given.name, given.vr)
    is_new = await run_in_threadpool(attributes.add, bank, principal, wanted, address_of(request))
    held = await run_in_threadpool(attributes.listed, bank, principal)
    found = (one for one in held if one.written == written)
    # Another spelling of one that is there already is told by the one that is.
    answer = next((as_json(one, bank.now()) for one in found), {"path": written})
    return JSONResponse(answer, 201 if is_new else 200, _NO_STORE)


async def delete_attribute(request: Request) -> Response:
    """Let an attribute be searchable no more, by its path or name; its values are forgotten in the background."""
    bank, principal = bank_of(request), await caller(request)
    written = line(request.path_params["path"], "the path").strip()
    await run_in_threadpool(attributes.remove, bank, principal, written, address_of(request))
    return Response(None, 204)


def as_json(one: Declared, now: datetime) -> dict[str, Any]:
    left = one.remaining(now)
    return {
        "path": one.written,
        "name": one.attribute.keyword,
        "vr": one.attribute.vr,
        "level": one.attribute.level.name.lower(),
        "state": one.state.value,
        "read": one.done,
        "of": one.total,
        "since": one.added_at.isoformat(),
        "by": one.added_by,
        "remaining_s": None if left is None else round(left.total_seconds()),
    }


_ROOT: Final = "/api/v1/attributes"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _ROOT: {"GET": list_attributes},
    f"{_ROOT}/{{path}}": {"PUT": put_attribute, "DELETE": delete_attribute},
}
"""What is done at each address, by method."""


def attribute_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
