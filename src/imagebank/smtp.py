"""Handing mail to the site's mail server, by SMTP (RFC 5321) over TLS."""

import re
import smtplib
import socket
import ssl
from contextlib import suppress
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Final
from urllib.parse import urlsplit

from imagebank.errors import Invalid, NotFound, Unavailable, Unsupported
from imagebank.model.notice import address_from
from imagebank.settings import Settings, SettingsError, host_and_port, is_this_machine

TIMEOUT_S: Final = 10.0
ACCEPT_S: Final = 60.0
"""How long a server may take to say that it has a mail. Whoever gives up earlier sends it twice (RFC 5321 4.5.3.2.6)."""
_ENHANCED: Final = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")
_LATER: Final = range(400, 500)
_WHOLE: Final = frozenset({"list-unsubscribe", "message-id"})
"""Fields without a word in them, which nothing may be encoded in (RFC 2047 5), however long they are."""


class _Policy(EmailPolicy):
    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() in _WHOLE:
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_PLAIN: Final = _Policy(linesep="\r\n")
_WITH_UTF8: Final = _Policy(linesep="\r\n", utf8=True)


def check(settings: Settings) -> None:
    """Raises SettingsError for settings by which mail would go in the open, from nobody, or not at all."""
    if not settings.smtp:
        return
    host, _ = address(settings.smtp)
    if settings.smtp_tls == "none" and not (settings.smtp_insecure or is_this_machine(host)):
        raise SettingsError(
            "the setting smtp_tls is none, by which others can read who is mailed and sign in as this bank; "
            "use starttls or tls, or set smtp_insecure"
        )
    try:
        address_from(settings.smtp_from)
    except Invalid:
        raise SettingsError(
            "the setting smtp_from is the address that mail comes from, such as bank@example.org"
        ) from None
    if not settings.site_name.isprintable() or not settings.site_name.strip():
        raise SettingsError("the setting site_name is a name of one line")
    if settings.smtp_tls != "none":
        _context(settings)


def address(text: str) -> tuple[str, int]:
    """Split HOST:PORT; an IPv6 host stands in brackets. Raises SettingsError for anything else."""
    return host_and_port(text, "the setting smtp", "mail.example.org:587")


def _context(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.smtp_tls_ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"the file of the setting smtp_tls_ca cannot be used: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def post(settings: Settings, message: EmailMessage) -> None:
    """Hand a mail over; returns when the server has taken it.

    Raises Unavailable for what may go well later: the server is away, slow, busy, or does not let us in. Raises
    NotFound when it knows no such mailbox, and Unsupported when it will not take this mail. Words of the server are
    left out, since they repeat addresses; its codes are told (RFC 5321 4.2, RFC 3463).
    """
    host, port = address(settings.smtp)
    try:
        server = _connected(settings, host, port)
        try:
            _send(server, message)
        finally:
            _leave(server)
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise _refusal(NotFound("the mail server knows no such mailbox" + _told(code, words)), code, words) from None
    except smtplib.SMTPDataError as error:
        refused = Unsupported("the mail server does not take this mail" + _told(error.smtp_code, error.smtp_error))
        raise _refusal(refused, error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPResponseException as error:
        # Whoever runs the bank can mend the rest: who sends, by which name and password.
        raise Unavailable(
            f"the mail server {host}:{port} refuses us{_told(error.smtp_code, error.smtp_error)}"
        ) from None
    except smtplib.SMTPNotSupportedError:
        raise Unavailable(f"the mail server {host}:{port} does not offer what smtp_tls and smtp_user ask for") from None
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"the mail server {host}:{port} does not answer as one: {_words(error)}") from None


def _refusal(for_good: NotFound | Unsupported, code: int, words: bytes | str) -> Exception:
    is_for_now = code in _LATER
    return Unavailable("the mail server takes it later" + _told(code, words)) if is_for_now else for_good


def _connected(settings: Settings, host: str, port: int) -> smtplib.SMTP:
    """A connection over which mail can be sent; the caller closes it."""
    us = urlsplit(settings.public_url).hostname or socket.gethostname()
    us = re.sub(r"[^A-Za-z0-9.-]", "", us) or "localhost"
    if settings.smtp_tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, us, timeout=TIMEOUT_S, context=_context(settings))
    else:
        server = smtplib.SMTP(host, port, us, timeout=TIMEOUT_S)
    try:
        if settings.smtp_tls == "starttls":
            server.starttls(context=_context(settings))
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password)
    except BaseException:
        server.close()
        raise
    return server


def _send(server: smtplib.SMTP, message: EmailMessage) -> None:
    sender, recipient = (str(message[field].addresses[0].addr_spec) for field in ("From", "To"))
    server.ehlo_or_helo_if_needed()
    is_plain = recipient.isascii() and sender.isascii()
    if not is_plain and not server.has_extn("smtputf8"):
        # RFC 6531 3.1: such an address may be given to a server that says that it takes them, and to no other.
        raise smtplib.SMTPDataError(553, b"5.6.7")
    options = [] if is_plain else ["SMTPUTF8", "BODY=8BITMIME"]
    content = message.as_bytes(policy=_PLAIN if is_plain else _WITH_UTF8)
    if server.sock is not None:
        server.sock.settimeout(ACCEPT_S)
    server.sendmail(sender, [recipient], content, options)


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye and hang up. What a server answers to that is not waited for: the mail has gone, or has not."""
    with suppress(OSError, smtplib.SMTPException):
        server.putcmd("quit")
    server.close()


def _told(code: int, words: bytes | str) -> str:
    found = _ENHANCED.search(words if isinstance(words, bytes) else words.encode())
    return f": {code}{' ' + found[0].decode() if found else ''}"


def _words(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__
