"""`/fhir`: searching AuditEvents (IHE ITI-81)."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import trail
from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, TooOften, Unavailable, Unsupported, status_for
from imagebank.fhir.resources import DCM, Resource, audit_event, issuer_of, operation_outcome, search_set
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.errors import HTTP_STATUS, RETRY_AFTER_S
from imagebank.model.access import Principal
from imagebank.model.audited import kind_of
from imagebank.model.ledger import Line, Sought
from imagebank.model.person import PatientId

_ISSUES: Final[Mapping[type[BankError], str]] = {
    Invalid: "invalid",
    NotAllowed: "forbidden",
    NotFound: "not-found",
    Unsupported: "not-supported",
    TooOften: "throttled",
    Unavailable: "transient",
}
_HEADERS: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
_COUNT, _MOST = 100, 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = re.compile(
    r"(eq|ge|gt|le|lt|sa|eb|)(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)
_PLACE: Final = re.compile(r"(\d{1,17})\.([0-9a-f]{1,32})\.(\d{1,17})")
_JSON: Final = frozenset({"json", "application/json", "application/fhir+json"})
_SYSTEMS: Final = {
    "type": DCM,
    "subtype": DCM,
    "action": "http://hl7.org/fhir/audit-event-action",
    "outcome": "http://hl7.org/fhir/audit-event-outcome",
}

Endpoint = Callable[[Request, Principal], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a search asks for: of the ledger, and of the codes that its lines have."""

    sought: Sought
    codes: Mapping[str, frozenset[str]]
    count: int

    def fits(self, line: Line) -> bool:
        kind = kind_of(line)
        has = {
            "type": kind.event.value,
            "subtype": "" if kind.type is None else kind.type.value,
            "action": kind.action,
            "outcome": kind.outcome,
        }
        return all(has[name] in wanted for name, wanted in self.codes.items())


