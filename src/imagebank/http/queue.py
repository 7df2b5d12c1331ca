"""`/api/v1/queue`: the reconciliation queue, what is known of each task, and the decisions about it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import reconciling
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import Patient, body_of, line, typed
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model.candidate import Candidate, Guess
from imagebank.model.identity import Evidence, Identity
from imagebank.model.person import PersonName
from imagebank.model.task import ASIDE, Kind, State, Task, Wanted

_NO_STORE: Final = {"Cache-Control": "no-store"}
_MOST: Final = 200
_USUAL: Final = 50
_LONGEST: Final = 1024
_LONGEST_NAME: Final = 64


class Newcomer(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody whom nobody has heard of: a name in DICOM form, a birth date YYYYMMDD, a sex."""

    name: str = ""
    birth_date: str = ""
    sex: str = ""


class Identified(msgspec.Struct, forbid_unknown_fields=True):
    """Whose a study is, and the values of fields that were confirmed."""

    patient: Patient
    accepted: dict[str, str] = {}
    new: Newcomer | None = None


class PutOff(msgspec.Struct, forbid_unknown_fields=True):
    """Until when a task is put off; a day where nothing is said."""

    until: datetime | None = None


class Settled(msgspec.Struct, forbid_unknown_fields=True):
    """How a task is settled: `same`, `apart`, `aside`, or another word where its kind has one."""

    how: str
    reason: str = ""


class Undoing(msgspec.Struct, forbid_unknown_fields=True):
    """Why it is taken back."""

    reason: str = ""


