"""How the arrivals of one request share commits."""

import asyncio
import io
import threading
from collections.abc import Iterable

import pytest

from imagebank.actions.ingest import Arrival
from imagebank.errors import OutOfSpace
from imagebank.http.deposit import Deposit
from imagebank.model.imaging import Outcome, Receipt


def an_arrival(name: str) -> Arrival:
    return Arrival(io.BytesIO(b"x"), 1, name)


class Bank:
    """Notes what is taken in, and in which batches."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.taken = threading.Semaphore(0)
        self.committed = threading.Semaphore(0)

    def receive(self, arrivals: Iterable[Arrival]) -> list[Receipt]:
        names = []
        for arrival in arrivals:
            names.append(arrival.name)
            self.taken.release()
        self.batches.append(names)
        self.committed.release()
        return [Receipt(Outcome.STORED, name) for name in names]


def test_each_is_taken_while_the_next_one_still_comes_and_all_share_a_commit() -> None:
    bank = Bank()

    async def send() -> Deposit:
        async with Deposit(bank.receive) as deposit:
            for name in "abc":
                await deposit.add(an_arrival(name))
                assert await asyncio.to_thread(bank.taken.acquire, timeout=30)
        return deposit

    deposit = asyncio.run(send())
    # A machine that is busy may take so long that some are committed before the others.
    assert "".join(name for batch in bank.batches for name in batch) == "abc"
    assert [one.name for one in deposit.receipts] == ["a", "b", "c"]


def test_who_waits_for_the_next_one_does_not_keep_what_is_there_from_its_commit() -> None:
    bank = Bank()

    async def send() -> None:
        async with Deposit(bank.receive) as deposit:
            await deposit.add(an_arrival("a"))
            assert await asyncio.to_thread(bank.committed.acquire, timeout=30)
            await deposit.add(an_arrival("b"))

    asyncio.run(send())
    assert bank.batches == [["a"], ["b"]]


def test_a_batch_has_its_most_and_receipts_keep_their_order() -> None:
    bank = Bank()
    names = [str(number) for number in range(250)]

    async def send() -> Deposit:
        async with Deposit(bank.receive) as deposit:
            for name in names:
                await deposit.add(an_arrival(name))
        return deposit

    assert [one.name for one in asyncio.run(send()).receipts] == names
    assert max(map(len, bank.batches)) <= 100


def test_without_room_all_of_a_batch_and_what_comes_after_it_is_refused() -> None:
    def receive(arrivals: Iterable[Arrival]) -> list[Receipt]:
        next(iter(arrivals))
        raise OutOfSpace("there is no room")

    async def send() -> Deposit:
        async with Deposit(receive) as deposit:
            for name in "ab":
                await deposit.add(an_arrival(name))
            await deposit.settle()
            await deposit.add(an_arrival("c"))
        return deposit

    receipts = asyncio.run(send()).receipts
    assert [(one.name, one.outcome) for one in receipts] == [(name, Outcome.REFUSED) for name in "abc"]


def test_a_failure_is_raised_once_everything_is_closed() -> None:
    first, second = an_arrival("a"), an_arrival("b")

    def receive(arrivals: Iterable[Arrival]) -> list[Receipt]:
        next(iter(arrivals))
        raise KeyError

    async def send() -> None:
        async with Deposit(receive) as deposit:
            await deposit.add(first)
            await deposit.add(second)

    with pytest.raises(KeyError):
        asyncio.run(send())
    assert first.content.closed
    assert second.content.closed
