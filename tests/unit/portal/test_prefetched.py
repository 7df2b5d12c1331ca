"""How the prefetch stands: a page for who administers, and numbers for Prometheus."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bank import a_token, bearer, keep, open_test_bank
from imagebank.actions import access, devices
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Device, Right, Role
from imagebank.model.prefetch import HERE, Prefetch, State
from imagebank.model.uid import Uid
from make import a_file
from unit.portal.browsing import Browser

LONG = "Follow-up of a very long description that nobody would cut off"
LINKS = ('link="(bank)"', 'link="GO\\"NE"', 'link="READ1"', 'link="from county"')
TABLE = """
priors = 3
warm = true
warm_a_day = 9
fresh_days = 7
again_days = 7
[[push]]
device = "READ1"
from_hour = 20
until_hour = 6
[[push]]
device = 'GO"NE'
[[fetch]]
archive = "county"
"""


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    folder = tmp_path_factory.mktemp("prefetched")
    (folder / "prefetch.toml").write_text(TABLE)
    (folder / "token").write_text("a-token-for-prometheus\n")
    files = {"prefetch_file": folder / "prefetch.toml", "metrics_token_file": folder / "token"}
    with open_test_bank(folder, **files) as opened:
        yield opened


def signed_in(bank: Bank, role: Role = Role.ADMIN) -> Browser:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, role)})
    return browser


def sample(text: str, name: str) -> dict[str, str]:
    return dict(re.findall(rf"^imagebank_prefetch_{name}{{(.*)}} (.*)$", text, re.MULTILINE))


def test_a_bank_that_made_nothing_ready_says_so(bank: Bank) -> None:
    page = signed_in(bank).get("/prefetch").text

    assert "Nothing was made ready yet" in page
    assert "In the bank itself" in page
    assert "from <bdi>county</bdi>" in page
    assert "Nothing comes from county: no archive of this name is known here." in page
    assert "Nothing goes to GO&#34;NE: no device is registered under this title." in page


def test_the_page_and_the_metrics_tell_what_waits_and_what_was_done(bank: Bank) -> None:
    devices.add(bank, Device("READ1", "127.0.0.1", 11112, False, frozenset({Right.FIND}), "local"))
    keep(bank, a_file(StudyInstanceUID="1.1", StudyDescription=LONG), a_file(StudyInstanceUID="1.2"))
    now = bank.now()
    with bank.index.begin() as tx:
        for device, study, state, hours, octets in (
            (HERE, "1.1", State.DONE, 0, 5 << 20),
            ("READ1", "1.1", State.LIMITED, 30, 0),
            ("READ1", "1.2", State.FAILED, 2, 0),
        ):
            tx.prefetches.put(Prefetch(device, Uid(study), state, now - timedelta(hours=hours), 4, octets))
    page = signed_in(bank).get("/prefetch").text
    told = Browser(web_application(bank)).get("/metrics", headers=bearer(a_token(bank)))

    assert LONG in page
    assert page.index("Beyond a limit") < page.index("The newest")
    assert "200 studies a day, 20,480 MiB, 20 to 6 o&#39;clock" in page
    for uid in ("1.1", "1.2"):
        assert f'href="/studies/{uid}"' in page
    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    studies = sample(told.text, "studies")
    assert studies['link="READ1",state="limited"'] == studies['link="READ1",state="failed"'] == "1"
    assert studies['link="GO\\"NE",state="waiting"'] == "0"
    assert sample(told.text, "done_today") == dict.fromkeys(LINKS, "0") | {'link="(bank)"': "1"}
    assert sample(told.text, "bytes_today")['link="(bank)"'] == str(5 << 20)
    assert set(sample(told.text, "limit_bytes_a_day")) == set(LINKS[1:])
    assert 30 * 3600 <= int(sample(told.text, "oldest_seconds")['link="READ1"']) < 31 * 3600
    assert not any(word in told.text for word in ("1.1", "Doe", LONG))


def test_only_who_administers_sees_the_page_and_only_they_and_prometheus_the_metrics(
    bank: Bank, tmp_path: Path
) -> None:
    staff, nobody = signed_in(bank, Role.CLINICIAN), Browser(web_application(bank))

    assert (staff.get("/prefetch").status_code, staff.get("/metrics").status_code) == (403, 403)
    assert 'href="/prefetch"' not in staff.get("/").text
    assert nobody.get("/prefetch").headers["location"] == "/sign-in"
    for headers in ({}, bearer("a-token-for-promethe"), bearer("")):
        assert nobody.get("/metrics", headers=headers).status_code == 401
    assert nobody.get("/metrics", headers=bearer("a-token-for-prometheus")).status_code == 200
    assert nobody.get("/prefetch", headers=bearer("a-token-for-prometheus")).status_code != 200


@pytest.mark.parametrize("written", [None, b"short", b"\xff" * 20])
def test_a_token_file_that_is_missing_short_or_unreadable_opens_nothing(tmp_path: Path, written: bytes | None) -> None:
    if written is not None:
        (tmp_path / "token").write_bytes(written)
    with open_test_bank(tmp_path, metrics_token_file=tmp_path / "token") as opened:
        nobody = Browser(web_application(opened))

        for token in ("short", ""):
            assert nobody.get("/metrics", headers=bearer(token)).status_code == 401
