"""The page of the site's rules: in running order, as text and in words, tried on the past, and switched on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed
from imagebank.http.auth import address_of, bank_of, session_of
from imagebank.model.access import Principal, Right
from imagebank.model.rules import Fault, Text, Version
from imagebank.portal.language import day_of_year, gettext
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other, speak_to
from imagebank.portal.refusals import worded

if TYPE_CHECKING:
    from imagebank.actions.rules_try import Report
    from imagebank.rules.words import Told

# A text of 64 Ki characters in which a browser writes each as up to nine.
_FORM_BYTES: Final = 640 << 10
_SPANS: Final = ("1d", "7d", "30d")
_SHOWN_VERSIONS: Final = 20
_SHOWN_SAMPLES: Final = 25


@dataclass(slots=True)
class _Shown:
    """What the page shows: the text in hand, what is in force, and what came of a check or a try."""

    version: Version | None
    text: str
    since: str = "7d"
    faults: list[Fault] = field(default_factory=list)
    told: "list[Told]" = field(default_factory=list)
    report: "Report | None" = None
    notice: str = ""
    needs_proof: bool = False
    switched: bool = False


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The rules in force, or an earlier version in hand."""
    principal.require(Right.ADMINISTER)
    bank = bank_of(request)
    wanted = request.query_params.get("version", "")
    number = int(wanted[:9]) if wanted.isascii() and wanted.isdigit() else None
    shown = await run_in_threadpool(_opened, bank, principal, number)
    shown.switched = "on" in request.query_params
    return await _page(request, principal, shown)


@for_the_signed_in
async def act(request: Request, principal: Principal) -> Response:
    """Check a text, try it on the past, or switch it on."""
    principal.require(Right.ADMINISTER)
    form = await read_own_form(request, _FORM_BYTES)
    bank, address = bank_of(request), address_of(request)
    found = await session_of(request)
    is_proven = True
    if form.get("act") == "switch on" and found is not None:
        try:
            access.require_proof(bank, found)
        except NotAllowed:
            is_proven = False
    shown = await run_in_threadpool(_done, bank, principal, address, form, is_proven=is_proven)
    return see_other("/rules?on=1") if shown.switched else await _page(request, principal, shown)


def _opened(bank: Bank, principal: Principal, number: int | None) -> _Shown:
    from imagebank.actions import rules

    version = rules.in_force(bank, principal)
    text = rules.version(bank, principal, number).text if number is not None else version.text if version else Text("")
    shown = _Shown(version, text.rules)
    _check(bank, shown, text)
    return shown


def _check(bank: Bank, shown: _Shown, text: Text) -> Any:
    from imagebank.actions import rules
    from imagebank.rules.words import in_words

    reading = rules.check(bank, text)
    shown.faults = reading.faults
    shown.told = in_words(reading.rules) if reading.rules else []
    return reading.rules


def _done(bank: Bank, principal: Principal, address: str, form: Mapping[str, str], *, is_proven: bool) -> _Shown:
    from imagebank.actions import rules, rules_try

    typed = form.get("text", "").replace("\r\n", "\n")
    since = form["since"] if form.get("since") in _SPANS else "7d"
    shown = _Shown(rules.in_force(bank, principal), typed, since)
    text = rules.with_tables(bank, typed)
    found = _check(bank, shown, text)
    wish = form.get("act")
    if found is None or wish not in ("try", "switch on"):
        return shown
    span = rules_try.Span(rules_try.back_of(since))
    if wish == "try":
        shown.report = rules_try.try_out(bank, found, principal, address, span)
    elif not is_proven:
        shown.needs_proof = True
    else:
        try:
            rules.switch_on(bank, text, principal, address, way="page", span=span)
        except (Conflict, Invalid) as error:
            shown.notice = worded(error)
        else:
            shown.switched = True
    return shown


async def _page(request: Request, principal: Principal, shown: _Shown) -> Response:
    from imagebank.actions import rules

    speak_to(request)
    bank = bank_of(request)
    versions = await run_in_threadpool(rules.versions, bank, principal)
    file_faults = await run_in_threadpool(rules.faults_of_file, bank)
    in_force = shown.version.text.rules if shown.version else ""
    lines = []
    if shown.faults or (shown.version and shown.text != in_force):
        wrong = {fault.line for fault in shown.faults}
        for line in rules.compared(Text(in_force), Text(shown.text)):
            is_wrong = line.number in wrong and line.kind != "removed"
            lines.append(("error" if is_wrong else line.kind, line.text))
    is_wrong = bool(shown.faults or shown.notice or shown.needs_proof)
    report = shown.report
    return page(
        request,
        "rules.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if is_wrong else HTTPStatus.OK,
        principal,
        shown=shown,
        report=report,
        counts=report.rules if report else {},
        samples=report.samples[:_SHOWN_SAMPLES] if report else [],
        days=[(day_of_year(day), number) for day, number in sorted(report.days.items())[-31:]] if report else [],
        versions=versions[:_SHOWN_VERSIONS],
        file_faults=file_faults,
        lines=lines,
        spans=[("1d", gettext("1 day")), ("7d", gettext("7 days")), ("30d", gettext("30 days"))],
    )


ROUTES: list[BaseRoute] = [
    Route("/rules", show, methods=["GET"]),
    Route("/rules", act, methods=["POST"]),
]
