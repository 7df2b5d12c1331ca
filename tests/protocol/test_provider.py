"""Signing in at a real OpenID provider on loopback, as a browser does."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import httpx
import pytest

from bank import free_port, open_test_bank, serving
from imagebank.http.auth import COOKIE
from running import imagebank

HERE: Final = Path(__file__).parents[1] / "oidc"
SECRET: Final = "a secret that both know"


@contextmanager
def a_provider(port: int, back: str, *further: str) -> Iterator[None]:
    assert (HERE / "node_modules").is_dir(), "the test provider is not installed; run `make provider`"
    command = ["node", "provider.mjs", str(port), back, SECRET, *further]
    with subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            assert any(line.startswith("ready") for line in process.stdout)
            yield
        finally:
            process.terminate()


@contextmanager
def a_site(folder: Path, second: str = "", **given: Any) -> Iterator[tuple[httpx.Client, str]]:
    """A browser, and the address of a bank whose people sign in at a provider. `second` is a port where it is asked."""
    port, ours = free_port(), free_port()
    settings: dict[str, Any] = {
        "oidc_issuer": f"http://127.0.0.1:{port}",
        "oidc_client_id": "imagebank",
        "oidc_client_secret": SECRET,
        "oidc_scope": "openid groups",
        "oidc_roles": ["doctors=clinician", "keepers=admin"],
        "public_url": f"http://localhost:{ours}",
        **given,
    }
    with (
        a_provider(port, f"http://localhost:{ours}/sign-in/provider/answer", *filter(None, [second])),
        open_test_bank(folder, **settings) as bank,
        serving(bank) as url,
        httpx.Client(timeout=30) as browser,
    ):
        yield browser, url


def walk(browser: httpx.Client, url: str, login: str) -> httpx.Response:
    """From our button through the provider's forms back to us."""
    answer = browser.get(f"{url}/sign-in/provider")
    for _ in range(20):
        if "location" in answer.headers:
            there = urljoin(str(answer.url), answer.headers["location"])
            answer = browser.get(re.sub(r"^http://localhost:\d+", url, there))
        elif found := re.search(r'action="([^"]*/interaction/[^"]*)" method="post"', answer.text):
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert prompt is not None
            form = {"prompt": prompt[1], "login": login, "password": "anything"}
            answer = browser.post(urljoin(str(answer.url), found[1]), data=form)
        else:
            return answer
    pytest.fail("the browser was sent around in circles")


def test_somebody_signs_in_at_the_provider_with_the_role_of_a_group(tmp_path: Path) -> None:
    with a_site(tmp_path) as (browser, url):
        button = browser.get(f"{url}/sign-in").text
        page = walk(browser, url, "ada-doctors")
        again = browser.get(f"{url}/")

    assert 'href="/sign-in/provider">Sign in with 127.0.0.1<' in button
    assert page.status_code == again.status_code == 200
    assert "127.0.0.1/ada-doctors" in again.text


def test_somebody_without_a_group_that_counts_is_not_let_in(tmp_path: Path) -> None:
    with a_site(tmp_path) as (browser, url):
        page = walk(browser, url, "eve-visitors")

    assert page.status_code == 403
    assert "opened nothing here" in page.text
    assert COOKIE not in browser.cookies


def test_a_provider_that_programs_ask_at_another_host_is_asked_there_when_a_setting_names_it(tmp_path: Path) -> None:
    second = str(free_port())
    with a_site(tmp_path, second, oidc_hosts=[f"localhost:{second}"]) as (browser, url):
        page = walk(browser, url, "ada-doctors")

    assert page.status_code == 200
    assert "127.0.0.1/ada-doctors" in page.text


def test_a_host_that_no_setting_names_is_not_asked_and_named_to_who_runs_the_bank_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    second = str(free_port())
    with a_site(tmp_path, second) as (browser, url):
        page = browser.get(f"{url}/sign-in/provider")

    assert page.status_code == 503
    assert "not set up to the end" in page.text
    assert second not in page.text
    assert f"asked at localhost:{second}; name these in oidc_hosts" in caplog.text


def test_the_doctor_asks_the_provider_and_names_the_hosts_to_add(tmp_path: Path) -> None:
    port, second = free_port(), str(free_port())
    settings = {"oidc_issuer": f"http://127.0.0.1:{port}", "oidc_client_id": "imagebank", "oidc_roles": "a=clinician"}
    environ = {f"IMAGEBANK_{name.upper()}": value for name, value in settings.items()}
    away = imagebank("doctor", "--data", tmp_path, environ=environ)
    with a_provider(port, "http://localhost/answer", second):
        ill = imagebank("doctor", "--data", tmp_path, environ=environ)
        environ["IMAGEBANK_OIDC_HOSTS"] = f"localhost:{second}"
        well = imagebank("doctor", "--data", tmp_path, environ=environ)

    assert (away.status, ill.status, well.status) == (1, 1, 0)
    assert "does not answer" in away.out
    assert f'set oidc_hosts = ["localhost:{second}"]' in ill.out
    assert "provider" not in well.out


def test_an_answer_that_nobody_asked_for_opens_nothing(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        without = httpx.get(f"{url}/sign-in/provider")
    with a_site(tmp_path / "other") as (_, url):
        unasked = httpx.get(f"{url}/sign-in/provider/answer?code=x&state=y")
        looked_at = httpx.head(f"{url}/sign-in/provider")

    assert without.status_code == 404
    assert unasked.status_code == 403
    assert (looked_at.status_code, "set-cookie" in looked_at.headers) == (200, False)
