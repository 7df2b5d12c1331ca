"""The page to bring files in: a plain form that works without script, which `static/upload.js` makes resumable."""

import hmac
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import uploads
from imagebank.actions.unnamed import unnamed_file, write_all
from imagebank.actions.uploads import Became
from imagebank.errors import Invalid, NotAllowed, OutOfSpace
from imagebank.http.auth import address_of, bank_of, cookie_of, is_from_our_pages
from imagebank.http.multipart import Begin, Data, Splitter, boundary_of, media_type
from imagebank.model.access import Principal, Right
from imagebank.model.imaging import Outcome
from imagebank.model.region import REGIONS
from imagebank.model.upload import FIELDS, Department, Laterality, Technique, read_about
from imagebank.portal import proposed
from imagebank.portal.language import gettext, noted
from imagebank.portal.layout import ASKING, HEADERS, csrf_token, for_the_signed_in, page, read_own_form
from imagebank.portal.refusals import sentence, worded
from imagebank.portal.upload_words import upload_words

_FIELD_BYTES: Final = 4 << 10
_MOST_FIELDS: Final = 40
_BLOCK: Final = 1 << 20
WAY: Final = uploads.WAY
_SHORT: Final = 5
_DEPARTMENTS: Final = sorted(filter(None, Department))
_TECHNIQUES: Final = tuple(filter(None, Technique))
_SIDES: Final = {Laterality.RIGHT: noted("right"), Laterality.LEFT: noted("left"), Laterality.BOTH: noted("both")}


@dataclass(frozen=True, slots=True)
class Group:
    """Objects of which the same became, in the order in which a person has to look at them."""

    kind: str
    title: str
    next: str
    became: list[Became] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """What was tolerated of any of them, each once."""
        return list(dict.fromkeys(words for one in self.became for words in one.receipt.warnings))

    @property
    def is_short(self) -> bool:
        """Whether everything that is said of its objects can stand open."""
        return len(self.became) <= _SHORT


@for_the_signed_in
async def ask_for_files(request: Request, principal: Principal) -> Response:
    """The form."""
    principal.require(Right.STORE)
    return _form(request, principal, {})


@for_the_signed_in
async def take_files(request: Request, principal: Principal) -> Response:
    """Take in what a browser without script sends, file by file as it comes, and say what became of each."""
    principal.require(Right.STORE)
    fields, became, fault = await taken(request, principal, said_in)
    return _review(request, principal, became, fault) if became else _form(request, principal, fields, fault)


async def taken(
    request: Request, principal: Principal, said: Callable[[Mapping[str, str]], dict[str, str]]
) -> tuple[dict[str, str], list[Became], str]:
    """What a form has in its fields, what became of its files as far as they came, and what is wrong with it, in words.

    `said` makes of the fields what an upload is told; it raises Invalid.
    """
    fields: dict[str, str] = {}
    became: list[Became] = []
    fault = ""
    try:
        async for name, file, content in _parts(request):
            with content:
                if name != "file":
                    _note(fields, name, content)
                elif file:
                    _check_own(request, fields)
                    became += await run_in_threadpool(_take, request, principal, file, content, said(fields))
        _check_own(request, fields)
        said(fields)
        fault = "" if became else gettext("choose at least one file")
    except Invalid as error:
        fault = worded(error)
    return fields, became, fault


@for_the_signed_in
async def tell(request: Request, principal: Principal) -> Response:
    """What the bank said to the page's script in English, as a sentence in the language of the page."""
    uploads.require(principal)
    return PlainTextResponse(sentence((await read_own_form(request)).get("text", "")), headers=HEADERS)


def said_in(form: Mapping[str, str]) -> dict[str, str]:
    """What a form says of its files, by the names that an upload has for it. Raises Invalid in a person's words."""
    said = {name: form.get(name, "").strip() for name in FIELDS}
    names = [form.get(name, "").strip() for name in ("family_name", "given_name")]
    said["patient_name"] = "^".join(names).rstrip("^")
    whose = form.get("whose")
    if whose != "elsewhere":
        said["hospital"] = ""
    elif not said["hospital"]:
        raise Invalid("name the other hospital, so that its patient IDs are not taken for yours")
    if whose in ("nobody", "order", "elsewhere"):
        said |= dict.fromkeys(("patient_id", "patient_issuer", "patient_name", "birth_date", "sex"), "")
    if whose != "order":
        said |= {"order": "", "encounter": ""}
    elif not (said["order"] or said["encounter"]):
        raise Invalid("give the number of the order or of the visit, or choose that nobody is known yet")
    if whose not in ("nobody", "order", "elsewhere") and not said["patient_id"]:
        raise Invalid("give the patient ID, or choose that nobody is known yet")
    read_about(said)
    return {name: value for name, value in said.items() if value}


