"""Work that is begun before anybody waits for it."""

import asyncio
from collections.abc import Awaitable

import pytest

from imagebank.http.begun import begun


async def within(seconds: float, work: Awaitable[object]) -> bool:
    """Whether some work was done at its first step; the rest is waited for so long."""
    rest = begun(work)
    if rest is not None:
        async with asyncio.timeout(seconds):
            await rest
    return rest is None


def test_what_waits_for_nothing_is_done_at_once() -> None:
    done = []

    async def work() -> None:
        done.append(1)

    assert asyncio.run(within(0, work()))
    assert done


def test_what_waits_goes_on_until_it_is_done() -> None:
    done: list[int] = []

    async def work() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
            await asyncio.to_thread(done.append, 1)

    assert not asyncio.run(within(60, work()))
    assert len(done) == 3


def test_what_waits_too_long_hears_of_it_and_ends() -> None:
    heard = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            heard.append(1)

    with pytest.raises(TimeoutError):
        asyncio.run(within(0.01, work()))
    assert heard


def test_work_may_end_in_its_own_way() -> None:
    done = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            done.append(1)

    assert not asyncio.run(within(0.01, work()))
    assert done


@pytest.mark.parametrize("waits", [False, True])
def test_what_goes_wrong_is_raised(*, waits: bool) -> None:
    async def work() -> None:
        if waits:
            await asyncio.sleep(0)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        asyncio.run(within(60, work()))


def test_what_nobody_waits_for_any_more_ends() -> None:
    heard = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            heard.append(1)

    async def leave() -> None:
        rest = begun(work())
        assert rest is not None
        waiting = rest.__await__()
        next(waiting)
        waiting.close()

    asyncio.run(leave())
    assert heard
