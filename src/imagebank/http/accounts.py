"""`/api/v1/accounts`: accounts of people opened at the desk, who holds whose records, and how that ends."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import enrol
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller, proven_caller
from imagebank.http.bodies import Patient, body_of, typed
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model.provision import FOR_EVER, Provision, Relation
from imagebank.model.zone import in_utc

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """Who shall hold whose records; `until` is a moment by RFC 3339, `birth_date` the child's, YYYYMMDD."""

    patient: Patient
    relation: Relation = Relation.OWNER
    account: str = ""
    name: str = ""
    birth_date: str = ""
    until: datetime | None = None


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Whose records."""

    patient: Patient


async def open_account(request: Request) -> Response:
    """Let somebody hold a person's records whose identity was proofed; a new account comes with a secret, told once.

    Whoever asks in a browser has to have proven lately who they are.
    """
    principal = await proven_caller(request)
    given = typed(await body_of(request), Wish)
    try:
        until = FOR_EVER if given.until is None else in_utc(given.until)
    except ValueError:
        raise Invalid("until is a time such as 2026-12-31T23:59:59Z") from None
    wanted = enrol.Wanted(given.patient.id, given.relation, given.account.strip(), given.name, given.birth_date, until)
    made = await run_in_threadpool(enrol.enrol, bank_of(request), wanted, principal, address_of(request))
    return JSONResponse(_sheet(made), 201, _NO_STORE)


async def print_sheet(request: Request) -> Response:
    """A new secret for an account whose owner has lost theirs, or all means to sign in."""
    principal = await caller(request)
    number = request.path_params["account"]
    made = await run_in_threadpool(enrol.reissue, bank_of(request), number, principal, address_of(request))
    return JSONResponse(_sheet(made), 201, _NO_STORE)


async def list_holdings(request: Request) -> Response:
    """Who holds a person's records. Asked by a body, so that no identifier stands in an address."""
    principal = await caller(request)
    patient = typed(await body_of(request), Asked).patient.id
    found = await run_in_threadpool(enrol.listed, bank_of(request), patient, principal, address_of(request))
    return JSONResponse({"holdings": [_holding(one) for one in found]}, 200, _NO_STORE)


async def end_holding(request: Request) -> Response:
    """End what an account holds; in force with the next request."""
    principal = await caller(request)
    holding = request.path_params["holding"]
    await run_in_threadpool(enrol.end, bank_of(request), holding, principal, address_of(request))
    return Response(status_code=204)


def _sheet(made: enrol.Sheet) -> dict[str, Any]:
    ends_at = made.expires_at.isoformat() if made.expires_at else None
    return {"account": made.account, "secret": made.secret, "expires_at": ends_at, "holding": _holding(made.holding)}


def _holding(one: Provision) -> dict[str, Any]:
    ends_at = None if one.ends_at == FOR_EVER else one.ends_at.isoformat()
    named = {"id": one.id, "account": one.principal, "relation": one.terms, "opened_by": one.by}
    return {**named, "starts_at": one.starts_at.isoformat(), "ends_at": ends_at}


_ROOT: Final = "/api/v1"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    f"{_ROOT}/accounts": {"POST": open_account},
    f"{_ROOT}/accounts/{{account}}/sheet": {"POST": print_sheet},
    f"{_ROOT}/holdings/search": {"POST": list_holdings},
    f"{_ROOT}/holdings/{{holding}}": {"DELETE": end_holding},
}
"""What is done at each address, by method."""


def account_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
