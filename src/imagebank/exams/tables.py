"""The tables by which exams are understood: words, codes, modalities and regions, as the package or a site writes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from tomllib import TOMLDecodeError, loads
from typing import Any, Final

from imagebank.errors import Invalid
from imagebank.exams.catalogue import codes_in
from imagebank.exams.lexicon import Lexicon, Meaning, compiled
from imagebank.exams.spelling import fold
from imagebank.model.exam import Contrast, Group, Side

SHIPPED: Final = (
    "regions",
    "words",
    "languages",
    "names",
    "shorthand",
    "contrast",
    "reasons",
    "codes",
    "loinc",
    "playbook",
)
"""Files of the package, in the order in which they are read."""
LANGUAGES: Final = frozenset({"words", "en", "de", "es", "fr", "it", "pt", "nl", "pl", "nordic"})
_MEANING: Final = frozenset({"regions", "side", "contrast", "group", "kind", "purpose", "role"})
_FLAGS: Final = frozenset({"weak", "alone", "last", "near", "sided"})
_LIMITS: Final = frozenset({"groups", "corrects"})
_HEADINGS: Final = frozenset({"region", "modality", "implied", "scheme", "code", "word", "written", "no_word"})
_ROLES: Final = ("reason", "context", "symptom", "finding", "join", "noise")


_Read = tuple[str, Mapping[str, Any]]
"""The name of a file, and what it says."""


@dataclass(frozen=True, slots=True)
class Part:
    """A region: what it lies in, wider words that it `replaces` always or `refines` unless joined, and whether there is
    one on each side.

    A broad one is no more than a hint of where to look, such as an arm: finer tags and series take its place.
    """

    within: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    refines: tuple[str, ...] = ()
    is_paired: bool = False
    is_broad: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Tables:
    """All that `describe` goes by. Two are the same only when they are one and the same."""

    parts: Mapping[str, Part]
    groups: Mapping[str, Group]
    implied: Mapping[Group, str]
    schemes: Mapping[str, str]
    codes: Mapping[str, Mapping[str, str]]
    lexicon: Lexicon

    def holds(self, wide: str, fine: str) -> bool:
        """Whether a region contains another, over any number of steps."""
        return any(one == wide or self.holds(wide, one) for one in self.parts[fine].within)


@lru_cache(maxsize=4)
def tables(file: Path | None = None) -> Tables:
    """The tables of the package, and those of a site's file, whose entries go before.

    Raises Invalid, with the file and the entry, for what cannot be read or is not understood.
    """
    if file is None:
        return joined(_shipped())
    try:
        own = loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, TOMLDecodeError) as error:
        raise Invalid("the table of exams {file} cannot be read: {reason}", file=file, reason=error) from None
    return joined(_shipped(), (str(file), _with_catalogues(file, own)))


def _with_catalogues(file: Path, own: dict[str, Any]) -> dict[str, Any]:
    """What a site's file says, with the codes of the tables that it names; these lie beside it."""
    schemes = {scheme: dict(named) for scheme, named in own.get("code", {}).items()}
    for entry in own.pop("codes", []):
        if set(entry) != {"file", "scheme", "code", "name"}:
            _refuse(str(file), "codes", "it has to say file, scheme, code and name")
        path = file.parent / entry["file"]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Invalid("the table of exams {file} cannot be read: {reason}", file=path, reason=error) from None
        brought = codes_in(content, entry["code"], entry["name"])
        schemes[entry["scheme"]] = {**brought, **schemes.get(entry["scheme"], {})}
    return own | {"code": schemes}


@lru_cache(maxsize=1)
def _shipped() -> tuple[_Read, ...]:
    return tuple((name, loads((files("imagebank.exams") / f"{name}.toml").read_text("utf-8"))) for name in SHIPPED)


def joined(read: Sequence[_Read], own: _Read | None = None) -> Tables:
    """Tables of several files by name. What `own` says of a word takes the place of all that the others say of it."""
    found = _Gathered({}, {}, {}, {}, {}, {}, {})
    for name, table in (*read, *((own,) if own else ())):
        _gather(name, table, found)
    theirs = dict(_meanings(own[0], own[1].get("word", []), found.parts)) if own else {}
    for name, table in read:
        for phrase, meanings in _meanings(name, table.get("word", []), found.parts):
            found.words.setdefault(phrase, []).extend(meanings)
    found.words.update(theirs)
    for taken in own[1].get("no_word", []) if own else ():
        found.words.pop(fold(taken), None)
    lexicon = compiled(found.words, found.written)
    return Tables(found.parts, found.groups, found.implied, found.schemes, found.codes, lexicon)


@dataclass(frozen=True, slots=True)
class _Gathered:
    parts: dict[str, Part]
    groups: dict[str, Group]
    implied: dict[Group, str]
    schemes: dict[str, str]
    codes: dict[str, dict[str, str]]
    words: dict[str, list[Meaning]]
    written: dict[str, str]


