"""A thread that does things for those who wait for them."""

import threading
from functools import partial

import pytest

from imagebank.storage.beside import Beside


def test_things_are_done_in_their_order_in_another_thread() -> None:
    def note(number: int) -> None:
        done.append((number, threading.current_thread().name))

    beside, done = Beside("beside"), list[tuple[int, str]]()
    waits = [beside.begin(partial(note, n)) for n in range(5)]
    waits[-1]()
    waits[0]()

    assert done == [(n, "beside") for n in range(5)]
    beside.close()


def test_whoever_waits_gets_what_went_wrong_each_time() -> None:
    def fail() -> None:
        raise OSError("no")

    beside = Beside("beside")
    wait, other = beside.begin(fail), beside.begin(lambda: None)
    for _ in range(2):
        with pytest.raises(OSError, match="no"):
            wait()
    other()
    beside.close()


def test_what_was_begun_is_done_before_it_is_closed_and_nothing_after() -> None:
    beside, may_go, done = Beside("beside"), threading.Event(), list[int]()
    beside.begin(may_go.wait)
    wait = beside.begin(lambda: done.append(1))
    may_go.set()
    beside.close()

    assert done == [1]
    wait()
    with pytest.raises(RuntimeError):
        beside.begin(lambda: None)
    beside.close()


def test_the_thread_ends_when_nobody_can_give_it_anything_any_more() -> None:
    beside, threads = Beside("beside"), list[threading.Thread]()
    beside.begin(lambda: threads.append(threading.current_thread()))()
    del beside
    threads[0].join(10)

    assert not threads[0].is_alive()
