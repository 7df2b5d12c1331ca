"""`/api/v1/repeat-check/report`: what alerts about repeated exams brought, as JSON or CSV; and how OpenAPI tells it."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import avoided
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.http import csv_lines
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.described import Group, closed, paths, query
from imagebank.http.methods import Endpoint, routes_of
from imagebank.http.openapi import answer, as_json
from imagebank.model.avoided import Brought, By, Counts

WAY: Final = "api"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_USUAL: Final = (By.MONTH, By.ORGANIZATION, By.DEPARTMENT, By.EXAM)
_USUAL_DAYS: Final = 365
_FIRST: Final = date(1900, 1, 1)
_BEHIND: Final = date(9999, 1, 1)
_WHOLES: Final = (
    *("shown", "accepted", "overridden", "ignored", "waiting", "shadow", "avoided", "made", "unknown"),
    *("undosed", "uncosted"),
)
_AMOUNTS: Final = ("measured_msv", "estimated_msv")


async def read_report(request: Request) -> Response:
    """What the repeat check brought: alerts, what was done about them, and the exams that were not made."""
    principal = await caller(request)
    params, bank = request.query_params, bank_of(request)
    if not set(params) <= {"since", "until", "by", "format"} or params.get("format", "json") not in ("json", "csv"):
        raise Invalid("this takes since, until, by and format (json or csv)")
    if not all(params.values()):
        raise Invalid("what is given of since, until and by is not empty")
    since, until = span(bank, params)
    by = _by(params.get("by", ",".join(_USUAL)))
    found = await run_in_threadpool(avoided.report, bank, principal, since, until, by, WAY, address_of(request))
    headers = {**_NO_STORE, "Vary": "Accept"}
    is_csv = "text/csv" in request.headers.get("accept", "") if "format" not in params else params["format"] == "csv"
    if is_csv:
        return Response(report_csv(found), headers=headers, media_type=csv_lines.TYPE)
    return JSONResponse(_told(found), headers=headers)


def span(bank: Bank, given: Mapping[str, str]) -> tuple[date, date]:
    """The days `since` and `until`; the last year, up to today, where they are not given. Raises Invalid."""
    try:
        today = bank.now().astimezone(bank.settings.zone).date()
        until = date.fromisoformat(given["until"]) if given.get("until") else today
        since = date.fromisoformat(given["since"]) if given.get("since") else until - timedelta(days=_USUAL_DAYS)
    except (ValueError, OverflowError):
        raise Invalid("since and until are days, such as 2026-03-02") from None
    # Moments of the first and the last year of all are none any more in some time zones.
    if since < _FIRST or until >= _BEHIND:
        raise Invalid("since and until are days from 1900 on")
    return since, until


def _by(text: str) -> tuple[By, ...]:
    named = text.split(",")
    if not set(named) <= set(By) or len(set(named)) != len(named):
        raise Invalid("by takes {known}, each once, between commas", known=", ".join(By))
    return tuple(By(one) for one in named)


def counts_told(counts: Counts, currency: str) -> dict[str, Any]:
    """Counts for machines; no cost without a currency."""
    found: dict[str, Any] = {name: getattr(counts, name) for name in _WHOLES if currency or name != "uncosted"}
    found |= {"measured_msv": round(counts.measured, 3), "estimated_msv": round(counts.estimated, 3)}
    return found | ({"cost": round(counts.cost, 2)} if currency else {})


def _told(found: Brought) -> dict[str, Any]:
    return {
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "currency": found.currency or None,
        "total": _with_reasons(found.total, found.currency),
        "lines": [
            {"by": dict(zip(found.by, one.key, strict=True)), **_with_reasons(one.counts, found.currency)}
            for one in found.lines
        ],
        "silent_rules": list(found.silent),
        "noisy_rules": list(found.noisy),
    }


def _with_reasons(counts: Counts, currency: str) -> dict[str, Any]:
    return counts_told(counts, currency) | {"reasons": dict(counts.reasons)}


def report_csv(found: Brought) -> bytes:
    """A line for each value that counts are told apart by; a column for each reason that was given."""
    reasons = sorted(found.total.reasons)
    columns = [*found.by, *counts_told(found.total, found.currency), "currency", *(f"reason: {one}" for one in reasons)]
    return csv_lines.as_csv(columns, _rows(found, reasons))


def _rows(found: Brought, reasons: list[str]) -> Iterator[list[str | int]]:
    for one in found.lines:
        told = counts_told(one.counts, found.currency).values()
        cells = [each if isinstance(each, int) else str(each) for each in told]
        yield [*one.key, *cells, found.currency, *(one.counts.reasons.get(reason, 0) for reason in reasons)]


_PATH: Final = "/api/v1/repeat-check/report"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {_PATH: {"GET": read_report}}
"""What is done at each address, by method."""


def brought_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)


_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_DAY: Final = {"type": "string", "format": "date"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_AMOUNT: Final = {"type": "number", "minimum": 0}
_REASONS: Final = {"type": "object", "additionalProperties": _WHOLE}
_COUNTS: Final = {
    **dict.fromkeys(_WHOLES[:-1], _WHOLE),
    **dict.fromkeys(_AMOUNTS, _AMOUNT),
    "reasons": _REASONS,
}
_COSTS: Final = {"uncosted": _WHOLE, "cost": _AMOUNT}
_REPORT: Final = closed(
    {
        **dict.fromkeys(("since", "until"), _DAY),
        "currency": {"type": ["string", "null"]},
        "total": closed(_COUNTS, _COSTS),
        "lines": {
            "type": "array",
            "items": closed({"by": {"type": "object", "additionalProperties": _TEXT}, **_COUNTS}, _COSTS),
        },
        **dict.fromkeys(("silent_rules", "noisy_rules"), _TEXTS),
    }
)
_ONE: Final = "|".join(By)
_PARAMETERS: Final = [
    query("since", _DAY, "The first day; a year before the last one if not given"),
    query("until", _DAY, "The last day; today if not given"),
    query("by", {"type": "string", "pattern": f"^({_ONE})(,({_ONE}))*$"}, "By what counts are told apart, each once"),
    query("format", {"enum": ["json", "csv"]}, "As the Accept header says if not given"),
]
_GROUP: Final = Group(
    "Orders",
    {"read_report": {200: answer(200, "The report", {**as_json(_REPORT), "text/csv": {"schema": _TEXT}})}},
    parameters={"read_report": _PARAMETERS},
)


def brought_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(RESOURCES, _GROUP)
