"""What a refusal is called in HTTP."""

from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank import errors
from imagebank.app import web_application
from imagebank.errors import BankError
from imagebank.http.errors import HTTP_STATUS, refusal
from unit.portal.browsing import Browser

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BankError)]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.Invalid, 400),
        (errors.Mismatch, 400),
        (errors.NotAllowed, 403),
        (errors.NotFound, 404),
        (errors.Conflict, 409),
        (errors.TooOften, 429),
        (errors.Unsupported, 501),
        (errors.Unavailable, 503),
        (errors.OutOfSpace, 507),
        (BankError, 500),
    ],
)
def test_a_refusal_has_the_status_of_its_kind_and_one_shape(kind: type[BankError], status: int) -> None:
    answer = refusal(kind("the reason in words"))

    assert answer.status_code == status
    assert bytes(answer.body) == b'{"error":"%s","message":"the reason in words"}' % kind.__name__.encode()
    assert ("retry-after" in answer.headers) == (status in (429, 503))
    assert answer.headers["cache-control"] == "no-store"


def test_no_kind_of_refusal_is_unknown_to_http() -> None:
    assert all(any(kind in HTTP_STATUS for kind in one.__mro__) for one in KINDS if one is not BankError)


def test_who_is_not_signed_in_is_told_how_to_be(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        answer = Browser(web_application(bank)).get("/dicom-web/studies")

    assert answer.status_code == 401
    assert answer.json()["error"] == "NotSignedIn"
    assert answer.headers["www-authenticate"] == 'Bearer realm="imagebank"'


def test_who_sends_a_token_that_opens_nothing_is_told_so(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        browser = Browser(web_application(bank))
        answer = browser.get("/dicom-web/studies", headers={"Authorization": "Bearer ib_wrong"})

    assert answer.status_code == 401
    assert "unknown, expired or revoked" in answer.json()["message"]
    assert answer.headers["www-authenticate"].endswith('error="invalid_token"')
