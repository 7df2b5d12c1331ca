"""Pages on which owners ask for images and desks answer, and the same for programs."""

import re
from collections.abc import Iterator

import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank
from imagebank.actions import account, enrol, persons
from imagebank.actions.enrol import Wanted
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.http.auth import COOKIE
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from make import a_file
from unit.actions.people_here import PASSWORD
from unit.portal.browsing import Browser, hidden_field

DESK = Principal("desk", Role.TECHNOLOGIST, "local", RIGHTS[Role.TECHNOLOGIST], Scope.of("local"))
ADA, LEO = PatientId("local", "ADA"), PatientId("local", "LEO")

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("requests"), age_of_majority=40) as opened:
        keep(opened, a_file(StudyInstanceUID="1.1", PatientID="ADA", StudyDescription="Head"), source=SOURCE)
        persons.hear(opened, Identity(ADA, PersonName("Haddad^Amina"), "19840512"))
        persons.hear(opened, Identity(LEO, PersonName("Haddad^Leo"), "20150302"))
        yield opened


@pytest.fixture(scope="module")
def mother(bank: Bank) -> Browser:
    sheet = enrol.enrol(bank, Wanted(ADA), DESK)
    enrol.enrol(bank, Wanted(LEO, Relation.PARENT, sheet.account), DESK)
    browser = Browser(web_application(bank))
    cookie = account.activate(bank, enrol.checked(bank, sheet.account, sheet.secret), PASSWORD)
    browser.cookies.set(COOKIE, cookie, domain="bank.example")
    return browser


@pytest.fixture(scope="module")
def staff(bank: Bank) -> Browser:
    browser = Browser(web_application(bank))
    cookie = account.activate(bank, account.add(bank, "anna", Role.TECHNOLOGIST), PASSWORD)
    browser.cookies.set(COOKIE, cookie, domain="bank.example")
    return browser


def sent(mother: Browser, **given: str) -> str:
    form = mother.get("/my/requests/ask")
    fields = {name: hidden_field(form, name) for name in ("csrf", "key")}
    made = mother.post("/my/requests", {**fields, "facility": "local", "what": "CT of my <head>", **given})
    assert made.status_code == 303, made.text
    return made.headers["location"].rpartition("/")[2]


def test_a_mother_asks_and_the_desk_answers_with_a_study(mother: Browser, staff: Browser) -> None:
    assert "No requests yet" in mother.get("/my/requests").text
    form = mother.get("/my/requests/ask").text
    assert "Leo Haddad" in form
    name = sent(mother, when="in May")

    assert "CT of my &lt;head&gt;" in mother.get("/my/requests").text
    own = mother.get(f"/my/requests/{name}").text
    assert "Withdraw the request" in own
    queue = staff.get("/desk/requests").text
    assert "Haddad, Amina" in queue
    assert re.search(r'href="/desk"[^>]*>Accounts.{0,80}\b1\b', queue, re.DOTALL)
    csrf = hidden_field(staff.get(f"/desk/requests/{name}"), "csrf")
    assert staff.post(f"/desk/requests/{name}/take", {"csrf": csrf}).status_code == 303
    assert "Somebody is working on it" in mother.get("/my/requests").text
    assert staff.post(f"/desk/requests/{name}/answer", {"csrf": csrf}).status_code == 400
    given = {"csrf": csrf, "study": "1.1", "reason": "Made on 3 May."}
    assert staff.post(f"/desk/requests/{name}/answer", given).status_code == 303

    answered = mother.get(f"/my/requests/{name}").text
    assert 'href="/studies/1.1"' in answered
    assert "Made on 3 May." in answered
    assert "Withdraw the request" not in answered
    statement = mother.get("/my/statement").text
    for said in ("You asked for images.", "Somebody works on your request", "Your request for images was answered."):
        assert said in statement
    again = mother.post(f"/my/requests/{name}/withdraw", {"csrf": hidden_field(mother.get("/my/requests/ask"), "csrf")})
    assert (again.status_code, "Somebody was quicker" in again.text) == (409, True)
    assert name in staff.get("/desk/requests?state=ended").text


def test_what_cannot_be_sent_or_refused_is_said_and_nothing_typed_is_lost(mother: Browser, staff: Browser) -> None:
    form = mother.get("/my/requests/ask")
    fields = {name: hidden_field(form, name) for name in ("csrf", "key")}
    wrong = mother.post("/my/requests", {**fields, "facility": "nowhere", "what": "my X-ray"})
    assert (wrong.status_code, "my X-ray" in wrong.text) == (400, True)

    name = sent(mother)
    page = staff.get(f"/desk/requests/{name}")
    csrf = hidden_field(page, "csrf")
    assert staff.post(f"/desk/requests/{name}/refuse", {"csrf": csrf, "why": ""}).status_code == 400
    assert staff.post(f"/desk/requests/{name}/refuse", {"csrf": csrf, "why": "We have none."}).status_code == 303
    assert "We have none." in mother.get(f"/my/requests/{name}").text
    taken = sent(mother)
    csrf = hidden_field(mother.get(f"/my/requests/{taken}"), "csrf")
    assert mother.post(f"/my/requests/{taken}/withdraw", {"csrf": csrf}).status_code == 303
    assert mother.get("/desk/requests").status_code == 403
    assert staff.get("/my/requests").status_code == 403


def test_programs_ask_and_answer(bank: Bank, mother: Browser) -> None:
    browser = Browser(web_application(bank))
    desk = bearer(a_token(bank, Role.TECHNOLOGIST))

    def asked(who: dict[str, str] | None, method: str, path: str, **body: object) -> tuple[int, dict[str, object]]:
        ours = {"Sec-Fetch-Site": "same-origin", "X-Requested-With": "imagebank"}
        asking = mother if who is None else browser
        answer = asking.ask(method, f"/api/v1/requests{path}", who or ours, json=body or None)
        return answer.status_code, answer.json()

    status, made = asked(
        None, "POST", "", facility="local", what="a CT", patient={"issuer": "local", "identifier": "LEO"}
    )
    name = made["id"]
    assert (status, made["state"]) == (201, "sent")
    assert asked(desk, "GET", f"/{name}")[1] == made
    assert name in [one["id"] for one in asked(desk, "GET", "")[1]["requests"]]  # type: ignore[attr-defined]
    assert name in [one["id"] for one in asked(None, "GET", "")[1]["requests"]]  # type: ignore[attr-defined]
    assert asked(desk, "POST", f"/{name}/take")[1]["state"] == "seen"
    assert asked(desk, "POST", f"/{name}/answer", study="1.1")[0] == 404
    status, refused = asked(desk, "POST", f"/{name}/refuse", reason="none here")
    assert (status, refused["state"], refused["reason"]) == (200, "refused", "none here")
    assert asked(None, "POST", f"/{name}/withdraw")[0] == 409
