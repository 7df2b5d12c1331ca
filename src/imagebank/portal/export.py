"""Pages to take studies along: what and how, with sizes before anything begins, then how far it is and where its file is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import destinations, exporting
from imagebank.actions.export_survey import Size
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.http.auth import address_of, bank_of
from imagebank.http.exports import AGAIN_S, given
from imagebank.model.access import Principal
from imagebank.model.export import LONGEST_PASSWORD, MOST_STUDIES, SHORTEST_PASSWORD, Format, Progress, Wish
from imagebank.model.uid import Uid
from imagebank.portal import language
from imagebank.portal.language import gettext, noted
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other
from imagebank.portal.look import look_of
from imagebank.portal.refusals import sentence
from imagebank.portal.rows import StudyRow, rows_of

_LONGEST_FORM: Final = 64 << 10
_FORMATS: Final[Mapping[str, tuple[str, str]]] = {
    Format.ZIP: (noted("For a doctor"), noted("one ZIP file with everything, to import elsewhere and to look at")),
    Format.ISO: (noted("A disc"), noted("an image to burn on a DVD, with the same content")),
    Format.PICTURES: (
        noted("For my phone"),
        noted("plain pictures, films and PDF, without your name in the file names"),
    ),
}
_MEDIA: Final = (
    (700, noted("fits on a CD")),
    (4_480, noted("fits on a DVD")),
    (23_800, noted("fits on a Blu-ray disc")),
)
# The texts of an export's own pages; they stand in `packing.pages`, and here for translators.
WORDS: Final = (
    noted("Medical images"),
    noted("Patient"),
    noted("Born %(day)s"),
    noted("ID %(number)s"),
    noted("Series %(number)s"),
    noted("Study without a description"),
    noted("Series without a description"),
    noted("Look at the pictures"),
    noted("%(shown)s of %(pictures)s pictures are shown here. All are in the folder DICOM."),
    noted("Nothing of it can be shown here. Open the folder DICOM with a DICOM program."),
    noted("Reports, documents and films"),
    noted("Film %(number)s"),
    noted("Document %(number)s"),
    noted(
        "For a doctor: import this disc or folder with your DICOM program. Its table of contents is the file DICOMDIR."
    ),
    noted("These pictures are for looking at. A diagnosis needs the images in the folder DICOM."),
    noted("Back to the list"),
    noted("Earlier picture"),
    noted("Later picture"),
    noted("Picture"),
    noted("Scroll with the mouse wheel, the arrow keys, or by moving a finger up and down."),
    noted("The brightness is that with which the picture was made, or one that fits it, and cannot be changed here."),
    noted("Made by %(software)s."),
    noted("Added by the patient"),
)


def translate(asked: str) -> tuple[str, dict[str, str]]:
    """The best known language of an Accept-Language field, and the texts of an export's pages in it."""
    return language.chosen(asked), _words(language.chosen(asked))


def _words(chosen: str) -> dict[str, str]:
    language.speak(chosen)
    return {} if chosen == language.ENGLISH else {text: gettext(text) for text in WORDS}


@dataclass(frozen=True, slots=True)
class Line:
    """One study of an export, with what it would bring."""

    study: StudyRow
    size: Size
    megabytes: str


@for_the_signed_in
async def choose(request: Request, principal: Principal) -> Response:
    """What would be exported, how large it is, and as what."""
    return await _choices(request, principal, request.query_params.getlist("study"), {})


async def _choices(
    request: Request, principal: Principal, studies: list[str], typed: Mapping[str, str], notice: Invalid | None = None
) -> Response:
    if not studies:
        raise Invalid("choose at least one study, then export")
    if len(studies) > MOST_STUDIES:
        raise Invalid("these are more studies than one export holds; choose fewer")
    uids = list(dict.fromkeys(Uid.parse(study) for study in studies))
    lines = await run_in_threadpool(_lines, bank_of(request), uids, principal)
    size = sum(line.size.bytes for line in lines)
    return page(
        request,
        "export.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK,
        principal,
        lines=lines,
        chosen=" ".join(uids),
        objects=sum(line.size.objects for line in lines),
        reports=sum(line.size.reports for line in lines),
        size=megabytes(size),
        medium=next((gettext(words) for most, words in _MEDIA if size <= most * 1_000_000), ""),
        formats={name: (gettext(title), gettext(words)) for name, (title, words) in _FORMATS.items()},
        typed=typed,
        shortest=SHORTEST_PASSWORD,
        longest=LONGEST_PASSWORD,
        notice=sentence(notice) if notice else "",
        places=await run_in_threadpool(destinations.offered_to, bank_of(request), principal),
    )


def _lines(bank: Bank, studies: list[Uid], principal: Principal) -> list[Line]:
    principal.require_taking()
    sizes = exporting.sizes(bank, studies, principal)
    rows = rows_of(bank, studies, principal.scope)
    return [Line(rows[size.study], size, megabytes(size.bytes)) for size in sizes if size.study in rows]


def megabytes(size: int) -> str:
    """`5.2 GB`, `12 MB`, `1 MB`: as discs and telephones are counted."""
    if size >= 1_000_000_000:
        return f"{size / 1e9:.1f} GB"
    return f"{max(1, round(size / 1e6))} MB"


@for_the_signed_in
async def begin(request: Request, principal: Principal) -> Response:
    """Begin the export that was chosen."""
    form = await read_own_form(request, _LONGEST_FORM)
    studies = form.get("studies", "").split()
    try:
        wish = Wish.parse(
            studies, form.get("format", ""), reports="reports" in form, password=form.get("password", "").strip()
        )
    except Invalid as error:
        return await _choices(request, principal, studies, form, error)
    spoken = look_of(request).language or language.chosen(request.headers.get("accept-language", ""))
    wish = replace(wish, language=spoken, words=_words(spoken))
    made = await run_in_threadpool(exporting.begin, bank_of(request), wish, principal)
    return see_other(f"/exports/{made.name}")


@for_the_signed_in
async def show(request: Request, principal: Principal) -> Response:
    """How far an export is; while it is made, the page comes again by itself."""
    found = await run_in_threadpool(exporting.progress, bank_of(request), request.path_params["export"], principal)
    answer = page(request, "exported.html", HTTPStatus.OK, principal, export=found, size=_size(found))
    if not found.is_ready:
        answer.headers["Refresh"] = str(AGAIN_S)
    return answer


def _size(found: Progress) -> str:
    return megabytes(found.bytes) if found.is_ready else ""


@for_the_signed_in
async def take(request: Request, principal: Principal) -> Response:
    """The file."""
    name = request.path_params["export"]
    export = await run_in_threadpool(exporting.opened, bank_of(request), name, principal, address_of(request))
    return given(request, export)


@for_the_signed_in
async def let_go(request: Request, principal: Principal) -> Response:
    """Delete an export; the studies stay."""
    await read_own_form(request)
    await run_in_threadpool(exporting.end, bank_of(request), request.path_params["export"], principal)
    return see_other("/")


ROUTES: Final[list[BaseRoute]] = [
    Route("/export", choose, methods=["GET"]),
    Route("/export", begin, methods=["POST"]),
    Route("/exports/{export}", show, methods=["GET"]),
    Route("/exports/{export}/file", take, methods=["GET"]),
    Route("/exports/{export}/delete", let_go, methods=["POST"]),
]
