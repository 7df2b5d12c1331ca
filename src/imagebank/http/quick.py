"""Where a short read runs: decision 2's measured exception."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

from imagebank.bank import Bank

P = ParamSpec("P")
T = TypeVar("T")


async def quickly(bank: Bank, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a short indexed read: in place on an embedded bank, in a thread where a network is asked.

    SQLite answers in less time than the hop to a thread and back takes.
    """
    if bank.settings.is_embedded:
        return function(*args, **kwargs)
    return await run_in_threadpool(function, *args, **kwargs)