def for_programs(answer: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint for known callers, whose refusals are OperationOutcomes."""

    @wraps(answer)
    async def answered(request: Request) -> Response:
        principal = await caller(request)
        try:
            return await answer(request, principal)
        except BankError as error:
            status = status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
            body = operation_outcome(status_for(error, _ISSUES, "processing"), str(error))
            wait = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, Unavailable | TooOften) else {}
            return _json(body, status, wait)

    return answered


@for_programs
async def audit_events(request: Request, principal: Principal) -> Response:
    """The ledger as AuditEvents, newest first; `date` has to say of which time."""
    bank = bank_of(request)
    given = request.query_params.multi_items()
    asked = parse(given)
    # One more than is shown tells whether there is a next page.
    wanted = replace(asked.sought, limit=asked.count + 1)
    found = await run_in_threadpool(trail.search, bank, wanted, principal, address_of(request), fits=asked.fits)
    shown = found[: asked.count]
    base = (bank.settings.public_url or str(request.base_url)).rstrip("/") + "/fhir"
    following = ""
    if len(found) > len(shown) > 0:
        at, lane, position = trail.place(shown[-1].line)
        following = _address(base, [*(one for one in given if one[0] != "_page"), ("_page", f"{at}.{lane}.{position}")])
    return _json(search_set(base, _address(base, given), following, [audit_event(one) for one in shown]))


def _address(base: str, given: Sequence[tuple[str, str]]) -> str:
    return f"{base}/AuditEvent?{urlencode(given)}"


def _json(body: Resource, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        orjson.dumps(body), status, {**_HEADERS, **(headers or {})}, media_type="application/fhir+json; charset=utf-8"
    )


def parse(given: Sequence[tuple[str, str]]) -> Asked:
    """The parameters of a search. Raises Invalid for one that is not known, and without a date."""
    sought, count, codes = Sought(), _COUNT, dict[str, frozenset[str]]()
    for name, text in given:
        if not text:
            raise Invalid(f"the parameter {name} is empty")
        if name == "date":
            sought = _dated(sought, text)
        elif name in _SYSTEMS:
            wanted = _codes(name, text)
            codes[name] = codes.get(name, wanted) & wanted
        elif name == "_count":
            count = _whole(name, text)
        elif name in _READ:
            sought = _once(sought, name, text)
        elif name != "_format" or text not in _JSON:
            raise Invalid(f"a search of AuditEvents does not know {name}={text}"[:200])
    if sought.since is None and sought.until is None:
        raise Invalid("say of which time, by date=ge2026-01-01&date=le2026-01-31 or the like")
    return Asked(sought, codes, min(max(count, 1), _MOST))


def _once(sought: Sought, parameter: str, text: str) -> Sought:
    name, read = _READ[parameter]
    if getattr(sought, name):
        raise Invalid(f"the parameter {parameter} is given twice")
    return replace(sought, **{name: read(text)})


def _dated(sought: Sought, text: str) -> Sought:
    # A plus that a URL has lost is a space.
    match = _DATE.fullmatch(text.strip().replace(" ", "+"))
    if match is None:
        raise Invalid("a date is one of FHIR's, such as ge2026-01-31 or le2026-01-31T12:00:00Z")
    start, end = _span(match)
    prefix = match[1] or "eq"
    since = {"eq": start, "ge": start, "gt": end, "sa": end}.get(prefix)
    until = {"eq": end, "le": end, "lt": start, "eb": start}.get(prefix)
    return replace(
        sought,
        since=sought.since if since is None else max(since, sought.since or since),
        until=sought.until if until is None else min(until, until if sought.until is None else sought.until),
    )


def _span(match: "re.Match[str]") -> tuple[int, int]:
    """The time that a date covers, in microseconds since 1970, the end exclusive."""
    year, month, day, hour, minute, second = (None if part is None else int(part) for part in match.groups()[1:7])
    try:
        start = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0, second or 0, tzinfo=UTC)
        if month is None:
            end = start.replace(year=start.year + 1)
        elif day is None:
            end = (start + timedelta(days=31)).replace(day=1)
        else:
            end = start + (timedelta(days=1) if hour is None else timedelta(seconds=1 if second is not None else 60))
        if match[8]:
            start += timedelta(microseconds=int(match[8][1:].ljust(6, "0")))
            end = start + timedelta(microseconds=10 ** (7 - len(match[8])))
        zone = _zone(match[9])
        return _micros(start - zone), _micros(end - zone)
    except (ValueError, OverflowError):
        raise Invalid(f"there is no such moment as {match[0].lstrip('eqgltsab')}") from None


def _zone(text: str | None) -> timedelta:
    if text in (None, "Z"):
        return timedelta(0)
    assert text is not None
    away = timedelta(hours=int(text[1:3]), minutes=int(text[4:6]))
    return -away if text[0] == "-" else away


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _patient(text: str) -> PatientId:
    system, bar, value = text.rpartition("|")
    if not bar or not system or not value:
        raise Invalid("name a patient by patient.identifier=SYSTEM|VALUE: a bare identifier may mean several people")
    return PatientId(issuer_of(system), value)


def _study(text: str) -> str:
    return _value(text).removeprefix("urn:oid:")


def _value(token: str) -> str:
    """What stands after the system of a token."""
    return token.rpartition("|")[2]


def _codes(name: str, text: str) -> frozenset[str]:
    found = set()
    for token in text.split(","):
        system, _, code = token.rpartition("|")
        if system in ("", _SYSTEMS[name]):
            found.add(code)
    return frozenset(found)


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise Invalid(f"{name} is a whole number")
    return int(text)


def _place(text: str) -> tuple[int, str, int]:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise Invalid("take _page from the link to the next page")
    return int(match[1]), match[2], int(match[3])


_READ: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "patient.identifier": ("patient", _patient),
    "entity": ("study", _study),
    "entity.identifier": ("study", _study),
    "agent": ("principal", _value),
    "agent.identifier": ("principal", _value),
    "address": ("address", str),
    "_page": ("after", _place),
}
"""Parameters that are given once at most, what of `Sought` they are, and how each is read."""


def fhir_routes() -> list[BaseRoute]:
    return [Route("/fhir/AuditEvent", audit_events, methods=["GET"])]
