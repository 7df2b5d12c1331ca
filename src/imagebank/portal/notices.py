"""What the owner of an account was told, which of it is mailed, and where to; and the links that mails carry."""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import mailboxes, notices
from imagebank.errors import BankError, Conflict, Invalid, NotFound, TooOften, Unsupported, status_for
from imagebank.http.auth import address_of, bank_of, session_of
from imagebank.http.errors import HTTP_STATUS
from imagebank.model.access import Principal, Session
from imagebank.model.notice import CHOSEN, FIXED, Kind, Way
from imagebank.portal import language
from imagebank.portal.language import noted
from imagebank.portal.layout import for_the_signed_in, page, read_form, read_own_form, refused, see_other, too_often
from imagebank.portal.mails import WORDS
from imagebank.portal.proving import PageOf, of_a_session, of_the_proven
from imagebank.portal.signin import coming_back

_PAGE: Final = "/account/notices"
_MOST: Final = 20
_WAYS: Final = (
    (Way.ONCE, noted("at once")),
    (Way.DAILY, noted("once a day")),
    (Way.OFF, noted("no mail")),
)
Form = dict[str, str]


@of_a_session
async def show(request: Request, principal: Principal, found: Session) -> Response:
    return await _notices(request, principal, found)


async def _notices(request: Request, principal: Principal, found: Session, error: BankError | None = None) -> Response:
    """The page, with what went wrong."""
    bank, before = bank_of(request), _before(request)
    owner = notices.owner_of(found)
    listed = await run_in_threadpool(notices.listed, bank, owner, _MOST + 1, before)
    status = HTTPStatus.OK if error is None else status_for(error, HTTP_STATUS, HTTPStatus.INTERNAL_SERVER_ERROR)
    answer = page(
        request,
        "notices.html",
        status,
        principal,
        listed=listed[:_MOST],
        earlier=f"{_PAGE}?before={_micros(listed[_MOST - 1].at)}" if len(listed) > _MOST else "",
        is_first=before is None,
        unseen=await run_in_threadpool(notices.unseen, bank, owner),
        words=WORDS,
        kinds=[kind for kind in CHOSEN if kind not in FIXED],
        chosen=await run_in_threadpool(notices.ways, bank, owner),
        ways=_WAYS,
        mailbox=await run_in_threadpool(mailboxes.address_of, bank, owner),
        offered=await run_in_threadpool(mailboxes.offered, bank, owner),
        can_mail=bool(bank.settings.smtp),
        notice=error or "",
    )
    return too_often(answer) if isinstance(error, TooOften) else answer


def _before(request: Request) -> datetime | None:
    text = request.query_params.get("before", "")
    return (
        datetime.fromtimestamp(int(text) / 1e6, UTC) if text.isascii() and text.isdigit() and len(text) < 17 else None
    )


def _micros(at: datetime) -> int:
    return round(at.timestamp() * 1e6)


def changing(change: Callable[[Request, Session, Form], None]) -> PageOf:
    """Do what a form of the page asks for; on the page it is said what did not work."""

    async def changed(request: Request, principal: Principal, found: Session) -> Response:
        form = await read_own_form(request)
        try:
            await run_in_threadpool(change, request, found, form)
        except (Invalid, Conflict, NotFound, TooOften, Unsupported) as error:
            return await _notices(request, principal, found, error)
        return see_other(_PAGE)

    return changed


def see_all(request: Request, found: Session, _: Form) -> None:
    notices.see(bank_of(request), notices.owner_of(found))


def choose(request: Request, found: Session, form: Form) -> None:
    """Keep the ways of the kinds that the form names. Raises Invalid for a way that is none."""
    try:
        chosen = {kind: Way(form[kind]) for kind in CHOSEN if kind in form}
    except ValueError:
        raise Invalid("mail goes at once, once a day, or not at all") from None
    notices.choose(bank_of(request), notices.owner_of(found), chosen)


def offer(request: Request, found: Session, form: Form) -> None:
    mailboxes.offer(
        bank_of(request), notices.owner_of(found), form.get("address", ""), language.spoken(), address_of(request)
    )


def confirm(request: Request, found: Session, form: Form) -> None:
    mailboxes.confirm(
        bank_of(request), notices.owner_of(found), form.get("code", ""), language.spoken(), address_of(request)
    )


def remove(request: Request, found: Session, _: Form) -> None:
    mailboxes.remove(bank_of(request), notices.owner_of(found), address_of(request))


@for_the_signed_in
async def follow(request: Request, _: Principal) -> Response:
    """Go on to what a notice is about; mails lead here, so that they name nothing."""
    found = await session_of(request)
    whose = "" if found is None else found.owner
    return see_other(await run_in_threadpool(notices.follow, bank_of(request), request.path_params["notice"], whose))


async def ask_to_leave(request: Request) -> Response:
    """The page of a link that ends mails. Looking at it ends none: programs that check mail look at every link."""
    return page(request, "unsubscribe.html", ended=(), words=WORDS)


async def leave(request: Request) -> Response:
    """End mails like the one that carried this link, by our page or by a mail program's button (RFC 8058 3.2)."""
    bank, secret = bank_of(request), request.path_params["secret"]
    try:
        await read_form(request)
        ended: list[Kind] = await run_in_threadpool(notices.leave, bank, secret, address_of(request))
    except BankError as error:
        return refused(request, error)
    return page(request, "unsubscribe.html", ended=ended, words=WORDS)


ROUTES: list[BaseRoute] = [
    Route(_PAGE, coming_back(show), methods=["GET"]),
    Route(f"{_PAGE}/seen", of_a_session(changing(see_all)), methods=["POST"]),
    Route(f"{_PAGE}/choices", of_a_session(changing(choose)), methods=["POST"]),
    Route(f"{_PAGE}/address", of_the_proven(changing(offer)), methods=["POST"]),
    Route(f"{_PAGE}/code", of_a_session(changing(confirm)), methods=["POST"]),
    Route(f"{_PAGE}/remove", of_the_proven(changing(remove)), methods=["POST"]),
    Route("/notices/{notice}", coming_back(follow), methods=["GET"]),
    Route("/unsubscribe/{secret}", ask_to_leave, methods=["GET"]),
    Route("/unsubscribe/{secret}", leave, methods=["POST"]),
]
