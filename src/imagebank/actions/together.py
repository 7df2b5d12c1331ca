"""Work that shares transactions with other work of its kind, and does not suffer by it.

A piece of work is a generator: it reads and computes, yields a change that is to be written, goes on with what that
gave, and returns its result. So the same work can be done by itself, or in step with others: what all of them want written
is then in one transaction with one commit. Nobody waits for the computing with a transaction open.
"""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import Any, Final, TypeVar

from imagebank.bank import Bank
from imagebank.model.imaging import Location
from imagebank.ports import Transaction

Change = Callable[[Transaction], Any]
"""What is to be written. Done again in another transaction where the first one failed."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Records:
    """Records that were written among the objects and have to be durable before the work goes on."""

    locations: tuple[Location, ...]


Steps = Generator[Change | Records, Any, Result]


@dataclass(frozen=True, slots=True)
class InSteps:
    """What a job does, where it can be done in step with others of its kind; called, it is done by itself."""

    steps: Callable[[Bank, dict[str, Any]], Steps[Any]]

    def __call__(self, bank: Bank, payload: dict[str, Any]) -> None:
        alone(bank, self.steps(bank, payload))


LONGEST: Final = timedelta(milliseconds=20)
"""After this a transaction takes no further change: whoever deposits waits for it."""


def alone(bank: Bank, steps: Steps[Result]) -> Result:
    """Do one piece of work, each of its changes in a transaction of its own; its result. Raises as it does."""
    answer = None
    while True:
        try:
            change = steps.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result
        if isinstance(change, Records):
            bank.blobs.sync(change.locations)
            answer = None
            continue
        with bank.index.begin() as tx:
            answer = change(tx)


@dataclass
class _Course:
    """A piece of work on its way: what it wants written now, what the last change gave, and what went wrong."""

    steps: Steps[Any]
    change: Change | Records | None = None
    answer: Any = None
    error: Exception | None = None

    def go_on(self) -> None:
        """Compute what is to be written next; nothing any more at its end, or once something went wrong."""
        self.change = None
        if self.error is not None:
            self.steps.close()
            return
        try:
            self.change = self.steps.send(self.answer)
        except StopIteration:
            pass
        except Exception as error:  # noqa: BLE001 - it is this work's own, and its neighbours go on
            self.error = error


def together(bank: Bank, every: Iterable[Steps[Any]], is_late: Callable[[], bool]) -> list[Exception | None]:
    """Do pieces of work in step, beginning with the first; for each that was begun what went wrong, or None.

    One at least is begun, and no further one once it is late.
    """
    courses: list[_Course] = []
    for steps in every:
        courses.append(_Course(steps))
        courses[-1].go_on()
        if is_late():
            break
    while wanted := [one for one in courses if one.change is not None]:
        _write(bank, wanted)
        for one in wanted:
            one.go_on()
    return [one.error for one in courses]


def _write(bank: Bank, wanted: Sequence[_Course]) -> None:
    """Write what these want, in their order, in as few transactions as others can bear."""
    while wanted:
        try:
            number = _written(bank, wanted)
        except Exception as error:  # noqa: BLE001 - nothing of it is written; whose fault it is shows each by itself
            if len(wanted) == 1:
                wanted[0].error = error
            else:
                for one in wanted:
                    _write(bank, [one])
            return
        wanted = wanted[number:]


def _written(bank: Bank, wanted: Sequence[_Course]) -> int:
    """Write the first of these in one transaction, or make their records durable by one sync; how many."""
    first = [*takewhile(lambda one: isinstance(one.change, Records), wanted)]
    if first:
        bank.blobs.sync([each for one in first if isinstance(one.change, Records) for each in one.change.locations])
        return len(first)
    began, answers = bank.now(), list[Any]()
    with bank.index.begin() as tx:
        for one in wanted:
            if one.change is None or isinstance(one.change, Records):
                break
            answers.append(one.change(tx))
            if bank.now() - began > LONGEST:
                break
    for one, answer in zip(wanted, answers, strict=False):
        one.answer = answer
    return len(answers)
