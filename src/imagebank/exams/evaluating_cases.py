"""How well priors are ranked and repeats are found: cases read, answered, and held against labels where they have any."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import msgspec

from imagebank.errors import Invalid
from imagebank.exams.comparing import Likeness
from imagebank.exams.describing import describe
from imagebank.exams.evaluating import ASKED, is_development, said_of
from imagebank.exams.priors import ranked
from imagebank.exams.repeats import Repeats, repeat_of
from imagebank.exams.tables import Tables
from imagebank.model.exam import Asked, Context, Past


class Wanted(msgspec.Struct, frozen=True):
    """What a radiologist would have: relevant exams, those that may stand first, and whether the order is a repeat.

    Those that are `also` shown or left out count neither way.
    """

    repeat: bool
    relevant: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    repeat_of: str | None = None


class _Written(msgspec.Struct, frozen=True):
    """An exam of a case as a site writes it."""

    date: date
    id: str = ""
    modality: str | None = ""
    study_description: str | None = ""
    series_description: str | None = ""
    body_part_examined: str | None = ""
    procedure_code: str | None = ""
    procedure_code_scheme: str | None = ""
    laterality_tag: str | None = ""
    organization: str | None = ""
    context: Context = Context.ROUTINE


class _Case(msgspec.Struct, frozen=True):
    id: str
    new: _Written
    history: tuple[_Written, ...] = ()
    label: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """An exam that is wanted, with the exams of before, and what would be right where somebody said so."""

    id: str
    asked: Asked
    history: tuple[Past, ...]
    wanted: Wanted | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The priors by name, best first, and the exam of before that stands for the one that is wanted."""

    id: str
    ranked: tuple[str, ...]
    repeat_of: str | None

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "ranked": list(self.ranked),
            "repeat": self.repeat_of is not None,
            "repeat_of": self.repeat_of,
        }


@dataclass(frozen=True, slots=True)
class Figures:
    """What was right of so many cases. `first` is of those that have a prior; `none` of those that have none."""

    cases: int
    first: float
    none: float
    relevant_precision: float
    relevant_recall: float
    repeat_precision: float
    repeat_recall: float


HALVES: Final = ("all", "development", "test")


def cases_of(content: bytes, tables: Tables) -> Iterator[Case]:
    """The cases of a file with one JSON object a line. Raises Invalid with the line and the place in it."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield _case(msgspec.json.decode(line, type=_Case), tables)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Invalid("line {number}: {reason}", number=number, reason=str(error)) from None


def _case(case: _Case, tables: Tables) -> Case:
    def past(one: _Written) -> Past:
        values = {name: str(getattr(one, name) or "") for name in ASKED}
        return Past(one.id, describe(said_of(values), tables), one.date, one.organization or "")

    new = past(case.new)
    asked = Asked(new.exam, case.new.date, case.new.context, new.organization)
    return Case(case.id, asked, tuple(past(one) for one in case.history), case.label)


def answer(case: Case, like: Likeness, repeats: Repeats) -> Answer:
    """What the tables say of a case."""
    repeat = repeat_of(repeats, like, case.asked, case.history)
    priors = tuple(prior.past.id for prior in ranked(like, case.asked, case.history))
    return Answer(case.id, priors, None if repeat is None or repeat.severity != "warn" else repeat.past.id)


def figures(pairs: Iterable[tuple[Case, Answer]]) -> Mapping[str, Figures]:
    """By half, of the cases that have a label; empty where none has."""
    labelled = [(case.wanted, told) for case, told in pairs if case.wanted is not None]
    if not labelled:
        return {}
    halves = {
        "all": labelled,
        "development": [pair for pair in labelled if is_development(pair[1].id)],
        "test": [pair for pair in labelled if not is_development(pair[1].id)],
    }
    return {name: _figures(halves[name]) for name in HALVES}


def _figures(pairs: Sequence[tuple[Wanted, Answer]]) -> Figures:
    having = [(wanted, told) for wanted, told in pairs if _firsts(wanted)]
    without = [told for wanted, told in pairs if not _firsts(wanted)]
    right = sum(bool(told.ranked) and told.ranked[0] in _firsts(wanted) for wanted, told in having)
    both = sum(len({*wanted.relevant} & {*told.ranked}) for wanted, told in pairs)
    warned = [wanted.repeat for wanted, told in pairs if told.repeat_of is not None]
    return Figures(
        len(pairs),
        _share(right, len(having)),
        _share(sum(not told.ranked for told in without), len(without)),
        _share(both, sum(len({*told.ranked} - {*wanted.also}) for wanted, told in pairs)),
        _share(both, sum(len(wanted.relevant) for wanted, _ in pairs)),
        _share(sum(warned), len(warned)),
        _share(sum(warned), sum(wanted.repeat for wanted, _ in pairs)),
    )


def _firsts(wanted: Wanted) -> tuple[str, ...]:
    return wanted.first or wanted.relevant[:1]


def _share(some: int, of: int) -> float:
    return round(some / of, 4) if of else 1.0


def confusions(pairs: Iterable[tuple[Case, Answer]]) -> Iterator[tuple[str, str, str, str]]:
    """Of the development half: the case, what was wrong with it, what was wanted, what was said."""
    for case, told in pairs:
        wanted = case.wanted
        if wanted is None or not is_development(case.id):
            continue
        first = told.ranked[0] if told.ranked else ""
        if (first or _firsts(wanted)) and first not in _firsts(wanted):
            yield case.id, "first", " or ".join(_firsts(wanted)) or "none", first or "none"
        if wanted.repeat != (told.repeat_of is not None):
            yield case.id, "repeat", wanted.repeat_of or "none", told.repeat_of or "none"
        if missing := [one for one in wanted.relevant if one not in told.ranked]:
            yield case.id, "left out", ";".join(missing), ""
        if more := [one for one in told.ranked if one not in wanted.relevant and one not in wanted.also]:
            yield case.id, "not wanted", "", ";".join(more)
