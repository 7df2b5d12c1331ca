"""Systems that get tokens by what they sign or show: what is believed, and for how long."""

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from authority import self_signed
from bank import open_test_bank
from imagebank.actions import access, clients
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound
from imagebank.model.access import Role
from imagebank.model.certificate import fingerprint
from imagebank.model.event import Act
from unit.actions.people_here import after, events

ENDPOINT = "https://bank.example/api/v1/token"
KEY = ECKey.generate_key("P-256")


def public(key: Key) -> bytes:
    return orjson.dumps(key.as_dict(private=False))


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        clients.add(opened, "ris", Role.SYSTEM, "north", public(KEY))
        yield opened


def assertion(bank: Bank, key: Key = KEY, alg: str = "ES256", **says: Any) -> str:
    at = int(bank.now().timestamp())
    claims = {"iss": "ris", "sub": "ris", "aud": ENDPOINT, "exp": at + 290, "iat": at, "jti": secrets.token_hex(8)}
    claims = {name: value for name, value in {**claims, **says}.items() if value is not None}
    return jwt.encode({"alg": alg}, claims, key, algorithms=[alg])


def test_a_system_gets_a_token_with_its_role_for_ten_minutes(bank: Bank) -> None:
    token = clients.token(bank, assertion(bank), ENDPOINT, "1.2.3.4")
    who = access.bearer(bank, token)

    assert who is not None
    assert (who.name, who.role, who.organization) == ("ris", Role.SYSTEM, "north")
    assert access.bearer(after(bank, minutes=9), token) is not None
    assert access.bearer(after(bank, minutes=11), token) is None


def test_an_assertion_counts_once(bank: Bank) -> None:
    signed = assertion(bank)
    clients.token(bank, signed, ENDPOINT)

    with pytest.raises(NotFound):
        clients.token(bank, signed, ENDPOINT)
    with pytest.raises(NotFound):
        clients.token(after(bank, minutes=5), signed, ENDPOINT)


@pytest.mark.parametrize(
    "says",
    [
        {"aud": "https://other.example/api/v1/token"},
        {"aud": None},
        {"iss": "pacs"},
        {"iss": None},
        {"sub": "pacs"},
        {"sub": None},
        {"exp": 1},
        {"exp": None},
        {"exp": 1 << 40},
        {"nbf": 1 << 40},
        {"jti": None},
        {"jti": 7},
    ],
)
def test_what_is_not_said_by_the_system_for_us_and_now_is_refused_alike(bank: Bank, says: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match="prove to be any system"):
        clients.token(bank, assertion(bank, **says), ENDPOINT)
    bank.reads.flush()

    assert [detail for _, detail, _ in events(bank, Act.REFUSED)] == ["client assertion"]


def coded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


DEEP = "[" * 2900 + "]" * 2900
ODD = ["\0", "a\nb", "x" * 65]
"""Names that no system has, and that a database may not take."""


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.b.c", "x" * 8193, "e30.e30.", "..", "ü.ü.ü", "a.W10.b"),
        f"a.{coded(DEEP)}.b",
        f"{coded(DEEP)}.{coded(json.dumps({'sub': 'ris'}))}.b",
        *(f"a.{coded(json.dumps({'sub': name}))}.b" for name in ODD),
    ],
)
def test_what_is_no_assertion_is_refused_alike(bank: Bank, text: str) -> None:
    with pytest.raises(NotFound, match="prove to be any system"):
        clients.token(bank, text, ENDPOINT)


@pytest.mark.parametrize("name", ["", *ODD])
def test_a_name_that_no_system_has_gets_no_token_by_a_certificate(bank: Bank, name: str) -> None:
    with pytest.raises(NotFound):
        clients.token_by_certificate(bank, name, "shown")


def test_a_signature_by_another_key_or_by_other_means_is_refused(bank: Bank) -> None:
    secret = OctKey.import_key(public(KEY))
    for signed in (
        assertion(bank, ECKey.generate_key("P-256")),
        assertion(bank, RSAKey.generate_key(2048), "RS256"),
        assertion(bank, secret, "HS256"),
    ):
        with pytest.raises(NotFound):
            clients.token(bank, signed, ENDPOINT)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # in favour of names of its kinds, which few programs use
def test_other_keys_can_be_taken(bank: Bank) -> None:
    for alg, key in (
        ("ES384", ECKey.generate_key("P-384")),
        ("RS256", RSAKey.generate_key(2048)),
        ("EdDSA", OKPKey.generate_key("Ed25519")),
    ):
        clients.add(bank, alg, Role.SYSTEM, "", public(key))

        assert clients.token(bank, assertion(bank, key, alg, iss=alg, sub=alg), ENDPOINT)


