"""Did everything arrive: a page of studies that lack something or are arriving, and what a study's own page says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import completeness
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.completeness import Completeness, Lack, Progress
from imagebank.model.expectation import Origin
from imagebank.model.query import comparable_date
from imagebank.model.uid import Uid
from imagebank.portal.language import gettext, listed, moment, ngettext, noted, whole
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.rows import StudyRow, rows_of, state_of
from imagebank.ports.completeness import Asked

PAGE_SIZE: Final = 25
SOURCES: Final[Mapping[Origin, str]] = {
    Origin.MPPS: noted("the modality"),
    Origin.ORDER: noted("an order"),
    Origin.MEDIA: noted("a medium"),
    Origin.HEADER: noted("the images themselves"),
    Origin.NUMBERS: noted("a gap in their numbers"),
}
"""Who says that something is missing, to be chosen."""
STATES: Final[Mapping[str, str]] = {
    Progress.MISSING: noted("something is missing"),
    Progress.ARRIVING: noted("still arriving"),
}


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is said of whether a study is whole.

    `sentence` says how it stands, `lacks` what is missing and by whose word, `step` what to do. `settled` is who said
    that there is no more. `study` is None for one that never came; `patient_id` and `issuer` are told of it then.
    """

    uid: str
    state: str
    state_words: str
    sentence: str
    lacks: tuple[str, ...] = ()
    step: str = ""
    settled: str = ""
    reason: str = ""
    study: StudyRow | None = None
    patient_id: str = ""
    issuer: str = ""
    accession: str = ""
    modalities: tuple[str, ...] = ()
    date: str = ""
    is_open: bool = False


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The list, as it is narrowed by the address, which names nobody."""
    params = request.query_params
    asked = {name: params.get(name, "").strip()[:16] for name in ("state", "modality", "since", "until", "source")}
    number = _number(params.get("page", "1"))
    try:
        total, rows = await run_in_threadpool(_listed, bank_of(request), principal, asked, number, address_of(request))
    except Invalid:
        wrong = gettext("Write a day as year-month-day, such as 2026-10-11.")
        return _page(request, principal, asked, number, 0, [], wrong)
    return _page(request, principal, asked, number, total, rows)


def _page(
    request: Request,
    principal: Principal,
    asked: Mapping[str, str],
    number: int,
    total: int,
    rows: list[Arrival],
    notice: str = "",
) -> Response:
    kept = "".join(f"&{name}={value}" for name, value in asked.items() if value.replace("-", "").isalnum())
    return page(
        request,
        "completeness.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK,
        principal,
        asked=asked,
        states=STATES,
        sources=SOURCES,
        rows=rows,
        total=total,
        notice=notice,
        before=f"/completeness?page={number - 1}{kept}" if number > 1 else "",
        after=f"/completeness?page={number + 1}{kept}" if number * PAGE_SIZE < total else "",
    )


def _number(text: str) -> int:
    return min(max(int(text), 1), 100_000) if text.isascii() and text.isdigit() and len(text) < 8 else 1


def _listed(
    bank: Bank, principal: Principal, asked: Mapping[str, str], number: int, address: str
) -> tuple[int, list[Arrival]]:
    wanted = Asked(
        (Progress(asked["state"]),) if asked["state"] in STATES else tuple(map(Progress, STATES)),
        asked["modality"].upper(),
        comparable_date(asked["since"]) if asked["since"] else "",
        comparable_date(asked["until"]) if asked["until"] else "",
        Origin(asked["source"]) if asked["source"] in SOURCES else None,
        PAGE_SIZE,
        PAGE_SIZE * (number - 1),
    )
    total, found = completeness.listed(bank, wanted, principal, address)
    studies = rows_of(bank, [one.study for one in found if one.is_here], principal.scope)
    return total, [_arrival(one, studies.get(str(one.study))) for one in found]


def of_study(bank: Bank, study: Uid, principal: Principal) -> Arrival | None:
    """What a study's own page says; None while nothing is known."""
    found = bank.index.completeness.of_study(study, principal.scope)
    return None if found is None else _arrival(found, None)


