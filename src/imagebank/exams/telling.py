"""Why an earlier exam is worth comparing, in words that every language can say."""

from collections.abc import Iterable, Iterator
from typing import Final

from imagebank.exams import naming
from imagebank.model.exam import Factor
from imagebank.model.phrase import Phrase, for_number

_YEAR: Final = 730
"""From so many days on, age is told in years."""


def reasons(factors: Iterable[Factor]) -> list[Phrase]:
    """What the factors of a prior say, in their order; what goes without saying is left out."""
    return [reason for factor in factors for reason in _SAID[factor.name](factor)]


def _region(one: Factor) -> Iterator[Phrase]:
    if not one.ours or not one.theirs:
        yield Phrase("region not said")
    elif one.ours == one.theirs:
        yield Phrase("same region")
    else:
        yield Phrase("region: %(regions)s", {"regions": naming.regions(one.theirs.split(";"))})


def _modality(one: Factor) -> Iterator[Phrase]:
    if one.ours == one.theirs:
        yield Phrase("same modality")
    else:
        yield Phrase("other modality: %(modality)s", {"modality": naming.group(one.theirs)})


def _side(one: Factor) -> Iterator[Phrase]:
    if one.ours == one.theirs:
        if one.ours:
            yield Phrase("same side")
    elif one.theirs == "B":
        yield Phrase("both sides")
    elif not one.ours or not one.theirs:
        yield Phrase("side not said")
    else:
        yield Phrase("other side")


def _contrast(one: Factor) -> Iterator[Phrase]:
    if one.theirs != "unknown":
        if one.ours == one.theirs:
            yield Phrase("same contrast")
        else:
            yield Phrase("with contrast") if one.theirs == "yes" else Phrase("without contrast")


def _kind(one: Factor) -> Iterator[Phrase]:
    if one.ours != one.theirs:
        if one.theirs:
            yield Phrase("other kind of exam: %(kind)s", {"kind": naming.kind(one.theirs)})
        else:
            yield Phrase("other kind of exam")


def _age(one: Factor) -> Iterator[Phrase]:
    if not one.theirs:
        yield Phrase("date not said")
        return
    days = int(one.theirs)
    if not days:
        yield Phrase("same day")
    elif days < _YEAR:
        yield for_number("%(num)s day older", "%(num)s days older", days)
    else:
        yield for_number("%(num)s year older", "%(num)s years older", days // 365)


def _organization(one: Factor) -> Iterator[Phrase]:
    if one.ours and one.theirs and one.ours != one.theirs:
        yield Phrase("other organization: %(organization)s", {"organization": one.theirs})


_SAID: Final = {
    "region": _region,
    "modality": _modality,
    "side": _side,
    "contrast": _contrast,
    "kind": _kind,
    "age": _age,
    "organization": _organization,
}
