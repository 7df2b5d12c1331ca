"""A fresh proof of who uses a browser, before what is dangerous; afterwards its user is where they were.

A form that was sent without one is kept in the page, and sent by one more press. What is secret in it is not kept.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from imagebank.actions import access, passkey, signing_in
from imagebank.errors import BankError, NotAllowed, NotFound, TooOften
from imagebank.http.auth import address_of, bank_of, session_of
from imagebank.http.deliberate import deliberately
from imagebank.model.access import Principal, Session
from imagebank.portal.language import noted
from imagebank.portal.layout import for_the_signed_in, page, read_own_form, see_other, too_often
from imagebank.portal.signin import site_of

PageOf = Callable[[Request, Principal, Session], Awaitable[Response]]
PAGE: Final = "/account/prove"
_HOME: Final = "/account"
_OURS: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+(\?[A-Za-z0-9._~=&-]*)?")
_SECRETS: Final = frozenset({"password", "code", "secret", "token", "answer"})


def own_page(text: str) -> str:
    """The address of a page of ours, as it was given; empty for whatever else, such as another site's."""
    return text if _OURS.fullmatch(text) else ""


def of_a_session(show: PageOf) -> Callable[[Request], Awaitable[Response]]:
    """A page for somebody who is signed in with a browser."""

    @for_the_signed_in
    @wraps(show)
    async def shown(request: Request, principal: Principal) -> Response:
        found = await session_of(request)
        if found is None:
            raise NotAllowed("this page is for browsers in which somebody has signed in")
        return await show(request, principal, found)

    return shown


def of_the_proven(show: PageOf) -> Callable[[Request], Awaitable[Response]]:
    """The same for what is dangerous: others are asked for a proof first, and then come back to it."""

    @of_a_session
    @wraps(show)
    async def shown(request: Request, principal: Principal, found: Session) -> Response:
        try:
            access.require_proof(bank_of(request), found)
        except NotAllowed:
            return await _asked(request, principal, found)
        return await show(request, principal, found)

    return shown


async def _asked(request: Request, principal: Principal, found: Session) -> Response:
    """A proof is asked for. A form that waits for it goes along in the page, unless something in it is secret."""
    path = request.url.path
    if request.method != "POST":
        whole = path + (f"?{request.url.query}" if request.url.query else "")
        return see_other(f"{PAGE}?{urlencode({'then': own_page(whole) or own_page(path)})}")
    form = await read_own_form(request)
    fields = {name: value for name, value in form.items() if name != "csrf"}
    then = _page_above(request)
    if _SECRETS & fields.keys():
        return see_other(f"{PAGE}?{urlencode({'then': then})}")
    carried = {"then": then, "to": path, "kept": urlencode(fields)}
    return _page(request, principal, found, HTTPStatus.FORBIDDEN, carried)


def _page_above(request: Request) -> str:
    """The page on which a form stands: the nearest address above its own that can be looked at."""
    shown = {one.path for one in request.app.routes if isinstance(one, Route) and "GET" in (one.methods or ())}
    path = request.url.path
    while path and path not in shown:
        path = path.rpartition("/")[0]
    return path or _HOME


def _page(
    request: Request,
    principal: Principal,
    found: Session,
    status: int,
    carried: Mapping[str, str],
    notice: str | BankError = "",
) -> Response:
    has_account = bool(found.account)
    return page(request, "prove.html", status, principal, has_account=has_account, carried=carried, notice=notice)


def _carried(given: Mapping[str, str]) -> dict[str, str]:
    """What goes along with a proof: the page to come back to (`then`), and where a form goes that waits, with what was
    filled in (`to`, `kept`). An address that is none of ours is left out.
    """
    then, to = own_page(given.get("then", "")), own_page(given.get("to", ""))
    return {"then": then, "to": to, "kept": given.get("kept", "")} if to else {"then": then} if then else {}


@of_a_session
async def ask(request: Request, principal: Principal, found: Session) -> Response:
    """The page on which somebody proves again who they are."""
    return _page(request, principal, found, HTTPStatus.OK, _carried(request.query_params))


@of_a_session
async def by_password(request: Request, principal: Principal, found: Session) -> Response:
    form = await read_own_form(request)
    given = (form.get("password", ""), form.get("code", ""), address_of(request))
    try:
        await deliberately(request, signing_in.prove_by_password, bank_of(request), found, *given)
    except (NotFound, TooOften) as error:
        is_wrong = isinstance(error, NotFound)
        notice = noted("This is not your password, or not the code of your app.") if is_wrong else error
        status = HTTPStatus.FORBIDDEN if is_wrong else HTTPStatus.TOO_MANY_REQUESTS
        answer = _page(request, principal, found, status, _carried(form), notice)
        return answer if is_wrong else too_often(answer)
    return _on(request, principal, form)


@of_a_session
async def ask_passkey(request: Request, principal: Principal, found: Session) -> Response:
    """The page on which the browser asks for a passkey again."""
    carried = _carried(await read_own_form(request))
    options = await run_in_threadpool(passkey.offer_proof, bank_of(request), found, site_of(request))
    then = {"then": carried["then"]} if carried.get("then") else {}
    return page(
        request,
        "passkey.html",
        HTTPStatus.OK,
        principal,
        options=options,
        answer_to=f"{PAGE}/answer",
        back=f"{PAGE}?{urlencode(then)}" if then else PAGE,
        heading=noted("Prove that it is you with a passkey"),
        act=noted("Prove that it is you"),
        carried=carried,
    )


@of_a_session
async def by_passkey(request: Request, principal: Principal, found: Session) -> Response:
    form = await read_own_form(request)
    given = (bank_of(request), found, site_of(request), form.get("answer", ""), address_of(request))
    try:
        await run_in_threadpool(passkey.prove, *given)
    except NotFound as error:
        return _page(request, principal, found, HTTPStatus.FORBIDDEN, _carried(form), error)
    return _on(request, principal, form)


def _on(request: Request, principal: Principal, form: Mapping[str, str]) -> Response:
    """Back to where a proof was asked for; a form that waits is one press away."""
    carried = _carried(form)
    then = carried.get("then") or _HOME
    if not carried.get("to"):
        return see_other(then)
    kept = dict(parse_qsl(carried["kept"], keep_blank_values=True))
    return page(request, "proven.html", HTTPStatus.OK, principal, to=carried["to"], kept=kept, back=then)


ROUTES: list[BaseRoute] = [
    Route(PAGE, ask, methods=["GET"]),
    Route(PAGE, by_password, methods=["POST"]),
    Route(f"{PAGE}/passkey", ask_passkey, methods=["POST"]),
    Route(f"{PAGE}/answer", by_passkey, methods=["POST"]),
]
