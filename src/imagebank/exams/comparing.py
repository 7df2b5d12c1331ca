"""How alike two exams are: part of the body, modality, side, contrast and kind, each a factor from 0 to 1."""

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

import msgspec

from imagebank.exams.table_files import read_table
from imagebank.model.exam import Contrast, Exam, Factor, Group, Side

Weight = Annotated[float, msgspec.Meta(ge=0, le=1)]
Days = Annotated[int, msgspec.Meta(ge=0)]
WHOLE: Final = "WHOLEBODY"


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
    """Two neighbours, of which an exam of one shows much of the other."""

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


class Comparing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """A site's table of comparison. `half_life` is in days, `least` the smallest product that makes a prior."""

    least: Weight
    half_life: Annotated[int, msgspec.Meta(gt=0)]
    floor: Weight
    most: Annotated[int, msgspec.Meta(gt=0)]
    weights: Weights
    affinity: tuple[Affinity, ...]
    look_back: tuple[LookBack, ...]
    inside: dict[str, tuple[str, ...]]
    near: tuple[Near, ...]

    @cached_property
    def around(self) -> dict[str, frozenset[str]]:
        """All that each part lies inside of, however far."""
        return {part: frozenset(self._out(part, frozenset())) for part in self.inside}

    def _out(self, part: str, seen: frozenset[str]) -> Iterator[str]:
        for each in self.inside.get(part, ()):
            if each not in seen:
                yield each
                yield from self._out(each, seen | {each})

    @cached_property
    def nearness(self) -> dict[frozenset[str], float]:
        return {frozenset(each.regions): each.weight for each in self.near}


def comparing(file: Path | None) -> Comparing:
    """The table of a file, or the one that is built in. Raises Invalid and SettingsError as `read_table` does."""
    return read_table(file, "comparing.toml", Comparing)


def factors(table: Comparing, ours: Exam, theirs: Exam) -> tuple[Factor, ...]:
    """What was compared and by how much it counts, in the order in which it is told."""
    return (
        _region(table, ours, theirs),
        _modality(table, ours, theirs),
        _side(table, ours, theirs),
        _contrast(table, ours, theirs),
        _kind(table, ours, theirs),
    )


def lies_in(table: Comparing, part: str, whole: str) -> bool:
    """Whether an exam of the whole shows the part."""
    return whole in (part, WHOLE) or whole in table.around.get(part, ())


def is_of(table: Comparing, regions: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether one of the regions is, or lies in, one that is wanted. Where none is wanted all are."""
    asked = tuple(wanted)
    return not asked or any(lies_in(table, part, whole) for part in regions for whole in asked)


def _region(table: Comparing, ours: Exam, theirs: Exam) -> Factor:
    told = (";".join(ours.regions), ";".join(theirs.regions))
    if not ours.regions or not theirs.regions:
        return Factor("region", table.weights.unknown_region, *told)
    shares = [max(_likeness(table, part, other) for other in theirs.regions) for part in ours.regions]
    has_more = any(not any(_likeness(table, part, other) for part in ours.regions) for other in theirs.regions)
    weight = sum(shares) / len(shares) * (table.weights.more if has_more else 1.0)
    return Factor("region", weight, *told)


def _likeness(table: Comparing, ours: str, theirs: str) -> float:
    if ours == theirs:
        return 1.0
    if lies_in(table, ours, theirs):
        return table.weights.wider
    if lies_in(table, theirs, ours):
        return table.weights.narrower
    return table.nearness.get(frozenset((ours, theirs)), 0.0)


def _modality(table: Comparing, ours: Exam, theirs: Exam) -> Factor:
    if ours.group is theirs.group:
        return Factor("modality", 1.0, ours.group, theirs.group)
    pair = {ours.group, theirs.group}
    fitting = [each for each in table.affinity if set(each.groups) == pair and is_of(table, ours.regions, each.regions)]
    named = sorted(fitting, key=lambda each: not each.regions)
    return Factor("modality", named[0].weight if named else 0.0, ours.group, theirs.group)


def _side(table: Comparing, ours: Exam, theirs: Exam) -> Factor:
    sides = {ours.side, theirs.side}
    if len(sides) == 1 or Side.BOTH in sides:
        weight = 1.0
    elif Side.UNSAID in sides:
        weight = table.weights.unsaid_side
    else:
        is_breast = "BREAST" in ours.regions and "BREAST" in theirs.regions
        weight = table.weights.unsaid_side if is_breast else table.weights.other_side
    return Factor("side", weight, ours.side, theirs.side)


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
