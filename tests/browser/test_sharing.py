"""A CT at hospital A; two weeks later, at B, without a disc, the patient reads out a card number and a PIN."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

from bank import SOURCE, free_port, keep, open_test_bank, serving
from browser.judging import DESK, PHONE, faults
from browser.viewing import Eye, eye, person
from imagebank import worker
from imagebank.actions import access, account, destinations, devices, enrol, persons, transfer
from imagebank.actions.enrol import Wanted
from imagebank.app import transfer_work
from imagebank.bank import Bank
from imagebank.http.auth import COOKIE
from imagebank.model.access import RIGHTS, Device, Principal, Right, Role, Scope
from imagebank.model.fetch import Fetch
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.transfer import Destination, State
from imagebank.model.uid import Uid
from make import as_file, read
from protocol.orthanc_peer import HOST, TITLE, Orthanc, an_orthanc
from samples import sample_data

pytestmark = pytest.mark.browser

AMINA = PatientId("brigid", "4711")
CLERK = Principal("desk", Role.TECHNOLOGIST, "brigid", RIGHTS[Role.TECHNOLOGIST], Scope.of("brigid"))
SLICES = 6
STUDY = "1.2.826.0.1.3680043.10.7.31"
PACS = "Quay Street PACS"
PHONE_LIGHT, DESK_DARK = LOOKS = ((PHONE, "light"), (DESK, "dark"))
Shoot = Callable[[Page, str], None]


@dataclass(frozen=True)
class Town:
    """A bank to which hospital A deposits, on loopback; and the archive of hospital B."""

    bank: Bank
    url: str
    pacs: Orthanc
    study: str


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Shoot:
    """Keeps a picture of a step, where the option --pictures says in which folder."""
    folder = request.config.getoption("--pictures")

    def kept(page: Page, name: str) -> None:
        if folder:
            page.wait_for_load_state("networkidle")
            page.screenshot(path=Path(folder) / f"share-{name}.png", animations="disabled")

    return kept


def a_head() -> list[bytes]:
    """Some slices of a CT, as hospital A has made them of Amina."""
    named = {
        "StudyInstanceUID": STUDY,
        "PatientName": "Haddad^Amina",
        "PatientID": AMINA.identifier,
        "PatientBirthDate": "19840512",
    }
    made = {"InstitutionName": "St. Brigid Hospital", "StudyDate": "20261115", "BodyPartExamined": "HEAD"}
    found = []
    for path in sorted((sample_data() / "ct-head-current/S2010").iterdir())[10 : 10 + SLICES]:
        dataset = read(path.read_bytes())
        for keyword, text in {**named, **made}.items():
            setattr(dataset, keyword, text)
        found.append(as_file(dataset))
    return found


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder, port = tmp_path_factory.mktemp("town"), free_port()
    with (
        open_test_bank(folder, organization="brigid", site_name="St. Brigid") as bank,
        serving(bank) as url,
        an_orthanc(folder / "b", bank_title="BANK", bank_port=1, bank_url=url, token="", port=port) as pacs,
    ):
        before = replace(bank, now=lambda: bank.now() - timedelta(days=14))
        keep(before, *a_head(), source=replace(SOURCE, organization="brigid"))
        persons.hear(bank, Identity(AMINA, PersonName("Haddad^Amina"), "19840512"))
        devices.add(bank, Device(TITLE, HOST, port, tls=False, rights=frozenset({Right.STORE}), organization="quay"))
        destinations.offer(bank, Destination(PACS, device=TITLE, for_recipients=True))
        yield Town(bank, url, pacs, STUDY)


@pytest.fixture(scope="module")
def amina(chromium: Browser, town: Town) -> Iterator[BrowserContext]:
    """The patient's phone: she has opened her account by the sheet of A's desk."""
    sheet = enrol.enrol(town.bank, replace(Wanted(AMINA), display_name="Amina Haddad"), CLERK)
    code = enrol.checked(town.bank, sheet.account, sheet.secret)
    cookie = account.activate(town.bank, code, "seven green herons wade")
    with person(chromium) as phone:
        phone.add_cookies([{"name": COOKIE, "value": cookie, "url": town.url}])
        yield phone


def make_a_card(page: Page, town: Town, shoot: Shoot) -> tuple[str, str]:
    """Three taps from the page of the exam; the number and the PIN that the patient sees."""
    page.goto(f"{town.url}/studies/{town.study}")
    page.get_by_role("link", name="Let a doctor see these").click()
    expect(page.get_by_role("checkbox", name="CT of the head")).to_be_checked()
    shoot(page, "what")
    page.get_by_role("button", name="Next: for whom and how long").click()
    page.get_by_label("Who is it for?").fill("Dr Okafor, Quay Street Clinic")
    shoot(page, "whom")
    page.get_by_role("button", name="Make the card").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your card is ready")
    shoot(page, "card")
    return page.locator(".symbols").inner_text(), page.locator(".pin").inner_text()


def redeem(looking: Eye, number: str, pin: str, shoot: Shoot) -> None:
    """B's doctor types what the patient reads out, on a browser that was never here."""
    page = looking.page
    looking.open("/redeem")
    page.get_by_label("Card number").fill(number.lower().replace(" ", ""))
    page.get_by_label("PIN", exact=True).fill(pin)
    page.get_by_label("Your name").fill("Dr Chidi Okafor")
    page.get_by_label("Clinic or hospital").fill("Quay Street Clinic")
    shoot(page, "redeem")
    page.get_by_role("button", name="Open the images").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Images that a patient shows you")
    shoot(page, "opened")


