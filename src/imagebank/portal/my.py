"""The first page of people who see their own images, the list of those, and the page of one study."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import actors, contributing, dose, notices, own
from imagebank.actions.own import Held
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.completeness import Progress
from imagebank.model.notice import Notice
from imagebank.model.timeline import Entry, Page, years
from imagebank.model.uid import Uid
from imagebank.portal import doses, exams, plain_words
from imagebank.portal.language import day_at
from imagebank.portal.layout import for_the_signed_in, page
from imagebank.portal.mails import WORDS
from imagebank.portal.rows import StudyRow, row_of, state_of
from imagebank.portal.shell import is_there
from imagebank.portal.waiting import together

OF_ONE: Final = "{holding:holding}"
"""A part of an address that names one person whom an account holds."""
WAY: Final = "portal"
_SHOWN: Final = 8
_PAGE: Final = 50
_NEWS: Final = 3


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the people whose images an account holds, for the switcher; all of them without a key."""

    key: str
    name: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Exam:
    """One study as its person reads it. `whose` is empty where there is nobody else; `here` of `expected` images arrive."""

    study: StudyRow
    name: str
    when: str
    where: str
    whose: str
    reports: int
    state: str
    state_words: str
    expected: int = 0


@dataclass(frozen=True, slots=True)
class Looks:
    """How often others looked lately, and who was the last, on which day."""

    number: int
    last: str
    when: str


def people_of(bank: Bank, principal: Principal, key: str) -> tuple[list[Held], list[Held]]:
    """Everybody whom an account holds, and those of them whom an address names."""
    held = own.people(bank, principal)
    return held, own.chosen(held, key)


def switcher(held: Sequence[Held], key: str) -> list[Choice]:
    """Whose images can be shown; nothing where there is one person only."""
    if len(held) < 2:
        return []
    each = [Choice(one.key, plain_words.called(one.name), one.key == key) for one in held]
    return [Choice("", "", not key), *each]


def key_in(request: Request) -> str:
    """The person that an address names; empty for all."""
    return str(request.path_params.get("holding", ""))


@for_the_signed_in
async def home(request: Request, principal: Principal) -> Response:
    """What is new, the way to let a doctor see images, who looked, and the newest images."""
    key = key_in(request)
    shown = await run_in_threadpool(_home, request, principal, key)
    can_share = is_there(request, "/my/share")
    return page(request, "my-home.html", HTTPStatus.OK, principal, key=key, can_share=can_share, **shown)


def _home(request: Request, principal: Principal, key: str) -> dict[str, Any]:
    bank = bank_of(request)
    held, some = people_of(bank, principal, key)
    found = own.images(bank, principal, some, WAY, address_of(request), Page(_SHOWN))
    groups = by_year(found.entries, whose(bank, principal, held))
    listed = [one for _, some in groups for one in some]
    return {
        "people": switcher(held, key),
        "holds_nobody": not held,
        "news": _news(bank, getattr(request.state, "account", "")),
        "words": WORDS,
        "arriving": next((one for one in listed if one.state == Progress.ARRIVING and one.expected), None),
        "looks": _looks(bank, principal, some),
        "groups": groups,
        "has_more": found.has_more,
        "waiting": together(found.waiting),
        "can_add": contributing.may_add(bank, principal),
    }


def _news(bank: Bank, account: str) -> list[Notice]:
    """What nobody has looked at yet of what the owner of an account was told."""
    found = notices.listed(bank, account, _NEWS) if account else []
    return [one for one in found if one.seen_at is None]


def _looks(bank: Bank, principal: Principal, some: Sequence[Held]) -> Looks | None:
    found = own.looks(bank, principal, some)
    if not found:
        return None
    last = plain_words.named(actors.who(bank, principal)(found[0]))
    return Looks(len(found), last, day_at(plain_words.at(found[0].at)))


@for_the_signed_in
async def list_images(request: Request, principal: Principal) -> Response:
    """All images by year, some at a time."""
    key, before = key_in(request), request.query_params.get("before", "")
    shown = await run_in_threadpool(_images, request, principal, key, _place(before))
    return page(request, "my-images.html", HTTPStatus.OK, principal, key=key, is_first=not before, **shown)


def _place(text: str) -> Uid | None:
    try:
        return Uid.parse(text) if text else None
    except Invalid:
        return None


def _images(request: Request, principal: Principal, key: str, before: Uid | None) -> dict[str, Any]:
    bank = bank_of(request)
    held, some = people_of(bank, principal, key)
    found = own.images(bank, principal, some, WAY, address_of(request), Page(_PAGE, before))
    return {
        "people": switcher(held, key),
        "groups": by_year(found.entries, whose(bank, principal, held)),
        "earlier": found.entries[-1].uid if found.has_more else "",
    }


Whose = Callable[[StudyRow], str]


def whose(bank: Bank, principal: Principal, held: Sequence[Held]) -> Whose:
    """Tells of whom of several people a study is; nothing where there is one person only."""

    def name(study: StudyRow) -> str:
        found = own.whose(bank, principal, held, Uid(study.uid), study.patient_id) if len(held) > 1 else None
        return "" if found is None else plain_words.called(found.name)

    return name


def by_year(entries: Sequence[Entry], whose: Whose) -> list[tuple[str, list[Exam]]]:
    """Studies as lists show them, below the year of each."""
    return [(year, [exam_of(entry, whose) for entry in some]) for year, some in years(entries)]


def exam_of(entry: Entry, whose: Whose) -> Exam:
    """A study in words for its person."""
    study = row_of(entry.study)
    state, words = state_of(entry.standing, study.instances)
    return Exam(
        study,
        exams.exam(entry.parts, study.modalities, study.description),
        plain_words.exam_day(study.date),
        next(iter(entry.institutions or entry.departments), ""),
        whose(study),
        len(entry.reports),
        state,
        words,
        (entry.standing.expected or 0) if entry.standing is not None else 0,
    )


def study_page(bank: Bank, principal: Principal, study: Uid) -> dict[str, object]:
    """What the page of one study says beside what staff's says, too."""
    held = own.people(bank, principal)
    exam = exam_of(own.image(bank, principal, study), whose(bank, principal, held))
    radiation = doses.plainly(dose.beside(bank, principal, study).dose, dose.table_of(bank))
    can_take_back = bool(exam.study.contributed) and _has_added(bank, principal, study)
    return {"exam": exam, "radiation": radiation, "can_take_back": can_take_back}


def _has_added(bank: Bank, principal: Principal, study: Uid) -> bool:
    try:
        return bool(contributing.added(bank, principal, study))
    except NotFound:
        return False


def _both(path: str, endpoint: Any) -> Iterator[BaseRoute]:
    """A page of all people whom an account holds, and the same of one."""
    yield Route(f"/my{path}", endpoint, methods=["GET"])
    yield Route(f"/my/{OF_ONE}{path}", endpoint, methods=["GET"])


ROUTES: list[BaseRoute] = [*_both("", home), *_both("/images", list_images)]
