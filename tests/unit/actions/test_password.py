"""Which passwords are taken, and how they are kept."""

import pytest

from imagebank.actions import password
from imagebank.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("elevenchars", "12 characters"),
        ("ten" + " " * 9 + "chars", "12 characters"),
        ("seven green herons wade here. " * 4 + "and again", "at most 128"),
        ("qwertyuiop123", "tried first"),
        ("QwertyUiop123", "tried first"),
        ("abababababab", "tried first"),
        ("my name is Varga so", "name of its owner"),
        ("", "12 characters"),
    ],
)
def test_a_password_that_others_would_try_is_refused_with_what_is_wrong(typed: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        password.hashed(typed, "x", "varga")


@pytest.mark.parametrize(
    "typed",
    [
        "seven green herons wade",
        "seven herons wade " * 7,
        "three   spaces here",
        "семь зелёных цапель",
        "七只绿色的鹭在水中行走着呢",
        "x9!Kd~mQ2#vB",
    ],
)
def test_a_password_may_be_of_any_script_and_is_not_kept_itself(typed: str) -> None:
    kept = password.hashed(typed, "ada")

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert typed not in kept
    assert password.matches(kept, typed)
    assert not password.matches(kept, typed + "!")


def test_it_is_the_same_password_however_a_keyboard_composes_it() -> None:
    composed, combining = "h\u00e9ron vert marche", "he\u0301ron vert marche"

    assert password.matches(password.hashed(composed), combining)


@pytest.mark.parametrize("kept", ["", "no hash"])
def test_where_no_password_is_kept_none_matches(kept: str) -> None:
    assert not password.matches(kept, "the password of nobody")
