"""The page of what alerts about repeated exams brought, month by month, for who reviews how the bank is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from babel.numbers import format_currency
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import avoided
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.exams.overriding import overrides
from imagebank.http import csv_lines
from imagebank.http.auth import address_of, bank_of
from imagebank.http.repeat_report import report_csv, span
from imagebank.model.access import Principal, Right
from imagebank.model.avoided import Brought, By, Counts, Line
from imagebank.paper.catalogue import locale_of
from imagebank.portal import doses
from imagebank.portal.language import gettext, say, spoken
from imagebank.portal.layout import HEADERS, for_the_signed_in, page
from imagebank.portal.refusals import worded

WAY: Final = "page"
_FINE: Final = tuple(By)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: what it is of, its counts, and dose and cost in words, empty where there are none."""

    name: str
    counts: Counts
    dose: str
    cost: str


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The page, or with `format=csv` all of its counts as a table to take along."""
    principal.require(Right.QUALITY)
    bank, given, address = bank_of(request), dict(request.query_params), address_of(request)
    try:
        if given.get("format") == "csv":
            days = span(bank, given)
            found = await run_in_threadpool(avoided.report, bank, principal, *days, _FINE, WAY, address)
            headers = {**HEADERS, "Content-Disposition": 'attachment; filename="repeat-check.csv"'}
            return Response(report_csv(found), headers=headers, media_type=csv_lines.TYPE)
        shown = await run_in_threadpool(_shown, bank, principal, given, address)
    except Invalid as error:
        asked = {name: given.get(name, "") for name in ("since", "until")}
        context = {"asked": asked, "found": None, "notice": worded(error)}
        return page(request, "quality.html", HTTPStatus.UNPROCESSABLE_ENTITY, principal, **context)
    return page(request, "quality.html", HTTPStatus.OK, principal, notice="", **shown)


def _shown(bank: Bank, principal: Principal, given: Mapping[str, str], address: str) -> dict[str, Any]:
    each = [(by,) for by in (By.MONTH, By.DEPARTMENT, By.EXAM, By.RULE)]
    found, departments, exams, rules = avoided.reports(bank, principal, *span(bank, given), each, WAY, address)
    reasons = sorted(found.total.reasons.items(), key=lambda one: (-one[1], one[0]))
    return {
        "asked": {"since": found.since.isoformat(), "until": found.until.isoformat()},
        "found": found,
        "total": _row(Line(("",), found.total), found.currency),
        "typical": doses.share(found.total.estimated_share) if found.total.estimated else "",
        "months": _months(found),
        "departments": _rows(departments),
        "exams": _rows(exams),
        "rules": _rows(rules),
        "reasons": [(_reason(bank, code), count) for code, count in reasons],
    }


def _reason(bank: Bank, code: str) -> str:
    known = overrides(bank.settings.overrides_file).named(code)
    return say(known.said_in(spoken())) if known else code or gettext("no reason given")


def _rows(found: Brought) -> list[Row]:
    return [_row(one, found.currency) for one in found.lines]


def _months(found: Brought) -> list[Row]:
    """Every month from the first to the last one with an alert, also those without any."""
    there = {one.key[0]: one for one in found.lines}
    names = sorted(there)
    rows, month = [], names[0] if names else ""
    while names and month <= names[-1]:
        rows.append(_row(there.get(month, Line((month,), Counts())), found.currency))
        year, number = int(month[:4]), int(month[5:])
        month = f"{year + number // 12:04}-{number % 12 + 1:02}"
    return rows


def _row(line: Line, currency: str) -> Row:
    counts, name = line.counts, line.key[0]
    cost = format_currency(counts.cost, currency, locale=locale_of(spoken())) if currency and counts.avoided else ""
    return Row(name, counts, doses.amount(counts.msv) if counts.msv else "", cost)


ROUTES: list[BaseRoute] = [Route("/quality", show, methods=["GET"])]
