"""Mail is handed to a mail server (aiosmtpd) over TLS; one that refuses, is slow or drops us is told apart from a bad mail."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from authority import Authority, Pair
from bank import free_port
from imagebank import smtp
from imagebank.errors import BankError, NotFound, Unavailable, Unsupported
from imagebank.settings import Settings, SettingsError
from mail_server import HOST, SETTINGS, Office, mail_server, settings_of, tls_of


@dataclass(frozen=True)
class Certificates:
    authority: Path
    pair: Pair


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    authority = Authority(tmp_path_factory.mktemp("tls"))
    return Certificates(authority.cert, authority.pair("mail"))


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


@pytest.fixture(scope="module")
def plain(office: Office) -> Iterator[str]:
    """A server that every test shares which needs no TLS."""
    with mail_server(office) as running:
        yield running


def a_mail(to: str = "ada@example.org") -> EmailMessage:
    message = EmailMessage()
    message["From"] = Address("North Bank", addr_spec="bank@bank.example")
    local, _, domain = to.partition("@")
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = "North Bank: news"
    message.set_content("Something new was put into your account.\n.\nQUIT\n", cte="quoted-printable")
    return message


def settings(server: str, **given: Any) -> Settings:
    return Settings(**{"smtp": server, **SETTINGS, **given})


def refusal(given: Settings, message: EmailMessage | None = None) -> BankError:
    with pytest.raises(BankError) as caught:
        smtp.post(given, message or a_mail())
    return caught.value


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_mail_and_the_password_go_over_tls_to_the_server_that_the_authority_knows(
    way: str, certificates: Certificates
) -> None:
    office, tls = Office(), tls_of(certificates.pair.cert, certificates.pair.key)
    given = {"ssl_context": tls} if way == "tls" else {"tls_context": tls, "require_starttls": True}
    # aiosmtpd knows of no TLS that began before it did.
    is_late = way == "starttls"
    with mail_server(office, **given, authenticator=office.authenticate, auth_require_tls=is_late) as server:
        right = settings(
            server, smtp_tls=way, smtp_tls_ca=certificates.authority, smtp_user="bank", smtp_password="right"
        )
        smtp.post(right, a_mail())
        strange = refusal(settings(server, smtp_tls=way, smtp_user="bank", smtp_password="right"))
        wrong = refusal(
            settings(server, smtp_tls=way, smtp_tls_ca=certificates.authority, smtp_user="bank", smtp_password="bad")
        )

    assert [str(one["Subject"]) for one in office.received] == ["North Bank: news"]
    assert "\n.\nQUIT" in office.received[0].get_content().replace("\r\n", "\n")
    assert set(office.who) == {b"bank"}
    assert isinstance(strange, Unavailable)
    assert "CERTIFICATE_VERIFY_FAILED" in str(strange)
    assert isinstance(wrong, Unavailable)
    assert str(wrong).endswith("refuses us: 535 5.7.8")


def test_without_tls_nothing_is_said_to_a_server_that_offers_none(plain: str, office: Office) -> None:
    office.begin()
    found = refusal(settings(plain, smtp_user="bank", smtp_password="right"))

    assert isinstance(found, Unavailable)
    assert "does not offer what smtp_tls" in str(found)
    assert (office.received, office.who) == ([], [])


@pytest.mark.parametrize(
    ("at", "said", "kind", "words"),
    [
        ("RCPT", "550 5.1.1 no ada@example.org here", NotFound, "the mail server knows no such mailbox: 550 5.1.1"),
        ("RCPT", "553 ada@example.org?", NotFound, "the mail server knows no such mailbox: 553"),
        ("RCPT", "450 4.2.0 greylisted", Unavailable, "the mail server takes it later: 450 4.2.0"),
        ("MAIL", "550 5.7.1 not from you", Unavailable, "refuses us: 550 5.7.1"),
        ("MAIL", "421 4.3.2 going down", Unavailable, "refuses us: 421 4.3.2"),
        ("DATA", "554 5.6.0 spam", Unsupported, "the mail server does not take this mail: 554 5.6.0"),
        ("DATA", "452 4.3.1 disk full", Unavailable, "the mail server takes it later: 452 4.3.1"),
        ("DATA", "hang up", Unavailable, "does not answer as one: SMTPServerDisconnected"),
    ],
)
def test_what_may_go_well_later_is_told_from_what_never_will(
    plain: str, office: Office, at: str, said: str, kind: type[BankError], words: str
) -> None:
    office.begin(said, at=at)
    found = refusal(settings(plain, smtp_tls="none"))

    assert type(found) is kind
    assert str(found).endswith(words)
    smtp.post(settings(plain, smtp_tls="none"), a_mail())
    assert len(office.received) == 1


def test_a_name_that_is_not_ascii_goes_to_servers_that_take_it_and_to_no_other() -> None:
    old, modern = Office(), Office()
    with mail_server(old, enable_SMTPUTF8=False) as server:
        found = refusal(settings(server, smtp_tls="none"), a_mail("zoë@example.org"))
    with mail_server(modern) as server:
        smtp.post(settings(server, smtp_tls="none"), a_mail("zoë@example.org"))

    assert (type(found), str(found)) == (Unsupported, "the mail server does not take this mail: 553 5.6.7")
    assert (modern.recipients, "SMTPUTF8" in modern.options, old.received) == (["zoë@example.org"], True, [])


@contextmanager
def a_line(*said: bytes) -> Iterator[str]:
    """A server that answers each line with the next of these, and then nothing any more."""
    listener = socket.create_server((HOST, free_port()))

    def answer() -> None:
        caller, _ = listener.accept()
        with caller, caller.makefile("rb") as lines:
            for one in said:
                caller.sendall(one)
                lines.readline()
            lines.read()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield f"{HOST}:{listener.getsockname()[1]}"
    finally:
        thread.join()
        listener.close()


@pytest.mark.parametrize("said", [(), (b"220 slow\r\n",), (b"554 not you\r\n",), (b"\x16\x03\x01\r\n",)])
def test_a_server_that_is_silent_or_none_is_not_waited_for_without_end(
    monkeypatch: pytest.MonkeyPatch, said: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(smtp, "TIMEOUT_S", 0.2)
    with a_line(*said) as server:
        found = refusal(settings(server, smtp_tls="none"))

    assert isinstance(found, Unavailable)
    assert isinstance(refusal(settings(f"{HOST}:{free_port()}")), Unavailable)


def test_what_was_taken_is_not_sent_again_for_a_goodbye_that_goes_wrong() -> None:
    greeting = (b"220 here\r\n", b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n")
    received: list[bytes] = []
    listener = socket.create_server((HOST, free_port()))

    def answer() -> None:
        caller, _ = listener.accept()
        with caller, caller.makefile("rb") as lines:
            for one in greeting:
                caller.sendall(one)
                if not one.startswith(b"354"):
                    received.append(lines.readline())
            received.extend(iter(lines.readline, b".\r\n"))
            caller.sendall(b"250 taken\r\n")
            received.append(lines.readline())
            caller.sendall(b"500 what?\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    smtp.post(settings(f"{HOST}:{listener.getsockname()[1]}", smtp_tls="none"), a_mail())
    thread.join()
    listener.close()

    assert received[-1] == b"quit\r\n"
    assert b"..\r\n" in received


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"smtp": "mail.example.org"}, "the setting smtp is HOST:PORT"),
        ({"smtp": "mail.example.org:0"}, "the setting smtp is HOST:PORT"),
        ({"smtp_tls": "none"}, "others can read"),
        ({"smtp_from": "bank"}, "the setting smtp_from is the address"),
        ({"smtp_from": "bank@bank.example\nBcc: eve@example.org"}, "the setting smtp_from is the address"),
        ({"site_name": "North\nBank"}, "the setting site_name"),
        ({"site_name": " "}, "the setting site_name"),
        ({"smtp_tls_ca": Path("/nowhere.pem")}, "the file of the setting smtp_tls_ca cannot be used"),
    ],
)
def test_settings_by_which_mail_would_go_in_the_open_or_not_at_all_are_refused(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        smtp.check(settings("mail.example.org:587", **given))


def test_settings_that_are_right_pass() -> None:
    smtp.check(Settings())
    smtp.check(settings("mail.example.org:25", smtp_tls="none", smtp_insecure=True))
    smtp.check(settings("mail.example.org:587"))
    for local in ("localhost:25", "127.0.0.1:25", "[::1]:25"):
        smtp.check(Settings(**settings_of(local)))
