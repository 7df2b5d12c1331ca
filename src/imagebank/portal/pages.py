"""The study list, a study, and an object: plain pages, made on the server, that need no script."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope as ASGIScope

from imagebank.actions import reports, retrieve, search
from imagebank.bank import Bank
from imagebank.dicom import document
from imagebank.errors import BankError, Invalid, NotFound, Unsupported
from imagebank.http.auth import address_of, bank_of, cookie_name, cookie_of, is_https
from imagebank.model.access import HOLDERS, OWNERS, Principal, Right, Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import DataSet, Instance, Selection
from imagebank.model.report import STATUSES
from imagebank.model.uid import Uid
from imagebank.portal import (
    account,
    activation,
    arrivals,
    beside,
    cards,
    closing,
    comparing,
    contributed,
    corrections,
    criteria,
    decisions,
    design,
    disclosures,
    doses,
    elsewhere,
    enrolment,
    fetches,
    forgotten,
    launch,
    my,
    my_dose,
    my_people,
    my_statement,
    notices,
    prefetched,
    provider,
    proving,
    quality,
    queue,
    quick_look,
    records,
    redeem,
    requests,
    sent,
    share,
    shell,
    signin,
    speaking,
    timeline,
    unknown_words,
    upload,
    waiting,
    waveform,
    wording,
)
from imagebank.portal.downloads import OBJECT, WAY, download_routes, selected
from imagebank.portal.layout import first_door, for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.refusals import worded
from imagebank.portal.rows import StudyRow, row_of, study_row, with_states
from imagebank.portal.signin import SEARCH_COOKIE

"""How a read of an object through these pages stands in the ledger."""
STUDY_PAGE = "portal study page"
"""How a look at the page of a study does: it says who the patient is and what was done."""


@dataclass(frozen=True, slots=True)
class SeriesCard:
    """One series on a study page. `viewer` is empty when the viewer has nothing to show of it."""

    uid: str
    modality: str
    number: str
    description: str
    objects: tuple["ObjectLink", ...]
    first: "ObjectLink"
    is_picture: bool
    pictures: int
    viewer: str


@dataclass(frozen=True, slots=True)
class ObjectLink:
    """One object: where its page is, and how it is called there."""

    uid: str
    address: str
    kind: launch.Kind
    name: str


@for_the_signed_in
async def list_studies(request: Request, principal: Principal) -> Response:
    """The list; who may not search, sees their own images, or what a card opens, is led to the first page that is theirs.

    Refused where there is none.
    """
    is_elsewhere = Right.FIND not in principal.rights or principal.role in HOLDERS
    if is_elsewhere and (door := first_door(principal)):
        return see_other(door)
    principal.require(Right.FIND)
    sought = _sought(request)
    return await _list(request, principal, sought, _page_number(request))


@for_the_signed_in
async def seek(request: Request, principal: Principal) -> Response:
    """Keep the criteria in a cookie and go back to the list, so that no name stands in an address or a log."""
    form = await read_own_form(request)
    principal.require(Right.FIND)
    sought = criteria.Criteria() if "clear" in form else criteria.read(form)
    try:
        criteria.query(sought, bank_of(request).catalogue)
    except Invalid as error:
        return await _list(request, principal, sought, 1, notice=worded(error))
    response = see_other("/")
    sealed = criteria.seal(sought, cookie_of(request))
    name = cookie_name(request, SEARCH_COOKIE)
    response.set_cookie(name, sealed, path="/", httponly=True, secure=is_https(request), samesite="strict")
    return response


async def _list(
    request: Request, principal: Principal, sought: criteria.Criteria, number: int, notice: str = ""
) -> Response:
    bank = bank_of(request)
    asked = (bank, principal, sought, number, address_of(request))
    total, rows = (search.Total(0), []) if notice else await run_in_threadpool(_rows, *asked)
    return page(
        request,
        "studies.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK,
        principal,
        sought=sought,
        rows=rows,
        total=total,
        number=number,
        first=(number - 1) * criteria.PAGE_SIZE + 1,
        is_last=number * criteria.PAGE_SIZE >= total.number,
        notice=notice,
    )


def _rows(
    bank: Bank, principal: Principal, sought: criteria.Criteria, number: int, address: str
) -> tuple[search.Total, list[StudyRow]]:
    query, scope = criteria.query(sought, bank.catalogue, number), principal.scope
    search.searching(bank, principal, query, WAY, address)
    rows = [row_of(found.attributes) for found in search.find(bank, query, scope)]
    return search.total(bank, query, scope), with_states(bank, rows, scope)


def _sought(request: Request) -> criteria.Criteria:
    sealed = cookie_of(request, SEARCH_COOKIE)
    return criteria.unseal(sealed, cookie_of(request)) if sealed else criteria.Criteria()


def _page_number(request: Request) -> int:
    text = request.query_params.get("page", "1")
    return min(max(int(text), 1), 100_000) if text.isascii() and text.isdigit() and len(text) < 8 else 1


@for_the_signed_in
async def show_study(request: Request, principal: Principal) -> Response:
    bank = bank_of(request)
    study = Uid.parse(request.path_params["study"])
    shown = await run_in_threadpool(_study, bank, principal, study, address_of(request))
    if principal.role in OWNERS:
        shown |= await run_in_threadpool(my.study_page, bank, principal, study)
        can_share = shell.is_there(request, "/my/share")
        return page(request, "my-study.html", HTTPStatus.OK, principal, can_share=can_share, **shown)
    chosen = await run_in_threadpool(beside.of_study, bank, principal, study, address_of(request))
    told = await run_in_threadpool(doses.of_study, bank, principal, study)
    return page(request, "study.html", HTTPStatus.OK, principal, beside=chosen, dose=told, **shown)


def _study(bank: Bank, principal: Principal, study: Uid, address: str) -> dict[str, object]:
    instances = retrieve.select(bank, Selection(study), principal.scope)
    # Once, however many objects there are: none of them is given out here. What a search tells needs no more right.
    retrieve.reading(bank, principal, instances[:1], STUDY_PAGE, address, Right.FIND)
    by_series: dict[Uid, list[Instance]] = {}
    for instance in instances:
        by_series.setdefault(instance.series, []).append(instance)
    named = {wording.text(found, "0020000E"): found for found in _series_of(bank, principal.scope, study)}
    cards = [_card(study, named.get(str(series), {}), members, instances) for series, members in by_series.items()]
    return {
        "study": study_row(bank, study, principal.scope),
        "cards": cards,
        "viewer": launch.viewer_address(study, instances),
        "arrival": arrivals.of_study(bank, study, principal),
        "reports": _reports(bank, principal, study, address),
        **waiting.of_study(bank, principal, study),
        "status_words": STATUSES,
        "can_look": any(card.is_picture for card in cards),
    }


@dataclass(frozen=True, slots=True)
class ReportCard:
    """The newest version of a report, and those before it."""

    newest: reports.Told
    former: tuple[reports.Told, ...]


def _reports(bank: Bank, principal: Principal, study: Uid, address: str) -> list[ReportCard]:
    """The reports of a study, for those who may read objects, too."""
    if Right.GET not in principal.rights:
        return []
    versions: dict[str, list[reports.Told]] = {}
    for told in reports.of_study(bank, study, principal, address):
        versions.setdefault(told.report.number, []).append(told)
    return [ReportCard(found[0], tuple(found[1:])) for found in versions.values()]


def _series_of(bank: Bank, scope: Scope, study: Uid) -> list[DataSet]:
    return [found.attributes for found in search.of_studies(bank, [study], scope, Level.SERIES)]


def _card(study: Uid, found: DataSet, members: list[Instance], instances: list[Instance]) -> SeriesCard:
    series = members[0].series
    shown = launch.series_for_viewer(instances)
    middle = members[(len(members) - 1) // 2]
    return SeriesCard(
        uid=series,
        modality=wording.text(found, "00080060"),
        number=wording.text(found, "00200011"),
        description=wording.text(found, "0008103E"),
        objects=tuple(_link(member) for member in members),
        first=_link(middle),
        is_picture=launch.kind_of(middle) is launch.Kind.PICTURE,
        pictures=sum(member.pixels.frames for member in members if member.pixels is not None),
        viewer=(launch.viewer_address(study, instances, series) or "") if series in shown else "",
    )


def _link(instance: Instance) -> ObjectLink:
    address = f"/studies/{instance.study}/series/{instance.series}/instances/{instance.uid}"
    return ObjectLink(instance.uid, address, launch.kind_of(instance), document.named(instance.sop_class))


@for_the_signed_in
async def show_object(request: Request, principal: Principal) -> Response:
    bank = bank_of(request)
    selection = selected(request)
    frame = _frame_number(request)
    shown = await run_in_threadpool(_object, bank, principal, selection, address_of(request))
    return page(request, "object.html", HTTPStatus.OK, principal, frame=frame, **shown)


def _frame_number(request: Request) -> int:
    text = request.query_params.get("frame", "1")
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) < 8 else 1


def _object(bank: Bank, principal: Principal, selection: Selection, address: str) -> dict[str, object]:
    assert selection.study is not None
    siblings = retrieve.select(bank, Selection(selection.study, selection.series), principal.scope)
    place = next((i for i, member in enumerate(siblings) if member.uid == selection.instance), None)
    if place is None:
        raise NotFound("there is no such object here")
    instance = siblings[place]
    retrieve.reading(bank, principal, [instance], WAY, address)
    kind = launch.kind_of(instance)
    attributes = retrieve.attributes(bank, instance)
    shown: dict[str, object] = {"document": None, "strips": [], "trouble": ""}
    try:
        if kind is launch.Kind.WAVEFORM:
            shown["strips"] = waveform.strips(attributes, lambda uri: _bulk(bank, instance, uri))
        elif instance.pixels is None and kind is not launch.Kind.DOCUMENT:
            shown["document"] = _words(attributes, _linking(bank, principal.scope, selection.study))
    except BankError as error:
        shown["trouble"] = worded(error)
    return {
        **shown,
        "study": study_row(bank, selection.study, principal.scope),
        "instance": instance,
        "link": _link(instance),
        "file": bank.index.original(instance.uid, principal.scope),
        "kind": kind,
        "is_playable": launch.is_playable(instance),
        "frames": instance.pixels.frames if instance.pixels else 0,
        "modality": wording.text(attributes, "00080060"),
        "title": document.title(attributes),
        "place": place + 1,
        "of": len(siblings),
        "before": _link(siblings[place - 1]) if place else None,
        "after": _link(siblings[place + 1]) if place + 1 < len(siblings) else None,
    }


def _linking(bank: Bank, scope: Scope, study: Uid) -> document.Link:
    """Where what a report points at has its page: for objects of its own study that the caller may see."""
    instances = {str(instance.uid): instance for instance in retrieve.select(bank, Selection(study), scope)}
    series = {wording.text(found, "0020000E"): found for found in _series_of(bank, scope, study)}

    def link(uid: str) -> tuple[str, str] | None:
        instance = instances.get(uid)
        if instance is None:
            return None
        found = _link(instance)
        number = wording.text(series.get(str(instance.series), {}), "00200011")
        words = [found.name, "" if instance.number is None else str(instance.number)]
        return found.address, " ".join(filter(None, words)) + (f" of series {number}" if number else "")

    return link


def _words(attributes: DataSet, link: document.Link) -> Markup | None:
    """What a report or a presentation state says; None for an object without words, whose page says so."""
    try:
        return Markup(document.html(attributes, 2, link, has_title=False))  # noqa: S704 - it is escaped already
    except Unsupported:
        return None


def _bulk(bank: Bank, instance: Instance, uri: str) -> bytes:
    found = retrieve.bulk(bank, instance, uri.removeprefix(retrieve.bulk_base(instance)))
    return b"".join(found.read(0, found.size))


class _Static(StaticFiles):
    """Style sheets and the mark: asked for again each time, so that an upgrade is seen at once."""

    async def get_response(self, path: str, scope: ASGIScope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update({"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
        return response


def portal_routes() -> list[BaseRoute]:
    """Pages, sign-in and static files, to be served at the root."""
    return [
        Route("/", list_studies, methods=["GET"]),
        Route("/search", seek, methods=["POST"]),
        Route("/studies/{study}", show_study, methods=["GET"]),
        Route(OBJECT, show_object, methods=["GET"]),
        *download_routes(),
        *corrections.ROUTES,
        *quality.ROUTES,
        *unknown_words.ROUTES,
        *prefetched.ROUTES,
        *waiting.ROUTES,
        *decisions.ROUTES,
        *provider.ROUTES,
        *signin.ROUTES,
        *speaking.ROUTES,
        *activation.ROUTES,
        *enrolment.ROUTES,
        *fetches.ROUTES,
        *elsewhere.ROUTES,
        *sent.ROUTES,
        *requests.ROUTES,
        *closing.ROUTES,
        *contributed.ROUTES,
        *account.ROUTES,
        *proving.ROUTES,
        *forgotten.ROUTES,
        *notices.ROUTES,
        *disclosures.ROUTES,
        *arrivals.ROUTES,
        *upload.ROUTES,
        *timeline.ROUTES,
        *records.ROUTES,
        *redeem.ROUTES,
        *my.ROUTES,
        *my_people.ROUTES,
        *share.ROUTES,
        *cards.ROUTES,
        *my_dose.ROUTES,
        *my_statement.ROUTES,
        *beside.ROUTES,
        *comparing.ROUTES,
        *quick_look.ROUTES,
        *queue.ROUTES,
        *design.ROUTES,
        Mount("/static", _Static(directory=Path(__file__).parent / "static")),
    ]