class Search(msgspec.Struct, forbid_unknown_fields=True):
    """The identifier of a patient, or beginnings of names."""

    sought: str


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing more has to be said."""


async def list_tasks(request: Request) -> Response:
    """A page of the queue, what has waited longest first, with how many wait in all."""
    principal = await caller(request)
    bank, wanted = bank_of(request), _wanted(request.query_params)
    page = await run_in_threadpool(reconciling.page, bank, wanted, principal, address_of(request))
    counts = await run_in_threadpool(reconciling.counts, bank, principal)
    found = {
        "tasks": [_task(one, bank.now()) for one in page.tasks],
        "after": page.after,
        "counts": {
            "kinds": {str(kind): number for kind, number in counts.kinds},
            "departments": dict(counts.departments),
            "ages": dict(counts.ages),
        },
    }
    return JSONResponse(found, 200, _NO_STORE)


def _wanted(given: Mapping[str, str]) -> Wanted:
    state, kind, limit = given.get("state", State.OPEN), given.get("kind", ""), given.get("limit", str(_USUAL))
    if state not in set(State):
        raise Invalid(f"the state of a task is one of {', '.join(State)}")
    if kind and kind not in set(Kind):
        raise Invalid(f"the kind of a task is one of {', '.join(Kind)}")
    if not (limit.isascii() and limit.isdigit() and len(limit) < 5 and 1 <= int(limit) <= _MOST):
        raise Invalid(f"limit is a number from 1 to {_MOST}")
    after, department = given.get("after", ""), given.get("department", "")
    if len(after) > _LONGEST or len(department) > _LONGEST_NAME:
        raise Invalid(f"a department has {_LONGEST_NAME} characters at the most, and a page {_LONGEST}")
    return Wanted(State(state), Kind(kind) if kind else None, department, int(limit), after)


async def read_task(request: Request) -> Response:
    """One task with what is known of it and who it may be of."""
    return await _shown(request, "")


async def search_task(request: Request) -> Response:
    """The same with patients of an identifier or name: by a body, so that no name stands in an address."""
    return await _shown(request, line(typed(await _body(request), Search).sought, "sought"))


async def _shown(request: Request, sought: str) -> Response:
    principal = await caller(request)
    bank, task = bank_of(request), request.path_params["task"]
    shown = await run_in_threadpool(reconciling.shown, bank, task, principal, address_of(request), sought)
    found = _task(shown.task, bank.now()) | {
        "objects": [str(one.uid) for one in shown.instances],
        "fields": [_guess(one) for one in shown.guesses],
        "candidates": [_candidate(one) for one in shown.candidates],
    }
    return JSONResponse(found, 200, _NO_STORE)


async def identify_task(request: Request) -> Response:
    """Say whose the study is that a task is about; fields that were confirmed are changed with it."""
    given = typed(await _body(request), Identified)
    who, new = given.patient.id, None
    if given.new is not None:
        name = line(given.new.name, "new.name") if given.new.name else ""
        new = Identity(who, PersonName.parse(name), given.new.birth_date, given.new.sex)
    return await _done(request, reconciling.identify, who, given.accepted, new=new)


async def claim_task(request: Request) -> Response:
    """Have a task for oneself for some minutes, or longer."""
    typed(await _body(request), Nothing)
    return await _done(request, reconciling.take)


async def release_task(request: Request) -> Response:
    """Give a task back before its time."""
    typed(await _body(request), Nothing)
    return await _done(request, reconciling.let_go)


async def postpone_task(request: Request) -> Response:
    """Keep a task out of the queue for a while."""
    given = typed(await _body(request), PutOff)
    if given.until is not None and given.until.tzinfo is None:
        raise Invalid("until is a moment with its time zone, such as 2026-11-05T08:30:00Z")
    return await _done(request, reconciling.postpone, given.until)


async def settle_task(request: Request) -> Response:
    """Answer what a task asks, or lay it aside with a reason."""
    given = typed(await _body(request), Settled)
    if given.how == ASIDE:
        return await _done(request, reconciling.lay_aside, given.reason)
    return await _done(request, reconciling.settle, given.how, given.reason)


async def undo_task(request: Request) -> Response:
    """Let it be asked again; a study says again what it said before."""
    given = typed(await _body(request), Undoing)
    return await _done(request, reconciling.undo, given.reason)


async def _body(request: Request) -> bytes:
    await caller(request)
    return await body_of(request) or b"{}"


async def _done(request: Request, action: Callable[..., Task], *given: Any, **named: Any) -> Response:
    principal, bank = await caller(request), bank_of(request)
    asked = (bank, request.path_params["task"], principal, *given)
    task = await run_in_threadpool(action, *asked, **named, address=address_of(request))
    return JSONResponse(_task(task, bank.now()), 200, _NO_STORE)


def _task(one: Task, now: datetime) -> dict[str, Any]:
    mark, state = one.mark, one.state(now)
    records = () if one.likeness is None else (one.likeness.first, one.likeness.second)
    return {
        "id": one.id,
        "kind": str(one.kind),
        "state": str(state),
        "organization": one.organization,
        "department": one.department,
        "opened_at": one.opened_at.isoformat(),
        "priority": one.priority.name.lower(),
        "note": one.note,
        "studies": [str(study) for study in one.studies],
        "records": [{"issuer": each.issuer, "identifier": each.identifier} for each in records],
        "score": None if one.likeness is None else one.likeness.score,
        "evidence": [] if one.likeness is None else [_evidence(each) for each in one.likeness.evidence],
        "taken_by": mark.taken_by if mark.is_taken(now) else "",
        "taken_until": mark.taken_until.isoformat() if mark.is_taken(now) else None,
        "postponed_until": mark.postponed_until.isoformat() if state is State.POSTPONED else None,
        "how": mark.how,
        "by": mark.by,
        "reason": mark.reason,
    }


def _evidence(one: Evidence) -> dict[str, Any]:
    return {"field": one.field, "finding": one.finding, "weight": one.weight}


def _guess(one: Guess) -> dict[str, Any]:
    proposals = [
        {"value": each.value, "source": str(each.source), "evidence": each.evidence, "confidence": each.confidence}
        for each in one.proposals
    ]
    return {"field": one.field, "held": one.held, "value": one.value, "proposals": proposals}


def _candidate(one: Candidate) -> dict[str, Any]:
    who = one.identity
    names = dict(zip(("alphabetic", "ideographic", "phonetic"), who.name.groups(), strict=True))
    return {
        "issuer": who.patient.issuer,
        "identifier": who.patient.identifier,
        "name": names,
        "birth_date": who.birth_date,
        "sex": who.sex,
        "score": one.score,
        "evidence": [_evidence(each) for each in one.evidence],
        "is_likely": one.is_likely,
        "that_day": None if one.that_day is None else list(one.that_day),
        "accession": one.accession,
    }


_ROOT: Final = "/api/v1/queue"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _ROOT: {"GET": list_tasks},
    f"{_ROOT}/{{task}}": {"GET": read_task},
    f"{_ROOT}/{{task}}/search": {"POST": search_task},
    f"{_ROOT}/{{task}}/identify": {"POST": identify_task},
    f"{_ROOT}/{{task}}/claim": {"POST": claim_task},
    f"{_ROOT}/{{task}}/release": {"POST": release_task},
    f"{_ROOT}/{{task}}/postpone": {"POST": postpone_task},
    f"{_ROOT}/{{task}}/settle": {"POST": settle_task},
    f"{_ROOT}/{{task}}/undo": {"POST": undo_task},
}
"""What is done at each address, by method."""


def queue_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
