"""Where a short read runs: decision 2's measured exception."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

from imagebank.bank import Bank
from imagebank.ports.steady import hold, put_off

P = ParamSpec("P")
T = TypeVar("T")


async def quickly(bank: Bank, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a short indexed read: in place on an embedded bank, in a thread where a network is asked.

    SQLite answers in less time than the hop to a thread and back takes. Where it found nothing, the beat that an answer of
    nothing ends on is waited for in a thread.
    """
    if not bank.settings.is_embedded:
        return await run_in_threadpool(function, *args, **kwargs)
    waits: list[tuple[float, float]] = []
    try:
        with put_off() as waits:
            return function(*args, **kwargs)
    finally:
        if waits:
            await run_in_threadpool(hold, *waits[0])
