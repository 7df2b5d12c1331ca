"""A passkey authenticator in software (WebAuthn Level 2), for one site."""

import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

from imagebank.actions.passkey import Site

HERE = Site("https://bank.example", "bank.example")
_PRESENT, _VERIFIED, _WITH_KEY = 0x01, 0x04, 0x40


class Authenticator:
    """Answers what the bank asks, as a browser would send it."""

    def __init__(self, site: Site = HERE, *, verifies: bool = True) -> None:
        self.id = secrets.token_bytes(16)
        self.count = 0
        self._site = site
        self._flags = _PRESENT | (_VERIFIED if verifies else 0)
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: str) -> str:
        numbers = self._key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        data = self._data(_WITH_KEY) + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        attested = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(options, "webauthn.create", attestationObject=attested)

    def get(self, options: str) -> str:
        self.count += 1
        data = self._data()
        client = self._client(options, "webauthn.get")
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(options, "webauthn.get", authenticatorData=data, signature=signature)

    def _data(self, flags: int = 0) -> bytes:
        site = hashlib.sha256(self._site.host.encode()).digest()
        return site + bytes([self._flags | flags]) + self.count.to_bytes(4, "big")

    def _client(self, options: str, kind: str) -> bytes:
        told = {"type": kind, "challenge": json.loads(options)["challenge"], "origin": self._site.origin}
        return json.dumps(told).encode()

    def _answer(self, options: str, kind: str, **response: bytes) -> str:
        parts: dict[str, Any] = {"clientDataJSON": self._client(options, kind), **response}
        name = bytes_to_base64url(self.id)
        written = {part: bytes_to_base64url(value) for part, value in parts.items()}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": written})
