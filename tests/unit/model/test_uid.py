"""UIDs from outside, and our own."""

import pytest

from imagebank.errors import Invalid
from imagebank.model.uid import Uid


@pytest.mark.parametrize("text", ["1.2.840.10008.1.1", "1.2\0", " 1.2 ", "1.02.3", "1." * 50 + "1"])
def test_a_uid_that_real_archives_hold_is_taken_without_its_padding(text: str) -> None:
    assert Uid.parse(text) == text.strip(" \0")


@pytest.mark.parametrize(
    "text", ["", ".", "1.", "1..2", "../x", "1.2 3", "1\u0661", "1.a", "1." * 64 + "1", "Doe^Jane"]
)
def test_what_is_no_uid_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        Uid.parse(text)

    assert len(text) < 3 or text not in str(refused.value)


def test_a_new_uid_is_valid_and_nobody_elses() -> None:
    one, other = Uid.new(), Uid.new()

    assert one != other
    assert one.startswith("2.25.")
    assert len(one) <= 64
    assert Uid.parse(one) == one
