"""`/api/v1/transfers`: studies sent to other places, how far that is, and the receipt."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import destinations, transfer
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import body_of, line, typed
from imagebank.http.described import Group, closed, paths
from imagebank.http.methods import Endpoint, routes_of
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.transfer import Sent, Transfer
from imagebank.model.uid import Uid

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """Which studies, and where to."""

    studies: list[str]
    destination: str


async def list_destinations(request: Request) -> Response:
    """Places that the caller may send studies to."""
    found = await run_in_threadpool(destinations.offered_to, bank_of(request), await caller(request))
    told = [{"name": one.name, "kind": "device" if one.device else "archive"} for one in found]
    return JSONResponse({"destinations": told}, 200, _NO_STORE)


async def send_studies(request: Request) -> Response:
    """Have studies sent. The answer tells where to ask how far it is."""
    principal = await caller(request)
    given = typed(await body_of(request), Wish)
    studies, place = [Uid.parse(each) for each in given.studies], line(given.destination, "destination")
    made = await run_in_threadpool(transfer.ask, bank_of(request), studies, place, principal, address_of(request))
    return JSONResponse(_told(made), 202, {**_NO_STORE, "Location": f"{_ROOT}/{made.id}"})


async def list_transfers(request: Request) -> Response:
    """What the caller has had sent, the newest first."""
    principal = await caller(request)
    found = await run_in_threadpool(transfer.listed, bank_of(request), principal)
    return JSONResponse({"transfers": [_told(one) for one in found]}, 200, _NO_STORE)


async def get_transfer(request: Request) -> Response:
    """How far a transfer is, with the digest of each object and when the place has taken it."""
    principal = await caller(request)
    name = request.path_params["transfer"]
    found, objects = await run_in_threadpool(transfer.kept, bank_of(request), name, principal)
    receipt = {"objects": [_sent(one) for one in objects], "digest": transfer.digest_of(objects)}
    return JSONResponse(_told(found) | receipt, 200, _NO_STORE)


async def stop_transfer(request: Request) -> Response:
    """Send no more of it; what is there already stays there."""
    principal = await caller(request)
    name = request.path_params["transfer"]
    await run_in_threadpool(transfer.stop, bank_of(request), name, principal, address_of(request))
    return Response(status_code=204)


def _told(one: Transfer) -> dict[str, Any]:
    return {
        "id": one.id,
        "destination": one.destination,
        "studies": list(one.studies),
        "made_at": one.made_at.isoformat(),
        "state": str(one.state),
        "reason": one.reason,
        "total": one.total,
        "sent": one.sent,
        "ended_at": one.ended_at.isoformat() if one.ended_at else None,
    }


def _sent(one: Sent) -> dict[str, Any]:
    sent_at = one.sent_at.isoformat() if one.sent_at else None
    return {"study": one.study, "instance": one.instance, "digest": one.digest, "sent_at": sent_at}


_ROOT: Final = "/api/v1/transfers"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    "/api/v1/destinations": {"GET": list_destinations},
    _ROOT: {"GET": list_transfers, "POST": send_studies},
    f"{_ROOT}/{{transfer}}": {"GET": get_transfer, "DELETE": stop_transfer},
}
"""What is done at each address, by method."""


def transfer_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_MOMENT: Final = {"type": ["string", "null"], "format": "date-time"}
_UID: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 64}
_TRANSFER: Final = {
    **dict.fromkeys(("id", "destination", "made_at", "state", "reason"), _TEXT),
    "studies": {"type": "array", "items": _TEXT},
    "total": _WHOLE,
    "sent": _WHOLE,
    "ended_at": _MOMENT,
}
_OBJECT: Final = closed({"study": _TEXT, "instance": _TEXT, "digest": _TEXT, "sent_at": _MOMENT})
_RECEIPT: Final = closed({**_TRANSFER, "objects": {"type": "array", "items": _OBJECT}, "digest": _TEXT})
_PLACE: Final = closed({"name": _TEXT, "kind": {"enum": ["device", "archive"]}})


def _list(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return as_json(closed({name: {"type": "array", "items": schema}}))


_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "list_destinations": {200: answer(200, "The places", _list("destinations", _PLACE))},
    "send_studies": {202: answer(202, "It is sent by a job", as_json(closed(_TRANSFER))), 404: REFUSED[404]},
    "list_transfers": {200: answer(200, "The transfers", _list("transfers", closed(_TRANSFER)))},
    "get_transfer": {200: answer(200, "The transfer with its receipt", as_json(_RECEIPT)), 404: REFUSED[404]},
    "stop_transfer": {204: answer(204, "It has stopped"), 404: REFUSED[404]},
}
_WANTED: Final = {"type": "array", "items": _UID, "minItems": 1, "maxItems": 500}
_LINE: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_GROUP: Final = Group(
    "Transfers",
    _ANSWERS,
    {"send_studies": closed({"studies": _WANTED, "destination": _LINE})},
    {"transfer": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
)


def transfer_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(RESOURCES, _GROUP)
