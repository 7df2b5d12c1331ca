"""Systems whose doctors are warned at the order: listed in a file of the site's, and believed when a JWT of theirs is sound.

CDS Hooks 2.0, "Trusting CDS Clients": the issuer and its keys are listed here, and nothing that a token says leads anywhere
else.
"""

import hashlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet

from imagebank.actions import rights
from imagebank.actions.identity import Fetch, host_of
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotFound, Unavailable, noted
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.account import folded
from imagebank.model.person import PatientId
from imagebank.settings import Language, read_toml

ALGORITHMS: Final = ("ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA")
"""Signatures by keys of which only the client has the private half: never `none`, never a shared secret."""
LASTS: Final = timedelta(minutes=5)
"""How long a token may be good for."""
_LEEWAY: Final = timedelta(seconds=30)
_FRESH: Final = timedelta(hours=1)
_AGAIN: Final = timedelta(minutes=1)
"""How soon keys are asked for again when a token names one that is not among them."""
_PAUSE: Final = timedelta(seconds=10)
"""How long nobody is asked again who did not give keys: tokens that prove nothing would have them asked without end."""
_LONGEST: Final = 16 << 10
_MOST_KEYS: Final = 50
_LEAST_RSA_BITS: Final = 2048
_NO_KEYS: Final = noted("the keys of {name} are not to be had; try again")
_REFUSED: Final = noted("this token does not prove to be any system that is listed here")

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A system that calls by CDS Hooks: who it is, for whom it asks, and by which keys it signs.

    `jwks` are its public keys themselves, `jku` is where they are asked for; one of both. `systems` says which
    organization of ours gives the patient identifiers that are of a system (a URI) there. `fhir_servers` are asked for a
    patient where a call does not bring one along. `language` is that of its cards where a call asks for none.

    `users` says how its users are called here, by the reference that `userId` has (`Practitioner/7`): nothing is told
    that they do not see themselves. With `only_users` nothing is told to others.
    """

    name: _Text
    iss: _Text
    organization: _Text
    role: Literal["clinician", "referrer", "technologist"] = "clinician"
    jwks: dict[str, Any] | None = None
    jku: str = ""
    systems: dict[str, str] = {}
    fhir_servers: tuple[str, ...] = ()
    language: Language | None = None
    users: dict[str, _Text] = {}
    only_users: bool = False

    def patient(self, system: str, value: str) -> PatientId | None:
        """Whom an identifier of this system names; None where nothing says whose it is."""
        issuer = self.systems.get(system, "")
        return PatientId(issuer, value) if issuer and value else None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    client: tuple[Client, ...]


@lru_cache(maxsize=4)
def listed(file: Path | None) -> Mapping[str, Client]:
    """The clients of a file by their issuer; none without a file. Raises Invalid, naming the client, and SettingsError."""
    if file is None:
        return {}
    try:
        found = msgspec.convert(read_toml(file), _File).client
    except msgspec.ValidationError as error:
        raise Invalid("{file}: {reason}", file=str(file), reason=str(error)) from None
    for one in found:
        try:
            _check(one)
        except BankError as error:
            raise Invalid("{file}: the client {name}: {reason}", file=str(file), name=one.name, reason=error) from None
    by_issuer = {one.iss: one for one in found}
    if len(by_issuer) != len(found):
        raise Invalid("{file}: two clients have one iss", file=str(file))
    return by_issuer


def _check(one: Client) -> None:
    """Raises Invalid, Unavailable for an address that others could read along."""
    if (one.jwks is None) == (not one.jku):
        raise Invalid("it has jwks or jku, and one of both")
    if one.jwks is not None:
        _keys(one.jwks)
    for address in (*filter(None, (one.jku,)), *one.fhir_servers):
        parts = urlsplit(address)
        host_of(address)
        if parts.username or parts.fragment or (parts.query and address != one.jku):
            raise Invalid("an address has no name, question or fragment")


def _keys(jwks: Mapping[str, Any]) -> KeySet:
    """Public keys to verify by. Raises Invalid for keys that are none, are secrets, or are too short."""
    given = jwks.get("keys")
    if not isinstance(given, list) or not 0 < len(given) <= _MOST_KEYS:
        raise Invalid("its keys are a JWK Set with one key at least")
    signing = [key for key in given if isinstance(key, dict) and key.get("use", "sig") == "sig"]
    if any(key.get("kty") == "oct" or "d" in key for key in signing):
        raise Invalid("its keys are public ones")
    # Base64 (RFC 7518 6.3.1.1) has six bits a letter.
    if any(key.get("kty") == "RSA" and 6 * len(str(key.get("n", ""))) < _LEAST_RSA_BITS for key in signing):
        raise Invalid("an RSA key has {bits} bits at least", bits=_LEAST_RSA_BITS)
    try:
        return KeySet.import_key_set({"keys": signing})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Invalid("its keys cannot be read, or none is for signatures") from error


@dataclass(slots=True)
class Keyring:
    """Keys of clients that say where they are, as they were last given there; one of a process."""

    fetch: Fetch
    _kept: dict[str, tuple[KeySet, datetime]] = field(default_factory=dict, init=False)
    _failed: dict[str, datetime] = field(default_factory=dict, init=False)

    def keys(self, client: Client, now: datetime, *, anew: bool = False) -> KeySet:
        """The keys of a client; `anew` asks for them again, at most once a minute. Raises Unavailable, Invalid."""
        if client.jwks is not None:
            return _keys(client.jwks)
        kept = self._kept.get(client.jku)
        if kept is not None and timedelta(0) <= now - kept[1] < (_AGAIN if anew else _FRESH):
            return kept[0]
        failed = self._failed.get(client.jku)
        if failed is not None and timedelta(0) <= now - failed < _PAUSE:
            raise Unavailable(_NO_KEYS, name=client.name)
        try:
            found = self._given(client)
        except BankError:
            self._failed[client.jku] = now
            raise
        self._kept[client.jku] = found, now
        return found

    def _given(self, client: Client) -> KeySet:
        status, body = self.fetch(client.jku, None, {"Accept": "application/json"})
        if status != 200:
            raise Unavailable(_NO_KEYS, name=client.name)
        try:
            return _keys(msgspec.json.decode(body, type=dict[str, Any]))
        except msgspec.DecodeError as error:
            raise Unavailable(_NO_KEYS, name=client.name) from error


def caller(
    bank: Bank, keyring: Keyring, token: str, audience: tuple[str, ...], address: str = ""
) -> tuple[Client, Principal]:
    """The listed client that has signed a token for this address, and the caller that it is.

    `audience` are addresses of which a token has to be for one. Raises NotFound alike for a client that is not listed
    and a token that is not its own, not for us, too old, good for too long or used; Unavailable where its keys are not
    to be had.
    """
    client = listed(bank.settings.cds_clients_file).get(_issuer(token))
    try:
        found = _proven(bank, keyring, client, token, audience)
    except (NotFound, Invalid, JoseError, ValueError, TypeError, RecursionError) as error:
        name, organization = (client.name, client.organization) if client else ("unknown", bank.settings.organization)
        bank.reads.refused(name, organization, "cds: token", address)
        raise NotFound(_REFUSED) from error
    return found, rights.principal(bank, f"cds {found.name}", Role(found.role), found.organization)


def acting(bank: Bank, client: Client, user: str) -> Principal | None:
    """Who a client says sits before it, as the bank knows them; None where only the client itself is known.

    They are as their account is, which may be locked; without one they have the client's role and organization, and
    what was decided for them by name. It only ever narrows what the client sees (`repeat_check.Asking`).
    """
    name = client.users.get(user, "")
    if not name and not client.only_users:
        return None
    account = bank.index.people.account(folded(name)) if name else None
    if account is None:
        known = rights.principal(bank, name, Role(client.role), client.organization)
    else:
        known = rights.principal(bank, account.name, account.role, account.organization)
    is_nobody = not name or (account is not None and account.is_locked)
    return replace(known, scope=Scope.nothing()) if is_nobody else known


def _proven(bank: Bank, keyring: Keyring, client: Client | None, token: str, audience: tuple[str, ...]) -> Client:
    if client is None:
        raise NotFound(_REFUSED)
    _spend(bank, client, _claims(bank, keyring, client, token, audience))
    return client


def _issuer(token: str) -> str:
    """Whose a token says that it is: nothing is believed yet."""
    if len(token) > _LONGEST:
        return ""
    try:
        payload = _part(token, 1)
    except (ValueError, RecursionError):
        return ""
    found = payload.get("iss", "")
    return found if isinstance(found, str) else ""


def _part(token: str, place: int) -> dict[str, Any]:
    """One of the three parts of a token, read and not believed. Raises ValueError for what is none."""
    text = token.split(".")[place]
    return msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=dict[str, Any])


def _claims(bank: Bank, keyring: Keyring, client: Client, token: str, audience: tuple[str, ...]) -> dict[str, Any]:
    """What a token says. Raises JoseError, NotFound, Invalid, Unavailable."""
    now = bank.now()
    if _part(token, 0).get("jku", client.jku) != client.jku:
        raise NotFound(_REFUSED)
    try:
        claims = _verified(token, keyring.keys(client, now))
    except InvalidKeyIdError:
        # Keys change; the new ones are asked for once.
        claims = _verified(token, keyring.keys(client, now, anew=True))
    jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=int(_LEEWAY.total_seconds()),
        iss={"essential": True, "value": client.iss},
        aud={"essential": True, "values": list(audience)},
        exp={"essential": True},
        iat={"essential": True},
        jti={"essential": True},
    ).validate(claims)
    if not isinstance(claims["jti"], str) or claims["exp"] > (now + LASTS + _LEEWAY).timestamp():
        raise NotFound(_REFUSED)
    return claims


def _verified(token: str, keys: KeySet) -> dict[str, Any]:
    return dict(jwt.decode(token, lambda one: _named(keys, one.headers().get("kid")), algorithms=ALGORITHMS).claims)


def _named(keys: KeySet, kid: object) -> Key:
    """The key that a token names, as each has to (CDS Hooks 2.0, Trusting CDS Clients). Raises NotFound, InvalidKeyIdError."""
    if not isinstance(kid, str) or not kid:
        raise NotFound(_REFUSED)
    return keys.get_by_kid(kid)


def _spend(bank: Bank, client: Client, claims: Mapping[str, Any]) -> None:
    """Take a token once. Raises NotFound for one that was taken."""
    used = hashlib.sha256(f"{client.iss}\n{claims['jti']}".encode()).hexdigest()
    until = datetime.fromtimestamp(claims["exp"], UTC) + 2 * _LEEWAY
    with bank.index.begin() as tx:
        is_first = tx.people.count_attempt(f"cds jti {used}", bank.now(), until, 1)
    if not is_first:
        raise NotFound(_REFUSED)
