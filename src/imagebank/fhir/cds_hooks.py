"""`/cds-services`: CDS Hooks 2.0, `order-select` and `order-sign`. Whoever orders is told that an exam was made already."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import cds_clients, repeat_answers, repeat_check
from imagebank.actions.cds_clients import Client, Keyring
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound, Unavailable
from imagebank.exams.overriding import overrides
from imagebank.fhir import cds_cards, cds_orders
from imagebank.fhir.cds_cards import Desk
from imagebank.fhir.cds_orders import Authorization, Call, Patient
from imagebank.fhir.resources import issuer_of
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import body_of, typed
from imagebank.http.errors import NotSignedIn, say
from imagebank.http.fetch import fetch
from imagebank.http.methods import Endpoint, routes_of
from imagebank.http.tongue import Tongue, tongue_of
from imagebank.http.whereabouts import web_url
from imagebank.model.access import Principal
from imagebank.model.alert import Answer, Outcome
from imagebank.model.person import PatientId

ROOT: Final = "/cds-services"
WAY: Final = "cds"
SERVICES: Final[Mapping[str, str]] = {
    "repeat-check-select": cds_orders.SELECT,
    "repeat-check-sign": cds_orders.SIGN,
}
"""The services by their ids, each with its hook."""
_NO_STORE: Final = {"Cache-Control": "no-store"}
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]{1,8192}", re.ASCII)
_INSTANCE: Final = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
_MOST_IDENTIFIERS: Final = 20
PATIENCE_S: Final = 4.0
"""How long the caller's own servers are waited for: a doctor waits for the card."""
_WANTED: Final = "the patient has to come with the call, as prefetch, or by fhirServer and fhirAuthorization of a server that is listed here"


@dataclass(frozen=True, slots=True)
class _Known:
    """Who calls: the bank's own caller, and the listed client that they are, if they are one."""

    principal: Principal
    client: Client | None

    @property
    def languages(self) -> tuple[str, ...]:
        """In which language to tell them something where a call does not say."""
        return (self.client.language,) if self.client is not None and self.client.language is not None else ()


async def discover(_request: Request) -> Response:
    """Which services there are. It is the same for everybody, and names nobody."""
    patient = {"patient": "Patient/{{context.patientId}}"}
    usage = "The calling system has to be listed here; see docs/repeat-check.md."
    found = [
        {
            "hook": hook,
            "id": name,
            "title": "Repeat check",
            "description": "Says when an imaging exam that is being ordered was made already, and opens its images.",
            "prefetch": patient,
            "usageRequirements": usage,
        }
        for name, hook in SERVICES.items()
    ]
    return JSONResponse({"services": found}, headers=_NO_STORE)


async def call(request: Request) -> Response:
    """The cards about the orders of a call; none where there is nothing to say."""
    known = await _known(request, feedback=False)
    hook = _hook(request)
    asked = typed(await body_of(request), Call)
    if asked.hook != hook or not _INSTANCE.fullmatch(asked.hook_instance):
        raise Invalid("this service is for the hook {hook}, and a call has a hookInstance", hook=hook)
    tongue = tongue_of(request, *known.languages)
    cards = await run_in_threadpool(_cards, bank_of(request), known, asked, address_of(request), tongue)
    if cards is None:
        return say(HTTPStatus.PRECONDITION_FAILED, "Missing", _WANTED)
    return JSONResponse({"cards": cards}, headers={**_NO_STORE, **tongue.headers})


def _hook(request: Request) -> str:
    hook = SERVICES.get(request.path_params["service"])
    if hook is None:
        raise NotFound("there is no such service here")
    return hook


async def _known(request: Request, *, feedback: bool) -> _Known:
    """Who calls: by a JWT of a listed client, or by a token of the bank's. Raises NotSignedIn."""
    bank = bank_of(request)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or token.count(".") != 2:
        return _Known(await caller(request), None)
    service = f"{web_url(bank.settings)}{ROOT}/{request.path_params['service']}"
    audience = (service, f"{service}/feedback") if feedback else (service,)
    given = (bank, _keyring(request), token.strip(), audience, address_of(request))
    try:
        client, principal = await run_in_threadpool(cds_clients.caller, *given)
    except NotFound as error:
        raise NotSignedIn from error
    request.state.caller = principal
    return _Known(principal, client)


def _keyring(request: Request) -> Keyring:
    """What keys were last given, kept for the next call."""
    state = request.app.state
    if not isinstance(getattr(state, "cds_keys", None), Keyring):
        state.cds_keys = Keyring(_asked)
    keyring: Keyring = state.cds_keys
    return keyring


def _cards(bank: Bank, known: _Known, asked: Call, address: str, tongue: Tongue) -> list[cds_cards.Card] | None:
    """The cards; None where nobody says who the patient is."""
    patient = _patient(known.client, asked)
    if patient is None:
        return None
    orders = cds_orders.orders(asked, bank.settings.zone)
    user = asked.context.user_id
    department = next((one.department for one in orders if one.department), "")
    whose = tuple(_identifiers(known.client, patient))
    acting = cds_clients.acting(bank, known.client, user) if known.client is not None else None
    asking = repeat_check.Asking(known.principal, whose, WAY, user, department, address, acting=acting)
    found = repeat_check.check(bank, asking, [one.wish for one in orders])
    desk = Desk(web_url(bank.settings), bank.settings.site_name, overrides(bank.settings.overrides_file), tongue)
    # The same order twice in one call is one alert, and has one card.
    told = {one.alert.id: (one, order) for one, order in zip(found, orders, strict=True) if one.alert is not None}
    return [cds_cards.card(one, order.resource, desk) for one, order in told.values()]


