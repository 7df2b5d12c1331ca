"""What is weak about a bank is said with the next step, and nothing else is."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from authority import self_signed
from bank import open_test_bank
from imagebank.actions import access, clients, devices
from imagebank.cli import doctor
from imagebank.cli.doctor import Finding, of_files, of_settings, of_the_bank, of_the_machine, of_the_provider
from imagebank.model.access import Device, Role
from imagebank.model.certificate import fingerprint
from imagebank.model.elsewhere import Line
from imagebank.model.event import Act, Event
from imagebank.model.prefetch import Prefetch, State
from imagebank.model.uid import Uid
from imagebank.settings import ReportDelay, Settings
from running import imagebank


def weak(findings: Iterator[Finding]) -> list[str]:
    return [finding.check for finding in findings if finding.is_weak]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, []),
        ({"http": "[::1]:8080", "dimse": "localhost:104"}, []),
        ({"http": "0.0.0.0:8080"}, ["web"]),
        ({"http": "0.0.0.0:8080", "public_url": "https://bank.example"}, ["web"]),
        ({"http": "0.0.0.0:443", "http_tls_cert": Path("c"), "public_url": "https://bank.example"}, []),
        ({"public_url": "http://bank.example"}, ["web"]),
        ({"public_url": "http://127.0.0.1:8080"}, []),
        ({"dimse": "0.0.0.0:104"}, ["dimse", "dimse"]),
        ({"dimse": "0.0.0.0:104", "open_loopback": False}, ["dimse"]),
        ({"dimse_tls": "0.0.0.0:2762", "tls_ca": Path("ca")}, []),
        ({"atna_host": "192.0.2.1"}, []),
        ({"atna_host": "192.0.2.1", "atna_transport": "udp"}, ["audit"]),
        ({"smtp": "192.0.2.1:25", "smtp_tls": "none"}, ["mail"]),
        ({"smtp": "127.0.0.1:25", "smtp_tls": "none"}, []),
        ({"smtp": "mail.example:587", "http": "0.0.0.0:443", "http_tls_cert": Path("c")}, ["mail"]),
        ({"report_delays": (ReportDelay(("sp",), 73, "why"),)}, ["reports"]),
        ({"cors_origins": ("http://viewer.example", "https://viewer.example")}, ["cors"]),
    ],
)
def test_settings_that_leave_something_open_are_weak(given: dict[str, Any], found: list[str]) -> None:
    assert weak(of_settings(Settings(**given))) == found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"http": "0.0.0.0:443", "http_tls_cert": Path("c")}, "public_url is not set"),
        ({"public_url": "https://bank.example"}, "a proxy stands before"),
        ({"dimse_tls": "0.0.0.0:2762"}, "asks for no client certificate"),
        ({"report_delays": (ReportDelay(("sp",), 48, "why"),)}, "patients wait up to 48 hours"),
    ],
)
def test_settings_that_may_be_right_are_only_told(given: dict[str, Any], words: str) -> None:
    (one,) = of_settings(Settings(**given))

    assert words in one.words
    assert not one.is_weak


def test_a_provider_that_cannot_be_asked_or_lets_nobody_in_is_weak() -> None:
    given: dict[str, Any] = {
        "oidc_issuer": "http://127.0.0.1:1",
        "oidc_client_id": "imagebank",
        "oidc_roles": ("a=clinician",),
    }

    assert weak(of_the_provider(Settings())) == []
    assert weak(of_the_provider(Settings(**given))) == ["provider"]
    assert weak(of_the_provider(Settings(oidc_issuer="http://127.0.0.1:1"))) == ["provider", "provider"]


def test_files_that_others_can_read_are_weak(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        settings = bank.settings
    closed = weak(of_files(settings))
    (settings.data / "root.key").chmod(0o644)
    inside = weak(of_files(settings))
    settings.data.chmod(0o755)
    opened = [finding.step for finding in of_files(settings) if finding.is_weak]

    assert closed == inside == []
    assert f"chmod go-rwx {settings.data}" in opened
    assert f"chmod go-rwx {settings.data / 'root.key'}" in opened


def test_a_root_key_beside_the_objects_is_told_and_weak_once_others_can_call(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        data = bank.settings.data

    assert [one.is_weak for one in of_files(Settings(data=data))] == [False]
    assert [one.is_weak for one in of_files(Settings(data=data, http="0.0.0.0:80"))] == [True]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_that_fills_is_weak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 97 << 30, 3 << 30))

    assert "disk" in weak(of_the_machine(Settings(data=tmp_path / "not" / "yet")))


def test_a_clock_that_nothing_steers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_is_synchronised", lambda: False)

    assert "clock" in [finding.check for finding in of_the_machine(Settings())]


def test_a_new_bank_is_not_weak_and_has_no_administrator_yet(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        found = list(of_the_bank(bank))

    assert [(one.check, one.is_weak) for one in found] == [("accounts", False)]


def test_tokens_that_live_too_long_are_weak_and_ended_ones_are_told(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        access.issue_token(bank, Role.SYSTEM, name="lasting", days=3000)
        access.issue_token(bank, Role.SYSTEM, name="ended", days=0.000001)
        later = bank.now() + timedelta(seconds=1)
        found = [one for one in of_the_bank(replace(bank, now=lambda: later)) if one.check == "tokens"]

    assert {(one.words.split()[2], one.is_weak) for one in found} == {("ended", False), ("lasting", True)}


def test_who_has_to_show_a_certificate_that_nobody_asks_for_is_told(tmp_path: Path) -> None:
    pair = self_signed(tmp_path, "any")
    asking = {"trusted_proxies": ("127.0.0.1",), "dimse_tls": "127.0.0.1:2762", "tls_ca": pair.cert}
    with open_test_bank(tmp_path) as bank:
        clients.add(bank, "ris", Role.SYSTEM, "", certificate=pair.cert.read_bytes())
        devices.add(bank, Device("CT1", "10.1.2.3", 104, True, devices.DEVICE_RIGHTS, "local", fingerprint(pair.der)))
        found = [one.words for one in of_the_bank(bank) if one.is_weak]
    with open_test_bank(tmp_path, **asking) as bank:
        assert not weak(of_the_bank(bank))

    assert [words.split()[2] for words in found] == ["CT1", "ris"]


def test_a_ledger_that_nobody_signs_and_a_clock_that_went_back_are_weak(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, bank.index.begin() as tx:
        tx.record([Event(bank.now() - timedelta(hours=2), Act.CHANGED, "keeper", "local")])
    with open_test_bank(tmp_path) as bank:
        unsigned = weak(of_the_bank(bank))
        with bank.index.begin() as tx:
            tx.record([Event(bank.now() + timedelta(hours=2), Act.CHANGED, "keeper", "local")])
        ahead = weak(of_the_bank(bank))

    assert unsigned == ["ledger"]
    assert ahead == ["clock", "ledger"]


def test_the_command_ends_with_1_when_something_is_weak(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        data = bank.settings.data
    well = imagebank("doctor", "--data", data)
    ill = imagebank("doctor", "--data", data, "--json", environ={"IMAGEBANK_HTTP": "0.0.0.0:8080"})
    found = json.loads(ill.out)

    assert well.status == 0, well.out
    assert "next:" in well.out
    assert ill.status == 1
    assert {"check", "is_weak", "words", "step"} == set(found[0])
    assert any(one["check"] == "web" and one["is_weak"] for one in found)


def test_a_folder_without_a_bank_is_not_made_one(tmp_path: Path) -> None:
    said = imagebank("doctor", "--data", tmp_path / "none")

    assert "there is no bank here yet" in said.out
    assert not (tmp_path / "none").exists()


def test_a_bank_that_does_not_open_is_weak(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        data = bank.settings.data
    (data / "root.key").write_bytes(b"no key")
    said = imagebank("doctor", "--data", data)

    assert said.status == 1
    assert "does not open" in said.out


def test_a_station_that_priors_go_to_has_to_be_registered(tmp_path: Path) -> None:
    file = tmp_path / "prefetch.toml"
    rules = "".join(f"[[push]]\ndevice = '{name}'\n" for name in ("READ1", "GONE"))
    file.write_text(f"priors = 3\nwarm = true\nwarm_a_day = 9\nfresh_days = 7\nagain_days = 7\n{rules}", "utf-8")
    with open_test_bank(tmp_path / "bank", prefetch_file=file) as bank:
        devices.add(bank, Device("READ1", "127.0.0.1", 11112, False, devices.DEVICE_RIGHTS, "local"))
        with bank.index.begin() as tx:
            for study, state in (("1.1", State.FAILED), ("1.2", State.WAITING)):
                tx.prefetches.put(Prefetch("READ1", Uid(study), state, bank.now()))
        found = [(one.is_weak, one.words) for one in of_the_bank(bank) if one.check == "prefetch"]

    assert found == [
        (False, "0 priors (0 MiB) went to READ1 within a day"),
        (True, "priors shall go to GONE, which no device is registered as"),
        (True, "priors whose last try on the link READ1 did not work: 1"),
    ]


def test_an_archive_that_is_away_or_cannot_be_reached_is_named(tmp_path: Path) -> None:
    one = "[[archive]]\nname = '{}'\norganization = 'h'\nissuer = 'h'\n{}\n"
    ways = {"Abbey": "url = 'https://a.example'", "Bay": "url = 'https://b.example'", "Cliff": "device = 'GONE'"}
    listed, rules = tmp_path / "archives.toml", tmp_path / "prefetch.toml"
    listed.write_text("".join(one.format(*each) for each in ways.items()), "utf-8")
    rules.write_text(
        "priors = 3\nwarm = true\nwarm_a_day = 9\nfresh_days = 7\nagain_days = 7\n[[fetch]]\narchive = 'Dale'\n",
        "utf-8",
    )
    with open_test_bank(tmp_path / "bank", archives_file=listed, prefetch_file=rules) as bank:
        at = datetime(2026, 3, 1, 12, tzinfo=UTC)
        with bank.index.begin() as tx:
            tx.elsewhere.put_line(Line("Abbey", 1, at, reason="it hung up"))
            tx.elsewhere.put_line(Line("Bay", reason="2 answers were not about who was asked for"))
        found = [one.words for one in of_the_bank(bank) if one.check == "archives"]

    assert found == [
        "the archive Abbey does not answer since 2026-03-01 12:00 UTC: it hung up",
        "the archive Bay: 2 answers were not about who was asked for",
        "the archive Cliff is reached as GONE, which no device is registered as",
        "priors shall be fetched from Dale, which is no archive of archives_file",
    ]