def _gather(name: str, table: Mapping[str, Any], found: _Gathered) -> None:
    """All of a file but its words. Raises Invalid."""
    for heading in set(table) - _HEADINGS:
        _refuse(name, heading, "there is no such heading")
    found.parts.update({term: _part(name, term, said) for term, said in table.get("region", {}).items()})
    for term in table.get("region", {}):
        part = found.parts[term]
        for wide in (*part.within, *part.replaces, *part.refines):
            _one_of(name, term, wide, tuple(found.parts))
    for group, values in table.get("modality", {}).items():
        found.groups.update(dict.fromkeys(values, Group(_one_of(name, "modality", group, tuple(Group)))))
    for group, term in table.get("implied", {}).items():
        known = Group(_one_of(name, "implied", group, tuple(Group)))
        found.implied[known] = _one_of(name, "implied", term, tuple(found.parts))
    for scheme, others in table.get("scheme", {}).items():
        found.schemes.update({other.upper(): scheme.upper() for other in others})
    for scheme, named in table.get("code", {}).items():
        found.codes.setdefault(scheme.upper(), {}).update(dict(_numbers(named)))
    found.written.update({key.lower(): fold(value) for key, value in table.get("written", {}).items()})


def _part(name: str, term: str, said: Mapping[str, Any]) -> Part:
    unknown = set(said) - {"within", "replaces", "refines", "paired", "broad"}
    if unknown:
        _refuse(name, term, f"a region has no {min(unknown)}")
    return Part(
        tuple(said.get("within", ())),
        tuple(said.get("replaces", ())),
        tuple(said.get("refines", ())),
        said.get("paired", False),
        said.get("broad", False),
    )


def _numbers(named: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Codes with their names; a range of numbers, such as 70480-70482, is each of them."""
    for code, meaning in named.items():
        first, dash, last = code.partition("-")
        if dash and first.isdigit() and last.isdigit() and len(first) == len(last) and int(last) - int(first) < 1000:
            yield from ((str(number), meaning) for number in range(int(first), int(last) + 1))
        else:
            yield code.upper(), meaning


def _meanings(
    name: str, entries: list[dict[str, Any]], parts: Mapping[str, Part]
) -> Iterator[tuple[str, list[Meaning]]]:
    """Each folded phrase with all that one file says of it."""
    found: dict[str, list[Meaning]] = {}
    for number, entry in enumerate(entries, 1):
        meaning = _meaning(f"{name}, entry {number} of word", entry, parts)
        for language in LANGUAGES & set(entry):
            spoken = replace(meaning, languages=frozenset({language} - {"words"}))
            for phrase in entry[language]:
                for spelling in _spellings(phrase):
                    found.setdefault(spelling, []).append(spoken)
    yield from found.items()


def _spellings(phrase: str) -> Iterator[str]:
    """A phrase folded, and as it is written where there are no dots on letters."""
    yield fold(phrase)
    without = phrase.lower().translate({ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ø"): "oe", ord("å"): "aa"})
    if without != phrase.lower():
        yield fold(without)


def _meaning(where: str, entry: Mapping[str, Any], parts: Mapping[str, Part]) -> Meaning:
    unknown = set(entry) - LANGUAGES - _MEANING - _FLAGS - _LIMITS
    if unknown:
        _refuse(where, min(unknown), "there is no such key")
    if not LANGUAGES & set(entry):
        _refuse(where, "words", "it has to have words")
    for key in (LANGUAGES | {"regions", "groups", "corrects"}) & set(entry):
        if not isinstance(entry[key], list) or not all(isinstance(one, str) and one for one in entry[key]):
            _refuse(where, key, "it has to be a list of words")
    for term in entry.get("regions", ()):
        _one_of(where, "regions", term, tuple(parts))
    for group in (*entry.get("groups", ()), *entry.get("corrects", ())):
        _one_of(where, "groups", group, tuple(Group))
    if "role" in entry:
        _one_of(where, "role", entry["role"], _ROLES)
    return Meaning(
        regions=tuple(entry.get("regions", ())),
        side=Side(_one_of(where, "side", entry["side"], tuple(Side))) if "side" in entry else None,
        contrast=Contrast(_one_of(where, "contrast", entry["contrast"], tuple(Contrast)))
        if "contrast" in entry
        else None,
        group=Group(_one_of(where, "group", entry["group"], tuple(Group))) if "group" in entry else None,
        kind=entry.get("kind", ""),
        purpose=entry.get("purpose", ""),
        role=entry.get("role", ""),
        is_weak=entry.get("weak", False),
        is_alone=entry.get("alone", False),
        is_last=entry.get("last", False),
        is_near=entry.get("near", False),
        is_sided=entry.get("sided", False),
        groups=frozenset(entry.get("groups", ())),
        corrects=frozenset(entry.get("corrects", ())),
    )


def _one_of(where: str, key: str, value: Any, values: tuple[Any, ...]) -> Any:
    if value not in values:
        _refuse(where, key, f"{value} is none of {', '.join(values)}")
    return value


def _refuse(where: str, key: str, reason: str) -> None:
    raise Invalid("the table of exams {file} is wrong at {key}: {reason}", file=where, key=key, reason=reason)
