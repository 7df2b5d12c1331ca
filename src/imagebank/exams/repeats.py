"""Whether an exam that is ordered was made already, lately enough to stand for it."""

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from imagebank.exams.comparing import Days, Likeness, factors, is_of
from imagebank.exams.table_files import read_table
from imagebank.model.alert import SHADOW
from imagebank.model.exam import Asked, Context, Contrast, Exam, Group, Past, Repeat, Side


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For how many days an exam stands for another of its kind. What is empty does not narrow."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    days: Days
    groups: tuple[Group, ...] = ()
    regions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    contexts: tuple[Context, ...] = ()
    severity: Literal["warn", "tell", "shadow"] = "warn"


class Easing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a context leaves of a window: so many days at most; of exams `elsewhere`, those of other organizations alone."""

    most: Days | None = None
    elsewhere: bool = False


class Repeats(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site's table of repeats.

    Exams of a kind that stands `apart` answer only their own kind. Regions that are `same` stand for each other.
    By group, `whole` names regions of which an exam answers for each of their parts, and `plain` those where one with
    contrast does not answer for one without. Of a region that is `sided` nothing is known until its side is said,
    but in exams of a kind that is `sideless`. By group, what is ordered after an exam of a kind that is `recalled`, and is
    of another kind, was called for by it. Kinds that are `opposed` do not answer each other.
    """

    apart: frozenset[str]
    same: tuple[frozenset[str], ...]
    sided: frozenset[str]
    whole: dict[Group, frozenset[str]]
    plain: dict[Group, frozenset[str]]
    sideless: frozenset[str] = frozenset()
    recalled: dict[Group, frozenset[str]] = {}
    opposed: tuple[frozenset[str], ...] = ()
    contexts: dict[Context, Easing]
    rule: tuple[Rule, ...]


@lru_cache(maxsize=4)
def repeats(file: Path | None) -> Repeats:
    """The table of a file, or the one that is built in. Raises Invalid and SettingsError as `read_table` does."""
    return read_table(file, "repeats.toml", Repeats)


def repeat_of(table: Repeats, like: Likeness, asked: Asked, history: Iterable[Past]) -> Repeat | None:
    """The newest earlier exam that stands for what is asked, and by which rule; None where there is none."""
    rule = next(_fitting(table, like, asked), None)
    return None if rule is None else _said_by(rule, table, like, asked, history)


def trials_of(table: Repeats, like: Likeness, asked: Asked, history: Collection[Past]) -> tuple[Repeat, ...]:
    """What rules on trial would say that stand behind the one that counts."""
    behind = list(_fitting(table, like, asked))[1:]
    found = (_said_by(each, table, like, asked, history) for each in behind if each.severity == SHADOW)
    return tuple(one for one in found if one is not None)


def _fitting(table: Repeats, like: Likeness, asked: Asked) -> Iterator[Rule]:
    context = context_of(asked)
    return (each for each in table.rule if _fits(like, each, asked.exam, context))


def _said_by(rule: Rule, table: Repeats, like: Likeness, asked: Asked, history: Iterable[Past]) -> Repeat | None:
    if not asked.exam.regions:
        return None
    easing = table.contexts.get(context_of(asked), Easing())
    days = rule.days if easing.most is None else min(rule.days, easing.most)
    ages = ((past, (asked.day - past.day).days) for past in history if past.day is not None and past.id != asked.id)
    standing = [
        (past, age)
        for past, age in ages
        if 0 <= age <= days
        and not (easing.elsewhere and past.organization == asked.organization)
        and answers(table, like, asked.exam, past.exam)
    ]
    if not days or not standing:
        return None
    past, age = min(standing, key=lambda one: (one[1], one[0].id))
    return Repeat(past, age, rule.name, rule.severity, factors(like, asked.exam, past.exam))


def context_of(asked: Asked) -> Context:
    """Why an exam is ordered; what its words say counts where the order itself calls it routine."""
    if asked.context is not Context.ROUTINE:
        return asked.context
    return next((one for one in Context if one == asked.exam.purpose), Context.ROUTINE)


def answers(table: Repeats, like: Likeness, ours: Exam, theirs: Exam) -> bool:
    """Whether an exam shows all that is asked for: every part, the side, contrast where it is wanted, by the same means."""
    return (
        ours.group is theirs.group
        and not theirs.is_pictureless
        and _are_of_one_kind(table, ours, theirs)
        and all(any(_shows(table, like, ours.group, part, other) for other in theirs.regions) for part in ours.regions)
        and _is_of_that_side(table, ours, theirs)
        and _has_contrast(table, ours, theirs)
    )


def _are_of_one_kind(table: Repeats, ours: Exam, theirs: Exam) -> bool:
    if ours.kind == theirs.kind:
        return True
    if any({ours.kind, theirs.kind} <= those for those in table.opposed):
        return False
    return not table.apart & {ours.kind, theirs.kind} and theirs.kind not in table.recalled.get(ours.group, ())


def _shows(table: Repeats, like: Likeness, group: Group, part: str, other: str) -> bool:
    if part == other or any({part, other} <= those for those in table.same):
        return True
    return other in table.whole.get(group, ()) and like.lies_in(part, other)


def _is_of_that_side(table: Repeats, ours: Exam, theirs: Exam) -> bool:
    asked, shown = _side(table, ours), _side(table, theirs)
    return shown is Side.BOTH or (asked is shown and asked is not Side.UNSAID)


def _side(table: Repeats, exam: Exam) -> Side:
    """Kidneys, breasts and the like are of both sides unless somebody says of which. Of one that contradicts itself nothing is known."""
    if exam.is_torn:
        return Side.UNSAID
    is_one = exam.kind not in table.sideless and table.sided.intersection(exam.regions)
    is_whole = exam.side is Side.UNSAID and not is_one
    return Side.BOTH if is_whole else exam.side


def _has_contrast(table: Repeats, ours: Exam, theirs: Exam) -> bool:
    if ours.contrast is Contrast.YES:
        return theirs.contrast is Contrast.YES
    hides = table.plain.get(ours.group, frozenset()).intersection(ours.regions)
    return not (hides and ours.contrast is Contrast.NO and theirs.contrast is Contrast.YES)


def _fits(like: Likeness, rule: Rule, exam: Exam, context: Context) -> bool:
    return (
        (not rule.groups or exam.group in rule.groups)
        and (not rule.kinds or exam.kind in rule.kinds)
        and (not rule.contexts or context in rule.contexts)
        and is_of(like, exam.regions, rule.regions)
    )
