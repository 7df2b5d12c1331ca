"""Knowing a caller: bearer tokens, one-time sign-in links, browser sessions.

Secrets are 256 random bits, so a plain SHA-256 is what is kept of them: there is nothing to guess.
"""

import hashlib
import secrets
from datetime import timedelta

from imagebank.actions.rights import principal
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Principal, Role, Session, Token
from imagebank.model.event import Act, Event

LINK_MINUTES = 15
MAX_DAYS = 36_525
EXPIRED_TOKEN_DAYS = 30
"""How long an expired token is listed still: whoever looks why a device fails finds it there."""
_PREFIX = "ib_"


def issue_token(bank: Bank, role: Role, organization: str = "", name: str = "", days: float = 365) -> str:
    """A new bearer token. It is shown once; the bank keeps its hash. Raises Invalid for a life of no length or no end."""
    if not 0 < days <= MAX_DAYS:
        raise Invalid(f"a token lives for some days, above 0 and at most {MAX_DAYS}")
    text = _PREFIX + secrets.token_urlsafe(32)
    now = bank.now()
    token = Token(
        digest=_digest(text),
        name=name or f"{role}-{secrets.token_hex(3)}",
        role=role,
        organization=organization or bank.settings.organization,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    with bank.index.begin() as tx:
        tx.put_token(token)
        tx.record([Event(now, Act.CHANGED, token.name, token.organization, detail=f"token issued for role {role}")])
    return text


def revoke_token(bank: Bank, name: str) -> None:
    """End every token of that name. Raises NotFound."""
    with bank.index.begin() as tx:
        ended = tx.revoke_token(name)
        if ended:
            tx.record([Event(bank.now(), Act.CHANGED, name, bank.settings.organization, detail="token revoked")])
    if not ended:
        raise NotFound(f"there is no token named {name}")


def bearer(bank: Bank, text: str) -> Principal | None:
    """Who holds this bearer token; None when nobody does or it has expired."""
    token = bank.index.token(_digest(text), bank.now())
    return None if token is None else principal(bank, token.name, token.role, token.organization)


def sign_in_link(bank: Bank, role: Role, name: str, organization: str = "") -> str:
    """A code that signs a browser in, once, within a quarter of an hour."""
    code = secrets.token_urlsafe(32)
    now = bank.now()
    session = Session(
        digest=b"",
        name=name,
        role=role,
        organization=organization or bank.settings.organization,
        created_at=now,
        expires_at=now + timedelta(minutes=LINK_MINUTES),
    )
    with bank.index.begin() as tx:
        tx.put_link(_digest(code), session)
    return code


def sign_in(bank: Bank, code: str, address: str = "") -> str:
    """Spend a sign-in code; the value of the session cookie. Raises NotFound, the same for unknown, spent and late."""
    with bank.index.begin() as tx:
        found = tx.use_link(_digest(code), bank.now())
    if found is None:
        raise NotFound("this sign-in link has been used or is too old; ask for a new one")
    return _open_session(bank, found, address)


def sign_in_by_token(bank: Bank, text: str, address: str = "") -> str:
    """Open a browser session with a bearer token's rights, which ends with it; the cookie's value. Raises NotFound."""
    token = bank.index.token(_digest(text.strip()), bank.now())
    if token is None:
        raise NotFound("nobody holds this token, or it has expired")
    return _open_session(bank, token, address)


def session(bank: Bank, cookie: str) -> Principal | None:
    """Who is signed in with this cookie; None when nobody is."""
    found = bank.index.session(_digest(cookie), bank.now())
    return None if found is None else principal(bank, found.name, found.role, found.organization)


def sign_out(bank: Bank, cookie: str) -> None:
    """End a session; ending it twice changes nothing."""
    with bank.index.begin() as tx:
        tx.end_session(_digest(cookie))


def sweep(bank: Bank) -> None:
    """Forget sessions and sign-in links that have expired, and tokens that did so a month ago."""
    now = bank.now()
    with bank.index.begin() as tx:
        tx.sweep_expired(now, tokens=now - timedelta(days=EXPIRED_TOKEN_DAYS))


def _open_session(bank: Bank, who: Session | Token, address: str) -> str:
    """A session for whoever a link or a token names."""
    cookie = secrets.token_urlsafe(32)
    now = bank.now()
    token, ends = None, now + timedelta(hours=bank.settings.session_hours)
    if isinstance(who, Token):
        token, ends = who.digest, min(ends, who.expires_at)
    opened = Session(_digest(cookie), who.name, who.role, who.organization, now, ends, token)
    with bank.index.begin() as tx:
        tx.put_session(opened)
        tx.record([Event(now, Act.SIGNED_IN, who.name, who.organization, address)])
    return cookie


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
