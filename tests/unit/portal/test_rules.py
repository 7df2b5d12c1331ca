"""The page of the site's rules: text, faults, words, a try, and switching on, without a script."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bank import keep, open_test_bank
from imagebank.actions import access, rules
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.rules import Text
from make import a_dataset, a_file, as_file
from rulesets import FIX_ISSUER, HOLD, REFUSE
from unit.portal.browsing import Browser, hidden_field

KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(organizations=None))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("rules")) as bank:
        ds = a_dataset(PatientID="PRIVATE", IssuerOfPatientID="X")
        ds.private_block(0x0019, "ACME", create=True).add_new(0x10, "LO", "x")
        keep(bank, a_file(), a_file(AccessionNumber=""), a_file(PatientID="PHANTOM1"), as_file(ds))
        yield bank


@pytest.fixture
def browser(opened: Bank) -> Browser:
    return signed_in(opened, Role.ADMIN)


def signed_in(bank: Bank, role: Role) -> Browser:
    browser = Browser(web_application(bank))
    assert browser.post("/sign-in", {"token": access.issue_token(bank, role)}).status_code == 303
    return browser


def send(browser: Browser, text: str, act: str, **more: str) -> httpx.Response:
    csrf = hidden_field(browser.get("/rules"), "csrf")
    return browser.post("/rules", {"csrf": csrf, "text": text.replace("\n", "\r\n"), "act": act, **more})


def test_it_is_for_admins(opened: Bank) -> None:
    clinician = signed_in(opened, Role.CLINICIAN)

    assert clinician.get("/rules").status_code == 403
    assert clinician.post("/rules", {}).status_code == 403
    assert 'href="/rules"' not in clinician.get("/").text


def test_without_rules_it_says_so(browser: Browser) -> None:
    page = browser.get("/rules")

    assert page.status_code == 200
    assert "No rules are in force" in page.text
    assert "There is no version yet." in page.text


def test_faults_stand_with_their_lines_and_what_was_typed_stays(browser: Browser) -> None:
    page = send(browser, FIX_ISSUER.replace('"set"', '"sett"'), "check")

    assert page.status_code == 422
    assert "Line 6:" in page.text
    assert "there is no action sett; did you mean set?" in page.text
    assert "value = &#34;NORTH&#34;" in page.text
    assert 'value="switch on"' not in page.text
    many = send(browser, '[[rule]]\nname = "A"\n' + '[[rule.do]]\naction = "x"\n' * 12, "try")
    assert "4 more faults" in many.text


def test_a_try_shows_numbers_samples_and_conflicts_and_changes_nothing(opened: Bank, browser: Browser) -> None:
    text = (
        REFUSE
        + HOLD
        + '[[rule]]\nname = "S"\nwhen = "header.IssuerOfPatientID == \'\'"\n'
        + '[[rule.do]]\naction = "set"\ntag = "StudyID"\nvalue = "<b>"\n'
        + '[[rule]]\nname = "P"\n[[rule.do]]\naction = "drop private"\n'
    )

    page = send(browser, text, "try", since="30d")

    assert page.status_code == 200
    for words in ("Looked at", "What would differ", "4 of 4", "&lt;b&gt;", "replaces a value of StudyID"):
        assert words in page.text
    for words in ("it is a phantom", "it has no AccessionNumber", "private attributes go", "applies to 1"):
        assert words in page.text
    assert 'value="30d" checked' in page.text
    assert opened.index.rules.newest() == 0


def test_a_rule_that_cannot_be_judged_is_told_and_not_switched_on(opened: Bank, browser: Browser) -> None:
    odd = FIX_ISSUER.replace('header.IssuerOfPatientID == ""', "1 / (header.Rows - 8) == 1")

    tried, switched = send(browser, odd, "try"), send(browser, odd, "switch on")

    assert "the rules cannot be switched on" in tried.text
    assert switched.status_code == 422
    assert "The rules cannot be judged on what came before" in switched.text
    assert opened.index.rules.newest() == 0


def test_nothing_differs_where_nothing_would(browser: Browser) -> None:
    text = '[[rule]]\nname = "A"\n[[rule.do]]\naction = "accept"\n'

    assert "Everything would be as it is." in send(browser, text, "try").text


def test_rules_are_switched_on_and_gone_back_to(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        browser = signed_in(bank, Role.ADMIN)
        assert "Nothing came in this time." in send(browser, FIX_ISSUER, "try").text
        assert send(browser, FIX_ISSUER, "switch on").headers["location"] == "/rules?on=1"
        rules.switch_on(bank, Text(HOLD), KEEPER, way="command")

        page = browser.get("/rules?on=1")
        assert "Version 2 is in force, by keeper" in page.text
        assert "The rules are in force." in page.text
        assert "For everything that comes" in page.text
        back = browser.get("/rules?version=1")
        assert "IssuerOfPatientID" in back.text
        assert "Against what is in force" in back.text
        assert browser.get("/rules?version=7").status_code == 404
        (bank.settings.data / "rules.toml").write_text(FIX_ISSUER.replace('"set"', '"sett"'))
        assert "The rules file on this machine is wrong." in browser.get("/rules").text


def test_switching_on_needs_a_proof_of_who_sits_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from imagebank.errors import NotAllowed  # noqa: PLC0415 - beside its only use

    def unproven(*_: object) -> None:
        raise NotAllowed("prove it")

    with open_test_bank(tmp_path) as bank:
        browser = signed_in(bank, Role.ADMIN)
        monkeypatch.setattr(access, "require_proof", unproven)

        page = send(browser, FIX_ISSUER, "switch on")

        assert page.status_code == 422
        assert 'href="/account/prove"' in page.text
        assert "value = &#34;NORTH&#34;" in page.text
        assert bank.index.rules.newest() == 0


def test_a_text_that_is_far_too_long_is_refused(browser: Browser) -> None:
    assert send(browser, "x" * 700_000, "check").status_code == 400
