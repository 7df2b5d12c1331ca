"""Which texts are mail addresses, and how they are kept."""

import pytest

from imagebank.errors import Invalid
from imagebank.model.notice import CHOSEN, Kind, Way, address_from


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ada@example.org", "ada@example.org"),
        (" Ada.Varga+scans@Example.ORG ", "Ada.Varga+scans@example.org"),
        ("zoë@bücher.example", "zoë@xn--bcher-kva.example"),
        ("o'neil@a.b-c.example", "o'neil@a.b-c.example"),
    ],
)
def test_an_address_is_kept_with_its_domain_in_small_ascii(typed: str, kept: str) -> None:
    assert address_from(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        *("", "ada", "@example.org", "ada@", "ada@localhost", "ada@exam ple.org", "ada@-a.example", "ada@a..example"),
        *("ada@example.org\nBcc: eve@example.org", "ada\r\n@example.org", "ada@example.org\r\n.", "a\0da@example.org"),
        *("a@b@example.org", "ada@example.org,eve@example.org", "<ada@example.org>", '"a da"@example.org', "a;b@c.de"),
        *(".ada@example.org", "ada.@example.org", "a..da@example.org", "ada\u202e@example.org", "ada@[127.0.0.1]"),
        *(
            "a" * 65 + "@example.org",
            "é" * 33 + "@example.org",
            "ada@" + "a" * 64 + ".org",
            "ada@" + "abc." * 63 + "org",
        ),
        "ada@\ud800.org",
    ],
)
def test_what_is_no_address_or_would_end_a_line_is_refused(typed: str) -> None:
    with pytest.raises(Invalid, match="no mail address"):
        address_from(typed)


def test_security_is_told_at_once_and_what_comes_daily_where_nobody_chose() -> None:
    daily = {kind for kind, way in CHOSEN.items() if way is Way.DAILY}

    assert daily == {Kind.DEPOSIT, Kind.REPORT}
    assert set(CHOSEN) == set(Kind) - {Kind.RULE}
