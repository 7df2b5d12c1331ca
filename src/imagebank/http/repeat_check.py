"""`/api/v1/repeat-check`: the check of an order for programs that speak no CDS Hooks, and what was done about its alerts."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from imagebank.actions import repeat_answers, repeat_check
from imagebank.actions.repeat_check import Asking, Checked, Wish
from imagebank.errors import Invalid
from imagebank.exams.overriding import overrides
from imagebank.exams.telling import reasons
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.http.bodies import Patient, body_of, typed
from imagebank.http.described import Group, closed, paths
from imagebank.http.methods import Endpoint, routes_of
from imagebank.http.openapi import REFUSED, answer, as_json
from imagebank.http.priors import EXAM, exam_told
from imagebank.http.tongue import Tongue, tongue_of
from imagebank.http.whereabouts import web_url
from imagebank.model.alert import Alert, Answer, Outcome
from imagebank.model.exam import Context, Said
from imagebank.model.region import Code

WAY: Final = "api"
_NO_STORE: Final = {"Cache-Control": "no-store"}
_LONGEST: Final = 256
_Text = Annotated[str, msgspec.Meta(max_length=_LONGEST)]


class Coded(msgspec.Struct, forbid_unknown_fields=True):
    """A code with its scheme by DICOM's designator, such as C4, LN or SCT; empty for a site's own."""

    value: _Text
    scheme: _Text = ""
    meaning: _Text = ""


class Ordered(msgspec.Struct, forbid_unknown_fields=True):
    """What is ordered, as it is called there. `date` is when it is to be made; today where nobody says.

    `reason` is read for why it is ordered where `context` does not say so.
    """

    description: _Text
    code: Coded | None = None
    modality: _Text = ""
    body_part: _Text = ""
    laterality: Literal["", "L", "R", "B", "U"] = ""
    date: str = ""
    context: Context = Context.ROUTINE
    reason: _Text = ""
    number: _Text = ""
    department: _Text = ""
    user: _Text = ""


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """Whose order it is, and what is ordered."""

    patient: Patient
    order: Ordered


class Given(msgspec.Struct, forbid_unknown_fields=True):
    """What was done about an alert: `reason` is one of the site's where it was overridden, else what was accepted."""

    outcome: Literal["accepted", "overridden", "ignored"]
    reason: _Text = ""
    comment: Annotated[str, msgspec.Meta(max_length=1000)] = ""


async def check_repeat(request: Request) -> Response:
    """Whether an exam that is being ordered was made already: the alert about it, with its reasons and the study."""
    principal = await caller(request)
    given = typed(await body_of(request), Question)
    one, bank = given.order, bank_of(request)
    asking = Asking(principal, (given.patient.id,), WAY, one.user, one.department, address_of(request))
    (found,) = await run_in_threadpool(repeat_check.check, bank, asking, [_wish(one)])
    offered, tongue = overrides(bank.settings.overrides_file).offered, tongue_of(request)
    told = {
        "repeat": found.alert is not None,
        "exam": exam_told(found.exam),
        "alerts": [] if found.alert is None else [_told(found.alert, found, web_url(bank.settings), tongue)],
        "reasons": [{"code": each.code, "display": tongue.say(each.said_in(tongue.language))} for each in offered],
    }
    return JSONResponse(told, headers={**_NO_STORE, **tongue.headers})


def _wish(one: Ordered) -> Wish:
    codes = () if one.code is None else (Code(one.code.value, one.code.scheme, one.code.meaning),)
    said = Said(
        modalities=tuple(filter(None, (one.modality,))),
        descriptions=tuple(filter(None, (one.description,))),
        body_parts=tuple(filter(None, (one.body_part,))),
        codes=codes,
        laterality=one.laterality,
    )
    return Wish(said, _day(one.date), one.context, tuple(filter(None, (one.reason,))), one.number)


