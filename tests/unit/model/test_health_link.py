"""What a health link says, and how it is written and read."""

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any

import pytest

from imagebank.errors import Invalid
from imagebank.model.health_link import Flag, HealthLink, base64url, read, text_of

KEY = bytes(range(32))
URL = "https://bank.example.org/shl/" + "a" * 43
ENDS = datetime(2026, 12, 24, 18, 0, 0, tzinfo=UTC)
LINK = HealthLink(URL, KEY, frozenset({Flag.PASSCODE, Flag.LONG_TERM}), "Ada: CT for Dr Varga", ENDS)


def payload(**said: Any) -> str:
    given = {"url": URL, "key": base64url(KEY), **said}
    return "shlink:/" + base64url(json.dumps({name: one for name, one in given.items() if one is not None}).encode())


def test_a_link_is_read_as_it_was_written() -> None:
    assert read(text_of(LINK)) == LINK
    assert read(f" https://viewer.example.org/shl#{text_of(LINK)}\n") == LINK
    assert read(text_of(HealthLink(URL, KEY))) == HealthLink(URL, KEY)


def test_flags_stand_in_the_order_of_letters() -> None:
    text = text_of(LINK).removeprefix("shlink:/")
    said = json.loads(urlsafe_b64decode(text + "=="))

    assert said["flag"] == "LP"
    assert said["exp"] == int(ENDS.timestamp())


def test_what_is_not_known_is_passed_over() -> None:
    assert read(payload(v=1, _ours="x", extension={"a": 1}, exp=None)) == HealthLink(URL, KEY)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://bank.example.org", "no health link"),
        ("shlink:/" + "a" * 5000, "no health link"),
        ("shlink:/%%%", "damaged"),
        ("shlink:/a", "damaged"),
        ("shlink:/" + base64url(b"[]"), "damaged"),
        (payload(v=2), "version"),
        (payload(url=7), "lacks"),
        (payload(key="short"), "lacks"),
        (payload(key="é" * 43), "damaged"),
        (payload(label=7), "lacks"),
        (payload(flag="X"), "not known"),
        (payload(flag=7), "not known"),
        (payload(flag="PU"), "no passcode"),
        (payload(exp="soon"), "no moment"),
        (payload(exp=1e99), "no moment"),
        (payload(url="ftp://x"), "http"),
        (payload(url=URL + "a" * 99), "128"),
        (payload(label="a" * 81), "80"),
    ],
)
def test_what_is_no_link_is_refused(text: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        read(text)


def test_a_key_of_another_length_makes_no_link() -> None:
    with pytest.raises(Invalid, match="32 bytes"):
        HealthLink(URL, b"short")
