"""Systems that ask for short-lived tokens (OAuth 2.0 client credentials) by what only they can do.

That is to sign a JWT (RFC 7523), to show a TLS certificate (RFC 8705), or both: a system is asked for all that it is
registered with. Tokens of one with a certificate are good only together with it.
"""

import hashlib
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from imagebank.actions import access, certificates
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, noted
from imagebank.model.access import Role
from imagebank.model.certificate import is_shown
from imagebank.model.client import Client
from imagebank.model.event import Act, Event

ALGORITHMS: Final = ("ES256", "ES384", "RS256", "EdDSA")
TOKEN_LASTS: Final = timedelta(minutes=10)
ASSERTION_LASTS: Final = timedelta(minutes=5)
_LEEWAY: Final = timedelta(seconds=30)
_LEAST_RSA_BITS: Final = 2048
_LONGEST_NAME: Final = 64
_LONGEST_ASSERTION: Final = 8192
_REFUSED: Final = noted("this assertion does not prove to be any system that is known here")
_NOT_SHOWN: Final = noted("no certificate was shown that proves to be the system of this name")


def add(
    bank: Bank, name: str, role: Role, organization: str, key: bytes | None = None, certificate: bytes | None = None
) -> Client:
    """Let a system ask for tokens, by a public key (JWK), by a certificate (PEM), or by both together.

    Raises Invalid for what cannot be taken, Conflict for a name that is taken.
    """
    if not _is_name(name):
        raise Invalid("a name has some letters, at most {longest}", longest=_LONGEST_NAME)
    if key is None and certificate is None:
        raise Invalid("a system has a key, a certificate, or both")
    public = "" if key is None else _public(key)
    wanted = certificates.registered(bank, certificate)
    client = Client(name, role, organization or bank.settings.organization, public, bank.now(), wanted)
    with bank.index.begin() as tx:
        if not tx.people.put_client(client):
            raise Conflict("a system is called {name} already; remove it first, or take another name", name=name)
        tx.record([_changed(bank, client.name, f"client added for role {role}")])
    return client


def _is_name(text: str) -> bool:
    return text.isprintable() and text == text.strip() and 0 < len(text) <= _LONGEST_NAME


def _named(bank: Bank, name: str) -> Client | None:
    """The system of a name that may be anything; not every text is one that a database can be asked for."""
    return bank.index.people.client(name) if _is_name(name) else None


def _public(key: bytes) -> str:
    try:
        found = import_key(msgspec.json.decode(key, type=dict[str, Any]))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Invalid("the key is no JSON Web Key that can be read (RFC 7517)") from error
    if not isinstance(found, ECKey | RSAKey | OKPKey) or found.is_private:
        raise Invalid("give the public key only; the private one stays with the system, and is now to be replaced")
    curve = found.as_dict(private=False).get("crv", "")
    is_large = isinstance(found, RSAKey) and found.public_key.key_size >= _LEAST_RSA_BITS
    if not is_large and curve not in ("P-256", "P-384", "Ed25519"):
        raise Invalid("the key is to be on P-256, P-384 or Ed25519, or of RSA with at least 2048 bits")
    return msgspec.json.encode(found.as_dict(private=False)).decode()


def remove(bank: Bank, name: str) -> None:
    """Let a system ask for tokens no more, and end those that it has. Raises NotFound."""
    with bank.index.begin() as tx:
        is_gone = tx.people.remove_client(name)
        if is_gone:
            tx.revoke_token(name)
            tx.record([_changed(bank, name, "client removed")])
    if not is_gone:
        raise NotFound("there is no system named {name}", name=name)


def _changed(bank: Bank, name: str, detail: str) -> Event:
    return Event(bank.now(), Act.CHANGED, name, bank.settings.organization, detail=detail)


def token(bank: Bank, assertion: str, endpoint: str, address: str = "", shown: str = "") -> str:
    """A bearer token for the system that has signed an assertion for this endpoint.

    `shown` is the fingerprint of the certificate that came with the request. Raises NotFound alike for a system that
    is not known, for an assertion that is not its own, not for us, too old, good for too long, or used, and for one
    that comes without the certificate that its system has.
    """
    client = _called(bank, assertion)
    try:
        _spend(bank, _claims(bank, client, assertion, endpoint, shown))
    except (NotFound, JoseError, ValueError, RecursionError) as error:  # the last for JSON within JSON without end
        _note(bank, client, "client assertion", address)
        raise NotFound(_REFUSED) from error
    assert client is not None
    return _issued(bank, client)


def token_by_certificate(bank: Bank, name: str, shown: str, address: str = "") -> str:
    """A bearer token for the system of this name that has shown its certificate (RFC 8705 2).

    Raises NotFound alike for a system that is not known, that has another certificate, or that has a key to sign with.
    """
    client = _named(bank, name)
    if client is None or not _is_proven(client, shown):
        _note(bank, client, "client certificate", address)
        raise NotFound(_NOT_SHOWN)
    return _issued(bank, client)


def _is_proven(client: Client, shown: str) -> bool:
    """Whether a certificate is all that a system has, and this one was shown."""
    return bool(client.certificate) and not client.key and is_shown(client.certificate, shown)


def _issued(bank: Bank, client: Client) -> str:
    days = TOKEN_LASTS / timedelta(days=1)
    return access.issue_token(bank, client.role, client.organization, client.name, days, client.certificate)


def _note(bank: Bank, client: Client | None, means: str, address: str) -> None:
    """Put a refusal into the ledger."""
    name, organization = (client.name, client.organization) if client else ("unknown", bank.settings.organization)
    bank.reads.refused(name, organization, means, address)


def _called(bank: Bank, assertion: str) -> Client | None:
    """The system that an assertion is about, as it says itself: nothing is believed yet."""
    if len(assertion) > _LONGEST_ASSERTION:
        return None
    payload = assertion.partition(".")[2].partition(".")[0]
    try:
        found = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=dict[str, Any])
    except (ValueError, RecursionError):
        return None
    return _named(bank, str(found.get("sub", "")))


def _claims(bank: Bank, client: Client | None, assertion: str, endpoint: str, shown: str) -> dict[str, Any]:
    """What an assertion says (RFC 7523, 3). Raises JoseError, NotFound."""
    if client is None or not client.key or not is_shown(client.certificate, shown):
        raise NotFound(_REFUSED)
    now = bank.now()
    key = import_key(msgspec.json.decode(client.key))
    claims = dict(jwt.decode(assertion, key, algorithms=ALGORITHMS).claims)
    jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=int(_LEEWAY.total_seconds()),
        iss={"essential": True, "value": client.name},
        sub={"essential": True, "value": client.name},
        aud={"essential": True, "value": endpoint},
        exp={"essential": True},
        jti={"essential": True},
    ).validate(claims)
    if claims["exp"] > (now + ASSERTION_LASTS + _LEEWAY).timestamp():
        raise NotFound(_REFUSED)
    return claims


def _spend(bank: Bank, claims: dict[str, Any]) -> None:
    """Take an assertion once. Raises NotFound for one that was taken."""
    used = hashlib.sha256(f"{claims['sub']}\n{claims['jti']}".encode()).hexdigest()
    until = datetime.fromtimestamp(claims["exp"], UTC) + 2 * _LEEWAY
    with bank.index.begin() as tx:
        is_first = tx.people.count_attempt(f"jti {used}", bank.now(), until, 1)
    if not is_first:
        raise NotFound(_REFUSED)
