"""Two studies side by side in the viewer: what hangs where, and the ways to the next prior, back, and to change sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import hanging, retrieve
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound, Unsupported
from imagebank.http.auth import address_of, bank_of, caller
from imagebank.model.access import Principal, Right
from imagebank.model.imaging import Instance, Selection
from imagebank.model.stack import Link
from imagebank.model.uid import Uid
from imagebank.portal import beside, launch
from imagebank.portal.language import day, gettext, noted
from imagebank.portal.layout import HEADERS, for_the_signed_in, see_other, speak_to
from imagebank.portal.rows import StudyRow, rows_of

_MOST: Final = 8
"""So many studies the viewer opens together."""


LINKS: Final[Mapping[Link, str]] = {
    Link.PLACE: noted("Linked by place in the body"),
    Link.MIDDLES: noted("Linked middle to middle"),
    Link.VIEW: noted("Linked by side and view"),
    Link.SHARE: noted("Linked in proportion"),
}


@for_the_signed_in
async def compare(request: Request, principal: Principal) -> Response:
    """Open studies side by side in the viewer, the newest as the current one on the left, or swapped."""
    principal.require(Right.FIND)
    studies = list(dict.fromkeys(Uid.parse(text) for text in request.query_params.getlist("study")))
    if not 2 <= len(studies) <= _MOST:
        raise Invalid("choose two to {most} studies to compare", most=_MOST)
    is_swapped = "swapped" in request.query_params
    return see_other(await run_in_threadpool(_viewer, bank_of(request), principal, studies, is_swapped))


def _viewer(bank: Bank, principal: Principal, studies: Sequence[Uid], is_swapped: bool) -> str:
    found: dict[Uid, list[Instance]] = {}
    for study in in_order(bank, principal, studies):
        found[study] = retrieve.select(bank, Selection(study), principal.scope)
    hung = hanging.side_by_side(bank, [launch.pictures_for_viewer(instances) for instances in found.values()])
    if is_swapped:
        found = dict(reversed(found.items()))
        hung = hung[::-1]
    address = launch.compare_address(found, [stack for side in hung for stack in side])
    if address is None:
        raise Unsupported("the viewer has nothing to show of one of these studies; open each by itself")
    return address


def in_order(bank: Bank, principal: Principal, studies: Sequence[Uid]) -> list[Uid]:
    """The studies, the newest first. Raises NotFound when one of them is not there, or not for the caller."""
    places = [bank.index.histories.place_of(study, principal.scope) for study in studies]
    known = [place for place in places if place is not None]
    if len(known) < len(places):
        raise NotFound("there is no such study here")
    return [place.study for place in sorted(known, key=lambda one: (one.date, one.time), reverse=True)]


def address_of_pair(current: str, prior: str, *, is_swapped: bool = False) -> str:
    """Where two studies open side by side in the viewer."""
    return "/compare?" + urlencode([("study", current), ("study", prior)] + [("swapped", "1")] * is_swapped)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A prior's place among those of a study that can be looked at, from 1, and those before and after it; 0 for none."""

    place: int
    of: int
    before: str
    after: str


def neighbours(ranked: Sequence[str], prior: str) -> Neighbours:
    """Where a prior stands in the ranking."""
    if prior not in ranked:
        return Neighbours(0, len(ranked), "", "")
    at = ranked.index(prior)
    return Neighbours(at + 1, len(ranked), "".join(ranked[at - 1 : at]), "".join(ranked[at + 1 : at + 2]))


async def tell(request: Request) -> Response:
    """For the bar above the viewer: what the panes show, the left one first, and where to go from there."""
    principal = await caller(request)
    principal.require(Right.FIND)
    studies = [Uid.parse(text) for text in request.query_params.getlist("study")]
    if len(studies) != 2:
        raise Invalid("name the two studies that are side by side")
    speak_to(request)
    told = await run_in_threadpool(_told, bank_of(request), principal, studies, address_of(request))
    return JSONResponse(told, HTTPStatus.OK, HEADERS)


def _told(bank: Bank, principal: Principal, studies: Sequence[Uid], address: str) -> dict[str, object]:
    current, prior = in_order(bank, principal, studies)
    is_swapped = studies[0] != current
    rows = rows_of(bank, studies, principal.scope)
    near = neighbours(beside.of_study(bank, principal, current, address).ranked, prior)

    def way(key: str, words: str, other: str, *, swapped: bool = is_swapped) -> dict[str, str]:
        return {"key": key, "words": words, "address": address_of_pair(current, other, is_swapped=swapped)}

    ways = [way("[", gettext("Prior before"), near.before)] if near.before else []
    ways += [way("]", gettext("Next prior"), near.after)] if near.after else []
    ways.append(way("x", gettext("Swap"), prior, swapped=not is_swapped))
    ways.append({"key": "", "words": gettext("Study page"), "address": f"/studies/{current}"})
    place = {"place": near.place, "of": near.of}
    return {
        "label": gettext("Side by side"),
        "panes": [_pane(rows[study], is_current=study == current) for study in studies],
        "place": gettext("Prior %(place)s of %(of)s") % place if near.place else "",
        "rows": [gettext("above"), gettext("below")],
        "links": {str(link): gettext(words) for link, words in LINKS.items()},
        "ways": ways,
    }


def _pane(row: StudyRow, *, is_current: bool) -> dict[str, object]:
    on = day(row.date) if row.date else gettext("no date")
    words = f"{on} · {row.description or gettext('Study without a description')}"
    return {"is_current": is_current, "tag": gettext("Current") if is_current else gettext("Prior"), "words": words}


ROUTES: Final[list[BaseRoute]] = [
    Route("/compare", compare, methods=["GET"]),
    Route("/compare/open", tell, methods=["GET"]),
]
