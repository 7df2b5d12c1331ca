"""`/api/v1`: what a study took of radiation, and what all of a person's studies did, with its description."""

from collections.abc import Mapping
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import dose
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.described import UID, closed, several
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.http.priors import EXAM, exam_told
from imagebank.model.dose import UNITS, Basis, Cumulative, Dose, Exposure, Method, Reading, Share
from imagebank.model.uid import Uid

_WAY: Final = "api"
_STUDY: Final = "/api/v1/studies/{study}/dose"
_PERSON: Final = "/api/v1/patients/{person}/dose"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_NOTE: Final = "Effective doses are estimates for adults of average size. The sum is of the exams that you may see, and of those alone."


async def of_study(request: Request) -> Response:
    """What a study took of radiation: what devices measured, and the effective dose, with its source."""
    principal = await caller(request)
    _no_query(request)
    given = (principal, Uid.parse(request.path_params["study"]), _WAY, address_of(request))
    found = await run_in_threadpool(dose.of_study, bank_of(request), *given)
    return JSONResponse({**_exposure(found), "note": _NOTE}, headers=_NO_STORE)


async def of_person(request: Request) -> Response:
    """What all studies of a person that the caller may see took: in all, by year, modality and organization."""
    principal = await caller(request)
    _no_query(request)
    given = (principal, request.path_params["person"], _WAY, address_of(request))
    return JSONResponse(_told(await run_in_threadpool(dose.of_person, bank_of(request), *given)), headers=_NO_STORE)


def _no_query(request: Request) -> None:
    if request.query_params:
        raise Invalid("this takes no parameters")


def _told(found: Cumulative) -> dict[str, Any]:
    return {
        "note": _NOTE,
        "of_what_may_be_seen": True,
        "total": _share(found.total),
        "by_year": [_share(one) for one in found.by_year],
        "by_modality": [_share(one) for one in found.by_modality],
        "by_organization": [_share(one) for one in found.by_organization],
        "children": found.children,
        "studies": [_exposure(one) for one in found.exposures],
    }


def _share(one: Share) -> dict[str, Any]:
    return {
        "name": one.name,
        "exams": one.exams,
        "effective_dose_msv": _rounded(one.msv),
        "measured_msv": _rounded(one.measured),
        "estimated_msv": _rounded(one.estimated),
        "estimated_share": round(one.estimated_share, 3),
        "unknown": one.unknown,
    }


def _exposure(one: Exposure) -> dict[str, Any]:
    return {
        "study": one.study,
        "date": one.day.isoformat() if one.day else "",
        "organization": one.organization,
        "exam": exam_told(one.exam),
        "dose": _dose(one.dose),
        "readings": [_reading(each) for each in one.readings],
    }


def _dose(one: Dose) -> dict[str, Any]:
    return {
        "effective_dose_msv": None if one.msv is None else _rounded(one.msv),
        "method": one.method.value,
        "is_measured": one.is_measured,
        "is_for_child": one.is_for_child,
        "sources": list(one.sources),
    }


def _reading(one: Reading) -> dict[str, Any]:
    return {
        "quantity": one.quantity.value,
        "value": _rounded(one.value),
        "unit": one.unit,
        "basis": one.basis.value,
        "is_derived": one.is_derived,
        "of": one.of,
        "nuclide": one.nuclide,
        "series": one.series,
        "instance": one.instance,
    }


def _rounded(number: float) -> float:
    """Four digits: more would claim what nobody knows."""
    return float(f"{number:.4g}")


def dose_routes() -> list[BaseRoute]:
    return [Route(_STUDY, of_study, methods=["GET"]), Route(_PERSON, of_person, methods=["GET"])]


_TEXT: Final = {"type": "string"}
_FLAG: Final = {"type": "boolean"}
_AMOUNT: Final = {"type": "number", "minimum": 0}
_COUNT: Final = {"type": "integer", "minimum": 0}


_SHARE: Final = closed(
    {
        "name": _TEXT,
        **dict.fromkeys(("exams", "unknown"), _COUNT),
        **dict.fromkeys(("effective_dose_msv", "measured_msv", "estimated_msv", "estimated_share"), _AMOUNT),
    }
)
_READING: Final = closed(
    {
        "quantity": {"enum": [one.value for one in UNITS]},
        "value": _AMOUNT,
        "unit": _TEXT,
        "basis": {"enum": [one.value for one in Basis]},
        "is_derived": _FLAG,
        **dict.fromkeys(("of", "nuclide", "series", "instance"), _TEXT),
    }
)
_DOSE: Final = closed(
    {
        "effective_dose_msv": {"type": ["number", "null"], "minimum": 0},
        "method": {"enum": [one.value for one in Method]},
        **dict.fromkeys(("is_measured", "is_for_child"), _FLAG),
        "sources": several(_TEXT),
    }
)
_OF_STUDY: Final = {
    **dict.fromkeys(("study", "date", "organization"), _TEXT),
    "exam": EXAM,
    "dose": _DOSE,
    "readings": several(_READING),
}
_OF_PERSON: Final = closed(
    {
        "note": _TEXT,
        "of_what_may_be_seen": _FLAG,
        "total": _SHARE,
        **dict.fromkeys(("by_year", "by_modality", "by_organization"), several(_SHARE)),
        "children": _COUNT,
        "studies": several(closed(_OF_STUDY)),
    }
)


def dose_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    study = ("study", UID, of_study, "get_dose_of_study", closed({**_OF_STUDY, "note": _TEXT}))
    key = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
    person = ("person", key, of_person, "get_dose_of_person", _OF_PERSON)
    return {_STUDY: _path(*study), _PERSON: _path(*person)}


def _path(
    name: str, schema: Mapping[str, Any], endpoint: Any, operation: str, told: Mapping[str, Any]
) -> dict[str, Any]:
    given = {200: answer(200, "The dose", as_json(told)), **{code: REFUSED[code] for code in (400, 401, 403, 404, 503)}}
    return {
        "parameters": [{"name": name, "in": "path", "required": True, "schema": schema}],
        "get": {
            "operationId": operation,
            "summary": endpoint.__doc__,
            "tags": ["Persons"],
            "responses": {str(code): found for code, found in given.items()},
        },
    }
