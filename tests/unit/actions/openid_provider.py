"""An OpenID provider that stands where the network would: it signs really, and lies when a test asks it to."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeyParameters, OKPKey, RSAKey

ISSUER = "https://login.example"
SETTINGS: dict[str, Any] = {
    "oidc_issuer": ISSUER,
    "oidc_client_id": "imagebank",
    "oidc_client_secret": "a secret: of ours",
    "oidc_roles": ["doctors=clinician", "cn=keepers=privacy officer"],
    "oidc_organization": "north",
}


def a_key(name: str = "first", kind: str = "EC") -> Key:
    made: KeyParameters = {"kid": name, "use": "sig"}
    if kind == "EC":
        return ECKey.generate_key("P-256", made)
    return RSAKey.generate_key(2048, made) if kind == "RSA" else OKPKey.generate_key("Ed25519", made)


@dataclass
class OpenIdProvider:
    """`says` are claims beside, or in place of, those that are right; None leaves one out. `documents` are its answers."""

    key: Key = field(default_factory=a_key)
    alg: str = "ES256"
    says: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    discovery: dict[str, Any] = field(default_factory=dict)
    people: dict[str, Any] = field(default_factory=dict)
    documents: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    _sent: dict[str, str] = field(default_factory=dict)
    now: datetime | None = None

    def answer_to(self, address: str, now: datetime) -> dict[str, str]:
        """What a browser brings back that was sent to this address."""
        self._sent = dict(parse_qsl(urlsplit(address).query))
        self.now = now
        return {"state": self._sent["state"], "code": "the code", "iss": ISSUER}

    def fetch(self, address: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        path = urlsplit(address).path
        self.asked.append(path)
        self.headers.append(headers)
        if path in self.documents:
            return self.documents[path]
        if path == "/.well-known/openid-configuration":
            return 200, orjson.dumps({**self._discovery(), **self.discovery})
        if path == "/keys":
            return 200, orjson.dumps({"keys": [self.key.as_dict(private=False)]})
        if path == "/people":
            return 200, orjson.dumps({"sub": "ada", **self.people})
        assert path == "/token"
        assert body is not None
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.forms.append(form)
        challenge = urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        if challenge != self._sent["code_challenge"] or form["redirect_uri"] != self._sent["redirect_uri"]:
            return 400, b'{"error": "invalid_grant"}'
        return 200, orjson.dumps({"id_token": self._token(), "access_token": "for userinfo"})

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/people",
        }

    def _token(self) -> str:
        assert self.now is not None
        at = int(self.now.timestamp())
        claims = {
            "iss": ISSUER,
            "aud": "imagebank",
            "sub": "ada",
            "exp": at + 300,
            "iat": at,
            "nonce": self._sent["nonce"],
            "auth_time": at - 30,
            "groups": ["staff", "doctors"],
            **self.says,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.alg, "kid": self.key.kid, **self.header}
        return jwt.encode({k: v for k, v in header.items() if v is not None}, claims, self.key, algorithms=[self.alg])


def basic(headers: Mapping[str, str]) -> str:
    """The pair of a Basic authorization."""
    return urlsafe_b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
