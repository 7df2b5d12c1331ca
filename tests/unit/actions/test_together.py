"""Work in step shares its transactions, and what fails of it harms no neighbour."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import open_test_bank
from imagebank import worker
from imagebank.actions import notes
from imagebank.actions.together import LONGEST, Change, InSteps, Records, Steps, alone, together
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, Unavailable
from imagebank.model.imaging import Location
from imagebank.model.key import BANK
from imagebank.model.note import Amendment
from imagebank.ports import Transaction


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


class Counted:
    """An index that counts its transactions, and of which the first ones fail."""

    def __init__(self, bank: Bank, failing: int = 0) -> None:
        self._index = bank.index
        self._failing = failing
        self.number = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        self.number += 1
        with self._index.begin() as tx:
            yield tx
            if self.number <= self._failing:
                raise Unavailable("the database did not answer")


def noting(bank: Bank, name: str) -> Change:
    """A change that can be found again."""

    def note(tx: Transaction) -> str:
        tx.defer("noted", {"name": name}, bank.now(), key=name)
        return name

    return note


def noted(bank: Bank) -> list[str]:
    found = bank.jobs.take(["noted"], bank.now() + timedelta(hours=1), 1.0, ["noted"], 100)
    return sorted(job.payload["name"] for job in found)


def twice(bank: Bank, name: str) -> Steps[str]:
    first = yield noting(bank, f"{name} 1")
    second = yield noting(bank, f"{name} 2")
    return f"{first}, {second}"


def failing(bank: Bank, name: str) -> Steps[None]:
    yield noting(bank, f"{name} 1")

    def fail(tx: Transaction) -> None:
        noting(bank, f"{name} 2")(tx)
        raise Conflict("it cannot be written")

    yield fail


def refusing(bank: Bank, number: int = 0) -> Steps[None]:
    if not number:
        raise Invalid("nothing can be computed")
    yield noting(bank, "refused")


def keeping(bank: Bank, name: str) -> Steps[None]:
    """It keeps a decision among the objects, and then notes that."""
    packed = notes.pack(Amendment(bank.now(), removed=(name,)))
    yield Records((bank.blobs.write(io.BytesIO(), 0, packed, bank.keys.of(BANK)),))
    yield noting(bank, name)


class Synced:
    """Blobs that count their syncs, and of which the first one fails."""

    def __init__(self, bank: Bank, failing: int = 0) -> None:
        self._blobs = bank.blobs
        self._failing = failing
        self.numbers: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    def sync(self, locations: Sequence[Location]) -> None:
        self.numbers.append(len(locations))
        if len(self.numbers) <= self._failing:
            raise Unavailable("the disk did not answer")
        self._blobs.sync(locations)


def never() -> bool:
    return False


def test_work_by_itself_goes_on_with_what_its_changes_gave(bank: Bank) -> None:
    counted = Counted(bank)

    assert alone(replace(bank, index=counted), twice(bank, "a")) == "a 1, a 2"
    assert noted(bank) == ["a 1", "a 2"]
    assert counted.number == 2


def test_work_in_step_has_one_transaction_for_what_all_want_written(bank: Bank) -> None:
    counted = Counted(bank)
    still = bank.now()

    done = together(replace(bank, index=counted, now=lambda: still), [twice(bank, one) for one in "abc"], never)

    assert done == [None, None, None]
    assert noted(bank) == ["a 1", "a 2", "b 1", "b 2", "c 1", "c 2"]
    assert counted.number == 2


def test_records_of_work_in_step_are_made_durable_by_one_sync(bank: Bank) -> None:
    synced = Synced(bank)
    own = replace(bank, blobs=synced)

    assert together(own, [keeping(own, "1.1"), keeping(own, "1.2"), twice(own, "a")], never) == [None, None, None]
    assert synced.numbers == [2]
    assert noted(bank) == ["1.1", "1.2", "a 1", "a 2"]


def test_work_goes_on_only_when_its_own_record_is_durable(bank: Bank) -> None:
    synced = Synced(bank, failing=2)
    own = replace(bank, blobs=synced)

    done = together(own, [twice(own, "a"), keeping(own, "1.1"), keeping(own, "1.2")], never)

    assert [type(one) for one in done] == [type(None), Unavailable, type(None)]
    assert noted(bank) == ["1.2", "a 1", "a 2"]


def test_what_cannot_be_written_leaves_nothing_and_its_neighbours_are_written(bank: Bank) -> None:
    done = together(bank, [twice(bank, "a"), failing(bank, "b"), refusing(bank), twice(bank, "c")], never)

    assert [type(one) for one in done] == [type(None), Conflict, Invalid, type(None)]
    assert noted(bank) == ["a 1", "a 2", "b 1", "c 1", "c 2"]


def test_a_database_that_fails_once_harms_nobody(bank: Bank) -> None:
    counted = Counted(bank, failing=1)

    assert together(replace(bank, index=counted), [twice(bank, "a"), twice(bank, "b")], never) == [None, None]
    assert noted(bank) == ["a 1", "a 2", "b 1", "b 2"]


def test_no_further_work_is_begun_once_it_is_late(bank: Bank) -> None:
    assert together(bank, [twice(bank, "a"), twice(bank, "b")], lambda: True) == [None]
    assert noted(bank) == ["a 1", "a 2"]


def test_who_deposits_does_not_wait_for_a_long_transaction(bank: Bank) -> None:
    counted, moments = Counted(bank), [bank.now()]

    def slowly() -> Any:
        moments.append(moments[-1] + LONGEST)
        return moments[-1]

    together(replace(bank, index=counted, now=slowly), [twice(bank, one) for one in "abcd"], never)

    assert noted(bank) == sorted(f"{one} {number}" for one in "abcd" for number in (1, 2))
    assert counted.number == 4


def test_one_job_that_fails_is_set_back_and_its_neighbours_are_done(bank: Bank) -> None:
    def work(bank: Bank, payload: dict[str, Any]) -> Steps[object]:
        return failing(bank, "b") if payload["study"] == "b" else twice(bank, payload["study"])

    now = bank.now()
    with bank.index.begin() as tx:
        for study in ("c", "b", "a"):
            tx.defer("words", {"study": study}, now, key=study)

    assert worker.step(bank, {"words": InSteps(work)})
    assert noted(bank) == ["a 1", "a 2", "b 1", "c 1", "c 2"]
    assert bank.jobs.claim(["words"], now, 1.0) is None
    again = bank.jobs.claim(["words"], now + timedelta(minutes=1), 1.0)
    assert again is not None
    assert again.payload == {"study": "b"}
