"""One person's timeline as a page: an overview in lanes that also filters, and below it every study by year."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus
from itertools import zip_longest
from typing import Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import priors, timeline
from imagebank.bank import Bank
from imagebank.dicom.moments import read_day
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import OWNERS, Principal
from imagebank.model.completeness import Progress
from imagebank.model.exam import Prior
from imagebank.model.identity import Decision, Ground
from imagebank.model.order import Order
from imagebank.model.timeline import By, Entry, Kind, Lane, Timeline, lanes, names_of, years
from imagebank.model.uid import Uid
from imagebank.portal import doses
from imagebank.portal.beside import EarlierRow, why_prior
from imagebank.portal.language import day_at, gettext, listed, noted
from imagebank.portal.layout import for_the_signed_in, page, see_other
from imagebank.portal.rows import StudyRow, row_of, state_of
from imagebank.portal.shell import HOME

PAGE_SIZE: Final = 50
_WAY: Final = "portal"
_MOST_COMPARED: Final = 5
"""Of so many open orders the best prior is told."""
_Awaited = tuple[Order | None, EarlierRow | None]
_MOST_LANES: Final = 16
_LABELLED: Final = 12
"""More years than these are labelled in steps."""
_LANES: Final[Mapping[str, str]] = {
    Lane.HEAD: noted("Head"),
    Lane.EYE: noted("Eye"),
    Lane.MOUTH: noted("Mouth, jaw"),
    Lane.SPINE: noted("Neck, spine"),
    Lane.CHEST: noted("Chest, heart"),
    Lane.ABDOMEN: noted("Abdomen, pelvis"),
    Lane.ARM: noted("Shoulder, arm"),
    Lane.LEG: noted("Hip, leg"),
    Lane.SKIN: noted("Skin"),
    Lane.WHOLE: noted("Whole body"),
    Lane.OTHER: noted("Not said"),
    "": noted("Not said"),
}
_KINDS: Final[Mapping[Kind, str]] = {
    Kind.IMAGES: noted("Images"),
    Kind.PHOTOS: noted("Photos, films"),
    Kind.DOCUMENTS: noted("Reports, documents"),
}

_FIELDS: Final[Mapping[str, str]] = {
    "identifier": noted("number"),
    "family": noted("family name"),
    "given": noted("given names"),
    "birth_date": noted("date of birth"),
    "sex": noted("sex"),
    "address": noted("address"),
    "phone": noted("telephone"),
    "mother": noted("mother's name"),
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One place of a lane where something is: how far along in hundredths of the whole, what, and whether it is shown."""

    at: str
    kind: Kind
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class LaneRow:
    """One lane of the overview, and the address that shows it alone, or all again."""

    name: str
    address: str
    count: int
    is_on: bool
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One study as the timeline says it. `state` is a kind of `parts/state.html`, empty where nothing is to be said."""

    study: StudyRow
    where: str
    reports: int
    state: str
    state_words: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody narrows by, and the study that the page before ended with.

    `lane` is an opaque key: what a page is about stands in no address.
    """

    by: By = By.REGION
    lane: str = ""
    kind: Kind | None = None
    before: str = ""

    def address(self, **other: Any) -> str:
        """The query of the same page with something else chosen; a new choice begins with its first page."""
        given = {"by": self.by, "lane": self.lane, "kind": self.kind or "", "before": ""} | other
        return "?" + urlencode({name: value for name, value in given.items() if value not in ("", By.REGION)})

    def holds(self, entry: Entry) -> bool:
        return self.holds_kind(entry, self.kind) and (
            not self.lane or self.lane in {key_of(self.by, name) for name in names_of(entry, self.by)}
        )

    @staticmethod
    def holds_kind(entry: Entry, kind: Kind | None) -> bool:
        """A study with a report is among the reports, too."""
        return kind is None or entry.kind is kind or (kind is Kind.DOCUMENTS and bool(entry.reports))


def key_of(by: By, name: str) -> str:
    """By what an address names a lane."""
    return hashlib.sha256(f"{by} {name}".encode()).hexdigest()[:12]


def read_choice(params: Mapping[str, str]) -> Choice:
    """What an address chooses; what is none of ours chooses nothing."""
    by = By(params["by"]) if params.get("by") in set(By) else By.REGION
    kind = Kind(params["kind"]) if params.get("kind") in set(Kind) else None
    return Choice(by, params.get("lane", "")[:12], kind, params.get("before", "")[:128])


@for_the_signed_in
async def of_person(request: Request, principal: Principal) -> Response:
    """By the person's key."""
    given = (principal, request.path_params["person"], _WAY, address_of(request))
    return await _page(request, principal, await run_in_threadpool(timeline.of_person, bank_of(request), *given))


@for_the_signed_in
async def of_study(request: Request, principal: Principal) -> Response:
    """By one of the person's studies. Who sees their own images has a page of all of them."""
    if principal.role in OWNERS:
        return see_other(HOME)
    given = (principal, Uid.parse(request.path_params["study"]), _WAY, address_of(request))
    return await _page(request, principal, await run_in_threadpool(timeline.of_study, bank_of(request), *given))


def _awaited(bank: Bank, principal: Principal, found: Timeline) -> list[_Awaited]:
    """Open orders, and of the first of them the best prior."""
    first = found.orders[:_MOST_COMPARED]
    patients = [one.identity.patient for one in found.records] or [one.patient.id for one in first[:1]]
    best: list[EarlierRow | None] = [
        None if one is None else EarlierRow(row_of(one[1]), why_prior(one[0], _days(one[0])))
        for one in priors.of_orders(bank, principal, first, patients)
    ]
    return list(zip_longest(found.orders, best))


