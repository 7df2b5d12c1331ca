"""Studies that other archives hold, on the pages: among the earlier ones, and fetched by a press."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bank import a_token, open_test_bank
from imagebank.app import web_application
from imagebank.errors import Unavailable
from imagebank.model.access import Role
from imagebank.model.provision import Kind, Provision
from unit.actions.archives_there import ARCHIVE, THERE, There, ada_is_here, listed, objects, said
from unit.portal.browsing import Browser, hidden_field
from unit.portal.test_timeline import text_of

PAGE = "/archives/Harbour%20%26%20A/studies/2.1"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    folder: Path = tmp_path_factory.mktemp("elsewhere")
    text = ARCHIVE.replace("'harbour'", "'local'", 1).replace("Harbour", "Harbour & A")
    with open_test_bank(folder, archives_file=listed(folder, text)) as bank:
        ada_is_here(bank)
        yield There(bank, [said("2.1", **{"00081030": "CT HEAD <b>"}), said("2.2")], objects("2.1"))


def signed_in(there: There, role: Role = Role.CLINICIAN) -> Browser:
    browser = Browser(web_application(there.bank))
    browser.post("/sign-in", {"token": a_token(there.bank, role)})
    return browser


def test_an_earlier_study_that_is_elsewhere_is_fetched_and_then_opened(there: There) -> None:
    browser = signed_in(there)
    assert "can be had" not in browser.get("/studies/1.1").text
    there.work()
    for address in ("/studies/1.1", "/studies/1.1/beside", "/studies/1.1/look"):
        page = browser.get(address)
        assert f'href="{PAGE}">CT HEAD &lt;b&gt;' in page.text
        assert "at <bdi>Harbour &amp; A</bdi>, can be had" in page.text

    offered = browser.get(PAGE)
    assert "A copy of all its images comes into this bank" in text_of(offered)
    assert "refresh" not in offered.headers
    assert browser.post(PAGE).status_code == 403
    pressed = browser.post(PAGE, {"csrf": hidden_field(offered, "csrf")})
    assert (pressed.status_code, pressed.headers["location"]) == (303, PAGE)
    waiting = browser.get(PAGE)
    assert (waiting.headers["refresh"], "0 of 0 images are here" in waiting.text) == ("3", True)

    there.work()
    done = browser.get(PAGE)
    assert "3 of 3 images are here" in done.text
    assert 'href="/studies/2.1">Open' in done.text
    assert f'href="{PAGE}"' not in browser.get("/studies/1.1").text


def test_who_may_not_store_is_told_whom_to_ask(there: There) -> None:
    admin, referrer = signed_in(there, Role.ADMIN), signed_in(there, Role.REFERRER)
    assert "Fetch</button>" not in admin.get(PAGE).text
    assert (referrer.get(PAGE).status_code, admin.get(PAGE.replace("2.1", "9.9")).status_code) == (404, 404)
    care = Provision("p1", Kind.CARE, True, THERE, there.bank.now() - timedelta(hours=1), role=Role.REFERRER)
    with there.bank.index.begin() as tx:
        tx.put_provision(care)
    other = referrer.get(PAGE.replace("2.1", "2.2"))
    assert "needs the right to store" in text_of(other)
    assert "Fetch</button>" not in other.text


def test_an_archive_that_does_not_answer_is_named_to_everybody_alike(there: There) -> None:
    there.error, there.after = Unavailable("it does not answer"), timedelta(hours=2)
    browser = signed_in(there, Role.ADMIN)
    browser.get("/studies/1.1")
    there.work()
    there.error = None

    assert "<bdi>Harbour &amp; A</bdi> does not answer since" in browser.get("/studies/1.1").text
