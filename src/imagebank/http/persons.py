"""`/api/v1`: persons and their patient records, what the queue asks, and the decisions about it."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import persons
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import Patient, body_of, typed
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model.access import Principal
from imagebank.model.identity import Decision, Likeness, Linked
from imagebank.model.person import PatientId

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """Whether two records of which the queue asks are one person's, and by what."""

    first: Patient
    second: Patient
    is_same: bool
    why: str = ""


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be done with one record, or with two."""

    deed: Literal["link", "merge", "unlink"]
    record: Patient
    to: Patient | None = None
    why: str = ""


class Undoing(msgspec.Struct, forbid_unknown_fields=True):
    """Why a decision is taken back."""

    why: str = ""


async def read_person(request: Request) -> Response:
    """A person's records, as far as the caller sees a study of each."""
    principal = await caller(request)
    person = request.path_params["person"]
    records = await _done(request, principal, persons.of_person, person)
    return JSONResponse({"person": person, "records": [_record(one) for one in records]}, 200, _NO_STORE)


async def list_questions(request: Request) -> Response:
    """Pairs of records that somebody has to look at, the likest first."""
    principal = await caller(request)
    asked = await _done(request, principal, persons.queue)
    return JSONResponse({"questions": [_question(one) for one in asked]}, 200, _NO_STORE)


async def answer_question(request: Request) -> Response:
    """Say whether two records of which the queue asks are one person's."""
    principal = await caller(request)
    given = typed(await body_of(request), Answer)
    why = " ".join(given.why.split())
    made = await _done(
        request, principal, persons.decide, given.first.id, given.second.id, is_same=given.is_same, why=why
    )
    return JSONResponse(_decision(made), 201, _NO_STORE)


async def list_decisions(request: Request) -> Response:
    """The newest decisions about records of which the caller sees a study."""
    principal = await caller(request)
    made = await _done(request, principal, persons.decisions)
    return JSONResponse({"decisions": [_decision(one) for one in made]}, 200, _NO_STORE)


async def write_decision(request: Request) -> Response:
    """Link a record to another's person, merge two persons, or let a record stand alone."""
    principal = await caller(request)
    given = typed(await body_of(request), Wish)
    why = " ".join(given.why.split())
    if (given.to is None) != (given.deed == "unlink"):
        raise Invalid("name one record to unlink, and two to link or merge")
    if given.to is None:
        made = await _done(request, principal, persons.unlink, given.record.id, why=why)
    else:
        act = persons.link if given.deed == "link" else persons.merge
        made = await _done(request, principal, act, given.record.id, given.to.id, why=why)
    return JSONResponse(_decision(made), 201, _NO_STORE)


async def undo_decision(request: Request) -> Response:
    """Take a decision back: every record belongs to whom it would without it."""
    principal = await caller(request)
    why = " ".join(typed(await body_of(request), Undoing).why.split())
    made = await _done(request, principal, persons.undo, request.path_params["decision"], why=why)
    return JSONResponse(_decision(made), 201, _NO_STORE)


async def _done(request: Request, principal: Principal, action: Callable[..., Any], *given: Any, **named: Any) -> Any:
    return await run_in_threadpool(action, bank_of(request), principal, *given, **named, address=address_of(request))


def _patient(patient: PatientId) -> dict[str, str]:
    return {"issuer": patient.issuer, "identifier": patient.identifier}


def _record(linked: Linked) -> dict[str, Any]:
    one = linked.identity
    names = dict(zip(("alphabetic", "ideographic", "phonetic"), one.name.groups(), strict=True))
    about = {"name": names, "birth_date": one.birth_date, "sex": one.sex, "heard_by": str(one.origin)}
    return _patient(one.patient) | about | {"heard_at": one.heard_at.isoformat()}


def _evidence(one: Likeness | Decision) -> list[dict[str, Any]]:
    return [{"field": each.field, "finding": each.finding, "weight": each.weight} for each in one.evidence]


def _question(one: Likeness) -> dict[str, Any]:
    pair = {"first": _patient(one.first), "second": _patient(one.second)}
    return pair | {"score": one.score, "evidence": _evidence(one), "why_asked": one.bar}


def _decision(one: Decision) -> dict[str, Any]:
    return {
        "id": one.id,
        "at": one.at.isoformat(),
        "deed": str(one.deed),
        "ground": str(one.ground),
        "by": one.by,
        "records": [_patient(each) for each in one.records],
        "reason": one.reason,
        "undoes": one.undoes,
        "score": one.score,
        "evidence": _evidence(one),
        "moves": [_patient(each.patient) | {"before": each.before, "after": each.after} for each in one.moves],
    }


_ROOT: Final = "/api/v1"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    f"{_ROOT}/persons/{{person}}": {"GET": read_person},
    f"{_ROOT}/matching/questions": {"GET": list_questions, "POST": answer_question},
    f"{_ROOT}/matching/decisions": {"GET": list_decisions, "POST": write_decision},
    f"{_ROOT}/matching/decisions/{{decision}}/undo": {"POST": undo_decision},
}
"""What is done at each address, by method."""


def person_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