def _note(fields: dict[str, str], name: str, content: IO[bytes]) -> None:
    data = content.read(_FIELD_BYTES + 1)
    if len(data) > _FIELD_BYTES or len(fields) >= _MOST_FIELDS:
        raise Invalid("this form is too large; shorten what you typed")
    fields[name] = data.decode("utf-8", "replace")


def _check_own(request: Request, fields: Mapping[str, str]) -> None:
    """The token comes before the first file, so nothing is taken from a form of somebody else's."""
    wanted = csrf_token(cookie_of(request))
    if not is_from_our_pages(request) or not hmac.compare_digest(fields.get("csrf", "").encode(), wanted.encode()):
        raise NotAllowed("this form did not come from our own pages; open the page again and repeat it")


def _take(
    request: Request, principal: Principal, file: str, content: IO[bytes], said: Mapping[str, str]
) -> list[Became]:
    size = content.seek(0, 2)
    content.seek(0)
    pieces: Iterator[bytes] = iter(lambda: content.read(_BLOCK), b"")
    return uploads.take(bank_of(request), pieces, size, uploads.shown(file), said, principal, address_of(request))


async def _parts(request: Request) -> AsyncIterator[tuple[str, str, IO[bytes]]]:
    """The fields and files of a form, one at a time: name, name of the file, and what is in it, in an unnamed file.

    Raises Invalid for what is no form, OutOfSpace.
    """
    splitter = Splitter(boundary_of(media_type(request.headers.get("content-type", ""))))
    settings, number = bank_of(request).settings, 0
    names, content = ("", ""), unnamed_file(settings.data)
    try:
        async for chunk in request.stream():
            for event in splitter.feed(chunk):
                if isinstance(event, Begin):
                    number += 1
                    if number > settings.max_parts:
                        raise Invalid(
                            "a form may have {most} parts; send fewer files at a time", most=settings.max_parts
                        )
                    names = _named(event.headers)
                elif isinstance(event, Data):
                    await run_in_threadpool(_write, content, event.content)
                else:
                    content.seek(0)
                    whole, content = content, unnamed_file(settings.data)
                    yield *names, whole
        splitter.close()
    finally:
        content.close()


def _named(headers: Mapping[str, str]) -> tuple[str, str]:
    given = media_type(headers.get("content-disposition", "")).parameters
    # How browsers write what would end the text (HTML 4.10.22.8).
    return given.get("name", ""), given.get("filename", "").replace("%22", '"').replace("%0D", "").replace("%0A", "")


def _write(content: IO[bytes], data: bytes | memoryview) -> None:
    try:
        write_all(content, data)  # type: ignore[arg-type] # it is a plain file
    except OSError as error:
        raise OutOfSpace("there is no room on the disk to take these files in") from error


def _form(request: Request, principal: Principal, typed: Mapping[str, str], notice: str = "") -> Response:
    answer = page(
        request,
        "upload.html",
        HTTPStatus.UNPROCESSABLE_ENTITY if notice else HTTPStatus.OK,
        principal,
        typed=typed,
        notice=notice,
        departments=_DEPARTMENTS,
        regions=sorted(REGIONS.values(), key=lambda region: region.code.meaning),
        sides=_SIDES,
        techniques=_TECHNIQUES,
        issuer=principal.organization,
        words=upload_words(),
    )
    answer.headers.update(ASKING)
    return answer


def _review(request: Request, principal: Principal, became: list[Became], notice: str = "") -> Response:
    groups = grouped(became)
    return page(
        request,
        "upload-review.html",
        principal=principal,
        groups=groups,
        total=len(became),
        notice=notice,
        shown=proposed.shown,
    )


def grouped(became: list[Became]) -> list[Group]:
    """What became of many objects, what needs a person first; groups of nothing are left out."""
    groups = {
        "refused": Group("refused", noted("Not kept"), noted("Why stands beside each. Send again what can be mended.")),
        "quarantined": Group(
            "quarantined",
            noted("Kept apart"),
            noted("Kept safely, but not with the images yet. An administrator decides."),
        ),
        "unidentified": Group(
            "unidentified",
            noted("In, but nobody knows whose"),
            noted("They are kept. Somebody has to say whose they are."),
        ),
        "stored": Group("stored", noted("In"), ""),
        "duplicate": Group("duplicate", noted("Were here already"), noted("Nothing was kept twice.")),
        "read": Group("read", noted("Tables of contents of discs"), noted("What they name is looked for.")),
    }
    for one in became:
        is_new = one.receipt.outcome is Outcome.STORED
        groups["unidentified" if one.is_unidentified and is_new else str(one.receipt.outcome)].became.append(one)
    return [group for group in groups.values() if group.became]


ROUTES: Final[list[BaseRoute]] = [
    Route("/upload", ask_for_files, methods=["GET"]),
    Route("/upload", take_files, methods=["POST"]),
    Route("/upload/told", tell, methods=["POST"]),
]
