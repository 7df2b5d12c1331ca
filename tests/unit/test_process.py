"""What a process asks of the kernel."""

import signal
import time

from imagebank.process import Rest, let_go, until_signal


def busy() -> None:
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass


def test_rest_comes_once_after_a_process_was_busy() -> None:
    rest = Rest()
    busy()

    assert [rest.has_come() for _ in range(3)] == [False, True, False]
    busy()
    assert [rest.has_come() for _ in range(3)] == [False, True, False]


def test_memory_can_be_given_back_at_any_time() -> None:
    let_go()


def test_signals_that_come_together_are_heard_whatever_the_process_is_at() -> None:
    with until_signal() as stop:
        with stop._cond:  # type: ignore[attr-defined] # as while it begins to wait, and while a signal before this is heard
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        ended = stop.wait(20)

    assert ended
