"""Reports by REST: every version of those of a study, and the documents in them; and how the OpenAPI document tells it."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import releasing, reports
from imagebank.actions.reports import Told
from imagebank.errors import NotFound
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.described import closed
from imagebank.http.methods import METHODS, by_method
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.model.report import STATUSES, Part, Waiting
from imagebank.model.uid import Uid

_ROOT: Final = "/api/v1/studies/{study}/reports"
_RELEASE: Final = f"{_ROOT}/release"
WAITING: Final = ("organization", "until", "reason")
"""What is told of a report that waits."""
_DOCUMENT: Final = f"{_ROOT}/{{report}}/parts/{{part}}"
_MAX_DIGITS: Final = 18
_NO_STORE: Final = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


async def list_reports(request: Request) -> Response:
    """Every version of every report of a study, newest first."""
    principal = await caller(request)
    study = Uid.parse(request.path_params["study"])
    found = await run_in_threadpool(reports.of_study, bank_of(request), study, principal, address_of(request))
    waits = await run_in_threadpool(releasing.of_study, bank_of(request), principal, study)
    told = {"reports": [_told(one) for one in found], "waiting": [waiting_of(one) for one in waits]}
    return JSONResponse(told, headers=_NO_STORE)


async def release_reports(request: Request) -> Response:
    """Let its person read at once what waits of a study: reports, and documents that came as objects."""
    principal = await caller(request)
    study = Uid.parse(request.path_params["study"])
    found = await run_in_threadpool(releasing.release, bank_of(request), study, principal, address_of(request))
    return JSONResponse({"released": len(found)}, headers=_NO_STORE)


def waiting_of(one: Waiting) -> dict[str, str]:
    """What is told of a report that cannot be read yet: nothing of what it says."""
    return {"organization": one.which.organization, "until": one.until.isoformat(), "reason": one.reason}


async def get_part(request: Request) -> Response:
    """A part of a report as it came: text, or a PDF document."""
    principal = await caller(request)
    given = request.path_params
    study, report, part = Uid.parse(given["study"]), _number(given["report"]), _number(given["part"])
    found = await run_in_threadpool(
        reports.document, bank_of(request), study, report, part, principal, address_of(request)
    )
    end = "pdf" if found.kind == "application/pdf" else "txt"
    # Who made the document is nobody of ours: it is for a program of its own, and can do nothing on our pages.
    headers = {
        **_NO_STORE,
        "Content-Disposition": f'attachment; filename="report-{report}-{part}.{end}"',
        "Content-Security-Policy": "sandbox",
    }
    return Response(found.content, headers=headers, media_type=found.kind)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise NotFound("there is no such report here")
    return int(text)


def _told(told: Told) -> dict[str, Any]:
    report, body = told.report, told.body
    found: dict[str, Any] = {
        "report": report.id,
        "number": report.number,
        "status": STATUSES.get(report.status, report.status),
        "at": report.event_at.isoformat(),
        "organization": report.organization,
        "accession": report.accession,
        "is_readable": body is not None,
    }
    if body is not None:
        parts = [_part(part, place) for place, part in enumerate(body.parts)]
        found |= {"title": body.title, "author": body.author, "parts": parts}
    return found


def _part(part: Part, place: int) -> dict[str, Any]:
    found: dict[str, Any] = {"part": place, "type": part.kind, "title": part.title, "bytes": len(part.content)}
    return found | ({"text": part.text} if part.kind == "text/plain" else {})


def report_routes() -> list[BaseRoute]:
    return [
        Route(_ROOT, by_method({"GET": list_reports}), methods=METHODS),
        Route(_RELEASE, by_method({"POST": release_reports}), methods=METHODS),
        Route(_DOCUMENT, by_method({"GET": get_part}), methods=METHODS),
    ]


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_PART: Final = {
    "type": "object",
    "required": ["part", "type", "title", "bytes"],
    "properties": {"part": _WHOLE, "type": _TEXT, "title": _TEXT, "bytes": _WHOLE, "text": _TEXT},
    "additionalProperties": False,
}
_REPORT: Final = {
    "type": "object",
    "required": ["report", "number", "status", "at", "organization", "accession", "is_readable"],
    "properties": {
        "report": _WHOLE,
        **dict.fromkeys(("number", "status", "at", "organization", "accession", "title", "author"), _TEXT),
        "is_readable": {"type": "boolean"},
        "parts": {"type": "array", "items": _PART},
    },
    "additionalProperties": False,
}
_REPORTS: Final = {
    "type": "object",
    "required": ["reports", "waiting"],
    "properties": {
        "reports": {"type": "array", "items": _REPORT},
        "waiting": {"type": "array", "items": closed(dict.fromkeys(WAITING, _TEXT))},
    },
    "additionalProperties": False,
}


def _parameter(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def report_paths() -> dict[str, Any]:
    """What the OpenAPI document says of them."""
    study = _parameter("study", {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)*$", "maxLength": 128})
    number = {"type": "integer", "minimum": 0, "maximum": 10**_MAX_DIGITS - 1}
    refused = {str(code): REFUSED[code] for code in (400, 401, 403, 404, 503)}
    content: dict[str, Any] = {kind: {"schema": {}} for kind in ("application/pdf", "text/plain")}
    return {
        _ROOT: {
            "parameters": [study],
            "get": {
                "operationId": "get_reports",
                "summary": "Every version of every report of a study, newest first, and what cannot be read yet.",
                "tags": ["Imagebank"],
                "responses": {"200": answer(200, "The reports", as_json(_REPORTS)), **refused},
            },
        },
        _RELEASE: {
            "parameters": [study],
            "post": {
                "operationId": "release_reports",
                "summary": release_reports.__doc__,
                "tags": ["Imagebank"],
                "responses": {
                    "200": answer(200, "How many were released", as_json(closed({"released": _WHOLE}))),
                    **refused,
                },
            },
        },
        _DOCUMENT: {
            "parameters": [study, _parameter("report", number), _parameter("part", number)],
            "get": {
                "operationId": "get_report_part",
                "summary": "A part of a report as it came: text, or a PDF document.",
                "tags": ["Imagebank"],
                "responses": {"200": answer(200, "Its bytes", content), **refused},
            },
        },
    }
