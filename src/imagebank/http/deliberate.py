"""Where work runs that takes long on purpose, such as comparing a password: beside the threads of everything else."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, ParamSpec, TypeVar

from starlette.requests import HTTPConnection

from imagebank.errors import TooOften, Unavailable
from imagebank.http.auth import address_of

P = ParamSpec("P")
T = TypeVar("T")

# As many as `actions.password` has memory for; the next would only wait there.
AT_ONCE: Final = 2
# Some two tenths of a second each: so nobody waits longer than a few seconds.
MOST: Final = 40
MOST_OF_ONE: Final = 10
"""How many are heard or wait, in all and of one address; many people may share one."""


class Queue:
    """A few threads of their own, and a queue that ends."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, "deliberate")
        self._waiting: Counter[str] = Counter()

    async def run(self, address: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run it when its turn comes. Raises TooOften when many of this address wait, Unavailable when many do."""
        if self._waiting[address] >= MOST_OF_ONE:
            raise TooOften("others are signing in from where you are at this moment; try again in some seconds")
        if self._waiting.total() >= MOST:
            raise Unavailable("many people are signing in at this moment; try again in some seconds")
        self._waiting[address] += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, *args, **kwargs))
        finally:
            self._waiting -= Counter((address,))


_queue: Final = Queue()


async def deliberately(request: HTTPConnection, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run what hashes a password, in its turn. Raises TooOften and Unavailable when too many wait."""
    return await _queue.run(address_of(request), function, *args, **kwargs)
