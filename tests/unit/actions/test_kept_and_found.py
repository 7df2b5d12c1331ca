"""Recordings and volumes of other kinds are found by their patient and their words, shown, and had back as they came."""

import io
from collections.abc import Iterator

import numpy as np
import pytest

from bank import SOURCE, a_token, bearer, open_test_bank
from imagebank.actions import finding, media
from imagebank.actions.ingest import Arrival
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.search import Wish
from imagebank.model.upload import About, Department
from make_ecg import a_rhythm, an_aecg, an_scp
from make_nifti import a_nifti
from unit.portal.browsing import Browser

ADMIN = Principal("ada", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(organizations=None))
ANA = About(PatientId("", "4711"), "Diaz^Ana", department=Department.CARDIOLOGY, description="At rest")
PHILIPS = b"<?xml version='1.0'?><restingecgdata xmlns='http://www3.medical.philips.com'><x/></restingecgdata>"


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("found")) as bank:
        yield bank


@pytest.mark.parametrize(
    ("name", "data", "words", "shown"),
    [
        ("rest-4711.scp", an_scp(a_rhythm()), "diaz rest", ">aVR</text>"),
        ("exercise-4711.xml", an_aecg(a_rhythm(3)), "4711", ">aVR</text>"),
        ("holter-4711.xml", PHILIPS, "diaz", 'type="application/pdf"'),
        ("knee-4711.nii", a_nifti(np.ones((2, 8, 8), "u2"), words=b"meniscus"), "diaz meniscus", "/frames/1/rendered"),
    ],
)
def test_it_is_found_shown_and_had_back(bank: Bank, name: str, data: bytes, words: str, shown: str) -> None:
    (receipt,) = media.receive(bank, [Arrival(io.BytesIO(data), len(data), name)], SOURCE, ANA)
    finding.write_job(bank, {"study": str(receipt.study)})
    answer = finding.everything(bank, Wish(words, {}), ADMIN, "test", 50)
    place = f"/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}"
    page = Browser(web_application(bank)).get(place, bearer(a_token(bank)))

    assert receipt.is_kept
    assert str(receipt.study) in [match.study.attributes["0020000D"]["Value"][0] for match in answer.matches]
    assert shown in page.text
    assert b"".join(media.original(bank, Selection(instance=receipt.uid), ADMIN)[1]) == data
