"""What takes long on purpose: it waits in its own queue, and the queue ends."""

import asyncio
import threading
from collections import Counter

import pytest
from starlette.concurrency import run_in_threadpool

from imagebank.errors import BankError, TooOften, Unavailable
from imagebank.http.deliberate import AT_ONCE, MOST, MOST_OF_ONE, Queue


async def crowded(queue: Queue, addresses: list[str]) -> Counter[str]:
    """What becomes of a call from each address while none of them ends, and of a thread for something else."""
    gate, begun = threading.Event(), threading.Semaphore(0)

    def wait() -> str:
        begun.release()
        gate.wait()
        return "heard"

    calls = [asyncio.ensure_future(queue.run(address, wait)) for address in addresses]
    await asyncio.sleep(0)
    assert await run_in_threadpool(lambda: "free") == "free"
    await run_in_threadpool(lambda: [begun.acquire() for _ in range(AT_ONCE)])
    assert not begun.acquire(blocking=False)
    gate.set()
    done = await asyncio.gather(*calls, return_exceptions=True)
    assert await queue.run("later", lambda: "heard") == "heard", "there is room again"
    return Counter(type(one).__name__ if isinstance(one, BankError) else str(one) for one in done)


def test_one_address_fills_neither_the_queue_nor_the_threads_of_others() -> None:
    found = asyncio.run(crowded(Queue(), ["192.0.2.1"] * 95 + ["192.0.2.2"]))

    assert found == {"heard": MOST_OF_ONE + 1, "TooOften": 95 - MOST_OF_ONE}


def test_the_queue_of_all_ends_too() -> None:
    found = asyncio.run(crowded(Queue(), [f"192.0.2.{number}" for number in range(MOST + 5)]))

    assert found == {"heard": MOST, "Unavailable": 5}


def test_what_fails_leaves_its_place() -> None:
    async def failing() -> None:
        queue = Queue()
        for _ in range(MOST + 1):
            with pytest.raises(Unavailable, match="broken"):
                await queue.run("", broken)

    def broken() -> None:
        raise Unavailable("broken")

    asyncio.run(failing())
    assert issubclass(TooOften, BankError)
