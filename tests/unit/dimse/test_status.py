"""Statuses and error comments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebank import errors
from imagebank.dimse import status
from imagebank.errors import BankError
from imagebank.model.workitem import Refusal, StepRefused

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BankError)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (errors.OutOfSpace, 0xA700),
        (errors.Unavailable, 0xA700),
        (errors.Mismatch, 0xA900),
        (errors.Invalid, 0xC000),
        (errors.NotAllowed, 0x0124),
        (errors.Conflict, 0x0111),
        (errors.Unsupported, 0x0122),
        (BankError, 0x0110),
    ],
)
def test_a_refused_store_has_the_status_of_its_kind(kind: type[BankError], expected: int) -> None:
    assert status.status_of(kind("no"), status.STORE) == expected


@pytest.mark.parametrize("table", [status.STORE, status.FIND, status.RETRIEVE, status.ACTION, status.WORKITEM])
def test_every_status_has_words_in_the_statement(table: dict[type[BankError], int]) -> None:
    assert set(table.values()) <= set(status.MEANINGS)


@pytest.mark.parametrize("kind", KINDS)
def test_no_refusal_is_ever_a_success(kind: type[BankError]) -> None:
    tables = (status.STORE, status.FIND, status.RETRIEVE, status.ACTION, status.WORKITEM)

    assert all(status.status_of(kind("no"), table) >= 0x0100 for table in tables)


@given(st.text())
def test_an_error_comment_is_short_and_plain(message: str) -> None:
    comment = status.comment(message)

    assert len(comment) <= 64
    assert comment.isascii()
    assert "\\" not in comment


@pytest.mark.parametrize("why", Refusal)
def test_every_reason_why_a_workitem_does_not_change_has_a_status_and_a_meaning(why: Refusal) -> None:
    code = status.status_of(StepRefused(why), status.WORKITEM)

    assert status.MEANINGS[code] == str(why)
    assert code >> 12 in (0xB, 0xC)
