"""The one box over everything, on a page that needs no script: facets beside, and under each study where the words hit."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from imagebank.actions import finding
from imagebank.dicom import moments
from imagebank.errors import Invalid, NotFound
from imagebank.http.auth import address_of, bank_of, cookie_name, cookie_of, is_https
from imagebank.model.access import Principal
from imagebank.model.completeness import Progress
from imagebank.model.search import LONGEST_QUESTION, REPORT, Answer, Facet, Nearness, Passage, Wish
from imagebank.model.uid import Uid
from imagebank.portal import beside, criteria, wording
from imagebank.portal.language import gettext, noted
from imagebank.portal.layout import ASKING, for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.rows import StudyRow, row_of, with_states
from imagebank.portal.signin import FIND_COOKIE

PAGE_SIZE: Final = 25
_MOST_CHOSEN: Final = 20
_LONGEST_VALUE: Final = 64
_SHOWN: Final = 8
_FIELD: Final = re.compile(r"f\d+(\.\d+)?")
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NAMES: Final[Mapping[Facet, str]] = {
    Facet.MODALITY: noted("Modality"),
    Facet.DEPARTMENT: noted("Department"),
    Facet.BODY_PART: noted("Body part"),
    Facet.YEAR: noted("Year"),
    Facet.ORGANIZATION: noted("Where it lies"),
    Facet.SEX: noted("Sex"),
    Facet.DEVICE: noted("Device"),
    Facet.PHYSICIAN: noted("Physician"),
    Facet.COMPLETENESS: noted("Complete?"),
}
_STATES: Final[Mapping[str, str]] = {
    Progress.MISSING: noted("Something is missing"),
    Progress.ARRIVING: noted("Still arriving"),
    Progress.COMPLETE: noted("Complete"),
    Progress.UNKNOWN: noted("Not known"),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a passage, and whether it is what was looked for."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One study, and where the words hit: labels, each with its pieces. `beside` is the address that shows it beside."""

    study: StudyRow
    is_alike: bool
    passages: tuple[tuple[str, tuple[Piece, ...]], ...]
    beside: str = ""
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a facet: how it is called, how many hits have it, and the field that chooses it."""

    name: str
    field: str
    value: str
    count: int
    is_on: bool


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """What the box was asked last, in this session."""
    sealed = cookie_of(request, FIND_COOKIE)
    plain = criteria.opened(sealed, cookie_of(request)) if sealed else None
    return await _page(request, principal, _wish(plain), request.query_params.get("after", ""))


@for_the_signed_in
async def ask(request: Request, principal: Principal) -> Response:
    """Keep the question in a cookie and go to the page, so that no word stands in an address or a log."""
    form = await read_own_form(request)
    text = "" if "clear" in form else form.get("q", "").strip()
    if len(text) > LONGEST_QUESTION:
        return await _page(request, principal, Wish(text), notice=gettext("Type fewer words: the box takes 256 signs."))
    chosen = [] if "clear" in form else [value for name, value in form.items() if re.fullmatch(_FIELD, name)]
    chosen = [value for value in chosen if value != form.get("drop")]
    response = see_other("/find")
    sealed = criteria.closed(json.dumps([text, chosen[:_MOST_CHOSEN]]).encode(), cookie_of(request))
    name = cookie_name(request, FIND_COOKIE)
    response.set_cookie(name, sealed, path="/", httponly=True, secure=is_https(request), samesite="strict")
    return response


def _wish(plain: bytes | None) -> Wish:
    if plain is None:
        return Wish()
    text, values = json.loads(plain)
    chosen: dict[Facet, tuple[str, ...]] = {}
    for value in values:
        facet, _, wanted = value.partition("=")
        if facet in set(Facet) and 0 < len(wanted) <= _LONGEST_VALUE:
            chosen[Facet(facet)] = (*chosen.get(Facet(facet), ()), wanted)
    return Wish(text, chosen)


async def _page(request: Request, principal: Principal, wish: Wish, after: str = "", notice: str = "") -> Response:
    given = (bank_of(request), wish, principal, "portal", PAGE_SIZE, after, address_of(request))
    try:
        answer = Answer((), 0, True, {}) if notice else await run_in_threadpool(finding.everything, *given)
    except Invalid:
        return see_other("/find")  # a cursor that is none
    studies = [row_of(match.study.attributes) for match in answer.matches]
    studies = await run_in_threadpool(with_states, bank_of(request), studies, principal.scope) if studies else []
    chosen = await _chosen(request, principal, studies, is_asked=bool(wish.text or wish.chosen))
    rows = [
        FoundRow(
            study,
            match.nearness is Nearness.ALIKE,
            tuple((wording_of(one.label), tuple(_pieces(one))) for one in match.passages),
            f"/find?{urlencode({**({'after': after} if after else {}), 'chosen': row_key(cookie_of(request), study)})}",
            chosen is not None and chosen.study.uid == study.uid,
        )
        for match, study in zip(answer.matches, studies, strict=True)
    ]
    facets = [
        (gettext(name), choices) for facet, name in _NAMES.items() if (choices := list(_choices(facet, wish, answer)))
    ]
    answered = page(
        request,
        "find.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK,
        principal,
        text=wish.text,
        is_asked=bool(wish.text or wish.chosen),
        rows=rows,
        answer=answer,
        facets=facets,
        chips=[(name, one) for name, choices in facets for one in choices if one.is_on],
        is_first=not after,
        notice=notice,
        chosen=chosen,
    )
    answered.headers.update(ASKING)
    return answered


async def _chosen(
    request: Request, principal: Principal, studies: Sequence[StudyRow], *, is_asked: bool
) -> beside.Beside | None:
    """What stands beside the list: the row that the address names by its key, else the first that answers a question."""
    key, cookie = request.query_params.get("chosen"), cookie_of(request)
    row = next((one for one in studies if row_key(cookie, one) == key), None)
    if row is None and is_asked:
        row = next(iter(studies), None)
    if row is None:
        return None
    given = (bank_of(request), principal, Uid(row.uid), address_of(request))
    try:
        return await run_in_threadpool(beside.of_study, *given)
    except NotFound:
        return None  # it went meanwhile


def row_key(cookie: str, row: StudyRow) -> str:
    """By what an address names a row: it says nothing, and means it in this session only."""
    return hashlib.sha256(f"row {cookie} {row.uid}".encode()).hexdigest()[:16]


def wording_of(label: str) -> str:
    """`StudyDescription` → `Study description`; of a path its last name; private ones as they are; a report's by its day."""
    if label.startswith(REPORT):
        return f"In the report of {moments.day(label.removeprefix(REPORT))}"
    if label.startswith("("):
        return label
    first, *others = _WORD_START.split(label.rpartition(".")[2])
    return " ".join([first, *(word if word.isupper() else word.lower() for word in others)])


def _pieces(passage: Passage) -> Iterator[Piece]:
    at = 0
    for start, end in passage.spans:
        if at < start:
            yield Piece(passage.text[at:start], is_hit=False)
        yield Piece(passage.text[start:end], is_hit=True)
        at = end
    if at < len(passage.text):
        yield Piece(passage.text[at:], is_hit=False)


def _choices(facet: Facet, wish: Wish, answer: Answer) -> Iterator[Choice]:
    """The values of a facet, those that are chosen first; no more than fit beside the list."""
    on = wish.chosen.get(facet, ())
    counted = dict(answer.counts.get(facet, ()))
    values = [*on, *(value for value in counted if value not in on)]
    number = list(_NAMES).index(facet)
    for at, value in enumerate(values[: max(_SHOWN, len(on))]):
        yield Choice(_named(facet, value), f"f{number}.{at}", f"{facet}={value}", counted.get(value, 0), value in on)


def _named(facet: Facet, value: str) -> str:
    if facet is Facet.COMPLETENESS:
        return gettext(_STATES[value]) if value in _STATES else value
    return wording.sex(value) if facet is Facet.SEX else value


ROUTES: Final = [Route("/find", show, methods=["GET"]), Route("/find", ask, methods=["POST"])]
