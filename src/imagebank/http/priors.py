"""`/api/v1/studies/{study}/priors` and the same of an order: the earlier studies that are worth comparing, with reasons."""

from collections.abc import Callable
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import elsewhere, priors
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.exams.telling import reasons
from imagebank.http.archives import LINE, MOMENT, line_told
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.described import UID, closed, query, several
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.http.tongue import Tongue, tongue_of
from imagebank.model.exam import Contrast, Exam, Group, Prior, Side
from imagebank.model.imaging import DataSet
from imagebank.model.uid import Uid

_WAY: Final = "api"
_STUDY: Final = "/api/v1/studies/{study}/priors"
_ORDER: Final = "/api/v1/orders/{order:path}/priors"
_MOST: Final = 50
_NO_STORE: Final = {"Cache-Control": "no-store"}
_TEXTS: Final = {"time": "00080030", "accession": "00080050", "description": "00081030"}


async def of_study(request: Request) -> Response:
    """The earlier studies of the same person that are worth comparing, best first, with what speaks for each."""
    principal = await caller(request)
    given = (principal, Uid.parse(request.path_params["study"]), _WAY, address_of(request), _limit(request))
    return await run_in_threadpool(_answer, bank_of(request), priors.of_study, given, tongue_of(request))


async def of_order(request: Request) -> Response:
    """The earlier studies worth comparing with what an order asks for, by the number of whoever placed or fills it."""
    principal = await caller(request)
    given = (principal, request.path_params["order"], _WAY, address_of(request), _limit(request))
    return await run_in_threadpool(_answer, bank_of(request), priors.of_order, given, tongue_of(request))


def _limit(request: Request) -> int:
    params = request.query_params
    if not set(params) <= {"limit"}:
        raise Invalid("this takes limit")
    limit = params.get("limit", str(_MOST))
    if not (limit.isascii() and limit.isdigit() and len(limit) < 4 and 1 <= int(limit) <= _MOST):
        raise Invalid("limit is a number from 1 to {most}", most=_MOST)
    return int(limit)


def _answer(bank: Bank, look: Callable[..., priors.Ranked], given: tuple[object, ...], tongue: Tongue) -> Response:
    found = look(bank, *given, wide=True)
    told = {
        "exam": exam_told(found.asked.exam),
        "priors": [{**_prior(*one, tongue), **_whereabouts(found, one[0])} for one in found.priors],
        "archives": [line_told(one) for one in elsewhere.lines(bank)],
    }
    return JSONResponse(told, headers={**_NO_STORE, **tongue.headers})


def _whereabouts(found: priors.Ranked, prior: Prior) -> dict[str, Any]:
    """Where a prior is: here, or at another archive that said so when it was asked."""
    one = found.away.get(prior.past.id)
    return {"archive": one.archive, "asked_at": one.asked_at.isoformat()} if one else {"archive": "", "asked_at": None}


def exam_told(exam: Exam) -> dict[str, Any]:
    """An exam as REST tells it."""
    return {
        "group": exam.group.value,
        "regions": list(exam.regions),
        "laterality": exam.side.value,
        "contrast": exam.contrast.value,
        "kind": exam.kind,
        "confidence": round(exam.confidence, 2),
    }


def _prior(prior: Prior, study: DataSet, tongue: Tongue) -> dict[str, Any]:
    return {
        "study": prior.past.id,
        "date": prior.past.day.isoformat() if prior.past.day else "",
        "organization": prior.past.organization,
        "modalities": [str(one) for one in study.get("00080061", {}).get("Value", ())],
        **{name: _first(study, key) for name, key in _TEXTS.items()},
        "exam": exam_told(prior.past.exam),
        "score": round(prior.score, 4),
        "reasons": [tongue.say(one) for one in reasons(prior.factors)],
        "factors": {one.name: round(one.weight, 4) for one in prior.factors},
    }


def _first(dataset: DataSet, key: str) -> str:
    values = dataset.get(key, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])


def priors_routes() -> list[BaseRoute]:
    return [Route(_STUDY, of_study, methods=["GET"]), Route(_ORDER, of_order, methods=["GET"])]


_TEXT: Final = {"type": "string"}
_SHARE: Final = {"type": "number", "minimum": 0, "maximum": 1}


EXAM: Final = closed(
    {
        "group": {"enum": [one.value for one in Group]},
        "regions": several(_TEXT),
        "laterality": {"enum": [one.value for one in Side]},
        "contrast": {"enum": [one.value for one in Contrast]},
        "kind": _TEXT,
        "confidence": _SHARE,
    }
)
_FACTORS: Final = ("region", "modality", "side", "contrast", "kind", "age", "organization")
_TOLD: Final = closed(
    {
        "exam": EXAM,
        "priors": several(
            closed(
                {
                    **dict.fromkeys(("study", "date", "organization", *_TEXTS), _TEXT),
                    "modalities": several(_TEXT),
                    "exam": EXAM,
                    "score": _SHARE,
                    "reasons": several(_TEXT),
                    "factors": closed(dict.fromkeys(_FACTORS, _SHARE)),
                    "archive": _TEXT,
                    "asked_at": MOMENT,
                }
            )
        ),
        "archives": several(LINE),
    }
)


def priors_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    given = {200: answer(200, "The priors", as_json(_TOLD)), **{code: REFUSED[code] for code in (400, 401, 403, 404)}}
    limit = query("limit", {"type": "integer", "minimum": 1, "maximum": _MOST}, f"Priors at most; {_MOST} if not given")
    responses = {str(code): found for code, found in {**given, 503: REFUSED[503]}.items()}
    number = {"type": "string", "minLength": 1, "maxLength": 128}
    return {
        path.replace(":path", ""): {
            "parameters": [{"name": name, "in": "path", "required": True, "schema": schema}, limit],
            "get": {
                "operationId": f"get_priors_of_{name}",
                "summary": operation.__doc__,
                "tags": ["Persons"],
                "responses": responses,
            },
        }
        for name, path, schema, operation in (
            ("study", _STUDY, UID, of_study),
            ("order", _ORDER, number, of_order),
        )
    }
