"""A system gets its token over HTTP, as OAuth's documents say, and uses it."""

import secrets
import time
from pathlib import Path

import httpx
import orjson
from joserfc import jwt
from joserfc.jwk import ECKey

from bank import bearer, open_test_bank, serving
from running import imagebank

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def test_a_system_that_an_operator_added_asks_for_a_token_and_searches(tmp_path: Path) -> None:
    key, file, here = ECKey.generate_key("P-256"), tmp_path / "ris.jwk", ("--data", str(tmp_path / "bank"))
    file.write_bytes(orjson.dumps(key.as_dict(private=False)))
    added = imagebank("client", "add", "--name", "ris", "--organization", "north", "--jwk", str(file), *here)
    listed = imagebank("client", "list", *here)
    with open_test_bank(tmp_path, public_url="https://bank.example") as bank, serving(bank) as url:
        described = httpx.get(f"{url}/.well-known/oauth-authorization-server").json()
        now = int(time.time())
        claims = {"iss": "ris", "sub": "ris", "aud": described["token_endpoint"], "exp": now + 60}
        signed = jwt.encode({"alg": "ES256"}, {**claims, "jti": secrets.token_hex(8)}, key)
        form = {"grant_type": "client_credentials", "client_assertion_type": TYPE, "client_assertion": signed}
        given = httpx.post(f"{url}/api/v1/token", data=form)
        again = httpx.post(f"{url}/api/v1/token", data=form)
        found = httpx.get(f"{url}/dicom-web/studies", headers=bearer(given.json()["access_token"]))
        wrong = [
            httpx.post(f"{url}/api/v1/token", data=asked)
            for asked in ({}, {**form, "grant_type": "password"}, {"grant_type": "client_credentials"})
        ]
        unreadable = httpx.post(f"{url}/api/v1/token", content=b"\xff")
    removed = imagebank("client", "remove", "ris", *here)

    assert (added.status, removed.status) == (0, 0)
    assert "ris" in listed.out
    assert (described["issuer"], described["token_endpoint"]) == (
        "https://bank.example",
        "https://bank.example/api/v1/token",
    )
    assert (given.status_code, given.headers["cache-control"]) == (200, "no-store")
    assert (given.json()["token_type"], given.json()["expires_in"]) == ("Bearer", 600)
    assert found.status_code in (200, 204)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert [answer.json()["error"] for answer in wrong] == [
        "invalid_request",
        "unsupported_grant_type",
        "invalid_request",
    ]
    assert unreadable.status_code == 400
