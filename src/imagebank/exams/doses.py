"""Effective doses by a site's table: from what was measured where there is a factor, else what such exams typically take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

import msgspec

from imagebank.errors import Invalid
from imagebank.exams.comparing import Likeness, likeness
from imagebank.exams.table_files import read_table
from imagebank.model.dose import Dose, Method, Part, Quantity, Reading
from imagebank.model.exam import Exam, Group, Side

Amount = Annotated[float, msgspec.Meta(ge=0)]


class Factor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """mSv per unit of what was measured, for exams of some groups and regions."""

    factor: Amount
    source: str
    groups: tuple[Group, ...] = ()
    regions: tuple[str, ...] = ()
    kind: str = ""


class Tracer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """mSv per MBq of an agent: by its nuclide, and words of its name where there are any."""

    nuclide: str
    factor: Amount
    source: str
    words: tuple[str, ...] = ()


class Typical(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """mSv of an exam of which nothing was measured."""

    msv: Amount
    source: str
    groups: tuple[Group, ...] = ()
    regions: tuple[str, ...] = ()
    kind: str = ""


class Doses(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site's table of doses. `background` is in mSv a year, `grown_up` in years, `breast` in mSv per mGy."""

    background: Annotated[float, msgspec.Meta(gt=0)]
    background_source: str
    grown_up: Annotated[int, msgspec.Meta(ge=0)]
    breast: Amount
    breast_source: str
    without: tuple[Group, ...]
    sources: dict[str, str]
    dlp: tuple[Factor, ...] = ()
    dap: tuple[Factor, ...] = ()
    tracer: tuple[Tracer, ...] = ()
    typical: tuple[Typical, ...] = ()


class _Row(Protocol):
    """What a row of a table is chosen by."""

    @property
    def groups(self) -> tuple[Group, ...]: ...
    @property
    def regions(self) -> tuple[str, ...]: ...
    @property
    def kind(self) -> str: ...


R = TypeVar("R", bound=_Row)


@dataclass(frozen=True)
class DoseTable:
    """A table of doses, with the parts of the body as the table of exams has them."""

    table: Doses
    like: Likeness

    def source(self, key: str) -> str:
        """The publication that a key names."""
        return self.table.sources[key]


@lru_cache(maxsize=4)
def doses(file: Path | None, exams: Path | None = None) -> DoseTable:
    """The table of doses of a file, or the one that is built in. Raises Invalid and SettingsError as `likeness` does."""
    found = DoseTable(read_table(file, "doses.toml", Doses), likeness(None, exams))
    table = found.table
    placed: Sequence[Factor | Typical] = (*table.dlp, *table.dap, *table.typical)
    named = [one.source for one in placed] + [one.source for one in table.tracer]
    for key in (table.background_source, table.breast_source, *named):
        if key not in table.sources:
            raise Invalid("the table of doses has no source called {key}", key=key)
    for row in placed:
        for region in row.regions:
            if region not in found.like.parts:
                raise Invalid("the table of doses names {region}, which is no region", region=region)
    return found


def dose_of(found: DoseTable, exam: Exam, readings: Sequence[Reading], *, is_for_child: bool = False) -> Dose:
    """The effective dose of an exam that was made."""
    parts = tuple(_measured(found, exam, readings))
    if not parts:
        parts = typical(found, exam).parts
    return Dose(parts, is_for_child and any(one.msv for one in parts))


def typical(found: DoseTable, exam: Exam) -> Dose:
    """What an exam of this kind typically takes; nothing where no row of the table fits."""
    if exam.group in found.table.without:
        return Dose((Part(Method.NONE, 0.0),))
    chosen = _rows(found, found.table.typical, exam)
    return Dose(tuple(Part(Method.TYPICAL, one.msv, found.source(one.source)) for one in chosen))


def _measured(found: DoseTable, exam: Exam, readings: Sequence[Reading]) -> Iterator[Part]:
    """The parts of a dose that follow from readings; none for those that no factor is known of."""
    told = [one for one in readings if one.quantity is Quantity.EFFECTIVE]
    if told:
        yield Part(Method.REPORTED, sum(one.value for one in told), "", is_measured=True)
        return
    yield from _by_factor(found, found.table.dlp, exam, readings, Quantity.DLP, Method.DLP)
    glandular = _glandular(found.table, readings)
    if glandular:
        yield Part(Method.GLANDULAR, glandular, found.source(found.table.breast_source), is_measured=True)
    else:
        yield from _by_factor(found, found.table.dap, exam, readings, Quantity.DAP, Method.DAP)
    for one in readings:
        row = _tracer(found.table, one) if one.quantity is Quantity.ACTIVITY else None
        if row is not None:
            yield Part(Method.ACTIVITY, one.value * row.factor, found.source(row.source), is_measured=True)


def _by_factor(
    found: DoseTable, rows: Sequence[Factor], exam: Exam, readings: Sequence[Reading], of: Quantity, method: Method
) -> Iterator[Part]:
    some = [one for one in readings if one.quantity is of]
    factors = _rows(found, rows, exam) if some else []
    if factors:
        # Of regions that no row has together nobody knows how the whole is shared out: the largest factor counts.
        row = max(factors, key=lambda one: one.factor)
        is_measured = not any(one.is_derived for one in some)
        yield Part(method, row.factor * sum(one.value for one in some), found.source(row.source), is_measured)


def _glandular(table: Doses, readings: Sequence[Reading]) -> float:
    """mSv of what both breasts took: the weighting factor is that of both, so one counts half (ICRP 103, table 3)."""
    some = [one for one in readings if one.quantity is Quantity.GLANDULAR]
    return table.breast * sum(one.value * (1.0 if one.of == Side.BOTH else 0.5) for one in some)


def _tracer(table: Doses, reading: Reading) -> Tracer | None:
    name = reading.of.lower()
    for row in table.tracer:
        if row.nuclide == reading.nuclide and (not row.words or any(word in name for word in row.words)):
            return row
    return None


def _rows(found: DoseTable, rows: Sequence[R], exam: Exam) -> list[R]:
    """The row of an exam, or those of its regions one by one; none where one of them has none."""
    fitting = [row for row in rows if (not row.groups or exam.group in row.groups) and row.kind in ("", exam.kind)]
    whole = next((row for row in fitting if _holds(found.like, row, exam.regions)), None)
    if whole is not None:
        return [whole]
    each = [next((row for row in fitting if _holds(found.like, row, (one,))), None) for one in exam.regions]
    return [] if None in each else [row for row in each if row is not None]


def _holds(like: Likeness, row: _Row, regions: Sequence[str]) -> bool:
    """Whether an exam shows what a row is of, and nothing else."""
    if not row.regions:
        return True
    return bool(regions) and all(any(like.lies_in(part, whole) for whole in row.regions) for part in regions)
