"""The page on which a study is put right: what it says, what it would say, and what was corrected before."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import correct, retrieve
from imagebank.bank import Bank
from imagebank.dicom.changes import element_of_text, keyword_of, tag_of, text_of_element
from imagebank.errors import Conflict, Invalid
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.correction import Correction, Values
from imagebank.model.imaging import Element, Selection
from imagebank.model.uid import Uid
from imagebank.portal.language import day, gettext, noted
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.refusals import worded

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One attribute of the form: its keyword, its name, and how it is typed: as text, date, name or by a choice."""

    keyword: str
    label: str
    kind: str = "text"
    longest: int = 64
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""

    @property
    def key(self) -> str:
        return f"{tag_of(self.keyword):08X}"


_SEXES: Final = (("F", noted("female")), ("M", noted("male")), ("O", noted("other")))
_SIDES: Final = (("L", noted("left")), ("R", noted("right")))
FIELDS: Final = (
    Field("PatientName", noted("Name"), "name", 194, hint=noted("as Family^Given, with = before another writing")),
    Field("PatientID", noted("Patient ID"), "identifier"),
    Field("IssuerOfPatientID", noted("Organization that gave the ID"), "identifier"),
    Field("PatientBirthDate", noted("Birth date"), "date"),
    Field("PatientSex", noted("Sex"), "choice", choices=_SEXES),
    Field("StudyDate", noted("Study date"), "date"),
    Field("StudyDescription", noted("Study description")),
    Field("AccessionNumber", noted("Accession number"), "identifier", 16),
    Field("BodyPartExamined", noted("Body part"), "code", 16),
    Field("Laterality", noted("Side"), "choice", choices=_SIDES),
)
_BY_KEY: Final = {field.key: field for field in FIELDS}


@dataclass(frozen=True, slots=True)
class Line:
    """One attribute before and after a correction, in words."""

    label: str
    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A correction of the history."""

    one: Correction
    lines: tuple[Line, ...]
    is_undone: bool


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The form, filled in with what the study says, and what was corrected before."""
    return await _form(request, principal, {})


@for_the_signed_in
async def send(request: Request, principal: Principal) -> Response:
    """Show what would change; once that was seen, change it."""
    form = await read_own_form(request)
    bank, address = bank_of(request), address_of(request)
    study = Uid.parse(request.path_params["study"])
    try:
        now = await run_in_threadpool(correct.current, bank, study, _keywords(), principal, address)
        selection, changes = _meant(form, study, now)
        if form.get("step") == "correct":
            reason = form["reason"]
            await run_in_threadpool(correct.correct, bank, selection, changes, principal, reason, address)
            return see_other(f"/studies/{study}/corrections")
        seen = await run_in_threadpool(correct.preview, bank, selection, changes, principal, address)
    except (Invalid, Conflict) as error:
        return await _form(request, principal, form, worded(error))
    return page(
        request,
        "correction-review.html",
        HTTPStatus.OK,
        principal,
        study=study,
        lines=_lines(seen.before, seen.after),
        count=seen.count,
        total=seen.total,
        typed={name: text for name, text in form.items() if name not in ("csrf", "step")},
    )


@for_the_signed_in
async def undo(request: Request, principal: Principal) -> Response:
    """Give the attributes of a correction the values again that they had."""
    form = await read_own_form(request)
    study, name = Uid.parse(request.path_params["study"]), request.path_params["correction"]
    try:
        await run_in_threadpool(
            correct.undo, bank_of(request), study, name, principal, form.get("reason", ""), address_of(request)
        )
    except (Invalid, Conflict) as error:
        return await _form(request, principal, {}, worded(error))
    return see_other(f"/studies/{study}/corrections")


