"""The words of mail, in the language of whoever gets it. They tell nothing about a patient: a link does, to who may see.

The list in the account says the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from html import escape
from typing import Final

from imagebank.actions import codes
from imagebank.http.whereabouts import web_url
from imagebank.model.notice import Kind, Mail
from imagebank.model.recovery import WayBack
from imagebank.portal import here, language
from imagebank.portal.language import gettext, noted
from imagebank.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """What a kind of notice is called, and the sentences that say what happened."""

    heading: str
    sentence: str


WORDS: Final[Mapping[Kind, Words]] = {
    Kind.DEPOSIT: Words(
        noted("Something new is in your account"),
        noted("Something new was put into your account."),
    ),
    Kind.REPORT: Words(
        noted("A report is there for you to read"),
        noted("A report about images of yours came, and you can read it."),
    ),
    Kind.SHARED: Words(
        noted("A card of yours was used"),
        noted("Somebody used a card of yours to look at what you share with it."),
    ),
    Kind.PIN_REFUSED: Words(
        noted("A wrong PIN was typed for a card of yours"),
        noted("Somebody typed the number of a card of yours with a wrong PIN. They were shown nothing."),
    ),
    Kind.SWALLOWED: Words(
        noted("A card of yours was stopped"),
        noted("A wrong PIN was typed too many times, so a card of yours was stopped. It opens nothing any more."),
    ),
    Kind.ANSWERED: Words(
        noted("A request of yours was answered"),
        noted("You asked for something, and there is an answer."),
    ),
    Kind.EMERGENCY: Words(
        noted("Your record was opened in an emergency"),
        noted(
            "Somebody opened your record in an emergency and did not ask you. They said why, and it will be checked."
        ),
    ),
    Kind.NEW_PLACE: Words(
        noted("Somebody signed in as you from a new place"),
        noted(
            "Somebody signed in to your account from a place that is new to us. "
            "If that was not you, change your password and end the other sessions."
        ),
    ),
    Kind.MEANS: Words(
        noted("How you sign in was changed"),
        noted(
            "A password, a passkey, an app for codes or the mail address of your account was changed. "
            "If that was not you, tell whoever runs this site at once."
        ),
    ),
    Kind.FORGOTTEN: Words(
        noted("Somebody asked for a new password for your account"),
        noted(
            "Somebody asked for a link by which a new password is set for your account. "
            "If that was not you, stop it on the page about your account."
        ),
    ),
    Kind.RULE: Words(
        noted("Something came that you wanted to know of"),
        noted("Something came that the rules of your site tell you of."),
    ),
}


@contextmanager
def _speaking(settings: Settings, chosen: str) -> Iterator[None]:
    before, where = language.spoken(), here.zone()
    here.stand_in(settings.zone)
    language.speak(chosen if chosen in language.known() else language.ENGLISH)
    try:
        yield
    finally:
        language.speak(before)
        here.stand_in(where)


def write(settings: Settings, mail: Mail) -> EmailMessage:
    """A mail as text and as a simple page, of what it has to say. Its Message-ID follows from its identifier."""
    with _speaking(settings, mail.language):
        subject, paragraphs, endings = _said(settings, mail)
        return _made(settings, mail, f"{settings.site_name}: {subject}", paragraphs, endings)


def _said(settings: Settings, mail: Mail) -> tuple[str, list[str], list[str]]:
    """The subject, what is said before the link, and what behind it."""
    site = settings.site_name
    if mail.code:
        minutes = int(codes.LASTS.total_seconds() / 60)
        paragraphs = [
            gettext("Your code is %(code)s. Type it on the page that asked for it.") % {"code": mail.code},
            gettext("The code is good for %(minutes)s minutes, and once.") % {"minutes": minutes},
        ]
        ending = gettext("If you did not ask %(site)s for a code, do nothing, and tell nobody the code.")
        return gettext("your code"), paragraphs, [ending % {"site": site}]
    if mail.way_back is not None:
        return gettext("a new password"), _back_in(mail.way_back), _not_you()
    if not mail.kinds:
        return gettext("mail works"), [gettext("This is a test. Mail of %(site)s arrives here.") % {"site": site}], []
    counted = Counter(mail.kinds)
    quiet = gettext("We leave out everything else on purpose: others may read mail on its way.")
    endings = [gettext("You have to sign in to see it."), quiet]
    if len(mail.kinds) == 1:
        words = WORDS[mail.kinds[0]]
        return gettext(words.heading), [gettext(words.sentence)], endings
    lines = [_line(kind, number) for kind, number in counted.items()]
    return gettext("news in your account"), [gettext("This happened in your account:"), *lines], endings


def _back_in(way: WayBack) -> list[str]:
    """How a forgotten password is replaced."""
    asked = gettext("Somebody asked for a new password for your account. If that was you, open this page.")
    if not way.is_proven_twice:
        times = {"from": language.moment(way.opens_at), "until": language.moment(way.ends_at)}
        wait = gettext(
            "Nothing but this mail shows that it is you. So you have to wait: the page works from %(from)s on, "
            "until %(until)s, and once."
        )
        return [asked, wait % times]
    more = gettext("You need a code from your app, too.") if way.has_app else gettext("You need your passkey, too.")
    return [asked, gettext("The page works once, until %(at)s.") % {"at": language.moment(way.ends_at)}, more]


def _not_you() -> list[str]:
    return [
        gettext("If that was not you, open the page and press “Stop it”. Your password stays as it is."),
        gettext("Tell nobody this link."),
    ]


def _line(kind: Kind, number: int) -> str:
    heading = gettext(WORDS[kind].heading)
    return f"- {heading}" + (f" ({language.whole(number)})" if number > 1 else "")


def _made(settings: Settings, mail: Mail, subject: str, paragraphs: list[str], endings: list[str]) -> EmailMessage:
    site, sender = web_url(settings), settings.smtp_from
    link, leave = (site + path if path else "" for path in (mail.link, mail.leave))
    message = EmailMessage()
    message["From"] = Address(settings.site_name, addr_spec=sender)
    local, _, domain = mail.address.rpartition("@")
    # In parts, since a whole one has to be ASCII.
    message["To"] = Address(username=local, domain=domain)
    message["Subject"] = subject
    message["Message-ID"] = f"<{mail.id}@{sender.rpartition('@')[2]}>"
    message["Date"] = mail.at
    # RFC 3834 5: so that no robot answers.
    message["Auto-Submitted"] = "auto-generated"
    if leave:
        # RFC 2369 3.2 and RFC 8058 3.1: ended by one press of a button, without a sign-in.
        message["List-Unsubscribe"] = f"<{leave}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(_text(paragraphs, link, endings, leave), cte="quoted-printable")
    words = gettext("Set a new password, or stop it") if mail.way_back else gettext("Look in your account")
    page = _page(subject, paragraphs, (link, words), endings, leave)
    message.add_alternative(page, subtype="html", cte="quoted-printable")
    return message


def _text(paragraphs: list[str], link: str, endings: list[str], leave: str) -> str:
    ways_out = [f"{gettext('No more mails like this one:')}\n{leave}"] if leave else []
    return "\n\n".join([*paragraphs, *([link] if link else []), *endings, *ways_out]) + "\n"


def _page(subject: str, paragraphs: list[str], link: tuple[str, str], endings: list[str], leave: str) -> str:
    parts = [escape(one) for one in paragraphs]
    address, words = link
    parts += [f'<a href="{escape(address)}">{escape(words)}</a>'] if address else []
    parts += [escape(one) for one in endings]
    parts += [f'<a href="{escape(leave)}">{escape(gettext("No more mails like this one"))}</a>'] if leave else []
    body = "\n".join(f"<p>{one}</p>" for one in parts)
    head = f'<meta charset="utf-8"><title>{escape(subject)}</title>'
    return (
        f'<!doctype html>\n<html lang="{language.spoken()}" dir="{language.direction()}">'
        f"<head>{head}</head>\n<body>\n{body}\n</body></html>\n"
    )
