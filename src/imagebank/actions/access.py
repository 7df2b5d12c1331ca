"""Knowing a caller: bearer tokens, one-time sign-in links, browser sessions.

Secrets are 256 random bits, so a plain SHA-256 is what is kept of them: there is nothing to guess.
"""

import hashlib
import secrets
from datetime import timedelta

from imagebank.actions import notify
from imagebank.actions.rights import principal
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import Principal, Role, Session, Token
from imagebank.model.account import Account
from imagebank.model.certificate import is_shown
from imagebank.model.event import Act, Event

LINK_MINUTES = 15
MAX_DAYS = 36_525
EXPIRED_TOKEN_DAYS = 30
"""How long an expired token is listed still: whoever looks why a device fails finds it there."""
_PREFIX = "ib_"
_NOTED_EVERY = timedelta(minutes=1)
PROOF_LASTS = timedelta(minutes=10)
"""How long after a proof of who they are somebody may do what is dangerous."""


def issue_token(
    bank: Bank, role: Role, organization: str = "", name: str = "", days: float = 365, certificate: str = ""
) -> str:
    """A new bearer token. It is shown once; the bank keeps its hash. Raises Invalid for a life of no length or no end.

    With the fingerprint of a certificate, it is good only together with that certificate.
    """
    if not 0 < days <= MAX_DAYS:
        raise Invalid("a token lives for some days, above 0 and at most {most}", most=MAX_DAYS)
    text = new_token()
    now = bank.now()
    token = Token(
        digest=digest_of(text),
        name=name or f"{role}-{secrets.token_hex(3)}",
        role=role,
        organization=organization or bank.settings.organization,
        created_at=now,
        expires_at=now + timedelta(days=days),
        certificate=certificate,
    )
    with bank.index.begin() as tx:
        tx.put_token(token)
        tx.record([Event(now, Act.CHANGED, token.name, token.organization, detail=f"token issued for role {role}")])
    return text


def new_token() -> str:
    """The text of a bearer token, not yet anybody's."""
    return _PREFIX + secrets.token_urlsafe(32)


def revoke_token(bank: Bank, name: str) -> None:
    """End every token of that name. Raises NotFound."""
    with bank.index.begin() as tx:
        ended = tx.revoke_token(name)
        if ended:
            tx.record([Event(bank.now(), Act.CHANGED, name, bank.settings.organization, detail="token revoked")])
    if not ended:
        raise NotFound("there is no token named {name}", name=name)


def bearer(bank: Bank, text: str, shown: str = "") -> Principal | None:
    """Who holds this bearer token; None when nobody does, it has expired, or its certificate was not shown with it.

    `shown` is the fingerprint of the certificate that came with the request.
    """
    token = bank.index.token(digest_of(text), bank.now())
    # RFC 8705 3: a token that is bound is worth nothing in other hands.
    if token is None or not is_shown(token.certificate, shown):
        return None
    return _who(bank, token)


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
        tx.put_link(digest_of(code), session)
    return code


def sign_in(bank: Bank, code: str, address: str = "") -> str:
    """Spend a sign-in code; the value of the session cookie. Raises NotFound, the same for unknown, spent and late."""
    with bank.index.begin() as tx:
        found = tx.use_link(digest_of(code), bank.now())
    if found is None:
        raise NotFound("this sign-in link has been used or is too old; ask for a new one")
    return _open_session(bank, found, address)


def sign_in_by_token(bank: Bank, text: str, address: str = "") -> str:
    """Open a browser session with a bearer token's rights, which ends with it; the cookie's value. Raises NotFound."""
    token = bank.index.token(digest_of(text.strip()), bank.now())
    # Of a token that is bound to a certificate no cookie is made: that would be good without it.
    if token is None or token.certificate:
        raise NotFound("nobody holds this token, or it has expired")
    return _open_session(bank, token, address)


def opened(bank: Bank, cookie: str) -> Session | None:
    """The session of this cookie; None when there is none, it has ended, or nobody has used it for a while."""
    now = bank.now()
    return bank.index.session(digest_of(cookie), now, now - idle_limit(bank))


def idle_limit(bank: Bank) -> timedelta:
    return timedelta(minutes=bank.settings.session_idle_minutes)


def session(bank: Bank, cookie: str) -> Principal | None:
    """Who is signed in with this cookie; None when nobody is. Asking prolongs nothing: see `use`."""
    found = opened(bank, cookie)
    return None if found is None else caller_of(bank, found)


def caller_of(bank: Bank, found: Session) -> Principal | None:
    """Whoever uses a session, as the rules have them now. None while the card opens nothing that it was opened with."""
    return _who(bank, found)


def _who(bank: Bank, known: Session | Token) -> Principal | None:
    found = principal(bank, known.name, known.role, known.organization)
    return None if found.role is Role.RECIPIENT and not found.scope.heeds else found


def is_to_be_noted(bank: Bank, found: Session) -> bool:
    """Whether the use of a session is to be written down: once a minute, or oftener under a short idle limit."""
    return bank.now() - found.seen_at >= min(_NOTED_EVERY, idle_limit(bank) / 10)


def use(bank: Bank, found: Session) -> None:
    """Note that a session is used, so that its idle time begins anew."""
    with bank.index.begin() as tx:
        tx.people.see_session(found.digest, bank.now())


def require_proof(bank: Bank, found: Session) -> None:
    """Raises NotAllowed when it is a while since the user of a session has proven who they are."""
    if bank.now() - found.proven_at > PROOF_LASTS:
        raise NotAllowed(
            "this needs a fresh proof that it is you, and nothing was changed: "
            "open /account/prove in this browser, or sign in anew, and then repeat it"
        )


def sign_out(bank: Bank, cookie: str, address: str = "") -> None:
    """End a session; ending it twice changes nothing."""
    found = opened(bank, cookie)
    with bank.index.begin() as tx:
        tx.end_session(digest_of(cookie))
        if found is not None:
            tx.record([Event(bank.now(), Act.SIGNED_OUT, found.name, found.organization, address)])


def sweep(bank: Bank) -> None:
    """Forget sessions, links, challenges and counted tries that have expired, and tokens that did so a month ago."""
    now = bank.now()
    with bank.index.begin() as tx:
        tx.sweep_expired(now, tokens=now - timedelta(days=EXPIRED_TOKEN_DAYS))
        tx.people.sweep(now)
        tx.cards.sweep_links(now)


def open_for(bank: Bank, account: Account, address: str, means: str) -> str:
    """A session for somebody who has just proven to be the owner of an account; the cookie's value."""
    now = bank.now()
    who = Session(b"", account.name, account.role, account.organization, now, now, account=account.id)
    return _open_session(bank, who, address, means)


def _open_session(bank: Bank, who: Session | Token, address: str, means: str = "") -> str:
    """A session for whoever a link, a token or an account names."""
    cookie = secrets.token_urlsafe(32)
    now = bank.now()
    token, account, ends = None, "", now + timedelta(hours=bank.settings.session_hours)
    if isinstance(who, Token):
        token, ends = who.digest, min(ends, who.expires_at)
    else:
        account = who.account
    made = Session(
        digest_of(cookie), who.name, who.role, who.organization, now, ends, token, account, address, now, now
    )
    with bank.index.begin() as tx:
        tx.put_session(made)
        tx.record([Event(now, Act.SIGNED_IN, who.name, who.organization, address, detail=means)])
        if account:
            notify.signed_in(bank, tx, account, address)
    return cookie


def digest_of(secret: str) -> bytes:
    """What is kept of a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()