@pytest.mark.parametrize(
    "key",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"kty": "EC", "crv": "P-256"}',
        orjson.dumps(KEY.as_dict(private=True)),
        orjson.dumps(OctKey.generate_key(256).as_dict(private=True)),
        public(ECKey.generate_key("P-521")),
        public(OKPKey.generate_key("X25519")),
    ],
)
def test_a_key_that_is_secret_weak_or_none_is_not_taken(bank: Bank, key: bytes) -> None:
    with pytest.raises(Invalid):
        clients.add(bank, "pacs", Role.SYSTEM, "", key)


@pytest.mark.parametrize("name", ["", " ris", "a\nb", "x" * 65])
def test_a_name_that_cannot_be_read_is_not_taken(bank: Bank, name: str) -> None:
    with pytest.raises(Invalid):
        clients.add(bank, name, Role.SYSTEM, "", public(KEY))


def test_a_system_that_is_removed_gets_no_token_and_has_none(bank: Bank) -> None:
    token = clients.token(bank, assertion(bank), ENDPOINT)
    with pytest.raises(Conflict):
        clients.add(bank, "ris", Role.SYSTEM, "", public(KEY))
    listed = [one.name for one in bank.index.people.clients()]
    clients.remove(bank, "ris")

    assert listed == ["ris"]
    assert access.bearer(bank, token) is None
    with pytest.raises(NotFound):
        clients.token(bank, assertion(bank), ENDPOINT)
    with pytest.raises(NotFound):
        clients.remove(bank, "ris")


def test_an_assertion_may_run_a_little_ahead_of_our_clock(bank: Bank) -> None:
    ahead = after(bank, seconds=20)

    assert clients.token(bank, assertion(ahead), ENDPOINT)


def test_a_system_with_a_certificate_gets_a_token_that_is_good_together_with_it_only(
    bank: Bank, tmp_path: Path
) -> None:
    pair = self_signed(tmp_path, "pacs")
    shown = fingerprint(pair.der)
    clients.add(bank, "pacs", Role.SYSTEM, "north", certificate=pair.cert.read_bytes())
    token = clients.token_by_certificate(bank, "pacs", shown)
    who = access.bearer(bank, token, shown)

    assert who is not None
    assert (who.name, who.role, who.organization) == ("pacs", Role.SYSTEM, "north")
    assert [access.bearer(bank, token, other) for other in ("", fingerprint(b"other"))] == [None, None]
    assert access.bearer(after(bank, minutes=11), token, shown) is None
    with pytest.raises(NotFound):
        access.sign_in_by_token(bank, token)


def test_who_shows_another_certificate_or_has_to_sign_is_refused_alike(bank: Bank, tmp_path: Path) -> None:
    pair, shown = self_signed(tmp_path, "pacs"), fingerprint(b"other")
    clients.add(bank, "pacs", Role.SYSTEM, "north", certificate=pair.cert.read_bytes())
    clients.add(bank, "both", Role.SYSTEM, "north", public(KEY), pair.cert.read_bytes())

    for name, certificate in (
        ("nobody", shown),
        ("ris", ""),
        ("ris", shown),
        ("pacs", ""),
        ("pacs", shown),
        ("both", fingerprint(pair.der)),
    ):
        with pytest.raises(NotFound, match="no certificate was shown"):
            clients.token_by_certificate(bank, name, certificate, "1.2.3.4")
    with pytest.raises(NotFound):
        clients.token(bank, assertion(bank, iss="pacs", sub="pacs"), ENDPOINT, shown=fingerprint(pair.der))
    bank.reads.flush()

    assert {(who, how) for who, how, _ in events(bank, Act.REFUSED)} == {
        ("unknown", "client certificate"),
        *((name, "client certificate") for name in ("ris", "pacs", "both")),
        ("pacs", "client assertion"),
    }


def test_a_system_with_a_key_and_a_certificate_needs_both_and_its_token_is_bound(bank: Bank, tmp_path: Path) -> None:
    pair = self_signed(tmp_path, "both")
    shown = fingerprint(pair.der)
    clients.add(bank, "both", Role.SYSTEM, "north", public(KEY), pair.cert.read_bytes())
    signed = assertion(bank, iss="both", sub="both")
    for certificate in ("", fingerprint(b"other")):
        with pytest.raises(NotFound):
            clients.token(bank, signed, ENDPOINT, shown=certificate)
    token = clients.token(bank, signed, ENDPOINT, shown=shown)

    assert access.bearer(bank, token) is None
    assert access.bearer(bank, token, shown) is not None


def test_what_a_system_shows_without_need_binds_nothing(bank: Bank) -> None:
    token = clients.token(bank, assertion(bank), ENDPOINT, shown=fingerprint(b"any"))

    assert access.bearer(bank, token) is not None


def test_a_system_that_could_prove_nothing_is_not_added(bank: Bank) -> None:
    for given in ({}, {"certificate": b""}, {"key": b""}):
        with pytest.raises(Invalid):
            clients.add(bank, "pacs", Role.SYSTEM, "", **given)
