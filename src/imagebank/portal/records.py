"""One person's patient records: why they are one person's, parting and undoing, and linking another one after comparing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import linking
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotFound, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.errors import HTTP_STATUS
from imagebank.model.access import Principal, Right
from imagebank.model.identity import Decision, Deed, Ground, Linked
from imagebank.model.person import PatientId
from imagebank.portal import pairs
from imagebank.portal.language import gettext, noted
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.timeline import why

_REFUSALS: Final = (Invalid, Conflict, NotFound)
_DONE: Final[Mapping[str, str]] = {
    "link": noted("The record is linked. It can be undone below."),
    "part": noted("The record stands alone again. It can be undone below."),
    "undo": noted("The decision is taken back."),
}
_DEEDS: Final[Mapping[Deed, str]] = {
    Deed.LINK: noted("Linked with another record"),
    Deed.MERGE: noted("Linked with another record, with all of its person"),
    Deed.UNLINK: noted("Parted from the others"),
    Deed.APART: noted("Said to be two persons"),
    Deed.UNDO: noted("A decision taken back"),
}
_LONGEST: Final = 64
_SHOWN: Final = 10
"""So many decisions stand open on the page."""

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody sent: the record that is looked up, and why it could not be done, so that nothing is typed again."""

    fields: Form = field(default_factory=dict)
    notice: BankError | None = None
    status: int = HTTPStatus.OK
    is_looked_up: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A decision in words: what, by whom or what, and whether it is taken back."""

    decision: Decision
    what: str
    why: str
    is_undone: bool


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The records of a person, and what was decided about them."""
    return await _page(request, principal, Typed())


async def _page(request: Request, principal: Principal, typed: Typed) -> Response:
    principal.require(Right.RECONCILE)
    given = (bank_of(request), principal, request.path_params["person"], typed, address_of(request))
    context = await run_in_threadpool(_context, *given)
    done = gettext(_DONE.get(request.query_params.get("done", ""), ""))
    return page(request, "records.html", context.pop("status"), principal, done=done, **context)


def _context(bank: Bank, principal: Principal, person: str, typed: Typed, address: str) -> dict[str, Any]:
    found = linking.of_person(bank, principal, person, address)
    beside, notice, status = None, typed.notice, typed.status
    if typed.is_looked_up:
        try:
            beside = linking.beside(bank, principal, person, _patient(typed.fields), address)
        except NotFound:
            notice = NotFound("nothing is here under this number of this organization; check both")
            status = HTTPStatus.NOT_FOUND
        except (Invalid, Conflict) as error:
            notice, status = notice or error, _status(error)
    return {
        "status": status,
        "person": person,
        "records": [(one, why(reason)) for one, reason in zip(found.records, found.reasons, strict=True)],
        "decisions": [_told(one, is_undone=one.id in found.undone) for one in found.decisions],
        "shown": _SHOWN,
        "notice": notice,
        "fields": typed.fields,
        "issuer": typed.fields.get("issuer", principal.organization),
        "beside": beside,
        "compared": _compared(beside) if beside else None,
        "further": len(beside.others) - 1 if beside else 0,
    }


def _compared(beside: linking.Pair) -> tuple[list[str], list[pairs.Line]]:
    """The two records; they are told apart by who gave their numbers, since their names are mostly alike."""
    _, table = pairs.pair(beside.mine.identity, beside.other.identity, beside.likeness)
    return [_number(beside.mine), _number(beside.other)], table


def _number(linked: Linked) -> str:
    return f"{linked.identity.patient.identifier} · {linked.identity.patient.issuer}"


def _told(one: Decision, *, is_undone: bool) -> Told:
    by = one.by if one.ground is Ground.HUMAN else why(one)
    return Told(one, gettext(_DEEDS[one.deed]), by, is_undone)


def _patient(form: Form) -> PatientId:
    found = PatientId(form.get("issuer", "").strip()[:_LONGEST], form.get("identifier", "").strip()[:_LONGEST])
    if not found.issuer or not found.identifier:
        raise Invalid("type the number of the record, and who gave it")
    return found


def _status(error: BankError) -> int:
    if isinstance(error, Invalid):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return status_for(error, HTTP_STATUS, HTTPStatus.CONFLICT)


@for_the_signed_in
async def compare(request: Request, principal: Principal) -> Response:
    """Another record beside the person's. It is asked for by a form, so that no number stands in an address."""
    form = await read_own_form(request)
    return await _page(request, principal, Typed(form, is_looked_up=True))


Act = Callable[[Bank, Principal, str, Form, str], str]


def _deciding(name: str, act: Act) -> Any:
    """A form that decides about a record, and goes on to the page of the person that it is about then."""

    @for_the_signed_in
    async def decide(request: Request, principal: Principal) -> Response:
        form = await read_own_form(request)
        given = (bank_of(request), principal, request.path_params["person"], form, address_of(request))
        try:
            person = await run_in_threadpool(act, *given)
        except _REFUSALS as error:
            return await _page(request, principal, Typed(form, error, _status(error), name == "link"))
        return see_other(f"/patients/{person}/records?done={name}")

    return decide


def _link(bank: Bank, principal: Principal, person: str, form: Form, address: str) -> str:
    with_all, reason = form.get("how") == "all", form.get("why", "")
    return linking.join(bank, principal, person, _patient(form), with_all=with_all, why=reason, address=address)


def _part(bank: Bank, principal: Principal, person: str, form: Form, address: str) -> str:
    return linking.part(bank, principal, person, _patient(form), form.get("why", ""), address)


def _undo(bank: Bank, principal: Principal, person: str, form: Form, address: str) -> str:
    return linking.undo(bank, principal, person, form.get("decision", ""), form.get("why", ""), address)


_ROOT: Final = "/patients/{person}/records"
ROUTES: Final[list[BaseRoute]] = [
    Route(_ROOT, show, methods=["GET"]),
    Route(f"{_ROOT}/compare", compare, methods=["POST"]),
    Route(f"{_ROOT}/link", _deciding("link", _link), methods=["POST"]),
    Route(f"{_ROOT}/part", _deciding("part", _part), methods=["POST"]),
    Route(f"{_ROOT}/undo", _deciding("undo", _undo), methods=["POST"]),
]
