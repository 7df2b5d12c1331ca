"""Signing in at the site's OpenID provider: authorization code with PKCE, and a role by group."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from imagebank.actions import access, notify
from imagebank.actions.identity import Provider, roles_text
from imagebank.actions.signing_in import PER_ADDRESS, UNKNOWN, count_answer, count_try, give_back_answer
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound, noted
from imagebank.model.access import LONG_AGO, Role, Session
from imagebank.model.event import Act, Event

ANSWER_WITHIN: Final = timedelta(minutes=10)
_KIND: Final = "provider"
_LONGEST_NAME: Final = 100
_REFUSED: Final = noted("the provider vouches for nobody whom this bank lets in")


@dataclass(frozen=True, slots=True)
class Errand:
    """What a browser that was sent to the provider has to come back with. Sealed, it lies with that browser."""

    state: str
    nonce: str
    verifier: str
    back: str


def is_offered(bank: Bank) -> bool:
    return bool(bank.settings.oidc_issuer and bank.settings.oidc_client_id)


def roles(texts: Sequence[str]) -> list[tuple[str, Role]]:
    """Which group has which role; the first that fits decides. Raises Invalid, naming what is wrong."""
    found = []
    for text in texts:
        group, name = roles_text(text)
        if name not in set(Role) - {Role.DEVICE, Role.SYSTEM, Role.PROXY, Role.RECIPIENT}:
            raise Invalid("{name!r} is no role that people of a provider can have", name=name)
        found.append((group, Role(name)))
    return found


def begin(bank: Bank, provider: Provider, back: str, address: str) -> tuple[str, str]:
    """Where a browser is sent, and the cookie that it has to come back with. Raises TooOften, Unavailable."""
    count_try(bank, (f"provider {address}", PER_ADDRESS))
    now = bank.now()
    errand = Errand(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), back)
    place = provider.place(now)
    with bank.index.begin() as tx:
        tx.people.put_challenge(access.digest_of(errand.state), _KIND, now + ANSWER_WITHIN)
    asked = {
        "response_type": "code",
        "client_id": bank.settings.oidc_client_id,
        "redirect_uri": back,
        "scope": bank.settings.oidc_scope,
        "state": errand.state,
        "nonce": errand.nonce,
        "code_challenge": _coded(hashlib.sha256(errand.verifier.encode()).digest()),
        "code_challenge_method": "S256",
        # A sign-in there that is older is no proof here of who somebody is (`access.require_proof`).
        "max_age": str(int(access.PROOF_LASTS.total_seconds())),
    }
    sign = "&" if urlsplit(place.authorization).query else "?"
    return place.authorization + sign + urlencode(asked), _coded(bank.seal.seal(msgspec.json.encode(errand)))


def finish(bank: Bank, provider: Provider, cookie: str, answer: Mapping[str, str], address: str = "") -> str:
    """Open a session for whom the provider vouches for; the cookie's value.

    Raises NotFound alike for an answer that was not asked for, one that is not believed, and somebody without a role
    here; TooOften after many of those from an address; Unavailable when the provider does not answer.
    """
    name = UNKNOWN
    count_answer(bank, _KIND, address)
    try:
        claims, access_token = _vouched(bank, provider, cookie, answer)
        name = _name(bank, claims)
        session = _opened(bank, name, _role(bank, provider, claims, access_token), claims, address)
    except (NotFound, Invalid) as error:
        # Whoever comes can have this said, so it is counted and not written at once.
        bank.reads.not_signed_in(name, _organization(bank), _KIND, address)
        raise NotFound(_REFUSED) from error
    give_back_answer(bank, _KIND, address)
    return session


def _vouched(bank: Bank, provider: Provider, cookie: str, answer: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    errand, now = _errand(bank, cookie), bank.now()
    is_ours = hmac.compare_digest(errand.state.encode(), answer.get("state", "").encode())
    # RFC 9207: a provider that names itself in the answer has to be ours.
    if not is_ours or answer.get("iss", bank.settings.oidc_issuer) != bank.settings.oidc_issuer:
        raise NotFound(_REFUSED)
    with bank.index.begin() as tx:
        is_first = tx.people.use_challenge(access.digest_of(errand.state), _KIND, now)
    if not is_first or not answer.get("code"):
        raise NotFound(_REFUSED)
    token, access_token = provider.exchanged(answer["code"], errand.verifier, errand.back, now)
    return provider.claims(token, errand.nonce, now), access_token


def _errand(bank: Bank, cookie: str) -> Errand:
    try:
        sealed = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
        return msgspec.json.decode(bank.seal.unseal(sealed), type=Errand)
    except (ValueError, msgspec.DecodeError) as error:
        raise Invalid("this browser was not sent to the provider") from error


def _name(bank: Bank, claims: Mapping[str, Any]) -> str:
    """How somebody stands in the ledger: with the provider's host and a slash, which no account of ours has."""
    claimed = claims.get(bank.settings.oidc_name)
    if not isinstance(claimed, str) or not claimed.isprintable() or not 0 < len(claimed) <= _LONGEST_NAME:
        raise NotFound(_REFUSED)
    return f"{urlsplit(bank.settings.oidc_issuer).hostname}/{claimed}"


def _role(bank: Bank, provider: Provider, claims: Mapping[str, Any], access_token: str) -> Role:
    settings = bank.settings
    groups = claims.get(settings.oidc_groups)
    if groups is None:
        groups = provider.told(access_token, claims["sub"], bank.now()).get(settings.oidc_groups)
    held = {groups} if isinstance(groups, str) else set(map(str, groups)) if isinstance(groups, list) else set()
    role = next((role for group, role in roles(settings.oidc_roles) if group in held), None)
    if role is None:
        raise NotFound(_REFUSED)
    return role


def _opened(bank: Bank, name: str, role: Role, claims: Mapping[str, Any], address: str) -> str:
    now, cookie, organization = bank.now(), secrets.token_urlsafe(32), _organization(bank)
    session = Session(
        access.digest_of(cookie),
        name,
        role,
        organization,
        now,
        now + timedelta(hours=bank.settings.session_hours),
        address=address,
        seen_at=now,
        proven_at=_proven_at(claims, now),
    )
    with bank.index.begin() as tx:
        tx.put_session(session)
        tx.record([Event(now, Act.SIGNED_IN, name, organization, address, detail=_KIND)])
        notify.signed_in(bank, tx, session.owner, address)
    return cookie


def _proven_at(claims: Mapping[str, Any], now: datetime) -> datetime:
    """When the provider has last seen a proof; a provider that does not say so has seen none lately."""
    at = claims.get("auth_time")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at <= now.timestamp():
        return LONG_AGO
    return datetime.fromtimestamp(at, UTC)


def _organization(bank: Bank) -> str:
    return bank.settings.oidc_organization or bank.settings.organization


def _coded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
