"""The desk that opens people's accounts, and the page where the owner of a sheet opens theirs."""

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import enrol
from imagebank.errors import BankError, Invalid, NotFound, TooOften, status_for
from imagebank.http.auth import address_of, bank_of, is_from_our_pages
from imagebank.http.deliberate import deliberately
from imagebank.http.errors import HTTP_STATUS
from imagebank.model import account_number
from imagebank.model.access import Principal, Right
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Provision, Relation
from imagebank.model.zone import beginning
from imagebank.paper.sheets import ActivationSheet, activation_pdf
from imagebank.portal import here, language
from imagebank.portal.activation import by_sheet
from imagebank.portal.layout import HEADERS, for_the_signed_in, page, read_form, read_own_form, see_other
from imagebank.portal.signin import site_of
from imagebank.settings import Settings

Form = Mapping[str, str]


async def ask(request: Request) -> Response:
    """Where the owner of a sheet types its number and secret."""
    return page(request, "open.html", notice="", number=request.query_params.get("number", "")[:32])


async def try_sheet(request: Request) -> Response:
    """On to choosing how to sign in, where number and secret are right. Both are posted, and stand in no address."""
    form: dict[str, str] = {}
    try:
        form = await read_form(request)
        if not is_from_our_pages(request):
            return see_other("/open")
        given = (form.get("number", ""), form.get("secret", ""), address_of(request))
        code = await deliberately(request, enrol.checked, bank_of(request), *given)
    except (Invalid, NotFound, TooOften) as error:
        status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
        return page(request, "open.html", status, notice=error, number=form.get("number", "")[:32])
    return by_sheet(request, code)


@for_the_signed_in
async def show_desk(request: Request, principal: Principal) -> Response:
    """The form of the desk."""
    principal.require(Right.ENROL)
    return _desk(request, principal, {"issuer": principal.organization})


@for_the_signed_in
async def find_holders(request: Request, principal: Principal) -> Response:
    """Who holds a person's records."""
    form = await read_own_form(request)
    principal.require(Right.ENROL)
    return await _answered(request, principal, form)


@for_the_signed_in
async def open_account(request: Request, principal: Principal) -> Response:
    """Open an account, or let one that is there hold these records; what is printed is shown once."""
    form = await read_own_form(request)
    principal.require(Right.ENROL)
    bank = bank_of(request)
    try:
        made = await run_in_threadpool(enrol.enrol, bank, _wanted(form), principal, address_of(request))
    except BankError as error:
        return await _answered(request, principal, form, error)
    return await _answered(request, principal, form, made=made)


@for_the_signed_in
async def print_again(request: Request, principal: Principal) -> Response:
    """A new secret for an account."""
    form = await read_own_form(request)
    number = form.get("account", "")
    try:
        made = await run_in_threadpool(enrol.reissue, bank_of(request), number, principal, address_of(request))
    except NotFound as error:
        return await _answered(request, principal, form, error)
    return await _answered(request, principal, form, made=made)


@for_the_signed_in
async def end_holding(request: Request, principal: Principal) -> Response:
    """End what an account holds."""
    form = await read_own_form(request)
    principal.require(Right.ENROL)
    holding, error = request.path_params["holding"], None
    try:
        await run_in_threadpool(enrol.end, bank_of(request), holding, principal, address_of(request))
    except NotFound as refusal:
        error = refusal
    return await _answered(request, principal, form, error)


@for_the_signed_in
async def print_sheet(request: Request, principal: Principal) -> Response:
    """The sheet as a document, of what the page before has shown."""
    form = await read_own_form(request)
    principal.require(Right.ENROL)
    return await sheet_of(request, form)


