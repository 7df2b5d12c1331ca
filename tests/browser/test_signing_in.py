"""How people come in: the first admin by a link, then by password, by a code, by a passkey; and out."""

import re
import time
from base64 import b32decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bank import free_port
from browser.judging import DESK, PHONE, Look, faults
from browser.viewing import person, wait_for_images
from imagebank.actions import totp
from running import HOST, Running, start_program, wait_for, wait_until_ready

pytestmark = pytest.mark.browser

PASSWORD = "seven green herons wade"
# Within that a code is typed and sent.
_TYPED_S = 10
SIZES: tuple[Look, ...] = ((PHONE, ""), (DESK, ""))


class Telling(Running):
    """A bank whose standard output is kept."""

    @property
    def told(self) -> Path:
        return self.log.with_name("told.txt")

    def start(self) -> None:
        listeners = ("--http", f"{HOST}:{self.http_port}", "--dimse", f"{HOST}:{self.dimse_port}")
        with self.told.open("ab") as stream:
            self.process = start_program(
                "serve", "--data", self.data, *listeners, environ=self.environ, log=self.log, stdout=stream
            )
        wait_until_ready(self.url, self.process, self.log)

    def first_link(self) -> str:
        wait_for(lambda: "/activate/" in self.told.read_text(), "the first admin's link")
        (link,) = re.findall(r"http://\S+/activate/\S+", self.told.read_text())
        return str(link)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Telling]:
    """A bank in which nobody has an account. Passkeys are bound to a name, so it has one."""
    port = free_port()
    environ = {"IMAGEBANK_DECODERS": "1", "IMAGEBANK_PUBLIC_URL": f"http://localhost:{port}"}
    bank = Telling(tmp_path / "bank", environ, port, free_port(), tmp_path / "serve.log")
    bank.start()
    try:
        yield bank
    finally:
        assert bank.stop() == 0


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    with person(chromium) as somebody:
        yield somebody.new_page()


def with_authenticator(page: Page) -> None:
    """Give the page's browser an authenticator that always says yes."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def sign_in(page: Page, bank: Telling, code: str = "") -> None:
    page.goto(f"{bank.environ['IMAGEBANK_PUBLIC_URL']}/sign-in")
    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Code from your app").fill(code)
    press(page, "Sign in with a password")


def sign_out(page: Page) -> None:
    press(page, "Sign out")
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()


def code_of(secret: str, late: int) -> str:
    """The code of so many steps later than now; not at the end of a step, so that it is still that many when it comes."""
    left_s = totp.STEP_S - time.time() % totp.STEP_S
    if left_s < _TYPED_S:
        time.sleep(left_s)
    padded = secret + "=" * (-len(secret) % 8)
    return totp.code(b32decode(padded), int(time.time()) // totp.STEP_S + late)


def activate(page: Page, bank: Telling) -> None:
    """Make the first admin's account."""
    page.goto(bank.first_link())
    assert faults(page, SIZES) == []
    page.get_by_label("Name to sign in with").fill("Ada")
    page.get_by_label("Name that others see").fill("Ada Varga")
    page.get_by_label("Password").fill(PASSWORD)
    press(page, "Set the password and go on")
    expect(page.get_by_role("heading", name="Your account", exact=True)).to_be_visible()
    assert faults(page, SIZES) == []


def set_up_app(page: Page) -> str:
    """Have codes asked for; the app's key."""
    page.get_by_role("link", name="ada", exact=True).click()
    press(page, "Set up an app")
    drawn = page.locator("img.qr")
    expect(drawn).to_be_visible()
    wait_for_images(page, "img.qr", 100)
    assert faults(page, SIZES) == []
    secret = page.locator(".id").inner_text()
    page.get_by_label("The code that the app shows now").fill(code_of(secret, -1))
    press(page, "Ask for codes from now on")
    expect(page.get_by_text("you are asked for a code")).to_be_visible()
    return secret


def make_passkey(page: Page) -> None:
    page.get_by_role("link", name="ada", exact=True).click()
    press(page, "Make a passkey")
    expect(page.get_by_label("What you call it")).to_be_visible()
    assert faults(page, SIZES) == []
    page.get_by_label("What you call it").fill("My laptop")
    press(page, "Sign in from now on")
    expect(page.get_by_text("My laptop")).to_be_visible()


def end_the_other_session(page: Page) -> None:
    page.get_by_role("link", name="ada", exact=True).click()
    expect(page.get_by_role("heading", name="Your account", exact=True)).to_be_visible()
    assert faults(page, SIZES) == []
    page.get_by_role("button", name="End the session").click()
    expect(page.get_by_text("· this browser")).to_be_visible()
    expect(page.get_by_role("button", name="End the session")).to_have_count(0)


def test_the_first_admin_comes_in_by_a_link_and_then_by_every_means(
    bank: Telling, page: Page, chromium: Browser
) -> None:
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Content Security" in message.text else None)
    with_authenticator(page)
    activate(page, bank)

    sign_out(page)
    assert faults(page, SIZES) == []
    sign_in(page, bank)
    secret = set_up_app(page)

    sign_out(page)
    sign_in(page, bank)
    expect(page.get_by_role("alert")).to_contain_text("do not open anything")
    sign_in(page, bank, code_of(secret, 0))
    make_passkey(page)

    sign_out(page)
    press(page, "Sign in with a passkey")
    page.wait_for_url("**/")
    with person(chromium) as elsewhere:
        other = elsewhere.new_page()
        sign_in(other, bank, code_of(secret, 1))
        expect(other.get_by_role("link", name="ada", exact=True)).to_be_visible()
        end_the_other_session(page)
        other.reload()
        expect(other.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()

    page.goto(f"{bank.environ['IMAGEBANK_PUBLIC_URL']}/account/prove")
    assert faults(page, SIZES) == []
    press(page, "Use a passkey")
    expect(page.get_by_role("heading", name="Your account", exact=True)).to_be_visible()
    assert refused == []


def test_a_browser_without_a_passkey_is_told_so(bank: Telling, page: Page) -> None:
    with_authenticator(page)
    page.goto(f"{bank.environ['IMAGEBANK_PUBLIC_URL']}/sign-in")
    press(page, "Sign in with a passkey")

    expect(page.get_by_role("status")).to_contain_text("gave no passkey")


def test_what_is_typed_as_a_password_can_be_looked_at(bank: Telling, page: Page) -> None:
    page.goto(f"{bank.environ['IMAGEBANK_PUBLIC_URL']}/sign-in")
    field = page.get_by_label("Password", exact=True)
    field.fill(PASSWORD)
    hidden = field.get_attribute("type")
    press(page, "Show the password")
    shown = field.get_attribute("type")
    laid_out = faults(page, SIZES)
    press(page, "Hide the password")

    assert (hidden, shown, field.get_attribute("type")) == ("password", "text", "password")
    assert field.input_value() == PASSWORD
    assert laid_out == []
