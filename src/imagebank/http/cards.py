"""`/api/v1/cards` and `/api/v1/redeem`: cards are given, listed, frozen, thawed, changed, taken back, and redeemed."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import cards, redeem, search
from imagebank.actions.card_reach import Reach
from imagebank.actions.rights import principal
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import Patient, body_of, line, typed
from imagebank.http.deliberate import deliberately
from imagebank.http.methods import Endpoint, routes_of
from imagebank.model import card_number
from imagebank.model.access import Principal, Role
from imagebank.model.attribute import Level
from imagebank.model.card import NO_END, Opens
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.query import Query, comparable_date
from imagebank.model.uid import Uid
from imagebank.model.zone import ending, in_utc

_NO_STORE: Final = {"Cache-Control": "no-store"}
_MOST_STUDIES: Final = 1000


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """A card as it is wanted. Whose: a patient's, or who the studies are of, or the caller's own."""

    patient: Patient | None = None
    studies: list[str] = []
    modality: str = ""
    body_part: str = ""
    since: str = ""
    until: str = ""
    future: bool = False
    reports: bool = True
    taking: bool = True
    purpose: str = ""
    recipient: str = ""
    email: str = ""
    label: str = ""
    expires: str | None = None
    days: float | None = None
    uses: int | None = None
    pin: str | int = ""


class Changed(msgspec.Struct, forbid_unknown_fields=True):
    """What is to be another of a card."""

    expires: str | None = None
    days: float | None = None
    uses: int | None = None
    label: str | None = None
    recipient: str | None = None
    purpose: str | None = None
    reports: bool | None = None
    taking: bool | None = None


class Shown(msgspec.Struct, forbid_unknown_fields=True):
    """A card as somebody shows it, with who they are and why they look; a code where its owner wants one."""

    number: str
    pin: str | int
    name: str = ""
    institution: str = ""
    purpose: str = ""
    code: str | int = ""


async def issue_card(request: Request) -> Response:
    """Make a card. Its number and its PIN are told this once."""
    who = await caller(request)
    body = await body_of(request)
    given = typed(body, Given) if body.strip() else Given()
    wanted = cards.Wanted(
        reach=_reach(given),
        ends_at=_end(bank_of(request), given.expires, given.days),
        uses=given.uses,
        pin=str(given.pin),
        label=given.label,
        recipient=given.recipient,
        purpose=given.purpose,
        email=given.email,
    )
    made = await run_in_threadpool(cards.issue, bank_of(request), wanted, who, address_of(request))
    told = cards.Told(made.card, made.opens, made.card.state(bank_of(request).now()))
    headers = {**_NO_STORE, "Location": f"{request.url.path.rstrip('/')}/{made.card.id}"}
    secret = {"number": card_number.shown(made.number), "pin": made.pin}
    return JSONResponse({**_card(told), **secret}, 201, headers)


def _reach(given: Given) -> Reach:
    return Reach(
        given.patient.id if given.patient is not None else None,
        tuple(Uid.parse(study) for study in given.studies),
        given.modality.strip().upper(),
        given.body_part.strip().upper(),
        comparable_date(given.since) if given.since else "",
        comparable_date(given.until) if given.until else "",
        future=given.future,
        reports=given.reports,
        taking=given.taking,
    )


def _end(bank: Bank, expires: str | None, days: float | None) -> datetime | None:
    """When a card is to end: at a moment, with a day, or after so many days. Raises Invalid."""
    if expires and days is not None:
        raise Invalid("say when the card expires, or after how many days; not both")
    try:
        if days is not None:
            return bank.now() + timedelta(days=days)
        if not expires:
            return None
        found = in_utc(datetime.fromisoformat(expires))
    except (ValueError, OverflowError):
        raise Invalid("expires is a time such as 2026-12-31T23:59:59Z, or a day such as 2026-12-31") from None
    if len(expires) == len("2026-12-31"):
        return ending(found.date(), bank.settings.zone)
    return found


async def list_cards(request: Request) -> Response:
    """Cards that the caller may take back, newest first; those of one patient by `patient.identifier=ISSUER|ID`."""
    who = await caller(request)
    patient = _patient_asked(request)
    found = await run_in_threadpool(cards.listed, bank_of(request), who, patient, address_of(request))
    return JSONResponse({"cards": [_card(one) for one in found]}, 200, _NO_STORE)


def _patient_asked(request: Request) -> PatientId | None:
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    if not pairs:
        return None
    values = [value for name, value in pairs if name == "patient.identifier"]
    issuer, bar, identifier = values[0].partition("|") if len(pairs) == len(values) == 1 else ("", "", "")
    if not bar:
        raise Invalid("ask for all cards, or for one patient's: patient.identifier=ISSUER|ID")
    return PatientId(line(issuer, "the issuer"), line(identifier, "the identifier"))


async def read_card(request: Request) -> Response:
    """One card, and what it was used for."""
    who, bank, name = await caller(request), bank_of(request), request.path_params["card"]
    told = await run_in_threadpool(cards.kept, bank, name, who, address_of(request))
    used = await run_in_threadpool(cards.withdrawals, bank, name, who)
    withdrawals = [
        {
            "number": one.number,
            "at": one.at.isoformat(),
            "until": one.ends_at.isoformat(),
            "name": one.name,
            "institution": one.institution,
            "purpose": one.purpose,
            "address": one.address,
        }
        for one in used
    ]
    return JSONResponse({**_card(told), "withdrawals": withdrawals}, 200, _NO_STORE)


async def change_card(request: Request) -> Response:
    """Change when a card ends, its uses, terms and texts; what is not named stays."""
    who = await caller(request)
    given = typed(await body_of(request), Changed)
    changes = cards.Changes(
        ends_at=_end(bank_of(request), given.expires, given.days),
        uses=given.uses,
        label=given.label,
        recipient=given.recipient,
        purpose=given.purpose,
        reports=given.reports,
        taking=given.taking,
    )
    bank, name, address = bank_of(request), request.path_params["card"], address_of(request)
    told = await run_in_threadpool(cards.change, bank, name, changes, who, address)
    return JSONResponse(_card(told), 200, _NO_STORE)


async def freeze_card(request: Request) -> Response:
    """Let a card open nothing until it is thawed, from the next request on."""
    return await _switched(request, cards.freeze)


async def thaw_card(request: Request) -> Response:
    """Let a frozen card work again."""
    return await _switched(request, cards.thaw)


async def revoke_card(request: Request) -> Response:
    """Take a card back for good, from the next request on."""
    return await _switched(request, cards.revoke)


async def _switched(request: Request, act: Callable[[Bank, str, Principal, str], cards.Told]) -> Response:
    who = await caller(request)
    told = await run_in_threadpool(act, bank_of(request), request.path_params["card"], who, address_of(request))
    return JSONResponse(_card(told), 200, _NO_STORE)


def _card(told: cards.Told) -> dict[str, Any]:
    card, opens = told.card, told.opens
    return {
        "id": card.id,
        "state": str(told.state),
        "patient": {"issuer": card.patient.issuer, "identifier": card.patient.identifier},
        "made_at": card.made_at.isoformat(),
        "expires": card.ends_at.isoformat(),
        "by": card.by,
        "label": card.label,
        "recipient": card.recipient,
        "purpose": card.purpose,
        "email": card.email,
        "uses": card.uses,
        "uses_left": None if card.uses_left == NO_END else card.uses_left,
        "tries_left": card.tries_left,
        "scope": in_words(opens),
        "studies": list(opens.studies),
        "modality": opens.modality,
        "body_part": opens.body_part,
        "since": opens.since,
        "until": opens.until,
        "future": opens.future,
        "reports": opens.reports,
        "taking": opens.taking,
    }


def in_words(opens: Opens) -> str:
    """What a card opens, in one sentence for programs to show."""
    number = len(opens.studies)
    what = f"{number} {'study' if number == 1 else 'studies'}"
    if opens.future:
        kinds = (opens.modality, opens.body_part, "studies")
        what = " ".join(["all", *(part for part in kinds if part)])
        what += f" from {opens.since}" if opens.since else ""
        what += f" until {opens.until}" if opens.until else ""
        what += ", also those that come later"
    reports = "with reports" if opens.reports else "without reports"
    return f"{what}, {reports}, {'to look at and to take along' if opens.taking else 'to look at only'}"


async def redeem_card(request: Request) -> Response:
    """Show a card's number and PIN, say who you are and why: a bearer token of exactly what the card opens."""
    given = typed(await body_of(request), Shown)
    claim = redeem.Claim(
        given.number, str(given.pin), given.name, given.institution, given.purpose, code=str(given.code)
    )
    bank, address = bank_of(request), address_of(request)
    opened = await deliberately(request, lambda one: redeem.for_program(bank, one, address), claim)
    told = await run_in_threadpool(_opened, bank, opened, str(request.base_url).rstrip("/"), address)
    return JSONResponse(told, 200, _NO_STORE)


