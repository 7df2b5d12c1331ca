"""The REST interface at its limits."""

from pathlib import Path

import httpx
import pytest

from bank import a_token, bearer, open_test_bank, serving


@pytest.mark.parametrize("number", ["7", "0", "-1", "x", "٣", "9" * 19, "9" * 20, "9" * 5000])
def test_a_number_that_nothing_has_is_not_found(tmp_path: Path, number: str) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        answers = [
            httpx.request(method, f"{url}/api/v1/quarantine/{number}{more}", headers=bearer(a_token(bank)))
            for method, more in (("GET", "/content"), ("POST", "/submit"), ("DELETE", ""))
        ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]


@pytest.mark.parametrize("origin", ["http://[", "null", "http://[::1", "//[::1%zz]"])
def test_an_origin_that_is_no_address_is_no_page_of_ours(tmp_path: Path, origin: str) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        answer = httpx.post(f"{url}/sign-in", data={"token": a_token(bank)}, headers={"Origin": origin})

    assert answer.status_code == 403
