"""How alike two exams are: part of the body, modality, side, contrast and kind, each a factor from 0 to 1."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated

import msgspec

from imagebank.exams.table_files import read_table
from imagebank.exams.tables import Part, tables
from imagebank.model.exam import Contrast, Exam, Factor, Group, Side

Weight = Annotated[float, msgspec.Meta(ge=0, le=1)]
Days = Annotated[int, msgspec.Meta(ge=0)]


class Affinity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well an exam of one group stands beside one of the other, where ours is of one of `regions`, or anywhere."""

    groups: tuple[Group, Group]
    weight: Weight
    regions: tuple[str, ...] = ()


class LookBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many days earlier exams of some groups are worth a look; 0 is for ever."""

    groups: tuple[Group, ...]
    days: Days
    regions: tuple[str, ...] = ()


class Near(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much an exam of one of two regions shows of the other: neighbours, and parts that their whole shows badly."""

    regions: tuple[str, str]
    weight: Weight


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What becomes of a score where an earlier exam is like ours, and not the same."""

    wider: Weight
    narrower: Weight
    more: Weight
    unknown_region: Weight
    unsaid_side: Weight
    other_side: Weight
    other_contrast: Weight
    unsaid_contrast: Weight
    other_kind: Weight
    other_organization: Weight


class Comparing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A site's table of comparison. `half_life` is in days, `least` the smallest product that makes a prior."""

    least: Weight
    half_life: Annotated[int, msgspec.Meta(gt=0)]
    floor: Weight
    most: Annotated[int, msgspec.Meta(gt=0)]
    weights: Weights
    affinity: tuple[Affinity, ...]
    look_back: tuple[LookBack, ...]
    near: tuple[Near, ...]


@dataclass(frozen=True)
class Likeness:
    """A table of comparison, with the parts of the body as the table of exams has them."""

    table: Comparing
    parts: Mapping[str, Part]

    @cached_property
    def around(self) -> dict[str, frozenset[str]]:
        """All that each part lies inside of, however far."""
        return {part: frozenset(self._out(part, frozenset())) for part in self.parts}

    def _out(self, part: str, seen: frozenset[str]) -> Iterator[str]:
        for each in self.parts[part].within:
            if each not in seen:
                yield each
                yield from self._out(each, seen | {each})

    @cached_property
    def nearness(self) -> dict[frozenset[str], float]:
        return {frozenset(each.regions): each.weight for each in self.table.near}

    def lies_in(self, part: str, whole: str) -> bool:
        """Whether an exam of the whole shows the part."""
        return part == whole or whole in self.around.get(part, ())


@lru_cache(maxsize=4)
def likeness(file: Path | None, exams: Path | None = None) -> Likeness:
    """The table of comparison of a file, or the one that is built in, with the parts of the table of exams.

    Raises Invalid and SettingsError as `read_table` and `tables` do.
    """
    return Likeness(read_table(file, "comparing.toml", Comparing), tables(exams).parts)


def factors(like: Likeness, ours: Exam, theirs: Exam) -> tuple[Factor, ...]:
    """What was compared and by how much it counts, in the order in which it is told."""
    return (
        _region(like, ours, theirs),
        _modality(like, ours, theirs),
        _side(like.table, ours, theirs),
        _contrast(like.table, ours, theirs),
        _kind(like.table, ours, theirs),
    )


def is_of(like: Likeness, regions: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether one of the regions is, or lies in, one that is wanted. Where none is wanted all are."""
    asked = tuple(wanted)
    return not asked or any(like.lies_in(part, whole) for part in regions for whole in asked)


def _region(like: Likeness, ours: Exam, theirs: Exam) -> Factor:
    table = like.table
    told = (";".join(ours.regions), ";".join(theirs.regions))
    if not ours.regions or not theirs.regions:
        return Factor("region", table.weights.unknown_region, *told)
    shares = [max(_likeness(like, part, other) for other in theirs.regions) for part in ours.regions]
    has_more = any(not any(_likeness(like, part, other) for part in ours.regions) for other in theirs.regions)
    weight = sum(shares) / len(shares) * (table.weights.more if has_more else 1.0)
    return Factor("region", weight, *told)


def _likeness(like: Likeness, ours: str, theirs: str) -> float:
    if ours == theirs:
        return 1.0
    named = like.nearness.get(frozenset((ours, theirs)))
    if named is not None:
        return named
    if like.lies_in(ours, theirs):
        return like.table.weights.wider
    return like.table.weights.narrower if like.lies_in(theirs, ours) else 0.0


def _modality(like: Likeness, ours: Exam, theirs: Exam) -> Factor:
    if ours.group is theirs.group:
        return Factor("modality", 1.0, ours.group, theirs.group)
    pair = {ours.group, theirs.group}
    fitting = [
        each for each in like.table.affinity if set(each.groups) == pair and is_of(like, ours.regions, each.regions)
    ]
    named = sorted(fitting, key=lambda each: not each.regions)
    return Factor("modality", named[0].weight if named else 0.0, ours.group, theirs.group)


def _side(table: Comparing, ours: Exam, theirs: Exam) -> Factor:
    sides = {ours.sure_side, theirs.sure_side}
    if len(sides) == 1 or Side.BOTH in sides:
        weight = 1.0
    elif Side.UNSAID in sides:
        weight = table.weights.unsaid_side
    else:
        is_breast = "BREAST" in ours.regions and "BREAST" in theirs.regions
        weight = table.weights.unsaid_side if is_breast else table.weights.other_side
    return Factor("side", weight, ours.sure_side, theirs.sure_side)


def _contrast(table: Comparing, ours: Exam, theirs: Exam) -> Factor:
    if ours.contrast is theirs.contrast:
        weight = 1.0
    elif Contrast.UNKNOWN in (ours.contrast, theirs.contrast):
        weight = table.weights.unsaid_contrast
    else:
        weight = table.weights.other_contrast
    return Factor("contrast", weight, ours.contrast, theirs.contrast)


def _kind(table: Comparing, ours: Exam, theirs: Exam) -> Factor:
    return Factor("kind", 1.0 if ours.kind == theirs.kind else table.weights.other_kind, ours.kind, theirs.kind)
