"""A mail server of a test's own (aiosmtpd), which takes mail, refuses it, or is away."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from sqlalchemy import delete

from bank import free_port
from imagebank.bank import Bank
from imagebank.storage import tables
from imagebank.storage.index import SQLIndex

HOST = "127.0.0.1"
SETTINGS = {"smtp_from": "bank@bank.example", "site_name": "North Bank", "public_url": "https://bank.example"}
"""What a bank needs beside the address of the server."""


class Office:
    """What a mail server does. Each of `refusals` is answered once, to the command `at`; the last for ever, if `for_good`."""

    def __init__(self, *refusals: str, for_good: bool = False, at: str = "RCPT") -> None:
        self.begin(*refusals, for_good=for_good, at=at)

    def begin(self, *refusals: str, for_good: bool = False, at: str = "RCPT") -> None:
        """Begin anew, so that many tests can share a server."""
        self.received: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.recipients: list[str] = []
        self.refusals = list(refusals)
        self.for_good = for_good
        self.at = at
        self.options: list[str] = []
        self.who: list[bytes] = []

    def _refusal(self, at: str) -> str | None:
        if at != self.at or not self.refusals:
            return None
        return self.refusals[0] if self.for_good and len(self.refusals) == 1 else self.refusals.pop(0)

    async def handle_MAIL(  # noqa: N802 - as aiosmtpd calls it
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self._refusal("MAIL"):
            return refusal
        envelope.mail_from, self.options = address, options
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if refusal := self._refusal("RCPT"):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _: Session, envelope: Envelope) -> str:  # noqa: N802 - as aiosmtpd calls it
        if refusal := self._refusal("DATA"):
            if refusal == "hang up" and server.transport is not None:
                server.transport.close()
            return refusal
        assert isinstance(envelope.content, bytes)
        self.raw.append(envelope.content)
        self.received.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def authenticate(self, server: SMTP, _: Session, __: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.who.append(data.login)
        return AuthResult(success=data.password == b"right", handled=False)


@contextmanager
def mail_server(office: Office, **given: Any) -> Iterator[str]:
    """A server on loopback; its HOST:PORT. `given` is as aiosmtpd has it."""
    controller = Controller(office, hostname=HOST, port=free_port(), **given)
    controller.start()
    try:
        yield f"{HOST}:{controller.port}"
    finally:
        controller.stop()


def settings_of(server: str, **given: Any) -> dict[str, Any]:
    """Settings of a bank that mails by a server without TLS, as on one machine."""
    return {"smtp": server, "smtp_tls": "none", **SETTINGS, **given}


def tls_of(cert: Any, key: Any) -> ssl.SSLContext:
    """A server's own side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def forget_everybody(bank: Bank) -> Bank:
    """The bank without the people, notices and jobs that other tests have left in it."""
    assert isinstance(bank.index, SQLIndex)
    told = (tables.notice, tables.mailbox, tables.notice_choice, tables.mailed_code, tables.place, tables.recovery)
    with bank.index._database.writing() as connection:
        for table in (*told, tables.account, tables.attempt, tables.job, tables.provision, tables.session):
            connection.execute(delete(table))
    return bank
