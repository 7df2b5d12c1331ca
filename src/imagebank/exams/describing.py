"""What an exam is, from all that headers and orders say of it: codes first, then attributes, then words."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from imagebank.exams.found import Found, Told
from imagebank.exams.lexicon import Meaning
from imagebank.exams.said import PICTURELESS
from imagebank.exams.showing import regions_shown
from imagebank.exams.tables import Tables
from imagebank.model.exam import Contrast, Evidence, Exam, Group, Said, Side, Source
from imagebank.model.region import Code

NO_GROUP: Final = 0.5
"""What is left of the confidence in an exam when its group is not known."""
_ON_PAPER: Final = (Group.ECG, Group.OPH)
"""Groups whose exams themselves come as documents."""


@lru_cache(maxsize=1 << 16)
def describe(said: Said, tables: Tables) -> Exam:
    """The exam that is meant, with evidence for all that is said of it. It never raises; what nobody says is empty."""
    told = tuple(_told(said, tables))
    group, why = _group(said, told, tables)
    found = [one for each in told for one in _found(each, group)]
    regions = regions_shown(found, tables) or _implied(group, tables)
    terms = tuple(sorted({one.value for one in regions}))
    sides = list(_sides(said, found, terms, tables))
    side = sides[0] if sides else ()
    contrast = _contrast(said, found)
    kind = _word(found, "kind")
    purpose = _word(found, "purpose")
    evidence = (*why, *regions, *side, *contrast, *kind, *purpose)
    return Exam(
        group,
        terms,
        Side(side[0].value) if side else Side.UNSAID,
        Contrast(contrast[0].value) if contrast else Contrast.UNKNOWN,
        kind[0].value if kind else "",
        purpose[0].value if purpose else "",
        _confidence(why, regions),
        evidence,
        tuple(dict.fromkeys(word for each in told if each.source is Source.WORDS for word in each.reading.unknown)),
        {Side.LEFT, Side.RIGHT} <= {Side(one[0].value) for one in sides},
        group not in _ON_PAPER and bool(said.modalities) and PICTURELESS.issuperset(said.modalities),
    )


def _told(said: Said, tables: Tables) -> Iterator[Told]:
    """Everything that is said, the surest first."""
    read = tables.lexicon.read
    for code in said.codes:
        if name := _name(code, tables):
            yield Told("code", Source.CODE, 0.98, read(name))
    for text in said.descriptions:
        yield Told("study", Source.WORDS, 0.9, read(text))
    for text in said.series:
        yield Told("series", Source.WORDS, 0.75, read(text))
    for code in said.regions:
        yield Told("part", Source.ATTRIBUTE, 0.9, read(_name(code, tables) or code.meaning))
    for text in said.body_parts:
        yield Told("part", Source.ATTRIBUTE, 0.8, read(text))
    for code in said.codes:
        if not _name(code, tables):
            # A site's own codes are often abbreviations: CTHEADWO.
            yield Told("own code", Source.CODE, 0.5, read(f"{code.meaning} {code.value}"))


def _name(code: Code, tables: Tables) -> str | None:
    """What a code means by the table; without a scheme, by whichever scheme of the table has it."""
    value = code.value.strip().upper()
    scheme = code.scheme.strip().upper()
    named = tables.codes.get(tables.schemes.get(scheme, scheme))
    if named is not None:
        return named.get(value)
    if code.scheme.strip():
        return None
    return next((names[value] for names in tables.codes.values() if value in names), None)


def _group(said: Said, told: Iterable[Told], tables: Tables) -> tuple[Group, tuple[Evidence, ...]]:
    """The group by modalities, put right by words, such as a panoramic film that says DX; by words alone without."""
    tag, text = _by_modality(said, tables)
    for each in told:
        for hit in each.reading.hits:
            for meaning in hit.meanings:
                if meaning.group is not None and not hit.is_reason and _may_be(meaning, tag):
                    why = Evidence("group", meaning.group, each.source, hit.text, each.trust * hit.share)
                    return meaning.group, (why,)
    if tag is None:
        return Group.OTHER, ()
    return tag, (Evidence("group", tag, Source.ATTRIBUTE, text, 0.99),)


def _may_be(meaning: Meaning, tag: Group | None) -> bool:
    return meaning.group != tag and (tag in meaning.corrects or tag in (None, Group.OTHER))


def _by_modality(said: Said, tables: Tables) -> tuple[Group | None, str]:
    known = [(tables.groups.get(one.strip().upper()), one) for one in said.modalities]
    # Of a PET with its CT, and of a SPECT with its, the tracer answers the question.
    for wanted in (Group.PT, Group.NM, None):
        for group, text in known:
            if group is not None and group is not Group.OTHER and wanted in (None, group):
                return group, text
    return next(((group, text) for group, text in known if group is not None), (None, ""))


def _implied(group: Group, tables: Tables) -> tuple[Evidence, ...]:
    term = tables.implied.get(group)
    return (Evidence("region", term, Source.ATTRIBUTE, group, 0.6),) if term else ()


def _found(told: Told, group: Group) -> Iterator[Found]:
    for hit in told.reading.hits:
        for meaning in hit.meanings:
            if not meaning.groups or group in meaning.groups:
                yield Found(told, hit, meaning)


def _sides(said: Said, found: Sequence[Found], terms: Sequence[str], tables: Tables) -> Iterator[tuple[Evidence, ...]]:
    """The side by codes, words, series and the tag, of each that says one; letters count for paired regions only."""
    is_paired = not terms or any(tables.parts[term].is_paired for term in terms)
    is_paired = is_paired or any(one.meaning.is_sided and not one.hit.is_reason for one in found)
    for place in ("code", "study", "series", "part", "own code"):
        those = [one for one in found if one.told.place == place]
        has_place = any(one.meaning.regions and not one.is_weak for one in those)
        sides = [
            one
            for one in those
            if one.meaning.side
            and (is_paired or not (one.meaning.is_weak or one.meaning.is_near))
            and not (one.hit.is_reason and has_place)
        ]
        # The plural of a part says both, when nothing else says one.
        sides = [one for one in sides if not one.meaning.is_weak or one.meaning.side is not Side.BOTH] or sides
        if sides:
            values = {one.meaning.side for one in sides if one.meaning.side}
            side = Side.BOTH if len(values) > 1 else min(values)
            yield tuple(one.evidence("side", side) for one in sides)
    if said.laterality in ("R", "L", "B"):
        yield (Evidence("side", said.laterality, Source.ATTRIBUTE, said.laterality, 0.8),)


def _contrast(said: Said, found: Sequence[Found]) -> tuple[Evidence, ...]:
    """Whether contrast was given: with, where both with and without are said, and surely with where an agent stands."""
    for weak in (False, True):
        for place in ("code", "study", "series", "own code"):
            those = [
                one
                for one in found
                if one.told.place == place and one.meaning.contrast is not None and one.meaning.is_weak is weak
            ]
            if those:
                values = {one.meaning.contrast for one in those}
                value = next(one for one in (Contrast.YES, Contrast.NO, Contrast.UNKNOWN) if one in values)
                return tuple(one.evidence("contrast", value) for one in those)
        if said.agent and not weak:
            return (Evidence("contrast", Contrast.YES, Source.ATTRIBUTE, said.agent, 0.8),)
    return ()


def _word(found: Sequence[Found], field: str) -> tuple[Evidence, ...]:
    """The first kind or purpose that is said, sooner than a weak one; a purpose may stand among reasons."""
    for one in sorted(found, key=lambda each: each.meaning.is_weak):
        value = getattr(one.meaning, field)
        if value and (field == "purpose" or not one.hit.is_reason):
            return (one.evidence(field, value),)
    return ()


def _confidence(group: Sequence[Evidence], regions: Sequence[Evidence]) -> float:
    best = {one.value: max(each.confidence for each in regions if each.value == one.value) for one in regions}
    sure = min(best.values(), default=0.3)
    return round(sure if group else sure * NO_GROUP, 2)
