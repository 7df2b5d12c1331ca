"""Why an earlier exam is worth comparing, in words: a sentence's pattern with its values, so that pages can translate it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from imagebank.model.exam import Factor

_YEAR: Final = 730
"""From so many days on, age is told in years."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: a pattern such as `%(days)s days older`, and what stands for its names."""

    pattern: str
    values: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.pattern % dict(self.values)


SAME_REGION: Final = "same region"
OTHER_REGION: Final = "region: %(regions)s"
NO_REGION: Final = "region not said"
SAME_MODALITY: Final = "same modality"
OTHER_MODALITY: Final = "other modality: %(modality)s"
SAME_SIDE: Final = "same side"
BOTH_SIDES: Final = "both sides"
OTHER_SIDE: Final = "other side"
NO_SIDE: Final = "side not said"
SAME_CONTRAST: Final = "same contrast"
WITH_CONTRAST: Final = "with contrast"
WITHOUT_CONTRAST: Final = "without contrast"
OTHER_KIND: Final = "other kind of exam: %(kind)s"
PLAIN_KIND: Final = "other kind of exam"
SAME_DAY: Final = "same day"
ONE_DAY: Final = "1 day older"
DAYS: Final = "%(days)s days older"
YEARS: Final = "%(years)s years older"
NO_DAY: Final = "date not said"
OTHER_ORGANIZATION: Final = "other organization: %(organization)s"
PATTERNS: Final = tuple(
    value for name, value in globals().items() if name.isupper() and not name.startswith("_") and isinstance(value, str)
)
"""All that may be said."""


def reasons(factors: Iterable[Factor]) -> list[Reason]:
    """What the factors of a prior say, in their order; what goes without saying is left out."""
    return [reason for factor in factors for reason in _SAID[factor.name](factor)]


def _region(one: Factor) -> Iterator[Reason]:
    if not one.ours or not one.theirs:
        yield Reason(NO_REGION)
    elif one.ours == one.theirs:
        yield Reason(SAME_REGION)
    else:
        yield Reason(OTHER_REGION, {"regions": one.theirs.replace(";", ", ")})


def _modality(one: Factor) -> Iterator[Reason]:
    is_same = one.ours == one.theirs
    yield Reason(SAME_MODALITY) if is_same else Reason(OTHER_MODALITY, {"modality": one.theirs})


def _side(one: Factor) -> Iterator[Reason]:
    if one.ours == one.theirs:
        if one.ours:
            yield Reason(SAME_SIDE)
    elif one.theirs == "B":
        yield Reason(BOTH_SIDES)
    elif not one.ours or not one.theirs:
        yield Reason(NO_SIDE)
    else:
        yield Reason(OTHER_SIDE)


def _contrast(one: Factor) -> Iterator[Reason]:
    if one.theirs != "unknown":
        if one.ours == one.theirs:
            yield Reason(SAME_CONTRAST)
        else:
            yield Reason(WITH_CONTRAST if one.theirs == "yes" else WITHOUT_CONTRAST)


def _kind(one: Factor) -> Iterator[Reason]:
    if one.ours != one.theirs:
        yield Reason(OTHER_KIND, {"kind": one.theirs}) if one.theirs else Reason(PLAIN_KIND)


def _age(one: Factor) -> Iterator[Reason]:
    if not one.theirs:
        yield Reason(NO_DAY)
        return
    days = int(one.theirs)
    if days < _YEAR:
        yield Reason(SAME_DAY) if not days else Reason(ONE_DAY) if days == 1 else Reason(DAYS, {"days": str(days)})
    else:
        yield Reason(YEARS, {"years": str(days // 365)})


def _organization(one: Factor) -> Iterator[Reason]:
    if one.ours and one.theirs and one.ours != one.theirs:
        yield Reason(OTHER_ORGANIZATION, {"organization": one.theirs})


_SAID: Final = {
    "region": _region,
    "modality": _modality,
    "side": _side,
    "contrast": _contrast,
    "kind": _kind,
    "age": _age,
    "organization": _organization,
}