def import_into_pacs(page: Page, town: Town, shoot: Shoot) -> None:
    """Into B's own archive, by DICOM."""
    page.goto(f"{town.url}/export?study={town.study}")
    page.get_by_label("Where to").select_option(PACS)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text(f"On the way to {PACS}")).to_be_visible()
    worker.step(town.bank, {transfer.JOB: transfer_work()[transfer.JOB]})
    # By itself.
    expect(page.get_by_text("All images are there")).to_be_visible()
    shoot(page, "sent")
    assert len(town.pacs.instances()) == SLICES


def read_statement(page: Page, town: Town, shoot: Shoot) -> None:
    """What B's doctor did stands on the patient's statement."""
    page.goto(f"{town.url}/my/statement")
    expect(page.get_by_text(f"To: {PACS}").first).to_be_visible()
    looked = page.get_by_text("Dr Chidi Okafor looked at images").first
    expect(looked).to_be_visible()
    looked.scroll_into_view_if_needed()
    shoot(page, "statement")


def take_back(page: Page, town: Town, shoot: Shoot) -> None:
    """The patient sees who has looked, and takes the card back in two steps."""
    page.goto(f"{town.url}/my/cards")
    page.get_by_role("link", name="Dr Okafor").first.click()
    used = page.get_by_text("Dr Chidi Okafor")
    expect(used).to_be_visible()
    used.scroll_into_view_if_needed()
    shoot(page, "used")
    page.get_by_role("link", name="Take back").click()
    shoot(page, "take-back")
    page.get_by_role("button", name="Take it back").click()
    expect(page.get_by_text("This card was taken back.")).to_be_visible()


@pytest.mark.parametrize(("hers", "his"), [(DESK, PHONE), (PHONE, DESK)], ids=["she on a desk", "she on a phone"])
def test_a_doctor_elsewhere_sees_the_ct_by_number_and_pin_until_it_is_taken_back(
    chromium: Browser, town: Town, amina: BrowserContext, shoot: Shoot, hers: ViewportSize, his: ViewportSize
) -> None:
    """Each on a phone and on a desk; the pictures are those of a phone of hers and a desk of his, which come last."""
    hers_page = amina.new_page()
    hers_page.set_viewport_size(hers)
    number, pin = make_a_card(hers_page, town, shoot)

    with person(chromium) as okafor, eye(okafor, town.url) as looking:
        looking.page.set_viewport_size(his)
        redeem(looking, number, pin, shoot)
        looking.page.get_by_role("link", name="Open in the viewer").click()
        looking.wait_until_lit()
        shoot(looking.page, "viewer")
        his_page = okafor.new_page()
        his_page.set_viewport_size(his)
        import_into_pacs(his_page, town, shoot)
        read_statement(hers_page, town, shoot)
        take_back(hers_page, town, shoot)

        looking.page.wait_for_url("**/viewer/closed.html")
        shoot(looking.page, "dark")
        looking.open(f"/studies/{town.study}")
        expect(looking.page.get_by_role("heading", level=1)).to_be_visible()
        expect(looking.page.locator("main")).not_to_contain_text("CT")


