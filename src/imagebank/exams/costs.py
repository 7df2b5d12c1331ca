"""What exams cost by a site's own table; none is built in, and without one no cost is told."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

import msgspec

from imagebank.errors import Invalid
from imagebank.exams.comparing import Likeness, is_of
from imagebank.exams.table_files import read_table
from imagebank.model.exam import Exam, Group


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one exam of some groups and regions costs. What is empty does not narrow."""

    amount: Annotated[float, msgspec.Meta(ge=0)]
    groups: tuple[Group, ...] = ()
    regions: tuple[str, ...] = ()


class Costs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site's table of costs, read from the top: the first row that fits counts. All are in one `currency` (ISO 4217)."""

    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    cost: tuple[Cost, ...]


@lru_cache(maxsize=4)
def costs(file: Path | None) -> Costs | None:
    """The table of a file; None without one. Raises Invalid and SettingsError as `read_table` does."""
    if file is None:
        return None
    found = read_table(file, "", Costs)
    if not found.cost:
        raise Invalid("{file}: a table of costs has one cost at least", file=str(file))
    return found


def cost_of(table: Costs, like: Likeness, exam: Exam) -> float | None:
    """What an exam costs in the currency of the table; None where no row fits."""
    for row in table.cost:
        if (not row.groups or exam.group in row.groups) and is_of(like, exam.regions, row.regions):
            return row.amount
    return None
