"""What an OpenID provider says of somebody: found by discovery, and believed only when it is signed and meant for us."""

import base64
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from imagebank.errors import Invalid, NotFound, Unavailable
from imagebank.settings import Settings

_log = logging.getLogger(__name__)

Fetch = Callable[[str, bytes | None, Mapping[str, str]], tuple[int, bytes]]
"""Asks an address, with a form where there is one: the status and the body, which is bounded. Raises Unavailable."""

ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
LEEWAY_S: Final = 60
_FRESH: Final = timedelta(hours=1)
_MOST_KEYS: Final = 50
_ASKED: Final = ("token_endpoint", "jwks_uri", "userinfo_endpoint")
"""Where programs go, as against people with their browsers."""
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FORM: Final = "application/x-www-form-urlencoded"
_HTTPS_PORT: Final = 443


@dataclass(frozen=True, slots=True)
class Place:
    """Where a provider is asked, as it says itself (OpenID Connect Discovery 1.0, 3)."""

    authorization: str
    token: str
    keys: str
    people: str
    takes_basic: bool


@dataclass(slots=True)
class Provider:
    """The provider of a site's people, with what it last said about itself and its keys."""

    settings: Settings
    fetch: Fetch
    _place: Place | None = field(default=None, init=False)
    _keys: KeySet | None = field(default=None, init=False)
    _asked_at: datetime | None = field(default=None, init=False)

    def place(self, now: datetime) -> Place:
        """Where to ask it; asked anew after an hour. Raises Unavailable, also for a place that is not the provider's own."""
        if self._place is None or self._asked_at is None or not timedelta(0) <= now - self._asked_at < _FRESH:
            self._place, self._keys, self._asked_at = self._discovered(), None, now
        return self._place

    def unlisted(self) -> list[str]:
        """Hosts at which it is asked, by its own word, and which no setting permits. Raises Unavailable, Invalid."""
        return _unlisted(self._described(), self.settings)

    def _discovered(self) -> Place:
        found = self._described()
        if hosts := _unlisted(found, self.settings):
            _log.warning("the sign-in provider is also asked at %s; name these in oidc_hosts", ", ".join(hosts))
            raise Unavailable("signing in there is not set up to the end; whoever runs this bank finds why in its log")
        authorization = _text(found, "authorization_endpoint")
        token, keys, people = (_text(found, name) for name in _ASKED)
        if urlsplit(authorization).scheme not in ("https", "http") or not token or not keys:
            raise Unavailable("the sign-in provider does not say where it is asked")
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Place(authorization, token, keys, people, "client_secret_basic" in methods)

    def _described(self) -> dict[str, Any]:
        """What it says of itself (OpenID Connect Discovery 1.0, 4)."""
        issuer = self.settings.oidc_issuer
        host_of(issuer)
        found = self._json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer:
            raise Unavailable("the sign-in provider says that it is another than oidc_issuer names")
        return found

    def exchanged(self, code: str, verifier: str, back: str, now: datetime) -> tuple[str, str]:
        """The ID token and the access token for a code. Raises NotFound for a code that is none, Unavailable."""
        place, settings, headers = self.place(now), self.settings, {"Content-Type": _FORM}
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier}
        if settings.oidc_client_secret and place.takes_basic:
            # RFC 6749 2.3.1: both are encoded as in a form first.
            pair = f"{quote(settings.oidc_client_id, safe='')}:{quote(settings.oidc_client_secret, safe='')}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            form["client_id"] = settings.oidc_client_id
            if settings.oidc_client_secret:
                form["client_secret"] = settings.oidc_client_secret
        status, body = self.fetch(place.token, urlencode(form).encode(), headers)
        if status >= 500:
            raise Unavailable("the sign-in provider answered with {status}; try again", status=status)
        found = _decoded(body) if status == 200 else {}
        if not _text(found, "id_token"):
            raise NotFound("the provider vouches for nobody")
        return _text(found, "id_token"), _text(found, "access_token")

    def claims(self, token: str, nonce: str, now: datetime) -> dict[str, Any]:
        """What an ID token says (OpenID Connect Core 1.0, 3.1.3.7). Raises NotFound for one that is not believed."""
        try:
            try:
                found = self._verified(token, now)
            except InvalidKeyIdError:
                self._keys = None  # keys change; the new ones are asked for once
                found = self._verified(token, now)
            self._registry(nonce, now).validate(found)
        except (JoseError, ValueError) as error:
            raise NotFound("the provider vouches for nobody") from error
        audience = found["aud"]
        others = isinstance(audience, list) and len(audience) > 1
        if found.get("azp", None if others else self.settings.oidc_client_id) != self.settings.oidc_client_id:
            raise NotFound("the provider vouches for nobody here")
        return found

    def _registry(self, nonce: str, now: datetime) -> jwt.JWTClaimsRegistry:
        return jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.settings.oidc_issuer},
            aud={"essential": True, "value": self.settings.oidc_client_id},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
            nonce={"essential": True, "value": nonce},
        )

    def _verified(self, token: str, now: datetime) -> dict[str, Any]:
        keys = self._keys_of(now)
        found = jwt.decode(token, lambda one: keys.get_by_kid(one.headers().get("kid")), algorithms=ALGORITHMS)
        return dict(found.claims)

    def _keys_of(self, now: datetime) -> KeySet:
        place = self.place(now)
        if self._keys is None:
            found = self._json(place.keys).get("keys")
            if not isinstance(found, list) or len(found) > _MOST_KEYS:
                raise Unavailable("the sign-in provider does not give its keys")
            signing = [key for key in found if isinstance(key, dict) and key.get("use", "sig") == "sig"]
            try:
                self._keys = KeySet.import_key_set({"keys": signing})
            except (JoseError, ValueError, TypeError) as error:
                raise Unavailable("the sign-in provider gives keys that cannot be read") from error
        return self._keys

    def told(self, access_token: str, subject: str, now: datetime) -> dict[str, Any]:
        """What the provider tells of somebody beside the ID token; nothing when it tells of nobody or of others."""
        place = self.place(now)
        if not place.people or not access_token:
            return {}
        found = self._json(place.people, {"Authorization": f"Bearer {access_token}"})
        return found if found.get("sub") == subject else {}

    def _json(self, address: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        status, body = self.fetch(address, None, {"Accept": "application/json", **(headers or {})})
        if status != 200:
            raise Unavailable("the sign-in provider answered with {status}; try again", status=status)
        return _decoded(body)


def _unlisted(found: Mapping[str, Any], settings: Settings) -> list[str]:
    """What a provider says is sent our secret and is believed, so nothing leads there but a setting."""
    listed = {host_of(settings.oidc_issuer), *hosts(settings.oidc_hosts)}
    asked = [host_of(address) for name in _ASKED if (address := _text(found, name))]
    return [host for host in dict.fromkeys(asked) if host not in listed]


def host_of(address: str) -> str:
    """`HOST`, or `HOST:PORT` where the port is not 443. Raises Unavailable for an address that others could read along."""
    with suppress(ValueError):
        url = urlsplit(address)
        host = url.hostname or ""
        if host and (url.scheme == "https" or (url.scheme == "http" and host in _LOOPBACK)):
            port = url.port or (_HTTPS_PORT if url.scheme == "https" else 80)
            host = f"[{host}]" if ":" in host else host
            return host if port == _HTTPS_PORT else f"{host}:{port}"
    raise Unavailable("the sign-in provider is to be asked by https, or by http on this machine")


def hosts(texts: Sequence[str]) -> list[str]:
    """The hosts that a setting names, as `host_of` tells them. Raises Invalid for what is none."""
    found = []
    for text in texts:
        try:
            host = host_of(f"https://{text}")
        except Unavailable:
            host = ""
        if not host or host != text.lower().removesuffix(f":{_HTTPS_PORT}") or "*" in host:
            raise Invalid("{text!r} is no `HOST` or `HOST:PORT`", text=text)
        found.append(host)
    return found


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Unavailable("the sign-in provider gives an answer that cannot be read") from error


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    return value if isinstance(value, str) else ""


def roles_text(text: str) -> tuple[str, str]:
    """Group and role of `group=role`; a group may have `=` in it. Raises Invalid."""
    group, sign, role = text.rpartition("=")
    if not sign or not group.strip():
        raise Invalid("{text!r} is no `group=role`", text=text)
    return group.strip(), role.strip()
