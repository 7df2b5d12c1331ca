"""What a browser gets from /viewer/."""

import gzip
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from imagebank.portal.viewer_files import PAGE_POLICY, WORKER_POLICY, viewer_routes
from unit.portal.browsing import Browser

SCRIPT = "app.bundle.0f6159c501addfe9.js"
WORKER = "8097.bundle.8ae6404ba94890a0.js"


def a_viewer(folder: Path) -> Path:
    """A folder like the prepared one, with a file of each kind."""
    (folder / "assets").mkdir()
    for name in ("index.html", "boot.js", "closed.html", "assets/favicon-16x16.png", WORKER):
        (folder / name).write_text(f"this is {name}", "utf-8")
    (folder / SCRIPT).write_text("plain", "utf-8")
    (folder / f"{SCRIPT}.gz").write_bytes(gzip.compress(b"plain"))
    (folder / ".stamp").write_text("secret", "utf-8")
    return folder


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    app = Starlette(routes=[Mount("/viewer", routes=viewer_routes(a_viewer(tmp_path)))])
    return Browser(app)


@pytest.mark.parametrize("path", ["viewer?StudyInstanceUIDs=1.2.3", "notfoundstudy", "viewer/1.2.3"])
def test_what_is_no_file_is_a_page_of_the_viewer(browser: Browser, path: str) -> None:
    answer = browser.get(f"/viewer/{path}")

    assert answer.text == "this is index.html"
    assert answer.headers["cache-control"] == "no-store"


def test_the_study_list_is_ours(browser: Browser) -> None:
    answer = browser.get("/viewer/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("name", ["x.js", "x.css", "x.wasm", "x.woff2", "x.png", "x.js.map", "assets/x.svg"])
def test_a_missing_file_is_never_answered_with_the_page(browser: Browser, name: str) -> None:
    assert browser.get(f"/viewer/{name}").status_code == 404


@pytest.mark.parametrize("path", ["../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", ".stamp", f"{SCRIPT}.gz"])
def test_only_prepared_files_are_served(browser: Browser, path: str) -> None:
    answer = browser.get(f"/viewer/{path}")

    assert answer.status_code == 404 or answer.text == "this is index.html"


def test_a_hashed_name_is_kept_for_a_year_and_the_rest_is_asked_for_again(browser: Browser) -> None:
    hashed = browser.get(f"/viewer/{SCRIPT}")
    ours = browser.get("/viewer/boot.js")
    again = browser.get("/viewer/boot.js", headers={"if-none-match": ours.headers["etag"]})

    assert hashed.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert ours.headers["cache-control"] == "no-cache"
    assert again.status_code == 304
    assert again.content == b""


def test_gzip_is_sent_to_those_who_take_it(browser: Browser) -> None:
    small = browser.get(f"/viewer/{SCRIPT}", headers={"accept-encoding": "br, gzip"})
    plain = browser.get(f"/viewer/{SCRIPT}", headers={"accept-encoding": "gzip;q=0, identity"})

    assert small.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert small.text == plain.text == "plain"
    assert small.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert small.headers["content-type"] == "text/javascript; charset=utf-8"


def test_only_workers_may_compile_text(browser: Browser) -> None:
    assert browser.get(f"/viewer/{WORKER}").headers["content-security-policy"] == WORKER_POLICY
    for name in ("viewer", "boot.js", SCRIPT, "closed.html"):
        assert browser.get(f"/viewer/{name}").headers["content-security-policy"] == PAGE_POLICY
    assert "eval" not in PAGE_POLICY


def test_every_answer_is_guarded(browser: Browser) -> None:
    for name in ("viewer", "boot.js", WORKER, "x.js", "viewer?token=x"):
        headers = browser.get(f"/viewer/{name}").headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("name", ["token", "Token", "%74oken"])
def test_a_link_with_a_token_opens_nothing(browser: Browser, name: str) -> None:
    answer = browser.get(f"/viewer/viewer?StudyInstanceUIDs=1.2&{name}=abc")

    assert answer.status_code == 400
    assert "refused" in answer.text


def test_a_bank_without_the_viewer_says_how_to_get_it(tmp_path: Path) -> None:
    app = Starlette(routes=[Mount("/viewer", routes=viewer_routes(tmp_path / "none"))])

    answer = Browser(app).get("/viewer/viewer")

    assert answer.status_code == 503
    assert "make" in answer.text


def test_nothing_is_changed_through_the_viewer(browser: Browser) -> None:
    assert browser.post("/viewer/viewer").status_code == 405
    assert browser.ask("HEAD", "/viewer/viewer").content == b""
