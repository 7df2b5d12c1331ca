"""Codes of authenticator apps."""

from datetime import UTC, datetime, timedelta

import pytest

from imagebank.actions import totp

SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_the_codes_are_those_of_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    assert totp.code(SECRET, totp.step_at(datetime.fromtimestamp(seconds, UTC))) == code


def test_a_code_is_taken_one_step_early_or_late_and_not_after_a_later_one() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    step = totp.step_at(now)
    typed = totp.code(SECRET, step)
    found = [
        totp.step_of(SECRET, f" {typed[:3]} {typed[3:]} ", now + timedelta(seconds=30 * late), 0)
        for late in (-2, -1, 0, 1, 2)
    ]

    assert found == [None, step, step, step, None]
    assert totp.step_of(SECRET, typed, now, step - 1) == step
    assert totp.step_of(SECRET, typed, now, step) is None
    assert totp.step_of(SECRET, "\u0660\u0660\u0660\u0660\u0660\u0660", now, 0) is None


def test_what_an_app_reads() -> None:
    assert totp.address(SECRET, "ada+1@x") == (
        "otpauth://totp/Imagebank:ada%2B1%40x?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Imagebank"
    )
    assert len(totp.new_secret()) == 20
