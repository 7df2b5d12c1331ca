"""Pages to open a record in an emergency, to review emergencies, and to write down what patients decide."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import consent, emergency
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.http.auth import address_of, bank_of, caller_if_any, cookie_of
from imagebank.http.errors import NotSignedIn
from imagebank.http.quick import quickly
from imagebank.model.access import Principal, Purpose, Right, Role
from imagebank.model.person import PatientId
from imagebank.model.provision import FOR_EVER, Kind, Provision
from imagebank.model.uid import Uid
from imagebank.portal.layout import HEADERS, csrf_token, for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.refusals import worded

_MOST_DAYS = 36_525
_SHOWN = (Kind.CONSENT, Kind.CARE, Kind.GRANT)

Form = Mapping[str, str]


@for_the_signed_in
async def ask_for_emergency(request: Request, principal: Principal) -> Response:
    """The form that opens a record."""
    principal.require(Right.EMERGENCY)
    return _emergency_form(request, principal, {})


@for_the_signed_in
async def open_emergency(request: Request, principal: Principal) -> Response:
    """Open it, and go to the list: what there is of the patient stands there now."""
    form = await read_own_form(request)
    bank, address = bank_of(request), address_of(request)
    try:
        whose = _whose(form)
        await run_in_threadpool(emergency.break_glass, bank, whose, form.get("reason", ""), principal, address)
    except Invalid as error:
        return _emergency_form(request, principal, form, worded(error))
    return see_other("/")


async def tell_emergencies(request: Request) -> Response:
    """What the caller has open in an emergency, for the bar in the viewer: it asks by itself, and prolongs nothing."""
    principal = await caller_if_any(request, prolongs=False)
    if principal is None:
        raise NotSignedIn
    bank = bank_of(request)
    found = await quickly(bank, emergency.open_to, bank, principal) if Right.EMERGENCY in principal.rights else []
    opened = [
        {
            "id": one.id,
            "study": one.study or "",
            "patient": one.patient.identifier,
            "issuer": one.patient.issuer,
            "until": one.ends_at.isoformat(),
            "seconds": (one.ends_at - bank.now()).total_seconds(),
        }
        for one in found
    ]
    # The token of the session's forms goes along, with which the bar can end them; no other site can read it.
    csrf = csrf_token(cookie_of(request))
    return JSONResponse({"emergencies": opened, "csrf": csrf}, headers=HEADERS)


@for_the_signed_in
async def end_emergency(request: Request, principal: Principal) -> Response:
    """Close what one has opened, and go to the list: the page before may not be for the caller any more."""
    await read_own_form(request)
    name = request.path_params["emergency"]
    await run_in_threadpool(emergency.end, bank_of(request), name, principal, address_of(request))
    return see_other("/")


def _whose(form: Form) -> PatientId | Uid:
    study, identifier, issuer = (_typed(form, name) for name in ("study", "patient_id", "issuer"))
    if bool(study) == bool(identifier):
        raise Invalid("name the patient by the ID, or a study by its UID")
    if study:
        return Uid.parse(study)
    if not issuer:
        raise Invalid("say which organization gave the patient ID")
    return PatientId(issuer, identifier)


def _emergency_form(request: Request, principal: Principal, form: Form, notice: str = "") -> Response:
    return page(
        request,
        "emergency.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK,
        principal,
        typed={name: form.get(name, "") for name in ("patient_id", "issuer", "study", "reason")},
        issuer=principal.organization,
        minutes=f"{bank_of(request).settings.emergency_minutes:g}",
        notice=notice,
    )


@for_the_signed_in
async def list_reviews(request: Request, principal: Principal) -> Response:
    """Emergencies that nobody has looked at."""
    return await _reviews(request, principal)


@for_the_signed_in
async def review(request: Request, principal: Principal) -> Response:
    """Note what came of one."""
    form = await read_own_form(request)
    name, words = request.path_params["emergency"], form.get("words", "")
    try:
        await run_in_threadpool(emergency.review, bank_of(request), name, words, principal, address_of(request))
    except (Invalid, NotFound) as error:
        return await _reviews(request, principal, worded(error))
    return see_other("/reviews")


async def _reviews(request: Request, principal: Principal, notice: str = "") -> Response:
    waiting = await run_in_threadpool(emergency.unreviewed, bank_of(request), principal, address_of(request))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK
    return page(request, "reviews.html", status, principal, waiting=waiting, notice=notice)


@for_the_signed_in
async def ask_for_consents(request: Request, principal: Principal) -> Response:
    """The form that names a patient."""
    principal.require(Right.CONSENT)
    return _consents_page(request, principal, None, [])


@for_the_signed_in
async def list_consents(request: Request, principal: Principal) -> Response:
    """A patient's consents. By a form, so that no identifier stands in an address or a log."""
    form = await read_own_form(request)
    return await _consents(request, principal, form)


