"""Health links and the files that wait for who follows them, on both databases."""

from datetime import UTC, datetime, timedelta

from imagebank.model.access import Scope
from imagebank.model.card import Card
from imagebank.model.health_link import Access, Flag, Kept, Waiting
from imagebank.model.person import PatientId
from imagebank.storage.index import SQLIndex

ALL = Scope(organizations=None)
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CARD = Card("0" * 16, b"n" * 32, "", PatientId("north", "P1"), "north", "desk", AT, AT + timedelta(days=30))
LINK = Kept(b"a" * 32, CARD.id, frozenset({Flag.LONG_TERM, Flag.PASSCODE}), Access.FILE, AT)


def test_a_card_has_one_link_and_its_files_are_got_once(index: SQLIndex) -> None:
    later = Kept(b"b" * 32, CARD.id, frozenset(), Access.ENDPOINT, AT + timedelta(hours=1))
    file = Waiting(b"f" * 32, CARD.id, b"sealed", AT + timedelta(hours=1))
    with index.begin() as tx:
        tx.cards.put(CARD)
        tx.cards.put_link(LINK)
        tx.cards.leave(file)
    assert index.cards.link(LINK.digest, ALL) == index.cards.link_of(CARD.id, ALL) == LINK
    assert index.cards.link(LINK.digest, Scope.of("north")) is None
    assert index.cards.link(b"x" * 32, ALL) is None

    with index.begin() as tx:
        tx.cards.put_link(later)
        assert tx.cards.take(file.digest, file.ends_at) is None
        assert tx.cards.take(file.digest, AT) == file
        assert tx.cards.take(file.digest, AT) is None
    before = index.cards.link(LINK.digest, ALL)
    assert before is not None
    assert before.ended_at == later.made_at
    assert index.cards.link_of(CARD.id, ALL) == later


def test_what_nobody_needs_any_more_is_swept(index: SQLIndex) -> None:
    file = Waiting(b"f" * 32, CARD.id, b"sealed", AT)
    with index.begin() as tx:
        tx.cards.put(CARD)
        tx.cards.put_link(LINK)
        tx.cards.leave(file)
        tx.cards.sweep_links(AT)
        assert tx.cards.take(file.digest, AT - timedelta(hours=1)) is None
    assert index.cards.link_of(CARD.id, ALL) == LINK
    with index.begin() as tx:
        tx.cards.forget([CARD.patient])
        tx.cards.sweep_links(AT)
    assert index.cards.link_of(CARD.id, ALL) is None
