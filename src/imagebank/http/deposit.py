"""Arrivals of one request on their way in: taken one by one as they become whole, and committed together."""

import asyncio
import io
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, Self

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from imagebank.actions.ingest import Arrival
from imagebank.errors import BankError, Invalid, OutOfSpace, Unavailable
from imagebank.http.spool import IN_MEMORY, TooLarge, no_place
from imagebank.model.imaging import Outcome, Receipt

_BATCH_BYTES: Final = 64 << 20
_BATCH_PARTS: Final = 100
# Each holds a descriptor, and another batch may be under way: many may deposit at once.
_BATCH_FILES: Final = 16
_PATIENCE_S: Final = 0.1
"""How long in all the thread of a batch waits for parts that are still on their way: what is there is then committed."""

Receive = Callable[[Iterable[Arrival]], list[Receipt]]


class _Batch:
    """What goes into one commit. The request offers arrivals, and a thread takes each as soon as it is offered."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._changed = threading.Condition()
        self._waiting: deque[Arrival] = deque()
        self._is_over = False
        self._left_s = _PATIENCE_S
        self._bytes = 0
        self._files = 0

    def offer(self, arrival: Arrival) -> bool:
        """Add one; false where nothing more is taken."""
        with self._changed:
            if self._is_over:
                return False
            self.arrivals.append(arrival)
            self._waiting.append(arrival)
            # A part in a file of its own takes no memory; it is still work for one commit.
            self._bytes += min(arrival.size, IN_MEMORY)
            self._files += not isinstance(arrival.content, io.BytesIO)
            self._is_over = (
                self._bytes >= _BATCH_BYTES or self._files >= _BATCH_FILES or len(self.arrivals) >= _BATCH_PARTS
            )
            self._changed.notify()
        return True

    def end(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def each(self) -> Iterator[Arrival]:
        """The arrivals as they come, until the batch ends, is full, or was waited for too long."""
        while (arrival := self._next()) is not None:
            yield arrival

    def _next(self) -> Arrival | None:
        with self._changed:
            if not self._waiting and not self._is_over:
                began = time.monotonic()
                self._changed.wait_for(lambda: self._waiting or self._is_over, max(self._left_s, 0.0))
                self._left_s -= time.monotonic() - began
            if self._waiting:
                return self._waiting.popleft()
            self._is_over = True
            return None


class Deposit:
    """Collects arrivals and their receipts, in order; `receive` takes a batch of them in, each as it comes.

    When the bank has no room or does not answer, `stopped` says why; what comes after that is refused unseen.
    """

    def __init__(self, receive: Receive) -> None:
        self.receipts: list[Receipt] = []
        self.stopped: BankError | None = None
        self._receive = receive
        self._batch = _Batch()
        self._batch.end()
        self._running: asyncio.Task[None] | None = None
        self._before: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.settle()

    async def add(self, arrival: Arrival) -> None:
        """Take one more; may wait for an earlier batch."""
        if self.stopped is not None:
            arrival.content.close()
            await self.refuse(Receipt(Outcome.REFUSED, arrival.name, error=self.stopped))
        elif not self._batch.offer(arrival):
            await self._begin(arrival)

    async def refuse(self, receipt: Receipt) -> None:
        """Note one that never became an arrival."""
        await self.settle()
        self.receipts.append(receipt)

    async def take(self, arrivals: AsyncIterator[Arrival | Receipt]) -> Invalid | None:
        """Take in whatever comes, to its receipt; why that was not the whole body, None where it was.

        Raises TooLarge when nothing has come before that.
        """
        fault: Invalid | None = None
        try:
            async for arrival in arrivals:
                if isinstance(arrival, Receipt):
                    await self.refuse(arrival)
                else:
                    await self.add(arrival)
        except (OutOfSpace, Unavailable) as error:
            self.stopped = error
        except TooLarge as error:
            await self.settle()
            if not self.receipts:
                raise
            fault = Invalid(str(error))
        except Invalid as error:
            fault = error
        except ClientDisconnect:
            # Nobody is left to answer; whole parts are kept all the same, and sending them again is a success.
            fault = Invalid("the sender hung up before the end of the body")
        await self.settle()
        return fault

    async def settle(self) -> None:
        """Wait until everything that was added has its receipt."""
        self._batch.end()
        running, self._running, self._before = self._running, None, None
        if running is not None:
            await running

    async def _begin(self, arrival: Arrival) -> None:
        """Open the next batch with an arrival. One fills while the one before it is committed, and no third."""
        try:
            if self._before is not None:
                await self._before
        except BaseException:
            arrival.content.close()
            raise
        self._batch, self._before = _Batch(), self._running
        self._batch.offer(arrival)
        self._running = asyncio.create_task(self._commit(self._batch, self._before))

    async def _commit(self, batch: _Batch, before: asyncio.Task[None] | None) -> None:
        try:
            if before is not None:
                await before
            if self.stopped is not None:
                raise self.stopped
            done = await run_in_threadpool(self._receive, batch.each())
        except (OutOfSpace, Unavailable, OSError) as error:
            # To look at a file takes a descriptor of its own, too.
            self.stopped = no_place(error) if isinstance(error, OSError) else error
            batch.end()
            done = [Receipt(Outcome.REFUSED, arrival.name, error=self.stopped) for arrival in batch.arrivals]
        finally:
            batch.end()
            for arrival in batch.arrivals:
                arrival.content.close()
        self.receipts.extend(done)
