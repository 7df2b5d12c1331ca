"""A file that an object was made of can be had back, under the name that it had."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import media
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.model.imaging import Receipt
from imagebank.model.person import PatientId
from imagebank.model.upload import About, Department
from make import a_file, read
from unit.portal.browsing import Browser
from unit.portal.test_pages import signed_in


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    return signed_in(bank)


def take(bank: Bank, name: str) -> tuple[bytes, Receipt]:
    with io.BytesIO() as stream:
        Image.new("RGB", (16, 16), "red").save(stream, "JPEG")
        photo = stream.getvalue()
    about = About(PatientId("", "4711"), "Diaz^Ana", department=Department.DERMATOLOGY)
    (receipt,) = media.receive(bank, [Arrival(io.BytesIO(photo), len(photo), name)], SOURCE, about)
    return photo, receipt


def path_of(receipt: Receipt) -> str:
    return f"/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}"


def test_a_photograph_is_given_back_as_it_came_from_its_page(bank: Bank, browser: Browser) -> None:
    photo, receipt = take(bank, "Arm links.jpg")
    page = browser.get(path_of(receipt))
    answer = browser.get(path_of(receipt) + "/file")

    assert "Download the original file" in page.text
    assert answer.content == photo
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''Arm%20links.jpg"


def test_whatever_a_file_was_called_it_ends_no_header_and_leaves_no_folder(bank: Bank, browser: Browser) -> None:
    _, receipt = take(bank, '../../etc/a";x\r\nSet-Cookie: b=c;é.jpg')
    answer = browser.get(path_of(receipt) + "/file")

    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''a%22%3Bx")


def test_what_came_as_dicom_has_no_other_file(bank: Bank, browser: Browser) -> None:
    file = a_file()
    keep(bank, file)
    ds = read(file)
    path = f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"

    assert "Download the original file" not in browser.get(path).text
    assert browser.get(path + "/file").status_code == 404


def test_who_may_not_see_the_object_gets_no_file(bank: Bank) -> None:
    _, receipt = take(bank, "arm.jpg")

    assert signed_in(bank, "elsewhere").get(path_of(receipt) + "/file").status_code == 404
