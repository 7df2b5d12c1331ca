"""Certificates are compared by their fingerprints."""

import hashlib

from imagebank.model.certificate import fingerprint, is_shown


def test_a_fingerprint_is_the_sha_256_of_the_der_and_none_of_nothing() -> None:
    assert fingerprint(b"der") == hashlib.sha256(b"der").hexdigest()
    assert fingerprint(b"") == ""


def test_what_is_wanted_has_to_be_shown_and_nothing_wanted_asks_for_nothing() -> None:
    one, other = fingerprint(b"one"), fingerprint(b"other")

    assert [is_shown(one, shown) for shown in (one, other, "")] == [True, False, False]
    assert [is_shown("", shown) for shown in (one, "")] == [True, True]
