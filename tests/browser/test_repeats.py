"""A doctor's system signs an order for an exam of two weeks ago: it is told so, the images are opened, and what came of it counts."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from playwright.sync_api import Browser, expect

from bank import SOURCE, bearer, free_port, keep, open_test_bank, serving
from browser.judging import THEMES, faults
from browser.viewing import person
from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.model.access import Role
from make import phantom_files

pytestmark = pytest.mark.browser

EHR, MRN = "https://ehr.example", "http://north.example/mrn"
KEY = ECKey.generate_key("P-384", {"kid": "k1", "use": "sig"})
CLIENTS = f"""
[[client]]
name = "north-ehr"
iss = "{EHR}"
organization = "north"
jwks = {{ keys = [{{ kty = "EC", kid = "k1", crv = "P-384", x = "{KEY.as_dict()["x"]}", y = "{KEY.as_dict()["y"]}" }}] }}
systems = {{ "{MRN}" = "north" }}
"""
PATIENT = {"resourceType": "Patient", "id": "p1", "identifier": [{"system": MRN, "value": "PH1"}]}


@contextmanager
def a_bank(folder: Path) -> Iterator[tuple[Bank, str]]:
    """A bank with a CT of the head of two weeks ago, where the doctor's system is known."""
    (folder / "clients.toml").write_text(CLIENTS)
    port = free_port()
    given = {"organization": "north", "public_url": f"http://127.0.0.1:{port}"}
    with open_test_bank(folder, **given, cds_clients_file=folder / "clients.toml") as bank:
        then = datetime.now(UTC).date() - timedelta(days=14)
        keep(bank, *phantom_files("CT", on=then), source=replace(SOURCE, organization="north"))
        with serving(bank, port) as url:
            yield bank, url


def say(url: str, body: dict[str, Any]) -> httpx.Response:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": EHR, "aud": url, "iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
    token = jwt.encode({"alg": "ES384", "kid": "k1", "typ": "JWT"}, claims, KEY, ["ES384"])
    answer = httpx.post(url, json=body, headers=bearer(token), timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


def sign(url: str, order: str) -> dict[str, Any]:
    """The card that answers an order for a CT of the head."""
    subject, code = {"reference": "Patient/p1"}, {"text": "CT head"}
    drafted = {"id": order, "status": "draft", "intent": "order", "subject": subject, "code": code}
    drafts = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "ServiceRequest", **drafted}}]}
    context = {"userId": "Practitioner/grey", "patientId": "p1", "draftOrders": drafts}
    call = {
        "hook": "order-sign",
        "hookInstance": str(uuid.uuid4()),
        "context": context,
        "prefetch": {"patient": PATIENT},
    }
    (card,) = say(f"{url}/cds-services/repeat-check-sign", call).json()["cards"]
    return dict(card)


def test_an_exam_of_two_weeks_ago_is_told_opened_and_counted(chromium: Browser, tmp_path: Path) -> None:
    with a_bank(tmp_path) as (bank, url), person(chromium, reduced_motion="reduce") as somebody:
        card = sign(url, "o1")
        page = somebody.new_page()
        page.goto(f"{url}/sign-in/{access.sign_in_link(bank, Role.ADMIN, 'grey', 'north')}")
        page.goto(card["links"][0]["url"])

        assert "14 days ago" in card["summary"]
        expect(page.locator("main")).to_contain_text("CT head")
        shown = page.request.get(f"{page.url}/look")
        assert shown.ok, "the images are opened from there"

        reason = {"reason": card["overrideReasons"][0], "userComment": ""}
        override = {"card": card["uuid"], "outcome": "overridden", "overrideReason": reason}
        taken = sign(url, "o2")
        accepted = {"card": taken["uuid"], "outcome": "accepted"}
        accepted |= {"acceptedSuggestions": [{"id": taken["suggestions"][0]["uuid"]}]}
        say(f"{url}/cds-services/repeat-check-sign/feedback", {"feedback": [override, accepted]})

        page.goto(f"{url}/quality")
        by_month = page.get_by_role("table", name="Alerts by month").locator("tbody tr").last
        assert by_month.locator("td").all_inner_texts()[:8] == ["2", "1", "1", "0", "0", "0", "0", "1"]
        reasons = page.get_by_role("table", name="Why alerts were overridden")
        expect(reasons).to_contain_text(card["overrideReasons"][0]["display"])
        assert faults(page, THEMES) == []