async def _form(request: Request, principal: Principal, form: Form, notice: str = "") -> Response:
    study = Uid.parse(request.path_params["study"])
    shown = await run_in_threadpool(_shown, bank_of(request), study, principal, address_of(request))
    now = shown.now
    typed = {field.keyword: form.get(field.keyword, _typed(field, now)) for field in FIELDS}
    return page(
        request,
        "corrections.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK,
        principal,
        study=study,
        fields=[(field, gettext(field.label), typed[field.keyword], _others(field, now)) for field in FIELDS],
        series=shown.series,
        chosen=form.get("series", ""),
        reason=form.get("reason", ""),
        entries=shown.entries,
        notice=notice,
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What the page is made of."""

    now: Values
    series: tuple[Uid, ...]
    entries: tuple[Entry, ...]


def _shown(bank: Bank, study: Uid, principal: Principal, address: str) -> _Shown:
    found = correct.listed(bank, study, principal, address)
    undone = {one.undoes for one in found}
    return _Shown(
        correct.current(bank, study, _keywords(), principal, address),
        tuple(series for _, series, _ in retrieve.versions(bank, Selection(study), principal.scope)),
        tuple(Entry(one, _lines(one.before, one.after), one.id in undone) for one in found),
    )


def _keywords() -> list[str]:
    return [field.keyword for field in FIELDS]


def _typed(field: Field, now: Values) -> str:
    """What the first object says, as it stands in the form."""
    found = text_of_element(now[field.key][0])
    is_date = field.kind == "date" and len(found) == 8 and found.isdigit()
    return f"{found[:4]}-{found[4:6]}-{found[6:]}" if is_date else found


def _others(field: Field, now: Values) -> list[str]:
    """What else is said in other series, where they do not agree."""
    return [_read(field, one) for one in now[field.key][1:]]


def _meant(form: Form, study: Uid, now: Values) -> tuple[Selection, dict[str, Element | None]]:
    """What is to be changed, and how. Raises Invalid where that is nothing, or nobody knows why."""
    changes = _changes(form, now)
    if not changes:
        raise Invalid("nothing is typed that differs from what the study says")
    if not form.get("reason", "").strip():
        raise Invalid("say why; it stands in the history of the study")
    return Selection(study, Uid.parse(form["series"]) if form.get("series") else None), changes


def _changes(form: Form, now: Values) -> dict[str, Element | None]:
    """What was typed otherwise than it was shown. An identifier goes with the organization that gave it."""
    changed = [one for one in FIELDS if one.keyword in form and form[one.keyword].strip() != _typed(one, now)]
    keywords = {one.keyword for one in changed}
    if "PatientID" in keywords:
        keywords.add("IssuerOfPatientID")
    changes: dict[str, Element | None] = {}
    for field in FIELDS:
        if field.keyword in keywords:
            text = form.get(field.keyword, "").strip()
            text = text.replace("-", "") if field.kind == "date" else text
            is_gone = not text and field.keyword in ("IssuerOfPatientID", "Laterality")
            changes[field.keyword] = None if is_gone else element_of_text(field.keyword, text)
    return changes


def _lines(before: Values, after: Values) -> tuple[Line, ...]:
    return tuple(
        Line(
            gettext(_BY_KEY[key].label) if key in _BY_KEY else keyword_of(key),
            tuple(_read(_BY_KEY.get(key), one) for one in values),
            tuple(_read(_BY_KEY.get(key), one) for one in after.get(key, [])),
        )
        for key, values in before.items()
    )


def _read(field: Field | None, element: Element | None) -> str:
    """A value as it is read on the page; empty for none."""
    found = text_of_element(element)
    if field is not None and field.kind == "date":
        return day(found)
    return gettext(dict(field.choices).get(found, "")) or found if field is not None else found


_PATH: Final = "/studies/{study}/corrections"
ROUTES: list[BaseRoute] = [
    Route(_PATH, show, methods=["GET"]),
    Route(_PATH, send, methods=["POST"]),
    Route(f"{_PATH}/{{correction}}/undo", undo, methods=["POST"]),
]
