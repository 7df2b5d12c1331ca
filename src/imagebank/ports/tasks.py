"""What the bank needs to keep of the reconciliation queue."""

from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.task import Counts, Mark, Page, Task, Wanted


class TaskReader(Protocol):
    """Reads the queue for somebody: a task is shown where every study, or a study of every record, is that it is about."""

    def tasks(self, wanted: Wanted, scope: Scope, now: datetime) -> Page:
        """A page of the queue. It reads about as many rows as it shows. Raises Invalid for a page that is none."""
        ...

    def task(self, task: str, scope: Scope, now: datetime) -> Task | None:
        """One task, in whatever state it is; None where there is none in scope. What was settled is there still."""
        ...

    def counts(self, scope: Scope, now: datetime) -> Counts:
        """How many tasks are open."""
        ...

    def waiting(self, scope: Scope, now: datetime, most: int) -> int:
        """How many tasks are open, counted up to `most` of each kind."""
        ...


class TaskWriter(Protocol):
    """Changes to the queue, within one transaction."""

    def file(self, task: Task) -> bool:
        """Put a task into the queue (see `model.task.filed`); False when it was filed before, whatever became of it."""
        ...

    def take(self, task: str, by: str, now: datetime, until: datetime) -> bool:
        """Let somebody have a task for a while, or longer; False while somebody else has it."""
        ...

    def let_go(self, task: str, by: str) -> bool:
        """Give a task back before its time; False where somebody else has it, or nobody."""
        ...

    def mark(self, mark: Mark) -> None:
        """Note what was done about a task. Who had it has it no more."""
        ...
