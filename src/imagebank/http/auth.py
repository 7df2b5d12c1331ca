"""Who is asking: a bearer token or a session cookie, never both, and never a token in a URL."""

from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request

from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed
from imagebank.http.certificates import SHOWN
from imagebank.http.errors import NotSignedIn
from imagebank.http.quick import quickly
from imagebank.model.access import Principal, Session

COOKIE = "imagebank-session"
_OF_THIS_HOST = "__Host-"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def bank_of(request: HTTPConnection) -> Bank:
    """The bank that this application serves."""
    bank = request.app.state.bank
    assert isinstance(bank, Bank)
    return bank


def address_of(request: HTTPConnection) -> str:
    """Where the call comes from."""
    return request.client.host if request.client else ""


def origin_of(request: HTTPConnection) -> str:
    """The address of this bank as its caller knows it, without a final slash."""
    return (bank_of(request).settings.public_url or str(request.base_url)).rstrip("/")


def is_https(request: HTTPConnection) -> bool:
    """Whether browsers reach us by https, directly or through a proxy."""
    return request.url.scheme == "https" or bank_of(request).settings.public_url.startswith("https:")


def cookie_name(request: HTTPConnection, name: str) -> str:
    """How a cookie of ours is called: behind https so that no other host of the domain can set it (RFC 6265bis 4.1.3).

    By plain http, as on loopback, browsers refuse that prefix.
    """
    return _OF_THIS_HOST + name if is_https(request) else name


def cookie_of(request: HTTPConnection, name: str = COOKIE) -> str:
    """What a browser sends in a cookie of ours; empty for none."""
    if "cookie" not in request.headers:
        return ""  # a program, to which the name need not be worked out
    return request.cookies.get(cookie_name(request, name), "")


def certificate_of(request: HTTPConnection) -> str:
    """The fingerprint of the certificate that the caller has shown to a proxy of ours; empty for none."""
    return str(request.scope.get(SHOWN, ""))


async def caller(request: Request) -> Principal:
    """Who is asking. Raises NotSignedIn when nobody known is; Invalid when a request claims two identities.

    A request that changes something and carries a cookie must come from our own pages, or NotAllowed is raised.
    """
    found = await caller_if_any(request)
    if found is None:
        raise NotSignedIn
    return found


async def proven_caller(request: Request) -> Principal:
    """The same for what is dangerous: NotAllowed, too, when whoever uses a browser has not proven lately who they are."""
    principal = await caller(request)
    found = await session_of(request)
    if found is not None:
        access.require_proof(bank_of(request), found)
    return principal


async def session_of(request: Request) -> Session | None:
    """The browser session of a request; None for one with a bearer token, or of nobody."""
    bank, cookie = bank_of(request), cookie_of(request)
    if not cookie or request.headers.get("authorization"):
        return None
    return await quickly(bank, access.opened, bank, cookie)


async def caller_if_any(request: Request, *, prolongs: bool = True) -> Principal | None:
    """The same as `caller`, with None for nobody: for pages that anyone may read.

    Asking begins the idle time of a browser session anew, unless it is a program that asks by itself.
    """
    # For whatever the answer is noted in.
    request.state.caller = found = await _known(request, prolongs=prolongs)
    return found


async def _known(request: Request, *, prolongs: bool) -> Principal | None:
    authorization = request.headers.get("authorization", "")
    cookie = cookie_of(request)
    if authorization and cookie:
        # Else a link could carry somebody's token into somebody else's session.
        raise Invalid("send either a bearer token or a session cookie, not both")
    bank = bank_of(request)
    if authorization:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        return await quickly(bank, access.bearer, bank, text.strip(), certificate_of(request))
    if not cookie:
        return None
    if request.method not in _SAFE_METHODS and not is_from_our_pages(request):
        raise NotAllowed("this request did not come from our own pages")
    found = await quickly(bank, access.opened, bank, cookie)
    if found is None:
        return None
    if prolongs and access.is_to_be_noted(bank, found):
        await run_in_threadpool(access.use, bank, found)
    # For pages that say what is new in it.
    request.state.account = found.owner
    return access.caller_of(bank, found)


def is_from_our_pages(request: Request) -> bool:
    """Whether a browser says that one of our own pages made the request (Fetch Metadata, or Origin)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        return False
