"""Systems that ask for short-lived tokens by a JWT that they sign (RFC 7523, OAuth 2.0 client credentials)."""

import hashlib
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound
from imagebank.model.access import Role
from imagebank.model.client import Client
from imagebank.model.event import Act, Event

ALGORITHMS: Final = ("ES256", "ES384", "RS256", "EdDSA")
TOKEN_LASTS: Final = timedelta(minutes=10)
ASSERTION_LASTS: Final = timedelta(minutes=5)
_LEEWAY: Final = timedelta(seconds=30)
_LEAST_RSA_BITS: Final = 2048
_LONGEST_NAME: Final = 64
_LONGEST_ASSERTION: Final = 8192
_REFUSED: Final = "this assertion does not prove to be any system that is known here"


def add(bank: Bank, name: str, role: Role, organization: str, key: bytes) -> Client:
    """Let a system ask for tokens. Raises Invalid for a key that cannot be taken, Conflict for a name that is taken."""
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= _LONGEST_NAME:
        raise Invalid(f"a name has some letters, at most {_LONGEST_NAME}")
    client = Client(name, role, organization or bank.settings.organization, _public(key), bank.now())
    with bank.index.begin() as tx:
        if not tx.people.put_client(client):
            raise Conflict(f"a system is called {name} already; remove it first, or take another name")
        tx.record([_changed(bank, client.name, f"client added for role {role}")])
    return client


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
        raise NotFound(f"there is no system named {name}")


def _changed(bank: Bank, name: str, detail: str) -> Event:
    return Event(bank.now(), Act.CHANGED, name, bank.settings.organization, detail=detail)


def token(bank: Bank, assertion: str, endpoint: str, address: str = "") -> str:
    """A bearer token for the system that has signed an assertion for this endpoint.

    Raises NotFound alike for a system that is not known, and for an assertion that is not its own, not for us, too
    old, good for too long, or used.
    """
    client = _called(bank, assertion)
    try:
        _spend(bank, _claims(bank, client, assertion, endpoint))
    except (NotFound, JoseError, ValueError) as error:
        name, organization = (client.name, client.organization) if client else ("unknown", bank.settings.organization)
        bank.reads.refused(name, organization, "client assertion", address)
        raise NotFound(_REFUSED) from error
    assert client is not None
    days = TOKEN_LASTS / timedelta(days=1)
    return access.issue_token(bank, client.role, client.organization, client.name, days)


def _called(bank: Bank, assertion: str) -> Client | None:
    """The system that an assertion is about, as it says itself: nothing is believed yet."""
    if len(assertion) > _LONGEST_ASSERTION:
        return None
    payload = assertion.partition(".")[2].partition(".")[0]
    try:
        found = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=dict[str, Any])
    except ValueError:
        return None
    return bank.index.people.client(str(found.get("sub", "")))


def _claims(bank: Bank, client: Client | None, assertion: str, endpoint: str) -> dict[str, Any]:
    """What an assertion says (RFC 7523, 3). Raises JoseError, NotFound."""
    if client is None:
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
