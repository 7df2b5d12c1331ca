"""Every mail can be written in every language, and says nothing but what its kind says."""

from datetime import UTC, datetime

import pytest

from imagebank.model.notice import Kind, Mail
from imagebank.portal import language
from imagebank.portal.mails import WORDS, write
from imagebank.settings import Settings
from mail_server import SETTINGS, text_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE = Settings(**SETTINGS)  # type: ignore[arg-type]


def a_mail(spoken: str, *kinds: Kind, code: str = "") -> Mail:
    link, leave = ("/notices/1", "/unsubscribe/2") if kinds else ("", "")
    return Mail("m1", "ada@example.org", spoken, NOW, kinds, link, leave, code)


def test_every_kind_has_words() -> None:
    assert set(WORDS) == set(Kind)


@pytest.mark.parametrize("spoken", sorted(language.known()))
def test_every_mail_can_be_written_in_a_language(spoken: str) -> None:
    subjects = set()
    for kinds in (*((kind,) for kind in Kind), tuple(Kind), (Kind.DEPOSIT, Kind.DEPOSIT)):
        mail = write(HERE, a_mail(spoken, *kinds))
        subjects.add(str(mail["Subject"]))
        text = text_of(mail)
        assert ("https://bank.example/notices/1" in text, "https://bank.example/unsubscribe/2" in text) == (True, True)
        assert ("{" in text, "%(" in text) == (False, False)
    code, test = text_of(write(HERE, a_mail(spoken, code="012345"))), text_of(write(HERE, a_mail(spoken)))

    assert ("012345" in code, "10" in code, "North Bank" in code, "North Bank" in test) == (True, True, True, True)
    assert len(subjects) == len(Kind) + 1
    assert language.spoken() == language.ENGLISH


def test_a_page_of_a_mail_escapes_what_a_site_calls_itself() -> None:
    named = Settings(**{**SETTINGS, "site_name": "<i>North & Bank"})  # type: ignore[arg-type]
    body = write(named, a_mail("en")).get_body(("html",))

    assert body is not None
    assert "&lt;i&gt;North &amp; Bank" in body.get_content()
    assert "<i>" not in body.get_content()