async def sheet_of(request: Request, form: Form) -> Response:
    """The sheet of an account by the number and the secret that a page of ours has shown. Raises Invalid."""
    number, secret = account_number.read(form.get("account", "")), account_number.read_secret(form.get("secret", ""))
    ends_at = here.local(_moment(form.get("expires", "")) or bank_of(request).now())
    made = (number, secret, ends_at, form.get("name", "")[:100], form.get("language", "en")[:16])
    body = await run_in_threadpool(_printed, bank_of(request).settings, site_of(request).origin, *made)
    named = {"Content-Disposition": 'attachment; filename="account.pdf"'}
    return Response(body, headers={**HEADERS, **named}, media_type="application/pdf")


def printed(settings: Settings, site: str, made: enrol.Sheet, name: str, spoken: str) -> bytes:
    """The sheet of an account that has a secret, as PDF."""
    assert made.expires_at is not None, "a secret has an end"
    ends_at = made.expires_at.astimezone(settings.zone)
    return _printed(settings, site, made.account, made.secret, ends_at, name, spoken)


def _printed(
    settings: Settings, site: str, number: str, secret: str, ends_at: datetime, name: str, spoken: str
) -> bytes:
    # The secret does not stand in the square: whoever photographs that has half of it only.
    code = f"{site}/open?number={number}"
    sheet = ActivationSheet(settings.site_name, f"{site}/open", number, secret, code, ends_at, name)
    return activation_pdf(sheet, spoken)


def _wanted(form: Form) -> enrol.Wanted:
    relation = form.get("relation", "")
    if relation not in set(Relation):
        raise Invalid("say what the holder of the account is to the person")
    born = form.get("birth_date", "").replace("-", "")
    until = _moment(form.get("until", "")) or FOR_EVER
    account = form.get("account", "").strip()
    number = account_number.read(account) if account[:1].isdigit() else account
    return enrol.Wanted(_patient(form), Relation(relation), number, form.get("name", ""), born, until)


def _patient(form: Form) -> PatientId:
    identifier, issuer = form.get("patient_id", "").strip(), form.get("issuer", "").strip()
    if not (identifier and issuer):
        raise Invalid("name the patient by the ID, and say which organization gave it")
    return PatientId(issuer, identifier)


def _moment(text: str) -> datetime | None:
    try:
        return beginning(date.fromisoformat(text[:10]), here.zone()) if text else None
    except ValueError:
        raise Invalid("a day is written as 2026-01-31") from None


async def _answered(
    request: Request,
    principal: Principal,
    form: Form,
    error: BankError | None = None,
    made: enrol.Sheet | None = None,
) -> Response:
    """The desk's page with who holds the records of the patient that was named, and what went wrong."""
    holders: list[Provision] | None = None
    try:
        given = (_patient(form), principal, address_of(request))
        holders = await run_in_threadpool(enrol.listed, bank_of(request), *given)
    except BankError as refusal:
        error = error or refusal
    return _desk(request, principal, form, error, made, holders)


def _desk(
    request: Request,
    principal: Principal,
    form: Form,
    error: BankError | None = None,
    made: enrol.Sheet | None = None,
    holders: list[Provision] | None = None,
) -> Response:
    status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR) if error else HTTPStatus.OK
    named = ("patient_id", "issuer", "relation", "name", "account", "birth_date", "until")
    return page(
        request,
        "desk.html",
        status,
        principal,
        typed={name: form.get(name, "") for name in named},
        notice=error or "",
        made=made,
        holders=holders,
        shown=account_number.shown,
        for_ever=FOR_EVER,
        spoken=language.spoken(),
    )


ROUTES: list[BaseRoute] = [
    Route("/open", ask, methods=["GET"]),
    Route("/open", try_sheet, methods=["POST"]),
    Route("/desk", show_desk, methods=["GET"]),
    Route("/desk", find_holders, methods=["POST"]),
    Route("/desk/open", open_account, methods=["POST"]),
    Route("/desk/again", print_again, methods=["POST"]),
    Route("/desk/sheet", print_sheet, methods=["POST"]),
    Route("/desk/{holding}/end", end_holding, methods=["POST"]),
]
