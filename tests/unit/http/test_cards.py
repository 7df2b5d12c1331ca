"""`/api/v1/cards` and `/api/v1/redeem`."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bank import a_token, bearer, open_test_bank, serving
from cards_here import filled, quick_hashes
from imagebank.bank import Bank
from imagebank.model.access import Role

__all__ = ["filled"]

WHO = {"name": "Dr Chidi Okafor", "institution": "Quay Street Clinic", "purpose": "treatment"}
ADA = {"issuer": "north", "identifier": "ADA"}


@pytest.fixture(scope="module")
def bank(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """One bank for all of these."""
    folder = tmp_path_factory.mktemp("cards-by-rest")
    shutil.copytree(filled, folder / "bank")
    with pytest.MonkeyPatch.context() as patch, open_test_bank(folder, organization="north") as opened:
        quick_hashes(patch)
        yield opened


@pytest.fixture(scope="module")
def http(bank: Bank) -> Iterator[httpx.Client]:
    with serving(bank) as url, httpx.Client(base_url=url, headers=bearer(a_token(bank)), timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def anyone(http: httpx.Client) -> Iterator[httpx.Client]:
    """Somebody without an account."""
    with httpx.Client(base_url=http.base_url, timeout=60) as client:
        yield client


def made(http: httpx.Client, **given: Any) -> dict[str, Any]:
    answer = http.post("/api/v1/cards", json=given or {"patient": ADA})
    assert answer.status_code == 201, answer.text
    card: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/api/v1/cards/{card['id']}"
    return card


def shown(card: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {"number": card["number"], "pin": card["pin"], **WHO, **given}


def test_a_card_is_made_redeemed_and_taken_back(http: httpx.Client, anyone: httpx.Client) -> None:
    card = made(http, studies=["1.1"], recipient="Dr Okafor", days=2, uses=3, pin="730215", label="head")
    assert (card["pin"], card["uses_left"], card["scope"]) == (
        *("730215", 3),
        "1 study, with reports, to look at and to take along",
    )

    answer = anyone.post("/api/v1/redeem", json=shown(card))
    assert answer.status_code == 200
    told = answer.json()
    assert (told["token_type"], told["scope"], told["expires_at"] <= card["expires"]) == ("Bearer", card["scope"], True)
    (study,) = told["studies"]
    assert (study["uid"], study["date"], study["modality"]) == ("1.1", "20260110", "CT")
    with_token = bearer(told["token"])
    assert anyone.get(study["links"]["dicomweb"] + "/metadata", headers=with_token).status_code == 200
    found = anyone.get("/dicom-web/studies", headers=with_token).json()
    assert [one["0020000D"]["Value"] for one in found] == [["1.1"]]
    assert anyone.get("/dicom-web/studies/1.2/metadata", headers=with_token).status_code == 404

    read = http.get(f"/api/v1/cards/{card['id']}").json()
    assert [(one["name"], one["institution"], one["purpose"]) for one in read["withdrawals"]] == [tuple(WHO.values())]
    assert not {"number", "pin"} & set(read)
    for verb, state, status in (("freeze", "frozen", 401), ("thaw", "works", 200), ("revoke", "taken back", 401)):
        assert http.post(f"/api/v1/cards/{card['id']}/{verb}").json()["state"] == state
        assert anyone.get("/dicom-web/studies/1.1/metadata", headers=with_token).status_code == status
    assert http.post(f"/api/v1/cards/{card['id']}/thaw").status_code == 409
    assert {one["id"]: one["state"] for one in http.get("/api/v1/cards").json()["cards"]}[card["id"]] == "taken back"


def test_what_is_not_named_stays_when_a_card_is_changed(http: httpx.Client) -> None:
    card = made(http, patient=ADA, modality="ct", since="2026-01-01", future=True, recipient="Dr Okafor", taking=False)
    assert card["scope"] == "all CT studies from 20260101, also those that come later, with reports, to look at only"

    changed = http.patch(f"/api/v1/cards/{card['id']}", json={"expires": "2027-02-03", "reports": False})
    assert changed.status_code == 200
    secret = ("number", "pin")
    expected = {name: value for name, value in card.items() if name not in secret} | {
        "expires": "2027-02-03T23:59:59.999999+00:00",
        "reports": False,
        "scope": "all CT studies from 20260101, also those that come later, without reports, to look at only",
    }
    assert changed.json() == expected
    later = http.patch(f"/api/v1/cards/{card['id']}", json={"expires": "2027-02-03T10:00:00+02:00", "uses": 1}).json()
    assert (later["expires"], later["uses_left"]) == ("2027-02-03T08:00:00+00:00", 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"studies": ["1.1", "1.3"]}, 404),
        ({"studies": ["../x"]}, 400),
        ({"patient": ADA, "unknown": 1}, 400),
        ({"patient": {"issuer": "north", "identifier": "NOBODY"}}, 404),
        ({"patient": ADA, "expires": "soon"}, 400),
        ({"patient": ADA, "expires": "9999-12-31T23:59:59-14:00"}, 400),
        ({"patient": ADA, "expires": "2020-01-01"}, 400),
        ({"patient": ADA, "expires": "2030-01-01", "days": 3}, 400),
        ({"patient": ADA, "days": 1e300}, 400),
        ({"patient": ADA, "since": "yesterday"}, 400),
        ({"patient": ADA, "pin": 1234}, 400),
        ({"patient": ADA, "email": "okafor@example.org"}, 501),
    ],
)
def test_what_no_card_can_be_made_of(http: httpx.Client, body: dict[str, Any], status: int) -> None:
    answer = http.post("/api/v1/cards", json=body)

    assert (answer.status_code, sorted(answer.json())) == (status, ["error", "message"])


def test_cards_of_one_patient_are_asked_for_by_identifier(http: httpx.Client) -> None:
    card = made(http)
    made(http, studies=["1.3"])

    found = http.get("/api/v1/cards", params={"patient.identifier": "north|ADA"}).json()["cards"]
    assert found[0]["id"] == card["id"]
    assert {one["patient"]["identifier"] for one in found} == {"ADA"}
    for query in ("patient.identifier=ADA", "patient=ADA", "patient.identifier=a|b&x=1"):
        assert http.get(f"/api/v1/cards?{query}").status_code == 400


def test_wrong_and_unknown_are_answered_alike_and_what_is_mistyped_says_so(
    http: httpx.Client, anyone: httpx.Client
) -> None:
    card, other = made(http), made(http)
    http.post(f"/api/v1/cards/{other['id']}/freeze")
    wrong = [shown(card, pin="0000"), shown(other), shown(card, number="0" * 16)]

    answers = [anyone.post("/api/v1/redeem", json=one) for one in wrong]
    assert {(one.status_code, one.text) for one in answers} == {(404, answers[0].text)}
    # One other symbol is always caught; a number read backwards has a right check symbol once in 32.
    slipped = ("2" if card["number"][0] == "1" else "1") + card["number"][1:]
    mistyped = anyone.post("/api/v1/redeem", json=shown(card, number=slipped))
    assert (mistyped.status_code, "no try was used" in mistyped.text) == (400, True)
    assert anyone.post("/api/v1/redeem", json=shown(card, name="")).status_code == 400
    assert anyone.post("/api/v1/redeem", json=shown(card, pin=int(card["pin"]))).status_code in (200, 404)


def test_others_cannot_give_cards_and_recipients_cannot_either(
    bank: Bank, http: httpx.Client, anyone: httpx.Client
) -> None:
    assert anyone.post("/api/v1/cards", json={"patient": ADA}).status_code == 401
    clinician = bearer(a_token(bank, Role.CLINICIAN))
    token = bearer(anyone.post("/api/v1/redeem", json=shown(made(http))).json()["token"])

    for headers in (clinician, token):
        assert anyone.post("/api/v1/cards", json={"patient": ADA}, headers=headers).status_code == 403
        assert anyone.get("/api/v1/cards", headers=headers).status_code == 403


def test_who_may_only_look_gets_no_link_to_take(http: httpx.Client, anyone: httpx.Client) -> None:
    told = anyone.post("/api/v1/redeem", json=shown(made(http, patient=ADA, taking=False))).json()

    assert told["taking"] is False
    assert [sorted(one["links"]) for one in told["studies"]] == [["dicomweb", "page", "viewer"]] * 2
    assert [one["uid"] for one in told["studies"]] == ["1.1", "1.2"]
