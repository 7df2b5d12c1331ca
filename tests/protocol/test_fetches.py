"""A card of one bank shown at another, which brings its studies in: two banks, and HTTP between them."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bank import a_token, bearer, open_test_bank, serving
from cards_here import ADA, KEEPER, a_card, bank, filled, wrong
from imagebank.actions import cards, fetching, ingest, reports, rights
from imagebank.app import transfer_work
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound, Unavailable
from imagebank.http import taking
from imagebank.model import card_number
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.report import Body, Part, Report
from imagebank.model.task import Kind, Wanted
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from make_pdf import a_pdf
from running import Said, imagebank

__all__ = ["bank", "filled"]
ALL = Scope(organizations=None)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Bank]:
    """The bank that is given the card."""
    with open_test_bank(tmp_path / "other", organization="quay") as opened:
        yield opened


@pytest.fixture
def url(bank: Bank) -> Iterator[str]:
    """Where the bank is that gave it."""
    with serving(bank) as address:
        yield address


def doctor(other: Bank) -> Principal:
    return rights.principal(other, "Dr Okafor", Role.CLINICIAN, "quay")


def wanted(url: str, card: cards.Issued, **given: str) -> fetching.Wanted:
    said = {"number": card.number, "pin": card.pin, "name": "Dr Okafor", "institution": "Quay", "purpose": "Treatment"}
    return fetching.Wanted(url, **{**said, **given})


def work(other: Bank, name: str) -> None:
    transfer_work()[fetching.JOB](other, {"fetch": name})


def held(of: Bank) -> dict[str, str]:
    return {str(one.uid): str(one.content_digest) for one in of.index.instances(Selection(), ALL)}


def test_a_doctor_brings_in_what_the_patient_has_told(bank: Bank, other: Bank, url: str) -> None:
    card = a_card(bank, studies=(Uid("1.1"), Uid("1.2")))
    made = fetching.ask(other, taking.WEB, wanted(f"{url}/redeem#{card.number}", card), doctor(other), "10.0.0.7")
    work(other, made.id)

    found = fetching.kept(other, made.id, doctor(other))
    assert (found.state, found.kept, found.total, found.secret, found.reason) == (State.DONE, 2, 2, b"", "")
    assert held(other).items() <= held(bank).items()
    owners = {one.patient for one in other.index.instances(Selection(), ALL)}
    assert owners == {PatientId(found.host, "ADA")}
    told = [one.detail for one in other.index.events(ALL, 100) if one.act is Act.DECIDED]
    assert any(f"done, 2 of 2 from {found.host}" in detail for detail in told)
    assert [one.name for one in cards.withdrawals(bank, card.card.id, KEEPER)] == ["Dr Okafor"]
    tasks = other.index.tasks.tasks(Wanted(), ALL, other.now()).tasks
    assert {one.kind for one in tasks} == {Kind.MEDIA}

    again = fetching.ask(other, taking.WEB, wanted(url, card), doctor(other))
    work(other, again.id)
    assert fetching.kept(other, again.id, doctor(other)).kept == 2


def test_a_wrong_pin_costs_one_try_there(bank: Bank, other: Bank, url: str) -> None:
    card = a_card(bank)
    with pytest.raises(NotFound, match="do not open anything"):
        fetching.ask(other, taking.WEB, wanted(url, card, pin=wrong(card.pin)), doctor(other))

    left = bank.index.cards.card(card.card.id, ALL)
    assert left is not None
    assert left.tries_left == card.card.tries_left - 1
    assert next(one.detail for one in other.index.events(ALL, 9) if one.act is Act.DECIDED).endswith("NotFound")
    with pytest.raises(NotAllowed, match="looking only"):
        fetching.ask(other, taking.WEB, wanted(url, a_card(bank, taking=False)), doctor(other))


def test_a_card_that_is_taken_back_in_the_middle_stops_it(
    bank: Bank, other: Bank, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = a_card(bank, studies=(Uid("1.1"), Uid("1.2")))
    made = fetching.ask(other, taking.WEB, wanted(url, card), doctor(other))

    def receive(*given: Any) -> Any:
        cards.revoke(bank, card.card.id, KEEPER)
        return ingest_receive(*given)

    ingest_receive = ingest.receive
    monkeypatch.setattr(ingest, "receive", receive)
    work(other, made.id)

    found = fetching.kept(other, made.id, doctor(other))
    assert (found.state, found.kept, found.total) == (State.STOPPED, 1, 2)
    assert "taken the card back" in found.reason
    assert len(held(other)) == 1


def test_programs_fetch_and_ask_how_far_it_is(bank: Bank, other: Bank, url: str) -> None:
    card = a_card(bank)
    said = {"address": url, "number": card.number, "pin": card.pin, "institution": "Quay", "purpose": "Treatment"}
    with (
        serving(other) as there,
        httpx.Client(base_url=there, headers=bearer(a_token(other, Role.CLINICIAN, organization="quay"))) as http,
    ):
        made = http.post("/api/v1/fetches", json=said, timeout=60)
        assert made.status_code == 202, made.text
        work(other, made.json()["id"])
        assert http.get(made.headers["location"]).json()["state"] == "done"
        assert [one["kept"] for one in http.get("/api/v1/fetches").json()["fetches"]] == [2]
        assert http.post("/api/v1/fetches", json=said | {"address": "http://a.example"}).status_code == 400
        assert http.get(f"/api/v1/fetches/{'0' * 32}").status_code == 404


def test_an_operator_fetches_by_command_and_reports_come_along(
    bank: Bank, other: Bank, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = (Part("text/plain", b"Keine Blutung"), Part("application/pdf", a_pdf(), "As PDF"))
    body = Body("CT head", "Dr Varga", parts)
    reports.keep(bank, Report("north", ADA, bank.now(), "F", "R1", study=Uid("1.1")), body, "RIS")
    asked = ("--name", "Dr Okafor", "--institution", "Quay", "--purpose", "Treatment")
    data = ("--json", "--data", tmp_path / "other" / "bank")

    def fetch(number: str, pin: str) -> Said:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{pin}\n"))
        return imagebank("fetch", url, number, *asked, *data, environ={"IMAGEBANK_ORGANIZATION": "quay"})

    card = a_card(bank, studies=(Uid("1.1"),), reports=True)
    mistyped = ("1" if card.number[0] == "0" else "0") + card.number[1:]
    refused = [fetch(mistyped, card.pin), fetch(card.number, wrong(card.pin))]
    made = fetch(card_number.shown(card.number), card.pin)
    work(other, json.loads(made.out)["id"])

    assert [one.status for one in refused] == [2, 1]
    assert "no try was used" in refused[0].err
    assert "do not open anything" in refused[1].err
    assert made.status == 0, made.err
    assert json.loads(made.out)["studies"] == ["1.1"]
    (told,) = reports.of_study(other, Uid("1.1"), doctor(other))
    assert (told.body, told.report.patient.identifier) == (body, "ADA")
    assert [one.name for one in cards.withdrawals(bank, card.card.id, KEEPER)] == ["Dr Okafor"]

    without = a_card(bank, studies=(Uid("1.2"),), reports=False)
    work(other, json.loads(fetch(without.number, without.pin).out)["id"])
    assert reports.of_study(other, Uid("1.2"), doctor(other)) == []


def test_what_answers_otherwise_is_tried_again(other: Bank, url: str) -> None:
    with pytest.raises(NotFound):
        list(taking.files(other, f"{url}/dicom-web/studies/1.1", {}))
    with pytest.raises(Unavailable, match="to the end"):
        list(taking.files(other, f"{url}/sign-in", {}))
    with pytest.raises(Unavailable, match="status"):
        list(taking.files(other, f"{url}/sign-out", {}))
    with pytest.raises(NotFound):
        taking.document(f"{url}/dicom-web/studies/1.1", {})
    with pytest.raises(Unavailable, match="status"):
        taking.document(f"{url}/sign-out", {})