def _opened(bank: Bank, opened: redeem.Opened, root: str, address: str) -> dict[str, Any]:
    who = principal(bank, opened.name, Role.RECIPIENT, opened.card.organization)
    query = Query(Level.STUDY, limit=_MOST_STUDIES)
    search.searching(bank, who, query, "card", address)
    studies = [_study(one.attributes, root, who) for one in search.find(bank, query, who.scope)]
    return {
        "token": opened.secret,
        "token_type": "Bearer",
        "expires_at": opened.ends_at.isoformat(),
        "scope": in_words(cards.opened_by(bank, opened.card)),
        "taking": not who.only_looks,
        "reports": who.scope.reports,
        "studies": studies,
    }


def _study(attributes: DataSet, root: str, who: Principal) -> dict[str, Any]:
    uid = _text(attributes, "0020000D")
    links = {
        "dicomweb": f"{root}/dicom-web/studies/{uid}",
        "page": f"{root}/studies/{uid}",
        "viewer": f"{root}/viewer/viewer?StudyInstanceUIDs={quote(uid)}",
    }
    if not who.only_looks:
        links["download"] = f"{root}/api/v1/export?study={uid}"
    return {
        "uid": uid,
        "date": _text(attributes, "00080020"),
        "modality": "/".join(str(one) for one in attributes.get("00080061", {}).get("Value", ())),
        "description": _text(attributes, "00081030"),
        "links": links,
    }


def _text(attributes: DataSet, key: str) -> str:
    value = next(iter(attributes.get(key, {}).get("Value", ())), None)
    return "" if value is None else str(value)


_ROOT: Final = "/api/v1"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    f"{_ROOT}/cards": {"GET": list_cards, "POST": issue_card},
    f"{_ROOT}/cards/{{card}}": {"GET": read_card, "PATCH": change_card},
    f"{_ROOT}/cards/{{card}}/freeze": {"POST": freeze_card},
    f"{_ROOT}/cards/{{card}}/thaw": {"POST": thaw_card},
    f"{_ROOT}/cards/{{card}}/revoke": {"POST": revoke_card},
    f"{_ROOT}/redeem": {"POST": redeem_card},
}
"""What is done at each address, by method."""


def card_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)
