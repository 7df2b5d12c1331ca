"""Asking an organization for images: the owner's list, form and page of each request, and the desk that answers them."""

import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as Asking
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import enrol, own, requests
from imagebank.actions.requests import Wanted
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotFound, TooOften, status_for
from imagebank.http.auth import address_of, bank_of
from imagebank.http.errors import HTTP_STATUS
from imagebank.model.access import Principal, Right
from imagebank.model.request import OPEN, Request
from imagebank.model.uid import Uid
from imagebank.portal import plain_words
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.rows import row_of

Form = Mapping[str, str]
_FIELDS: Final = ("facility", "what", "where", "when", "holding", "key")


@for_the_signed_in
async def list_own(request: Asking, principal: Principal) -> Response:
    """What was asked for, and how far it is."""
    found = await run_in_threadpool(requests.listed, bank_of(request), principal)
    return page(request, "requests.html", HTTPStatus.OK, principal, requests=found)


@for_the_signed_in
async def ask(request: Asking, principal: Principal) -> Response:
    """The form."""
    return await _form(request, principal, {"key": secrets.token_hex(8)})


async def _form(request: Asking, principal: Principal, typed: Form, error: BankError | None = None) -> Response:
    bank = bank_of(request)
    held = await run_in_threadpool(own.people, bank, principal)
    facilities = await run_in_threadpool(requests.facilities, bank, principal)
    status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR) if error else HTTPStatus.OK
    return page(
        request,
        "request-ask.html",
        status,
        principal,
        people=[(one.key, plain_words.called(one.name)) for one in held],
        facilities=facilities,
        typed={name: typed.get(name, "") for name in _FIELDS},
        longest=requests.LONGEST,
        line=requests.LONGEST_LINE,
        notice=error or "",
    )


@for_the_signed_in
async def send(request: Asking, principal: Principal) -> Response:
    """Send it. The same form a second time leads to the same request."""
    form = await read_own_form(request)
    try:
        made = await run_in_threadpool(_sent, bank_of(request), form, principal, address_of(request))
    except (Invalid, TooOften) as error:
        return await _form(request, principal, form, error)
    return see_other(f"/my/requests/{made.id}")


def _sent(bank: Bank, form: Form, principal: Principal, address: str) -> Request:
    chosen = own.chosen(own.people(bank, principal), form.get("holding", ""))
    whose = chosen[0].patient if chosen else None
    facility, what, where, when = (form.get(name, "") for name in ("facility", "what", "where", "when"))
    wanted = Wanted(facility, what, where, when, whose, form.get("key", ""))
    return requests.ask(bank, wanted, principal, address)


@for_the_signed_in
async def show_own(request: Asking, principal: Principal) -> Response:
    """One request, and its answer."""
    return await _own(request, principal)


async def _own(request: Asking, principal: Principal, error: BankError | None = None) -> Response:
    bank, name = bank_of(request), request.path_params["request"]
    asked = await run_in_threadpool(requests.kept, bank, name, principal, address_of(request))
    acted_for = await run_in_threadpool(enrol.acted_for, bank, principal)
    one = asked.request
    return page(
        request,
        "request.html",
        status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR) if error else HTTPStatus.OK,
        principal,
        one=one,
        can_withdraw=one.state in OPEN and (one.account == principal.name or one.patient in acted_for),
        notice=error or "",
    )


@for_the_signed_in
async def withdraw(request: Asking, principal: Principal) -> Response:
    await read_own_form(request)
    name = request.path_params["request"]
    try:
        await run_in_threadpool(requests.withdraw, bank_of(request), name, principal, address_of(request))
    except Conflict as error:
        return await _own(request, principal, error)
    return see_other(f"/my/requests/{name}")


@for_the_signed_in
async def list_desk(request: Asking, principal: Principal) -> Response:
    """What waits for the desk, or what it has answered."""
    is_open = request.query_params.get("state", "") != "ended"
    given = (bank_of(request), principal, address_of(request))
    found = await run_in_threadpool(lambda: requests.queue(*given, is_open=is_open))
    return page(request, "desk-requests.html", HTTPStatus.OK, principal, asked=found, is_open=is_open)


@for_the_signed_in
async def show_desk(request: Asking, principal: Principal) -> Response:
    """One request, with the studies that could answer it."""
    return await _desk(request, principal, {})


async def _desk(request: Asking, principal: Principal, form: Form, error: BankError | None = None) -> Response:
    principal.require(Right.ENROL)
    bank, name = bank_of(request), request.path_params["request"]
    asked = await run_in_threadpool(requests.kept, bank, name, principal, address_of(request))
    is_open = asked.request.state in OPEN
    found = await run_in_threadpool(requests.answers, bank, asked.request, principal) if is_open else []
    return page(
        request,
        "desk-request.html",
        status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR) if error else HTTPStatus.OK,
        principal,
        one=asked.request,
        identity=asked.identity,
        studies=[row_of(entry.study) for entry in found],
        is_waiting=is_open,
        typed={field: form.get(field, "") for field in ("reason", "study", "why")},
        longest=requests.LONGEST,
        notice=error or "",
    )


def _worked(work: Callable[[Bank, str, Principal, Form, str], Request]) -> Any:
    """Do what the desk's form asks for, and show what became of the request."""

    @for_the_signed_in
    async def worked(request: Asking, principal: Principal) -> Response:
        form, name = await read_own_form(request), request.path_params["request"]
        try:
            await run_in_threadpool(work, bank_of(request), name, principal, form, address_of(request))
        except (Invalid, Conflict, NotFound) as error:
            return await _desk(request, principal, form, error)
        return see_other(f"/desk/requests/{name}")

    return worked


def _take(bank: Bank, name: str, principal: Principal, _: Form, address: str) -> Request:
    return requests.take(bank, name, principal, address)


def _answer(bank: Bank, name: str, principal: Principal, form: Form, address: str) -> Request:
    study = Uid.parse(form["study"]) if form.get("study") else None
    return requests.answer(bank, name, principal, study, form.get("reason", ""), address)


def _refuse(bank: Bank, name: str, principal: Principal, form: Form, address: str) -> Request:
    return requests.refuse(bank, name, form.get("why", ""), principal, address)


ROUTES: list[BaseRoute] = [
    Route("/my/requests", list_own, methods=["GET"]),
    Route("/my/requests", send, methods=["POST"]),
    Route("/my/requests/ask", ask, methods=["GET"]),
    Route("/my/requests/{request}", show_own, methods=["GET"]),
    Route("/my/requests/{request}/withdraw", withdraw, methods=["POST"]),
    Route("/desk/requests", list_desk, methods=["GET"]),
    Route("/desk/requests/{request}", show_desk, methods=["GET"]),
    Route("/desk/requests/{request}/take", _worked(_take), methods=["POST"]),
    Route("/desk/requests/{request}/answer", _worked(_answer), methods=["POST"]),
    Route("/desk/requests/{request}/refuse", _worked(_refuse), methods=["POST"]),
]