def _day(text: str) -> date | None:
    """Raises Invalid for what is no day."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid("date is a day, such as 2026-03-02") from None


def _told(alert: Alert, found: Checked, origin: str, tongue: Tongue) -> dict[str, Any]:
    assert found.repeat is not None
    past = found.repeat.past
    return _alert(alert) | {
        "date": past.day.isoformat() if past.day else "",
        "organization": past.organization,
        "exam": exam_told(past.exam),
        "reasons": [tongue.say(one) for one in reasons(found.repeat.factors)],
        "archive": past.archive,
        "url": f"{origin}/archives/{quote(past.archive, safe='')}/studies/{past.id}"
        if past.archive
        else f"{origin}/studies/{alert.study}",
        "others": [one.past.id for one in found.seen if one.past.id != past.id],
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "study": str(alert.study),
        "days": alert.days,
        "rule": alert.rule,
        "severity": alert.severity,
        "outcome": str(alert.outcome),
    }


async def tell_outcome(request: Request) -> Response:
    """Say what was done about an alert; the same told again changes nothing."""
    principal = await caller(request)
    given = typed(await body_of(request), Given)
    bank = bank_of(request)
    made = Answer(Outcome(given.outcome), bank.now(), given.reason, given.comment, principal.name)
    told = [repeat_answers.Told(request.path_params["alert"], made)]
    (alert,) = await run_in_threadpool(repeat_answers.tell, bank, principal, told, address_of(request))
    return JSONResponse(_alert(alert), headers=_NO_STORE)


_ROOT: Final = "/api/v1/repeat-check"
RESOURCES: Final[Mapping[str, Mapping[str, Endpoint]]] = {
    _ROOT: {"POST": check_repeat},
    f"{_ROOT}/{{alert}}/outcome": {"POST": tell_outcome},
}
"""What is done at each address, by method."""


def repeat_routes() -> list[BaseRoute]:
    return routes_of(RESOURCES)


_TEXT: Final = {"type": "string"}
_LINE: Final = {"type": "string", "maxLength": _LONGEST}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_NAMED: Final = {"type": "string", "minLength": 1, "maxLength": _LONGEST}
_PATIENT: Final = closed({"issuer": _NAMED, "identifier": _NAMED})
_CODE: Final = {"anyOf": [{"type": "null"}, closed({"value": _LINE}, {"scheme": _LINE, "meaning": _LINE})]}
_ORDER: Final = closed(
    {"description": _LINE},
    {
        **dict.fromkeys(("modality", "body_part", "reason", "number", "department", "user"), _LINE),
        "code": _CODE,
        "laterality": {"enum": ["", "L", "R", "B", "U"]},
        "date": {"anyOf": [{"const": ""}, {"type": "string", "format": "date"}]},
        "context": {"enum": [str(one) for one in Context]},
    },
)
_BRIEF: Final = {
    **dict.fromkeys(("id", "study", "rule"), _TEXT),
    "days": {"type": "integer", "minimum": 0},
    "severity": {"enum": ["warn", "tell"]},
    "outcome": {"enum": [str(one) for one in Outcome if one is not Outcome.UNSHOWN]},
}
_ALERT: Final = closed(
    {
        **_BRIEF,
        **dict.fromkeys(("date", "organization", "archive", "url"), _TEXT),
        "exam": EXAM,
        **dict.fromkeys(("reasons", "others"), _TEXTS),
    }
)
_ANSWER: Final = closed(
    {
        "repeat": {"type": "boolean"},
        "exam": EXAM,
        "alerts": {"type": "array", "items": _ALERT},
        "reasons": {"type": "array", "items": closed({"code": _TEXT, "display": _TEXT})},
    }
)
_GIVEN: Final = closed(
    {"outcome": {"enum": [str(one) for one in repeat_answers.ANSWERS]}},
    {"reason": _LINE, "comment": {"type": "string", "maxLength": 1000}},
)
_GROUP: Final = Group(
    "Orders",
    {
        "check_repeat": {200: answer(200, "What is said of the order", as_json(_ANSWER)), 507: REFUSED[507]},
        "tell_outcome": {
            200: answer(200, "The alert as it stands now", as_json(closed(_BRIEF))),
            404: REFUSED[404],
            507: REFUSED[507],
        },
    },
    {"check_repeat": closed({"patient": _PATIENT, "order": _ORDER}), "tell_outcome": _GIVEN},
    {"alert": {"type": "string", "pattern": "^[0-9a-f-]{1,64}$"}},
)


def repeat_paths() -> dict[str, Any]:
    """The `paths` of the OpenAPI document for these routes."""
    return paths(RESOURCES, _GROUP)