def _days(prior: Prior) -> int | None:
    age = next((one.theirs for one in prior.factors if one.name == "age"), "")
    return int(age) if age else None


async def _page(request: Request, principal: Principal, found: Timeline) -> Response:
    told = await run_in_threadpool(doses.of_person, bank_of(request), principal, found.entries[0].uid)
    awaited = await run_in_threadpool(_awaited, bank_of(request), principal, found)
    choice = read_choice(request.query_params)
    chosen = [entry for entry in found.entries if choice.holds(entry)]
    # A study that is gone meanwhile leads to the beginning.
    first = next((number for number, entry in enumerate(chosen, 1) if entry.uid == choice.before), 0)
    shown = chosen[first : first + PAGE_SIZE]
    span = _span(found.entries, bank_of(request).now().year)
    return page(
        request,
        "timeline.html",
        HTTPStatus.OK,
        principal,
        dose=told,
        head=row_of(found.entries[0].study),
        records=[(one, why(reason)) for one, reason in zip(found.records, found.reasons, strict=True)],
        person=found.person,
        orders=awaited,
        by=choice.by,
        ways=[
            (choice.address(by=By.REGION, lane=""), gettext("By body part"), None, choice.by is By.REGION),
            (choice.address(by=By.DEPARTMENT, lane=""), gettext("By department"), None, choice.by is By.DEPARTMENT),
        ],
        kinds=list(_kinds(found.entries, choice)),
        lanes=list(_lane_rows(found.entries, choice, span)),
        years=[(year, _label(year, span)) for year in range(span[0], span[1] + 1)],
        groups=[(year, [_row(entry) for entry in some]) for year, some in years(shown)],
        total=len(chosen),
        first=first + 1,
        is_narrowed=bool(choice.lane or choice.kind),
        everything=choice.address(lane="", kind=""),
        newest=choice.address() if first else "",
        earlier=choice.address(before=shown[-1].uid) if first + PAGE_SIZE < len(chosen) else "",
        arriving=[_row(entry) for entry in found.entries if _is(entry, Progress.ARRIVING)][:3],
    )


def _kinds(entries: Sequence[Entry], choice: Choice) -> Iterator[tuple[str, str, int, bool]]:
    there = [entry for entry in entries if replace(choice, kind=None).holds(entry)]
    yield choice.address(kind=""), gettext("Everything"), len(there), choice.kind is None
    for kind, name in _KINDS.items():
        number = sum(choice.holds_kind(entry, kind) for entry in there)
        if number or choice.kind is kind:
            yield choice.address(kind=kind), gettext(name), number, choice.kind is kind


def _span(entries: Sequence[Entry], this_year: int) -> tuple[int, int]:
    """The first and last year of the overview: to today, and as far back as studies have a day."""
    known = [found.year for entry in entries if (found := read_day(entry.date))]
    return min([this_year, *known]), max([this_year, *known])


def _label(year: int, span: tuple[int, int]) -> str:
    step = (span[1] - span[0]) // _LABELLED + 1
    return str(year) if (span[1] - year) % step == 0 else ""


def _lane_rows(entries: Sequence[Entry], choice: Choice, span: tuple[int, int]) -> Iterator[LaneRow]:
    is_narrowed = bool(choice.lane or choice.kind)
    for name, some in lanes(entries, choice.by)[:_MOST_LANES]:
        key = key_of(choice.by, name)
        is_on = choice.lane == key
        marks = {
            _mark(entry, span, is_chosen=is_narrowed and choice.holds(entry)): None
            for entry in some
            if read_day(entry.date)
        }
        label = gettext(_LANES[name]) if name in _LANES else name
        yield LaneRow(label, choice.address(lane="" if is_on else key), len(some), is_on, tuple(reversed(marks)))


def _mark(entry: Entry, span: tuple[int, int], *, is_chosen: bool) -> Mark:
    on = read_day(entry.date)
    assert on is not None
    whole_span = date(span[1] + 1, 1, 1) - date(span[0], 1, 1)
    share = (on - date(span[0], 1, 1)) / whole_span
    return Mark(f"{100 * share:.1f}%", entry.kind, is_chosen)


def why(reason: Decision | None) -> str:
    """Why a record belongs to this person, in words; empty for one that no decision links."""
    if reason is None:
        return ""
    if reason.ground is Ground.HUMAN:
        return gettext("%(by)s said so on %(day)s") % {"by": reason.by, "day": day_at(reason.at)}
    same = [gettext(_FIELDS.get(one.field, one.field)) for one in reason.evidence if one.finding == "same"]
    like = [
        gettext(_FIELDS.get(one.field, one.field))
        for one in reason.evidence
        if one.finding != "same" and one.weight > 0
    ]
    told = [gettext("the same: %(fields)s") % {"fields": listed(same)}] if same else []
    told += [gettext("alike: %(fields)s") % {"fields": listed(like)}] if like else []
    return "; ".join(told) or gettext("who gave the numbers says so")


def _is(entry: Entry, progress: Progress) -> bool:
    return entry.standing is not None and entry.standing.progress is progress


def _row(entry: Entry) -> Row:
    study = row_of(entry.study)
    where = listed((*entry.departments, *entry.institutions)) or ("" if study.contributed else study.issuer)
    return Row(study, where, len(entry.reports), *state_of(entry.standing, study.instances))


ROUTES: Final[list[BaseRoute]] = [
    Route("/patients/{person}/timeline", of_person, methods=["GET"]),
    Route("/studies/{study}/timeline", of_study, methods=["GET"]),
]
