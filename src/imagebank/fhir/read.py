"""`/fhir`: searching AuditEvents (IHE ITI-81)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from imagebank.actions import trail
from imagebank.errors import Invalid
from imagebank.fhir.dates import bounds_of
from imagebank.fhir.edge import (
    JSON,
    ROOT,
    as_json,
    for_programs,
    patient_of,
    value_of,
    whole_number,
)
from imagebank.fhir.resources import DCM, audit_event, search_set
from imagebank.http.auth import address_of, bank_of, origin_of
from imagebank.model.access import Principal
from imagebank.model.audited import kind_of
from imagebank.model.ledger import Line, Sought

_COUNT, _MOST = 100, 1000
_PLACE: Final = re.compile(r"(\d{1,17})\.([0-9a-f]{1,32})\.(\d{1,17})")
_SYSTEMS: Final = {
    "type": DCM,
    "subtype": DCM,
    "action": "http://hl7.org/fhir/audit-event-action",
    "outcome": "http://hl7.org/fhir/audit-event-outcome",
}


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
    base = origin_of(request) + ROOT
    following = ""
    if len(found) > len(shown) > 0:
        at, lane, position = trail.place(shown[-1].line)
        following = _address(base, [*(one for one in given if one[0] != "_page"), ("_page", f"{at}.{lane}.{position}")])
    return as_json(search_set(base, _address(base, given), following, [audit_event(one) for one in shown]))


def _address(base: str, given: Sequence[tuple[str, str]]) -> str:
    return f"{base}/AuditEvent?{urlencode(given)}"


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
            count = whole_number(name, text)
        elif name in _READ:
            sought = _once(sought, name, text)
        elif name != "_format" or text not in JSON:
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
    since, until = bounds_of([text])
    return replace(
        sought,
        since=sought.since if since is None else max(since, sought.since or since),
        until=sought.until if until is None else min(until, until if sought.until is None else sought.until),
    )


def _study(text: str) -> str:
    return value_of(text).removeprefix("urn:oid:")


def _codes(name: str, text: str) -> frozenset[str]:
    found = set()
    for token in text.split(","):
        system, _, code = token.rpartition("|")
        if system in ("", _SYSTEMS[name]):
            found.add(code)
    return frozenset(found)


def _place(text: str) -> tuple[int, str, int]:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise Invalid("take _page from the link to the next page")
    return int(match[1]), match[2], int(match[3])


_READ: Final[Mapping[str, tuple[str, Callable[[str], Any]]]] = {
    "patient.identifier": ("patient", patient_of),
    "entity": ("study", _study),
    "entity.identifier": ("study", _study),
    "agent": ("principal", value_of),
    "agent.identifier": ("principal", value_of),
    "address": ("address", str),
    "_page": ("after", _place),
}
"""Parameters that are given once at most, what of `Sought` they are, and how each is read."""

SEARCH: Final[Mapping[str, str]] = {
    "date": "date",
    "patient.identifier": "token",
    **dict.fromkeys(("entity", "agent"), "reference"),
    **dict.fromkeys(("entity.identifier", "agent.identifier"), "token"),
    **dict.fromkeys(_SYSTEMS, "token"),
    "address": "string",
}
"""What a search of AuditEvents knows, with the types of R4."""
