"""Arrivals of one request on their way in: committed in batches, while the next ones still come."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Final, Self

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from imagebank.actions.ingest import Arrival
from imagebank.errors import BankError, Invalid, OutOfSpace, Unavailable
from imagebank.http.spool import IN_MEMORY, TooLarge, no_place
from imagebank.model.imaging import Outcome, Receipt

_BATCH_BYTES: Final = 64 << 20
# So much shares a commit at least, where nothing else is under way: the next ones come while these are taken in.
_EARLY_BYTES: Final = 2 << 20
_BATCH_PARTS: Final = 100
# Each holds a descriptor, and another batch may be under way: many may deposit at once.
_BATCH_FILES: Final = 16


Receive = Callable[[Sequence[Arrival]], list[Receipt]]


class Deposit:
    """Collects arrivals and their receipts, in order; `receive` takes a batch of them in.

    When the bank has no room or does not answer, `stopped` says why; what comes after that is refused unseen.
    """

    def __init__(self, receive: Receive) -> None:
        self.receipts: list[Receipt] = []
        self.stopped: BankError | None = None
        self._receive = receive
        self._batch: list[Arrival] = []
        self._bytes = 0
        self._files = 0
        self._pending: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._wait()
        for arrival in self._batch:
            arrival.content.close()

    async def add(self, arrival: Arrival) -> None:
        """Take one more; may wait for an earlier batch."""
        if self.stopped is not None:
            arrival.content.close()
            await self.refuse(Receipt(Outcome.REFUSED, arrival.name, error=self.stopped))
            return
        self._batch.append(arrival)
        # A part in a file of its own takes no memory; it is still work for one commit.
        self._bytes += min(arrival.size, IN_MEMORY)
        self._files += not isinstance(arrival.content, io.BytesIO)
        is_idle = self._pending is None or self._pending.done()
        enough = _EARLY_BYTES if is_idle else _BATCH_BYTES
        if self._bytes >= enough or self._files >= _BATCH_FILES or len(self._batch) >= _BATCH_PARTS:
            await self._start()

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
        if self._batch:
            await self._start()
        await self._wait()

    async def _start(self) -> None:
        await self._wait()
        batch, self._batch, self._bytes, self._files = self._batch, [], 0, 0
        self._pending = asyncio.create_task(self._commit(batch))

    async def _wait(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            await pending

    async def _commit(self, batch: list[Arrival]) -> None:
        try:
            if self.stopped is not None:
                raise self.stopped
            done = await run_in_threadpool(self._receive, batch)
        except (OutOfSpace, Unavailable, OSError) as error:
            # To look at a file takes a descriptor of its own, too.
            self.stopped = no_place(error) if isinstance(error, OSError) else error
            done = [Receipt(Outcome.REFUSED, arrival.name, error=self.stopped) for arrival in batch]
        finally:
            for arrival in batch:
                arrival.content.close()
        self.receipts.extend(done)
