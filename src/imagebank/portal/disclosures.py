"""The page of who was given what of a patient's images, for privacy officers."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions.disclosure import Accounting, accounting
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal, Right
from imagebank.model.person import PatientId
from imagebank.portal import accounting as rendered
from imagebank.portal.layout import HEADERS, for_the_signed_in, page, read_own_form
from imagebank.portal.refusals import worded

_FILES = {
    "csv": (rendered.as_csv, "text/csv; charset=utf-8"),
    "pdf": (rendered.as_pdf, "application/pdf"),
}


@for_the_signed_in
async def ask(request: Request, principal: Principal) -> Response:
    """The empty form."""
    principal.require(Right.AUDIT)
    return _page(request, principal, {"issuer": bank_of(request).settings.organization})


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The accounting as a page or a file. Posted, so that no identifier stands in an address or a log."""
    form = await read_own_form(request)
    principal.require(Right.AUDIT)
    patient = PatientId(form.get("issuer", "").strip(), form.get("patient", "").strip())
    try:
        since, until = _day(form.get("since", "")), _day(form.get("until", ""))
        made = await run_in_threadpool(
            accounting,
            bank_of(request),
            patient,
            principal,
            address_of(request),
            since,
            until + timedelta(days=1) if until else None,
        )
        kind = form.get("as", "")
        if kind not in _FILES:
            return _page(request, principal, form, made)
        write, media_type = _FILES[kind]
        body = await run_in_threadpool(write, made)
    except Invalid as error:
        return _page(request, principal, form, notice=worded(error))
    name = f'attachment; filename="disclosures.{kind}"'
    return Response(body, headers={**HEADERS, "Content-Disposition": name}, media_type=media_type)


def _page(
    request: Request,
    principal: Principal,
    form: Mapping[str, str],
    made: Accounting | None = None,
    notice: str = "",
) -> Response:
    asked = {name: form.get(name, "") for name in ("issuer", "patient", "since", "until")}
    status = HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK
    rows = None if made is None else list(rendered.rows(made))
    return page(request, "disclosures.html", status, principal, asked=asked, rows=rows, notice=notice)


def _day(text: str) -> datetime | None:
    """The beginning of a day, in UTC."""
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC) if text else None
    except ValueError:
        raise Invalid("a day is written as 2026-01-31") from None


ROUTES: list[BaseRoute] = [
    Route("/disclosures", ask, methods=["GET"]),
    Route("/disclosures", show, methods=["POST"]),
]
