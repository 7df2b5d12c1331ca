"""Whether an exam that is ordered was made already, lately enough to stand for it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from imagebank.exams.comparing import Comparing, Days, Weight, factors, is_of, lies_in
from imagebank.exams.table_files import read_table
from imagebank.model.exam import Asked, Context, Contrast, Exam, Group, Past, Repeat, Side


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For how many days an exam stands for another of its kind. What is empty does not narrow."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    days: Days
    groups: tuple[Group, ...] = ()
    regions: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    severity: Literal["warn", "tell", "shadow"] = "warn"


class Easing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a context leaves of a window: its share, and at most so many days."""

    share: Weight
    most: Days | None = None

    def of(self, days: int) -> int:
        """The days that are left; one at least where any are, since exams are dated by day."""
        left = max(1, round(days * self.share)) if days * self.share else 0
        return left if self.most is None else min(left, self.most)


class Repeats(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site's table of repeats."""

    contexts: dict[Context, Easing]
    rule: tuple[Rule, ...]


def repeats(file: Path | None) -> Repeats:
    """The table of a file, or the one that is built in. Raises Invalid and SettingsError as `read_table` does."""
    return read_table(file, "repeats.toml", Repeats)


def repeat_of(table: Repeats, like: Comparing, asked: Asked, history: Iterable[Past]) -> Repeat | None:
    """The newest earlier exam that stands for what is asked, and by which rule; None where there is none."""
    rule = next((each for each in table.rule if _fits(like, each, asked.exam)), None)
    if rule is None or not asked.exam.regions:
        return None
    days = table.contexts.get(asked.context, Easing(1.0)).of(rule.days)
    standing = [
        past
        for past in history
        if past.id != asked.id and 0 <= (asked.day - past.day).days <= days and answers(like, asked.exam, past.exam)
    ]
    if not days or not standing:
        return None
    past = max(standing, key=lambda each: (each.day, each.id))
    return Repeat(past, (asked.day - past.day).days, rule.name, rule.severity, factors(like, asked.exam, past.exam))


def answers(like: Comparing, ours: Exam, theirs: Exam) -> bool:
    """Whether an exam shows all that is asked for: every part, the side, contrast where it is wanted, by the same means."""
    return (
        ours.group is theirs.group
        and ours.kind == theirs.kind
        and all(any(lies_in(like, part, whole) for whole in theirs.regions) for part in ours.regions)
        and (ours.side is theirs.side or theirs.side is Side.BOTH)
        and not (ours.contrast is Contrast.YES and theirs.contrast is not Contrast.YES)
    )


def _fits(like: Comparing, rule: Rule, exam: Exam) -> bool:
    return (
        (not rule.groups or exam.group in rule.groups)
        and (not rule.kinds or exam.kind in rule.kinds)
        and is_of(like, exam.regions, rule.regions)
    )
