"""`/api/v1`: one person's timeline, by the person's key or by any of the person's studies, and its description."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import timeline
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.described import UID, closed, query, several
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.http.reports import WAITING, waiting_of
from imagebank.model.completeness import Progress, Standing
from imagebank.model.contributed import is_contributed
from imagebank.model.identity import Decision, Linked
from imagebank.model.imaging import DataSet
from imagebank.model.order import Order
from imagebank.model.report import STATUSES, Report
from imagebank.model.timeline import Entry, Kind, Lane, Page, Timeline
from imagebank.model.uid import Uid

_WAY: Final = "api"
_PERSON: Final = "/api/v1/patients/{person}/timeline"
_STUDY: Final = "/api/v1/studies/{study}/timeline"
_MOST: Final = 500
_USUAL: Final = 100
_NO_STORE: Final = {"Cache-Control": "no-store"}
_TEXTS: Final = {
    "patient_id": "00100020",
    "issuer": "00100021",
    "time": "00080030",
    "accession": "00080050",
    "description": "00081030",
}
_NUMBERS: Final = {"series": "00201206", "instances": "00201208"}


async def of_person(request: Request) -> Response:
    """Everything of one person that the caller may see, the newest study first, in pages."""
    principal = await caller(request)
    part, person = _part(request), request.path_params["person"]
    given = (principal, person, _WAY, address_of(request), part)
    return _answer(await run_in_threadpool(timeline.of_person, bank_of(request), *given), request, part)


async def of_study(request: Request) -> Response:
    """Everything of the person whose study this is that the caller may see, the newest study first, in pages."""
    principal = await caller(request)
    part, study = _part(request), Uid.parse(request.path_params["study"])
    given = (principal, study, _WAY, address_of(request), part)
    return _answer(await run_in_threadpool(timeline.of_study, bank_of(request), *given), request, part)


def _part(request: Request) -> Page:
    """The page that is asked for. Raises Invalid."""
    params = request.query_params
    if not set(params) <= {"limit", "before"}:
        raise Invalid("this takes limit and before")
    limit = params.get("limit", str(_USUAL))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= _MOST):
        raise Invalid("limit is a number from 1 to {most}", most=_MOST)
    return Page(int(limit), Uid.parse(params["before"]) if "before" in params else None)


def _answer(found: Timeline, request: Request, part: Page) -> Response:
    told = {
        "person": found.person or None,
        "records": [_record(*one) for one in zip(found.records, found.reasons, strict=True)],
        "studies": [_study(one) for one in found.entries],
        "orders": [_order(one) for one in found.orders],
        "waiting": [{"study": one.study, **waiting_of(one)} for one in found.waiting],
        "next": _next(found, request, part),
    }
    return JSONResponse(told, headers=_NO_STORE)


def _next(found: Timeline, request: Request, part: Page) -> str | None:
    """The address of the page with earlier studies, where there are any."""
    if not found.has_more:
        return None
    asked = {"limit": part.most} if part.most != _USUAL else {}
    return f"{request.url.path}?{urlencode({**asked, 'before': found.entries[-1].uid})}"


def _record(linked: Linked, reason: Decision | None) -> dict[str, Any]:
    one = linked.identity
    about = {"birth_date": one.birth_date, "sex": one.sex, "heard_by": str(one.origin)}
    why = {"decision": reason.id, "ground": str(reason.ground), "at": reason.at.isoformat()} if reason else None
    return {"issuer": one.patient.issuer, "identifier": one.patient.identifier, **about, "linked": why}


def _study(entry: Entry) -> dict[str, Any]:
    texts = {name: _first(entry.study, key) for name, key in _TEXTS.items()}
    numbers = {name: int(_first(entry.study, key) or 0) for name, key in _NUMBERS.items()}
    return {
        "study": entry.uid,
        "date": entry.date,
        "kind": str(entry.kind),
        "regions": [str(lane) for lane in entry.lanes],
        "departments": list(entry.departments),
        "institutions": list(entry.institutions),
        "modalities": [str(one) for one in entry.study.get("00080061", {}).get("Value", ())],
        "reports": [_report(one) for one in entry.reports],
        "completeness": _standing(entry.standing),
        "added_by_patient": is_contributed(texts["issuer"]),
        **texts,
        **numbers,
    }


def _report(report: Report) -> dict[str, Any]:
    status = STATUSES.get(report.status, report.status)
    return {"number": report.number, "status": status, "at": report.event_at.isoformat()}


def _standing(one: Standing | None) -> dict[str, Any] | None:
    if one is None:
        return None
    counts = {"expected": one.expected, "missing": one.missing}
    return {"progress": str(one.progress), **counts, "is_certain": one.is_certain}


def _order(order: Order) -> dict[str, str]:
    ordered = order.ordered
    return {
        "number": order.number,
        "accession": order.accession,
        "modality": order.modality,
        "scheduled_at": order.scheduled_at,
        "procedure": ordered.procedure.meaning or ordered.protocol.meaning,
        "organization": order.organization,
    }


def _first(dataset: DataSet, key: str) -> str:
    values = dataset.get(key, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])


def timeline_routes() -> list[BaseRoute]:
    return [Route(_PERSON, of_person, methods=["GET"]), Route(_STUDY, of_study, methods=["GET"])]


_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer", "minimum": 0}


def _texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, _TEXT)


_COMPLETENESS: Final = closed(
    {
        "progress": {"enum": [str(one) for one in Progress]},
        "expected": _WHOLE,
        "missing": _WHOLE,
        "is_certain": {"type": "boolean"},
    }
)
_TOLD: Final = closed(
    {
        "person": {"type": ["string", "null"]},
        "records": several(
            closed(
                {
                    **_texts("issuer", "identifier", "birth_date", "sex", "heard_by"),
                    "linked": {"anyOf": [closed(_texts("decision", "ground", "at")), {"type": "null"}]},
                }
            )
        ),
        "studies": several(
            closed(
                {
                    **_texts("study", "date", *_TEXTS),
                    **dict.fromkeys(_NUMBERS, _WHOLE),
                    "kind": {"enum": [str(one) for one in Kind]},
                    "regions": several({"enum": [str(one) for one in Lane]}),
                    **dict.fromkeys(("departments", "institutions", "modalities"), several(_TEXT)),
                    "reports": several(closed(_texts("number", "status", "at"))),
                    "completeness": {"anyOf": [_COMPLETENESS, {"type": "null"}]},
                    "added_by_patient": {"type": "boolean"},
                }
            )
        ),
        "orders": several(
            closed(_texts("number", "accession", "modality", "scheduled_at", "procedure", "organization"))
        ),
        "waiting": several(closed(_texts("study", *WAITING))),
        "next": {"type": ["string", "null"]},
    }
)


_PARAMETERS: Final = [
    query("limit", {"type": "integer", "minimum": 1, "maximum": _MOST}, f"Studies a page; {_USUAL} if not given"),
    query("before", UID, "Only studies behind this one, with which the page before ended: see `next`"),
]


def timeline_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    key = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    return {
        _PERSON: _described("person", key, of_person.__doc__ or "", "get_timeline_of_person"),
        _STUDY: _described("study", UID, of_study.__doc__ or "", "get_timeline_of_study"),
    }


def _described(name: str, schema: Mapping[str, Any], words: str, operation: str) -> dict[str, Any]:
    given = {200: answer(200, "The timeline", as_json(_TOLD)), **{code: REFUSED[code] for code in (400, 401, 403, 404)}}
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": schema}, *_PARAMETERS],
        "get": {
            "operationId": operation,
            "summary": words,
            "tags": ["Persons"],
            "responses": {str(code): found for code, found in {**given, 503: REFUSED[503]}.items()},
        },
    }
