"""The page of words in exams that no table knows: what it lists, what it leaves out, and for whom it is."""

from collections.abc import Iterator

import pytest

from bank import open_test_bank
from imagebank.actions import access, finding
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from unit.actions.test_priors import deposit
from unit.portal.browsing import Browser


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("words"), organization="north") as bank:
        yield bank


def signed_in(bank: Bank, role: Role) -> Browser:
    browser = Browser(web_application(bank))
    assert browser.post("/sign-in", {"token": access.issue_token(bank, role)}).status_code == 303
    return browser


def test_it_is_for_admins(opened: Bank) -> None:
    clinician = signed_in(opened, Role.CLINICIAN)

    assert clinician.get("/words").status_code == 403
    assert 'href="/words"' not in clinician.get("/").text
    assert 'href="/words"' in signed_in(opened, Role.ADMIN).get("/words").text


def test_it_lists_words_of_three_persons_with_their_counts(opened: Bank) -> None:
    admin = signed_in(opened, Role.ADMIN)
    before = admin.get("/words")
    for number, words in enumerate(("jennyscan head", "JENNYSCAN head zorgblat", "jennyscan", "zorgblat")):
        deposit(opened, PatientId("north", f"U{number}"), f"1.3.{number}", "20260101", f"CT {words}")
        finding.write(opened, Uid(f"1.3.{number}"))
    after = admin.get("/words?studies=1000")

    assert before.status_code == after.status_code == 200
    assert "Every word is known" in before.text
    assert '<bdi>jennyscan</bdi></th><td class="end">3</td><td dir="ltr">CT</td>' in after.text
    assert "zorgblat" not in after.text
    assert "Varga" not in after.text
    assert '<option value="1000" selected>' in after.text
    assert '<option value="10000" selected>' in admin.get("/words?studies=; drop").text
    assert 'words = ["jennyscan"]' in after.text
