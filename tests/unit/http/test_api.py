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
