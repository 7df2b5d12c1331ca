"""Studies that are made ready before somebody reads, on both databases."""

from datetime import UTC, datetime, timedelta

from imagebank.model.prefetch import HERE, Link, Prefetch, State
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

AT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_each_study_is_known_once_for_each_device(index: SQLIndex) -> None:
    waiting = Prefetch("READ1", Uid("1.2"), State.WAITING, AT)
    done = Prefetch("READ1", Uid("1.2"), State.DONE, AT + HOUR, 3, 5 << 30)
    here = Prefetch("", Uid("1.2"), State.DONE, AT, 1, 9)
    with index.begin() as tx:
        for one in (waiting, here, done):
            tx.prefetches.put(one)

    assert index.prefetches.one("READ1", Uid("1.2")) == done
    assert index.prefetches.one("READ2", Uid("1.2")) is None
    assert index.prefetches.newest(9) == [done, here]
    since = [index.prefetches.done_since("READ1", at) for at in (AT, AT + HOUR, AT + 2 * HOUR)]
    assert since == [(1, 5 << 30), (1, 5 << 30), (0, 0)]


def test_what_is_old_and_what_goes_no_more_is_forgotten(index: SQLIndex) -> None:
    with index.begin() as tx:
        for number in range(3):
            tx.prefetches.put(Prefetch("READ1", Uid(f"1.{number}"), State.WAITING, AT + number * HOUR))
        tx.prefetches.forget(AT + HOUR)
        tx.prefetches.forget(AT + 9 * HOUR, "READ1", Uid("1.2"))

    assert [one.study for one in index.prefetches.newest(9)] == ["1.1"]


def test_links_tell_what_stands_and_what_was_done_since_a_moment(index: SQLIndex) -> None:
    rows = [
        Prefetch("READ1", Uid("1.1"), State.WAITING, AT + HOUR),
        Prefetch("READ1", Uid("1.2"), State.LIMITED, AT - 9 * HOUR),
        Prefetch("READ1", Uid("1.3"), State.FAILED, AT),
        Prefetch("READ1", Uid("1.4"), State.DONE, AT, 3, 5 << 30),
        Prefetch("READ1", Uid("1.5"), State.DONE, AT - HOUR, 3, 1),
        Prefetch(HERE, Uid("1.1"), State.DONE, AT, 2, 7),
        Prefetch(HERE, Uid("1.2"), State.LIMITED, AT),
        Prefetch(HERE, Uid("1.3"), State.LIMITED, AT - HOUR),
    ]
    with index.begin() as tx:
        for one in rows:
            tx.prefetches.put(one)

    assert index.prefetches.links(AT) == [
        Link(HERE, limited=1, done=1, octets=7),
        Link("READ1", 1, 1, 1, 1, 5 << 30, oldest=AT - 9 * HOUR),
    ]
