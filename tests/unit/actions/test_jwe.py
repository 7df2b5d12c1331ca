"""Files as health links carry them."""

import zlib

import pytest
from joserfc.jwe import encrypt_compact
from joserfc.jwk import OctKey

from imagebank.actions import jwe
from imagebank.errors import Invalid
from imagebank.model.health_link import base64url

KEY, FHIR = bytes(range(32)), "application/fhir+json"


@pytest.mark.parametrize("size", [1, 100, 5_000, 400_000])
def test_a_file_opens_with_its_key_as_it_was(size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    found = jwe.opened(jwe.sealed(content, FHIR, KEY), KEY)

    assert (found.content, found.kind) == (content, FHIR)


def test_a_file_is_sealed_anew_each_time_and_names_no_key() -> None:
    first, second = (jwe.sealed(b"x" * 1000, FHIR, KEY).split(".") for _ in range(2))

    assert len(first) == 5
    assert first[1] == ""
    assert first[2] != second[2]
    assert len(first[3]) < 500


def test_another_key_and_what_was_altered_open_nothing() -> None:
    text = jwe.sealed(b"x" * 1000, FHIR, KEY)
    head, _, tag = text.rpartition(".")
    other_tag = ("B" if tag[0] == "A" else "A") + tag[1:]
    for broken in (f"{head}.{other_tag}", text.replace(".", "", 1), "", "a.b.c.d.e", f"{text}.x"):
        with pytest.raises(Invalid):
            jwe.opened(broken, KEY)
    with pytest.raises(Invalid):
        jwe.opened(text, bytes(32))


def test_what_inflates_beyond_its_bound_is_refused() -> None:
    text = jwe.sealed(bytes(1 << 20), FHIR, KEY)

    assert len(jwe.opened(text, KEY, 1 << 20).content) == 1 << 20
    with pytest.raises(Invalid, match="more than"):
        jwe.opened(text, KEY, (1 << 20) - 1)


def test_what_says_to_be_deflated_and_is_not_is_refused() -> None:
    class Plain(jwe._Deflate):
        def compress(self, content: bytes) -> bytes:
            return content

    registry = jwe._Registry(jwe.MOST)
    registry._deflate = Plain(jwe.MOST)
    header = {"alg": "dir", "enc": "A256GCM", "zip": "DEF"}
    for content in (b"\xff\xff\xff", zlib.compress(bytes(1000), wbits=-zlib.MAX_WBITS)[:-2]):
        with pytest.raises(Invalid):
            jwe.opened(encrypt_compact(header, content, OctKey.import_key(KEY), registry=registry), KEY)


def test_a_key_in_a_link_has_no_padding() -> None:
    assert base64url(b"\xff\xfe") == "__4"