@for_the_signed_in
async def add_consent(request: Request, principal: Principal) -> Response:
    """Write down a permit or a denial, and show what there is now."""
    form = await read_own_form(request)
    bank = bank_of(request)
    try:
        wanted = _wanted(bank, form, _patient(form))
        await run_in_threadpool(consent.decide, bank, wanted, principal, address_of(request))
    except Invalid as error:
        return await _consents(request, principal, form, worded(error))
    return await _consents(request, principal, form)


@for_the_signed_in
async def revoke_consent(request: Request, principal: Principal) -> Response:
    """End one, and show what there is now."""
    form = await read_own_form(request)
    name = request.path_params["consent"]
    try:
        await run_in_threadpool(consent.revoke, bank_of(request), name, principal, address_of(request))
    except NotFound as error:
        return await _consents(request, principal, form, worded(error))
    return await _consents(request, principal, form)


def _patient(form: Form) -> PatientId:
    issuer, identifier = _typed(form, "issuer"), _typed(form, "patient_id")
    if not issuer or not identifier:
        raise Invalid("name the patient by the ID and the organization that gave it")
    return PatientId(issuer, identifier)


def _wanted(bank: Bank, form: Form, patient: PatientId) -> Provision:
    word, days = form.get("word", ""), _typed(form, "days")
    if word not in ("permit", "deny"):
        raise Invalid("choose permit or deny")
    if days and not (days.isascii() and days.isdigit() and 0 < int(days[:9]) <= _MOST_DAYS):
        raise Invalid("days are a whole number, such as 30; leave it empty for no end")
    role, purpose = _typed(form, "role"), _typed(form, "purpose")
    if role not in {"", *Role} or purpose not in {"", *Purpose}:
        raise Invalid("choose a role and a purpose that stand in the list")
    now = bank.now()
    return Provision(
        "",
        Kind.CONSENT,
        word == "permit",
        patient,
        starts_at=now,
        ends_at=now + timedelta(days=int(days)) if days else FOR_EVER,
        modality=_typed(form, "modality").upper(),
        organization=_typed(form, "organization"),
        principal=_typed(form, "person"),
        role=Role(role) if role else None,
        purpose=Purpose(purpose) if purpose else None,
    )


async def _consents(request: Request, principal: Principal, form: Form, notice: str = "") -> Response:
    try:
        patient = _patient(form)
    except Invalid as error:
        return _consents_page(request, principal, None, [], notice or worded(error))
    found = await run_in_threadpool(consent.listed, bank_of(request), patient, principal, address_of(request))
    return _consents_page(request, principal, patient, found, notice)


def _consents_page(
    request: Request, principal: Principal, patient: PatientId | None, found: list[Provision], notice: str = ""
) -> Response:
    now = bank_of(request).now()
    shown = [one for one in reversed(found) if one.kind in _SHOWN]
    return page(
        request,
        "consents.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK,
        principal,
        patient=patient,
        entries=[(one, consent.name_of(one), one.revoked_at is None and now < one.ends_at) for one in shown],
        roles=list(Role),
        purposes=list(Purpose),
        for_ever=FOR_EVER,
        issuer=principal.organization,
        notice=notice,
    )


def _typed(form: Form, name: str) -> str:
    text = form.get(name, "").strip()
    return text if text.isprintable() else ""


ROUTES: list[BaseRoute] = [
    Route("/emergency", ask_for_emergency, methods=["GET"]),
    Route("/emergency", open_emergency, methods=["POST"]),
    Route("/emergency/open", tell_emergencies, methods=["GET"]),
    Route("/emergency/{emergency}/end", end_emergency, methods=["POST"]),
    Route("/reviews", list_reviews, methods=["GET"]),
    Route("/reviews/{emergency}", review, methods=["POST"]),
    Route("/consents", ask_for_consents, methods=["GET"]),
    Route("/consents", list_consents, methods=["POST"]),
    Route("/consents/add", add_consent, methods=["POST"]),
    Route("/consents/{consent}/revoke", revoke_consent, methods=["POST"]),
]
