"""What a process asks of the kernel."""

import time

from imagebank.process import Rest, let_go


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