def _arrival(found: Completeness, study: StudyRow | None) -> Arrival:
    kind, words = state_of(found.standing, found.received)
    settled = found.settled
    by = {} if settled is None else {"name": settled.by, "when": moment(settled.said_at)}
    return Arrival(
        str(found.study),
        kind,
        words,
        _sentence(found),
        tuple(_lack(one) for one in found.lacks) if kind == "missing" else (),
        _step(found) if kind == "missing" else "",
        gettext("%(name)s said on %(when)s that there is no more.") % by if by else "",
        "" if settled is None else settled.reason,
        study,
        found.patient.identifier,
        found.patient.issuer,
        found.accession,
        found.modalities,
        found.date,
        is_open=kind == "missing" and found.is_here,
    )


def _sentence(found: Completeness) -> str:
    """How a study stands, in one or two sentences."""
    match found.standing.progress:
        case Progress.MISSING:
            return _missing(found)
        case Progress.ARRIVING if found.standing.expected:
            numbers = {"here": whole(found.received), "expected": whole(found.standing.expected)}
            return gettext("Still arriving: %(here)s of %(expected)s images are here.") % numbers
        case Progress.ARRIVING:
            return gettext("Still arriving.")
        case Progress.COMPLETE:
            return gettext("Complete.")
    return gettext("Nobody has said how many images belong to this study.")


def _missing(found: Completeness) -> str:
    standing = found.standing
    if not found.is_here and not standing.missing:
        return gettext("The study has not come.")
    if not standing.is_certain:
        return gettext("Something may be missing. What is here can be seen.")
    if not standing.missing:
        return gettext("Something has not come.")
    numbers = {"missing": whole(standing.missing), "expected": whole(standing.expected), "here": whole(found.received)}
    many = ngettext(
        "%(missing)s of %(expected)s images has not come.",
        "%(missing)s of %(expected)s images have not come.",
        standing.missing,
    )
    rest = ngettext("The other one can be seen.", "The other %(here)s can be seen.", found.received)
    return " ".join([many % numbers, rest % numbers] if found.received else [many % numbers])


def _lack(lack: Lack) -> str:
    """What is missing, and by whose word."""
    numbers = {
        "missing": whole(lack.missing),
        "expected": whole(lack.expected),
        "series": lack.series_number or lack.series[-12:],
        "numbers": lack.numbers,
    }
    if lack.origin is Origin.NUMBERS:
        many = gettext("In series %(series)s the numbers %(numbers)s are missing. That may be so on purpose.")
    elif lack.unit == "study":
        many = gettext("Nothing of it has come.")
    elif lack.unit == "series":
        many = gettext("%(missing)s of %(expected)s series missing.")
    elif lack.series:
        many = gettext("Series %(series)s: %(missing)s of %(expected)s images missing.")
    else:
        many = gettext("%(missing)s of %(expected)s images missing; it is not known of which series.")
    return f"{many % numbers} {_said_by(lack)}".strip()


def _said_by(one: Lack) -> str:
    words = {
        Origin.MPPS: gettext("So says the device %(by)s."),
        Origin.ORDER: gettext("It was ordered by %(by)s."),
        Origin.MEDIA: gettext("So says the list on the medium %(by)s."),
        Origin.HEADER: gettext("So say the images that are here."),
    }
    return words.get(one.origin, "") % {"by": one.by}


def _step(found: Completeness) -> str:
    """What to do about it."""
    devices = sorted({one.by for one in found.lacks if one.origin is Origin.MPPS and one.by})
    if devices:
        names = {"devices": listed(devices)}
        return gettext("Send the study again from %(devices)s; what is here already is not kept twice.") % names
    if any(one.origin is Origin.MEDIA for one in found.lacks):
        return gettext("Bring the medium in again; what is here already is not kept twice.")
    if any(one.origin is Origin.ORDER for one in found.lacks):
        return gettext("Ask whether the exam was done, and have it sent.")
    return gettext("Ask whoever sent it to send it again; what is here already is not kept twice.")


@for_the_signed_in
async def settle(request: Request, principal: Principal) -> Response:
    """Say that there is no more of a study, or take that back; then to the study, or to the list where it never came."""
    form = await read_own_form(request)
    study, bank, address = Uid.parse(form.get("study", "")), bank_of(request), address_of(request)
    if "reopen" in form:
        await run_in_threadpool(completeness.reopen, bank, study, principal, address)
    else:
        await run_in_threadpool(completeness.settle, bank, study, form.get("reason", ""), principal, address)
    return see_other(f"/studies/{study}" if form.get("here") else "/completeness")


ROUTES: Final[list[BaseRoute]] = [
    Route("/completeness", show, methods=["GET"]),
    Route("/completeness/settle", settle, methods=["POST"]),
]
