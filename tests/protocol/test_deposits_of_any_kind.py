"""Files of every kind by `POST /api/v1/deposits`, with what is known of them."""

import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image

from bank import a_token, bearer
from imagebank.actions import orders
from imagebank.model.order import Order, Patient, State
from imagebank.model.person import PatientId
from make import a_file
from protocol.dicomweb_site import Site, a_site

ANA = {"patient_id": "4711", "patient_name": "Diaz^Ana", "department": "dermatology", "body_part": "skin"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with a_site(tmp_path) as site:
        yield site


def a_photo(colour: str) -> bytes:
    with io.BytesIO() as stream:
        Image.new("RGB", (16, 16), colour).save(stream, "JPEG")
        return stream.getvalue()


def post(site: Site, said: dict[str, str], *files: tuple[str, bytes]) -> httpx.Response:
    given = [("file", file) for file in files]
    return httpx.post(
        f"{site.url}/api/v1/deposits", data=said, files=given, headers=bearer(a_token(site.bank)), timeout=60
    )


def test_a_photograph_is_found_by_what_was_said_of_it_and_shown(site: Site) -> None:
    answer = post(site, ANA, ("arm.jpg", a_photo("red")), ("leg.jpg", a_photo("blue")), ("ct.dcm", a_file()))
    receipts = answer.json()["outcomes"]
    found = site.http.get("/studies", params={"PatientID": "4711"}).json()
    picture = site.http.get(f"/studies/{receipts[0]['study']}/rendered", headers={"Accept": "image/png"})

    assert answer.status_code == 200
    assert [one["outcome"] for one in receipts] == ["stored"] * 3
    assert [study["0020000D"]["Value"] for study in found] == [[receipts[0]["study"]]]
    assert found[0]["00201208"]["Value"] == [2]
    assert Image.open(io.BytesIO(picture.content)).size == (16, 16)


@pytest.mark.parametrize(
    ("said", "word"),
    [({"department": "kitchen"}, "department"), ({"birth_date": "1.2.80"}, "birth_date"), ({"sex": "?"}, "sex")],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_kept(site: Site, said: dict[str, str], word: str) -> None:
    answer = post(site, said, ("arm.jpg", a_photo("red")))

    assert answer.status_code == 400
    assert word in answer.json()["message"]
    assert site.http.get("/studies").status_code == 204


def test_what_is_said_after_a_file_comes_too_late_and_says_so(site: Site) -> None:
    fields = [("file", ("arm.jpg", a_photo("red"))), ("patient_id", (None, b"4711"))]
    answer = httpx.post(f"{site.url}/api/v1/deposits", files=fields, headers=bearer(a_token(site.bank)), timeout=60)

    assert answer.status_code == 207
    assert "before the files" in answer.json()["outcomes"][-1]["error"]["message"]


def test_fields_are_text(site: Site) -> None:
    fields = [("patient_name", (None, b"\xff\xfe")), ("file", ("arm.jpg", a_photo("red")))]
    answer = httpx.post(f"{site.url}/api/v1/deposits", files=fields, headers=bearer(a_token(site.bank)), timeout=60)
    long = post(site, {"description": "x" * 5000}, ("arm.jpg", a_photo("red")))

    assert (answer.status_code, long.status_code) == (400, 400)


def test_other_fields_are_of_no_interest(site: Site) -> None:
    assert post(site, {"colour": "teal"}, ("arm.jpg", a_photo("red"))).status_code == 200


def test_an_order_says_whose_a_photograph_is_and_what_may_be_so_is_told(site: Site) -> None:
    ana = Patient(PatientId("local", "4712"), "Diaz^Ana", "19800203", "F")
    order = Order("local", ana, site.bank.now(), State.SCHEDULED, filler="O-1", accession="A-1", modality="OP")
    orders.hear(site.bank, [order], "RIS")
    answer = post(site, {"order": "O-1"}, ("Augen/9999_OD.jpg", a_photo("green")))
    (study,) = site.http.get("/studies", params={"AccessionNumber": "A-1"}).json()
    (receipt,) = answer.json()["outcomes"]
    proposed = {(one["field"], one["value"]): one for one in receipt["proposals"]}

    assert study["00100020"]["Value"] == ["4712"]
    assert proposed["patient_id", "4712"] == {
        "field": "patient_id",
        "value": "4712",
        "source": "order",
        "evidence": "order O-1",
        "confidence": 1,
        "bars": 5,
        "sure": True,
    }
    assert not proposed["patient_id", "9999"]["sure"]
    assert proposed["laterality", "R"]["source"] == "name"


def test_an_order_that_nobody_knows_leaves_a_photograph_unidentified_and_is_said(site: Site) -> None:
    answer = post(site, {"order": "O-2"}, ("x.jpg", a_photo("black")))

    assert "there is no order O-2 here yet" in answer.json()["outcomes"][0]["warnings"]
