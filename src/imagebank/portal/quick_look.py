"""A quick look at a study, alone or beside a prior: pictures that the server makes, gone through with links or with a script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import hanging, retrieve
from imagebank.bank import Bank
from imagebank.errors import Unsupported
from imagebank.exams.pairing import linked_by_view
from imagebank.http.auth import address_of, bank_of
from imagebank.model.access import Principal
from imagebank.model.imaging import Selection
from imagebank.model.stack import Link, Stack, link_of, linked
from imagebank.model.uid import Uid
from imagebank.portal import beside, comparing, launch, panes
from imagebank.portal.language import gettext, noted
from imagebank.portal.layout import ASKING, for_the_signed_in, page
from imagebank.portal.panes import Choice, Pane, Window

_WAY: Final = "portal quick look"
_MOST_DIGITS: Final = 7
# Usual windows of CT, in Hounsfield units.
_WINDOWS: Final[Mapping[str, tuple[str, Window]]] = {
    "brain": (noted("Brain"), (40, 80)),
    "tissue": (noted("Soft tissue"), (50, 400)),
    "lung": (noted("Lung"), (-600, 1500)),
    "bone": (noted("Bone"), (500, 2000)),
}
_IN_UNITS: Final = frozenset(("CT",))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for: which stack of the study and of a prior, which image from 1, and which window."""

    study: Uid
    series: str = ""
    number: int | None = None
    window: str = ""
    prior: Uid | None = None
    prior_series: str = ""

    def address(self, **other: object) -> str:
        """The same page with something else; an image belongs to its stack, so another stack begins in its middle."""
        given: dict[str, object] = {
            "series": self.series,
            "n": self.number or "",
            "window": self.window,
            "prior": self.prior or "",
            "prior_series": self.prior_series,
        }
        query = {name: value for name, value in (given | other).items() if value != ""}
        return f"/studies/{self.study}/look" + ("?" + urlencode(query) if query else "")


def read_wanted(study: Uid, params: Mapping[str, str]) -> Wanted:
    """What an address asks for; what is none of ours asks for nothing. Raises Invalid for a UID that is none."""
    number, prior = params.get("n", ""), params.get("prior", "")
    is_number = number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS
    return Wanted(
        study,
        params.get("series", "")[:130],
        max(int(number), 1) if is_number else None,
        params.get("window", "") if params.get("window", "") in _WINDOWS else "",
        Uid.parse(prior) if prior else None,
        params.get("prior_series", "")[:130],
    )


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """The page. Without a script its links lead from image to image."""
    wanted = read_wanted(Uid.parse(request.path_params["study"]), request.query_params)
    shown = await run_in_threadpool(_shown, bank_of(request), principal, wanted, address_of(request))
    answer = page(request, "quick-look.html", principal=principal, **shown)
    answer.headers.update(ASKING)
    return answer


def _shown(bank: Bank, principal: Principal, wanted: Wanted, address: str) -> dict[str, Any]:
    found = _looked(bank, principal, wanted, address)
    current = found[0]
    others = beside.of_study(bank, principal, wanted.study, address)
    near = comparing.neighbours(others.ranked, wanted.prior or "")
    wanted = replace(wanted, series=current.chosen.key, number=current.at + 1)
    if len(found) > 1:
        wanted = replace(wanted, prior_series=found[1].chosen.key)
    window = _WINDOWS[wanted.window][1] if wanted.window and current.chosen.modality in _IN_UNITS else None
    last = current.chosen.many
    return {
        "panes": found,
        "study": current.study,
        "wanted": wanted,
        "window": window,
        "beside": others,
        "viewer": _viewer(bank, principal, wanted),
        "linked": gettext(comparing.LINKS[current.link]),
        "windows": list(_windows(wanted, current)),
        "before": wanted.address(n=current.at) if current.at > 0 else "",
        "after": wanted.address(n=current.at + 2) if current.at + 1 < last else "",
        "prior_before": _beside(wanted, near.before),
        "prior_after": _beside(wanted, near.after or ("" if wanted.prior else others.prior)),
        "alone": wanted.address(prior="", prior_series="") if wanted.prior else "",
        "lay": {uid: _beside(wanted, uid) for uid in others.ranked},
    }


def _beside(wanted: Wanted, prior: str) -> str:
    """The same with another prior, whose stack is chosen anew; empty where there is none."""
    return wanted.address(prior=prior, prior_series="") if prior else ""


