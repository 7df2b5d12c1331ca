"""`/api/v1/requests`: what owners of accounts ask organizations for, and what those answer."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as Asking
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import requests
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import Patient, body_of, typed
from imagebank.http.described import Group, closed, paths
from imagebank.http.methods import Endpoint, routes_of
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.access import OWNERS
from imagebank.model.request import Request
from imagebank.model.uid import Uid

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to ask for which images; about whom, where the account holds the records of several people."""

    facility: str
    what: str
    where: str = ""
    when: str = ""
    patient: Patient | None = None
    key: str = ""


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """The study, or what was done."""

    study: str = ""
    reason: str = ""


class Refusal(msgspec.Struct, forbid_unknown_fields=True):
    """Why nothing comes."""

    reason: str


async def list_requests(asking: Asking) -> Response:
    """The requests of an account, or those that wait for the organization of its desk."""
    principal, bank = await caller(asking), bank_of(asking)
    if principal.role in OWNERS:
        found = await run_in_threadpool(requests.listed, bank, principal)
    else:
        asked = await run_in_threadpool(requests.queue, bank, principal, address_of(asking))
        found = [one.request for one in asked]
    return JSONResponse({"requests": [_told(one) for one in found]}, 200, _NO_STORE)


async def make_request(asking: Asking) -> Response:
    """Ask an organization for images. With a `key`, the same again is the same request."""
    principal, bank = await caller(asking), bank_of(asking)
    given = typed(await body_of(asking), Wish)
    patient = given.patient.id if given.patient is not None else None
    wanted = requests.Wanted(given.facility, given.what, given.where, given.when, patient, given.key)
    made = await run_in_threadpool(requests.ask, bank, wanted, principal, address_of(asking))
    return JSONResponse(_told(made), 201, {**_NO_STORE, "Location": f"{_ROOT}/{made.id}"})


async def get_request(asking: Asking) -> Response:
    """One request and what became of it."""
    return await _done(asking, requests.kept)


async def withdraw_request(asking: Asking) -> Response:
    """Take a request back."""
    return await _done(asking, requests.withdraw)


async def take_request(asking: Asking) -> Response:
    """Say that the organization works on it."""
    return await _done(asking, requests.take)


async def answer_request(asking: Asking) -> Response:
    """Answer with a study of the person's; where erasure was asked for, with what was done."""
    principal, given = await caller(asking), typed(await body_of(asking), Answer)
    study, name = (Uid.parse(given.study) if given.study else None), asking.path_params["request"]
    told = (bank_of(asking), name, principal, study, given.reason, address_of(asking))
    return JSONResponse(_told(await run_in_threadpool(requests.answer, *told)), 200, _NO_STORE)


async def refuse_request(asking: Asking) -> Response:
    """Say that nothing comes, and why."""
    principal, given = await caller(asking), typed(await body_of(asking), Refusal)
    told = (bank_of(asking), asking.path_params["request"], given.reason, principal, address_of(asking))
    return JSONResponse(_told(await run_in_threadpool(requests.refuse, *told)), 200, _NO_STORE)


async def _done(asking: Asking, act: Any) -> Response:
    principal, name = await caller(asking), asking.path_params["request"]
    found = await run_in_threadpool(act, bank_of(asking), name, principal, address_of(asking))
    return JSONResponse(_told(found if isinstance(found, Request) else found.request), 200, _NO_STORE)


def _told(one: Request) -> dict[str, Any]:
    return {
        "id": one.id,
        "kind": str(one.kind),
        "state": str(one.state),
        "patient": {"issuer": one.patient.issuer, "identifier": one.patient.identifier},
        "facility": one.facility,
        "what": one.what,
        "where": one.where,
        "when": one.when,
        "made_at": one.made_at.isoformat(),
        "changed_at": one.changed_at.isoformat(),
        "study": one.study,
        "reason": one.reason,
    }


_ROOT: Final = "/api/v1/requests"
_ONE: Final = f"{_ROOT}/{{request}}"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _ROOT: {"GET": list_requests, "POST": make_request},
    _ONE: {"GET": get_request},
    f"{_ONE}/withdraw": {"POST": withdraw_request},
    f"{_ONE}/take": {"POST": take_request},
    f"{_ONE}/answer": {"POST": answer_request},
    f"{_ONE}/refuse": {"POST": refuse_request},
}
"""What is done at each address, by method."""


def request_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)


_TEXT: Final = {"type": "string"}
_LINE: Final = {"type": "string", "maxLength": requests.LONGEST_LINE}
_WORDS: Final = {"type": "string", "maxLength": requests.LONGEST}
_PATIENT: Final = closed({"issuer": _TEXT, "identifier": _TEXT})
_REQUEST: Final = closed(
    {
        **dict.fromkeys(("id", "kind", "state", "facility", "what", "where", "when"), _TEXT),
        **dict.fromkeys(("made_at", "changed_at", "reason"), _TEXT),
        "patient": _PATIENT,
        "study": {"type": ["string", "null"]},
    }
)
_NAME: Final = {"type": "string", "minLength": 1, "maxLength": 256}
_WHOSE: Final = closed({"issuer": _NAME, "identifier": _NAME})
_LIST: Final = closed({"requests": {"type": "array", "items": _REQUEST}})
_ITSELF: Final = {200: answer(200, "The request", as_json(_REQUEST)), 404: REFUSED[404]}
_SETTLED: Final = {**_ITSELF, 409: answer(409, "It was answered or withdrawn meanwhile")}
_ANSWERS: Final[Mapping[str, Mapping[int, Any]]] = {
    "list_requests": {200: answer(200, "The requests", as_json(_LIST))},
    "make_request": {
        201: answer(201, "It was sent", as_json(_REQUEST)),
        429: answer(429, "Too many wait for an answer"),
    },
    "get_request": _ITSELF,
    **dict.fromkeys(("withdraw_request", "take_request", "answer_request", "refuse_request"), _SETTLED),
}
_GROUP: Final = Group(
    "Requests",
    _ANSWERS,
    {
        "make_request": closed(
            {"facility": {**_TEXT, "maxLength": 64}, "what": {**_WORDS, "minLength": 1}},
            {"where": _LINE, "when": _LINE, "key": _TEXT, "patient": {"anyOf": [_WHOSE, {"type": "null"}]}},
        ),
        "answer_request": closed({}, {"study": {"type": "string", "maxLength": 64}, "reason": _WORDS}),
        "refuse_request": closed({"reason": {**_WORDS, "minLength": 1}}),
    },
    {"request": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
)


def request_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(RESOURCES, _GROUP)
