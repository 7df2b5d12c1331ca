"""Filing tasks into the reconciliation queue as a part of other work, and putting back what was filed."""

from collections.abc import Iterable

from imagebank.actions import notes
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.task import FILED, Mark, Task
from imagebank.ports import Transaction


def file(bank: Bank, tx: Transaction, task: Task) -> bool:
    """Put a task into the queue, and among the objects, as a part of a transaction; False when it was filed before.

    Its identifier is `model.task.filed` of a key by which the same is known again. Whoever sees all its studies sees
    it. Raises Invalid for one that is about no study, or of a kind that nobody files.
    """
    if not task.studies or task.kind not in FILED:
        raise Invalid("what is filed is about studies, and of a kind that is filed")
    is_new = tx.tasks.file(task)
    if is_new:
        notes.defer(bank, tx, tasks=(task,))
    return is_new


def restore(tx: Transaction, tasks: Iterable[Task], marks: Iterable[Mark]) -> None:
    """Put back what was filed and what was done about tasks, as it was kept among the objects."""
    for task in tasks:
        tx.tasks.file(task)
    for mark in marks:
        tx.tasks.mark(mark)