def _windows(wanted: Wanted, current: Pane) -> list[tuple[str, str, Window | None, bool]]:
    """Address, name, values and whether it is on; for images whose values mean the same on every device."""
    if current.chosen.modality not in _IN_UNITS:
        return []
    usual = (wanted.address(window=""), gettext("As made"), current.window, not wanted.window)
    return [usual] + [
        (wanted.address(window=key), gettext(name), values, wanted.window == key)
        for key, (name, values) in _WINDOWS.items()
    ]


def _viewer(bank: Bank, principal: Principal, wanted: Wanted) -> str:
    """Where the viewer opens the same; empty where it has nothing to show."""
    if wanted.prior:
        return comparing.address_of_pair(wanted.study, wanted.prior)
    instances = retrieve.select(bank, Selection(wanted.study), principal.scope)
    return launch.viewer_address(wanted.study, instances, Uid(wanted.series.partition(",")[0])) or ""


def _looked(bank: Bank, principal: Principal, wanted: Wanted, address: str) -> list[Pane]:
    """The pane, or the two that are linked. Raises Unsupported where a study has no picture."""
    studies = [wanted.study] + ([wanted.prior] if wanted.prior else [])
    pictures = [panes.pictures(bank, principal, study, _WAY, address) for study in studies]
    if not all(pictures):
        raise Unsupported("there is no picture in this study that can be shown here; open its objects one by one")
    found = [panes.choices(bank, principal, study, some) for study, some in zip(studies, pictures, strict=True)]
    at = None if wanted.number is None else wanted.number - 1
    if len(found) == 1:
        chosen = panes.chosen_of(found[0], wanted.series)
        return [panes.pane_of(bank, principal, found[0], chosen, at, is_current=True)]
    sides, places = _hung(bank, wanted, found)
    link, to, back = _links(bank, *sides)
    left, right = places
    if at is not None or left is None or right is None:
        left, right = at, None
    one = panes.pane_of(bank, principal, found[0], sides[0], left, is_current=True)
    other = panes.pane_of(bank, principal, found[1], sides[1], to[one.at] if right is None else right, is_current=False)
    return [replace(one, links=to, link=link), replace(other, links=back, link=link)]


def _hung(
    bank: Bank, wanted: Wanted, found: list[tuple[Choice, ...]]
) -> tuple[tuple[Choice, Choice], list[int | None]]:
    """What hangs on both sides: what was asked for, else what shows the same; and at which image, where one hangs alone."""
    keys = [wanted.series, wanted.prior_series]
    asked = [[panes.chosen_of(some, key)] if key else list(some) for some, key in zip(found, keys, strict=True)]
    hung = hanging.side_by_side(bank, [[one for choice in some for one in choice.pictures] for some in asked])
    if not hung:
        return (panes.chosen_of(found[0], keys[0]), panes.chosen_of(found[1], keys[1])), [None, None]
    firsts = [side[0] for side in hung]
    one, other = (_holding(some, stack) for some, stack in zip(asked, firsts, strict=True))
    return (one, other), [_place(side, stack) for side, stack in zip((one, other), firsts, strict=True)]


def _holding(found: Sequence[Choice], stack: Stack) -> Choice:
    """What can be chosen of which the stack is."""
    return next((one for one in found if _place(one, stack) is not None), None) or panes.chosen_of(found, stack.series)


def _place(chosen: Choice, stack: Stack) -> int | None:
    return next((at for at, one in enumerate(chosen.pictures) if one.uid == stack.instance), None)


def _links(bank: Bank, one: Choice, other: Choice) -> tuple[Link, tuple[int, ...], tuple[int, ...]]:
    """How the images of two stacks belong together, and for each of one that of the other, both ways."""
    ours, theirs = hanging.singles(bank, one.pictures), hanging.singles(bank, other.pictures)
    to, back = linked_by_view(ours, theirs), linked_by_view(theirs, ours)
    if to is not None and back is not None:
        return Link.VIEW, to, back
    here, there = hanging.places(bank, one.pictures), hanging.places(bank, other.pictures)
    link = link_of(here, there, one.many, other.many)
    return link, linked(here, there, one.many, other.many), linked(there, here, other.many, one.many)


ROUTES: Final[list[BaseRoute]] = [Route("/studies/{study}/look", show, methods=["GET"])]
