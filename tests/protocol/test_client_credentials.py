"""A system gets its token over HTTP, as OAuth's documents say, and uses it."""

import secrets
import time
from base64 import b64encode
from pathlib import Path

import httpx
import orjson
from joserfc import jwt
from joserfc.jwk import ECKey

from authority import self_signed
from bank import bearer, open_test_bank, serving
from imagebank.model.certificate import fingerprint
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
            for asked in (
                {},
                {**form, "grant_type": "password"},
                {"grant_type": "client_credentials"},
                {**form, "client_assertion_type": "other"},
                {"grant_type": "client_credentials", "client_id": "ris"},
            )
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
        "invalid_request",
        "invalid_client",
    ]
    assert described["token_endpoint_auth_methods_supported"] == ["private_key_jwt"], "no proxy could see a certificate"
    assert unreadable.status_code == 400


def test_a_system_shows_its_certificate_by_a_proxy_and_its_token_is_worth_nothing_without(tmp_path: Path) -> None:
    pair, here = self_signed(tmp_path, "pacs"), ("--data", str(tmp_path / "bank"))
    added = imagebank("client", "add", "--name", "pacs", "--certificate", pair.cert, *here)
    listed = imagebank("client", "list", "--json", *here)
    form = {"grant_type": "client_credentials", "client_id": "pacs"}
    shown = {"Client-Cert": f":{b64encode(pair.der).decode()}:"}
    with open_test_bank(tmp_path, trusted_proxies=("127.0.0.1",)) as bank, serving(bank) as url:
        given = httpx.post(f"{url}/api/v1/token", data=form, headers=shown)
        without = httpx.post(f"{url}/api/v1/token", data=form)
        token = bearer(given.json()["access_token"])
        reads = [httpx.get(f"{url}/dicom-web/studies", headers=headers) for headers in ({**token, **shown}, token)]
        unknown = httpx.get(f"{url}/dicom-web/studies", headers=bearer("ib_unknown"))
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        believed_by_nobody = httpx.post(f"{url}/api/v1/token", data=form, headers=shown)

    assert added.status == 0
    assert orjson.loads(listed.out)[0]["certificate"] == fingerprint(pair.der)[:16]
    assert (given.status_code, given.json()["expires_in"]) == (200, 600)
    assert [(answer.status_code, answer.json()["error"]) for answer in (without, believed_by_nobody)] == [
        (401, "invalid_client")
    ] * 2
    assert reads[0].status_code in (200, 204)
    assert (reads[1].status_code, reads[1].content) == (unknown.status_code, unknown.content) == (401, unknown.content)


def test_what_a_system_is_added_with_is_told_when_it_is_missing_or_wrong(tmp_path: Path) -> None:
    pair, here = self_signed(tmp_path, "pacs"), ("--data", str(tmp_path / "bank"))
    said = [
        imagebank("client", "add", "--name", "pacs", *given, *here)
        for given in ((), ("--certificate", pair.key), ("--jwk", pair.cert))
    ]

    assert [one.status for one in said] == [2, 2, 2]
    assert "--certificate" in said[0].err
    assert "replaced" in said[1].err