def test_the_pages_of_cards_have_no_faults(town: Town, amina: BrowserContext) -> None:
    page = amina.new_page()
    page.goto(f"{town.url}/my/share")
    page.get_by_text("Or choose by kind").click()
    found = faults(page, LOOKS)
    page.get_by_role("checkbox", name="Everything that is here now").check()
    page.get_by_role("button", name="Next").click()
    page.get_by_text("More choices").click()
    found += faults(page, LOOKS)
    page.get_by_label("Your own PIN").fill("1234")
    page.get_by_role("button", name="Make the card").last.click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("button", name="Make the card").last.click()
    number = page.locator(".symbols").inner_text()
    found += faults(page, LOOKS)
    page.get_by_role("button", name="Freeze").click()
    expect(page.get_by_role("button", name="Let it work again")).to_be_visible()
    page.get_by_text("Change this card").click()
    found += faults(page, LOOKS)
    page.goto(f"{town.url}/my/cards")
    found += faults(page, LOOKS)
    page.locator('main a[href^="/my/cards/"]').first.click()
    page.get_by_role("link", name="A health link for this card").click()
    expect(page.get_by_role("button", name="Make the link")).to_be_visible()
    found += faults(page, [PHONE_LIGHT])
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your health link")
    found += faults(page, [DESK_DARK])
    page.goto(f"{town.url}/shl")
    found += faults(page, [PHONE_LIGHT])
    # As the code of the card leads there.
    page.goto(f"{town.url}/redeem#{number.replace(' ', '')}")
    expect(page.get_by_label("Card number")).to_have_value(number)

    assert found == []
    assert page.url == f"{town.url}/redeem"


def test_the_pages_of_requests_and_of_bringing_in_have_no_faults(
    chromium: Browser, town: Town, amina: BrowserContext
) -> None:
    hers = amina.new_page()
    hers.goto(f"{town.url}/my/requests")
    found = faults(hers, [PHONE_LIGHT])
    hers.goto(f"{town.url}/my/requests/ask")
    found += faults(hers, [PHONE_LIGHT])
    hers.get_by_label("Which images are you looking for?").fill("The MR of my knee " * 9)
    hers.get_by_role("button", name="Send the request").click()
    expect(hers.get_by_text("The MR of my knee").first).to_be_visible()
    found += faults(hers, [PHONE_LIGHT])

    now = town.bank.now()
    of_desk = ("desk", Role.TECHNOLOGIST, "brigid", "")
    brought = Fetch(
        "f" * 32, *of_desk, "https://harbour.example", b"", (Uid(STUDY),), now, now, 9, 4, State.STOPPED, "away"
    )
    with town.bank.index.begin() as tx:
        tx.fetches.put(brought)
    with person(chromium) as desk:
        page = desk.new_page()
        page.goto(f"{town.url}/sign-in/{access.sign_in_link(town.bank, Role.TECHNOLOGIST, 'desk', 'brigid')}")
        for path in ("/desk/requests", "/desk/fetch", f"/desk/fetch/{brought.id}"):
            page.goto(town.url + path)
            found += faults(page, [DESK_DARK])
        page.goto(f"{town.url}/desk/requests")
        page.locator('main a[href^="/desk/requests/"]').first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Request for images")
        found += faults(page, [DESK_DARK])
        page.goto(f"{town.url}/desk/fetch")
        for label, text in (
            ("Address of the other bank", "https://harbour.example"),
            ("Card number", "7K2M"),
            ("PIN", "1234"),
        ):
            page.get_by_label(label, exact=True).fill(text)
        page.get_by_role("button", name="Bring the images in").click()
        expect(page.get_by_role("alert")).to_contain_text("no try was used")
        found += faults(page, [DESK_DARK])

    assert found == []
