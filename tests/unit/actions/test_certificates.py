"""Certificates as an operator registers them."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from authority import NOW, self_signed
from bank import open_test_bank
from imagebank.actions import certificates
from imagebank.bank import Bank
from imagebank.errors import Invalid


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def test_what_is_registered_is_the_fingerprint_that_openssl_shows(bank: Bank, tmp_path: Path) -> None:
    one, other = self_signed(tmp_path, "one"), self_signed(tmp_path, "other")
    asked = ["openssl", "x509", "-in", str(one.cert), "-noout", "-fingerprint", "-sha256"]
    shown = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip().partition("=")[2]

    assert certificates.registered(bank, one.cert.read_bytes()) == shown.replace(":", "").lower()
    chain = one.cert.read_bytes() + other.cert.read_bytes()
    assert certificates.registered(bank, chain) == shown.replace(":", "").lower(), "the first of a chain"
    assert certificates.registered(bank, None) == ""


def test_a_private_key_what_is_no_certificate_and_one_that_has_ended_are_not_taken(bank: Bank, tmp_path: Path) -> None:
    pair = self_signed(tmp_path, "one")
    ended = self_signed(tmp_path, "ended", NOW - timedelta(days=1))

    for text, words in (
        (pair.cert.read_bytes() + pair.key.read_bytes(), "replaced"),
        (b"", "no certificate"),
        (pair.der, "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate"),
        (ended.cert.read_bytes(), "ended, on 2025-12-31"),
    ):
        with pytest.raises(Invalid, match=words):
            certificates.registered(bank, text)