def _patient(client: Client | None, asked: Call) -> Patient | None:
    """The patient as the call brings it, or as the caller's own server has it; None where neither does. Raises Invalid."""
    given = (asked.prefetch or {}).get("patient")
    # Who could not fetch it ahead may say so by null or an OperationOutcome.
    if given is None or (isinstance(given, dict) and given.get("resourceType") == "OperationOutcome"):
        try:
            given = _fetched(client, asked)
            return None if given is None else _read(asked, given)
        except Invalid:
            return None  # the server has no such patient for us, whatever it says instead
    return _read(asked, given)


def _read(asked: Call, given: object) -> Patient:
    """A resource as the patient of a call. Raises Invalid for another one."""
    if not isinstance(given, dict) or given.get("resourceType") != "Patient":
        raise Invalid("what is given as the patient is no Patient")
    found: Patient = cds_orders.converted(given, Patient)
    if found.id and found.id != asked.context.patient_id:
        raise Invalid("the patient is another than that of the call")
    return found


def _fetched(client: Client | None, asked: Call) -> object:
    """The patient from the caller's server; None where it is none that is listed for this client, or does not give it."""
    server, token = (asked.fhir_server or "").rstrip("/"), (asked.fhir_authorization or Authorization()).access_token
    servers = {one.rstrip("/") for one in client.fhir_servers} if client is not None else set()
    if server not in servers or not _TOKEN.fullmatch(token) or not _ID.fullmatch(asked.context.patient_id):
        return None
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/fhir+json"}
    try:
        status, body = _asked(f"{server}/Patient/{asked.context.patient_id}", None, headers)
        return msgspec.json.decode(body) if status == HTTPStatus.OK else None
    except (Unavailable, msgspec.DecodeError):
        return None


def _asked(address: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
    return fetch(address, body, headers, PATIENCE_S)


def _identifiers(client: Client | None, patient: Patient) -> Sequence[PatientId]:
    """Whom the patient's identifiers name. Those of systems that nobody listed name nobody."""
    named = [one for one in patient.identifier[:_MOST_IDENTIFIERS] if one.system and one.value]
    if client is None:
        return [PatientId(issuer_of(one.system), one.value) for one in named]
    return [found for one in named if (found := client.patient(one.system, one.value)) is not None]


class _Coded(msgspec.Struct, frozen=True):
    code: str = ""
    system: str = ""


class _Override(msgspec.Struct, frozen=True, rename="camel"):
    reason: _Coded | None = None
    user_comment: str | None = None


class _Accepted(msgspec.Struct, frozen=True):
    id: str = ""


class _Entry(msgspec.Struct, frozen=True, rename="camel"):
    card: str
    outcome: str
    outcome_timestamp: datetime | None = None
    accepted_suggestions: tuple[_Accepted, ...] | None = None
    override_reason: _Override | None = None


class _Feedback(msgspec.Struct, frozen=True):
    feedback: tuple[_Entry, ...]


async def feedback(request: Request) -> Response:
    """Note what was done about cards. The same told again changes nothing."""
    known = await _known(request, feedback=True)
    _hook(request)
    given = typed(await body_of(request), _Feedback)
    if not 0 < len(given.feedback) <= repeat_check.MOST:
        raise Invalid("feedback is about some cards, {most} at the most", most=repeat_check.MOST)
    now = bank_of(request).now()
    system = overrides(bank_of(request).settings.overrides_file).system
    told = [_told(one, now, known.principal, system) for one in given.feedback]
    await run_in_threadpool(repeat_answers.tell, bank_of(request), known.principal, told, address_of(request))
    return Response(None, HTTPStatus.OK, _NO_STORE)


def _told(one: _Entry, now: datetime, principal: Principal, system: str) -> repeat_answers.Told:
    if one.outcome not in repeat_answers.ANSWERS:
        raise Invalid("the outcome of a card is accepted or overridden")
    at = one.outcome_timestamp or now
    if at.tzinfo is None:
        raise Invalid("outcomeTimestamp is a moment with its time zone")
    outcome = Outcome(one.outcome)
    if outcome is not Outcome.OVERRIDDEN:
        taken = [each.id for each in one.accepted_suggestions or ()]
        reason = cds_cards.change_of(one.card, taken) if outcome is Outcome.ACCEPTED else ""
        return repeat_answers.Told(one.card, Answer(outcome, at, reason, "", principal.name))
    why = one.override_reason or _Override()
    coded = why.reason or _Coded()
    # A client may offer reasons of its own beside ours (CDS Hooks 2.0, Card attributes).
    is_own = coded.system not in ("", system) and bool(coded.code)
    reason = repeat_answers.own_reason(coded.system, coded.code) if is_own else coded.code
    return repeat_answers.Told(one.card, Answer(outcome, at, reason, why.user_comment or "", principal.name), is_own)


RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    ROOT: {"GET": discover},
    f"{ROOT}/{{service}}": {"POST": call},
    f"{ROOT}/{{service}}/feedback": {"POST": feedback},
}
"""What is done at each address, by method."""


def cds_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
