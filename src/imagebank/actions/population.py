"""People who do not exist, with records of them in several organizations, to measure what matching is worth.

One seed makes one population. Names and rates of errors stand in `population.toml`; the rates follow published ones
(docs/matching.md names them).
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import accumulate, chain, count
from tomllib import loads
from typing import Any, Final

from imagebank.model.identity import Identity
from imagebank.model.identity_comparison import in_latin
from imagebank.model.person import PatientId, PersonName

Writings = tuple[str, str, str]
"""A name in Latin letters, in its own script, and by its sound."""

_FIRST_BIRTH: Final = date(1930, 1, 1)
_DAYS: Final = 34_000
_STREETS: Final = (
    "Mill Lane",
    "Station Road",
    "Church Street",
    "Park Avenue",
    "High Street",
    "Garden Way",
    "Lake View",
)
_SHORT: Final = {"Lane": "Ln", "Road": "Rd", "Street": "St", "Avenue": "Ave"}
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"


@dataclass(frozen=True, slots=True)
class Human:
    """The truth about somebody."""

    number: int
    culture: str
    family: tuple[Writings, ...]
    given: tuple[Writings, ...]
    birth_date: str
    sex: str
    address: str
    phone: str
    mother: str
    kin: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What one organization wrote down of somebody, and what went wrong with it."""

    identity: Identity
    human: int
    errors: frozenset[str]
    kin: str


@dataclass(frozen=True, slots=True)
class _Draft:
    """A record while it is made. Names have all writings still, but those in `latin_only`."""

    family: tuple[Writings, ...]
    given: tuple[Writings, ...]
    birth_date: str
    sex: str
    address: str
    phone: str
    mother: str
    is_swapped: bool = False
    latin_only: bool = False


@cache
def _table() -> dict[str, Any]:
    return loads((files("imagebank.actions") / "population.toml").read_text("utf-8"))


def population(records: int, seed: int, without: frozenset[str] = frozenset()) -> Iterator[Record]:
    """So many records, or a few more: all of the last person's. In the order in which they might come, that is, mixed.

    `without` are fields that no record has, such as those that images rarely bring.
    """
    chance = random.Random(seed)  # noqa: S311 - the same again for the same seed, and nothing secret
    made: list[Record] = []
    people = _people(chance)
    while len(made) < records:
        made += _records(chance, next(people), without)
    chance.shuffle(made)
    yield from made


def _people(chance: random.Random) -> Iterator[Human]:
    """People, one after the other without end, some of whom live with the one before."""
    table = _table()["people"]
    makers = {each["name"]: _Culture.of(each) for each in _table()["culture"]}
    shares = [each["share"] for each in _table()["culture"]]
    before: Human | None = None
    number = 0
    while True:
        number += 1
        culture = makers[chance.choices(list(makers), shares)[0]]
        human = _somebody(chance, number, culture)
        if before is not None and not before.kin and chance.random() < table["household"]:
            shared = makers[before.culture]
            human = _kin(chance, before, _somebody(chance, number, shared), shared)
        yield human
        before = human


def _kin(chance: random.Random, before: Human, human: Human, culture: "_Culture") -> Human:
    """Somebody who lives with somebody else."""
    table = _table()["people"]
    human = replace(human, family=before.family, address=before.address, phone=before.phone)
    kind = chance.random()
    if kind < table["twin"]:
        others = ((culture.given[human.sex](chance),) for _ in count())
        given = next(each for each in chain([human.given], others) if each[0] != before.given[0])
        return replace(human, given=given, birth_date=before.birth_date, mother=before.mother, kin="twin")
    if kind < table["twin"] + table["namesake"]:
        return replace(human, given=before.given, sex=before.sex, kin="namesake")
    return replace(human, kin="household")


@dataclass(frozen=True, slots=True)
class _Culture:
    """From which names people are named."""

    name: str
    family: Callable[[random.Random], Writings]
    given: Mapping[str, Callable[[random.Random], Writings]]
    is_double: bool
    feminine: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> "_Culture":
        common, first, last = _drawn(table["family"]), table["first"], table["last"]

        def family(chance: random.Random) -> Writings:
            if chance.random() < table["common"]:
                return _written(common(chance))
            return _together(chance.choice(first), chance.choice(last))

        def given(sex: str) -> Callable[[random.Random], Writings]:
            listed = _drawn(table[sex])
            syllables = [*table.get("syllables", ()), *table[sex]]

            def draw(chance: random.Random) -> Writings:
                if "syllables" in table:
                    return _together(chance.choice(syllables), chance.choice(syllables))
                return _written(listed(chance))

            return draw

        names = {"F": given("female"), "M": given("male")}
        feminine = [(ending, other) for ending, other in table.get("feminine", ())]
        return cls(table["name"], family, names, table.get("double", False), feminine)

    def of_woman(self, name: Writings) -> Writings:
        for ending, other in self.feminine:
            if name[1].endswith(ending):
                return _written(name[1].removesuffix(ending) + other)
        return name


def _drawn(names: Sequence[str]) -> Callable[[random.Random], str]:
    """Draws a name; the first is some five times as common as the fortieth."""
    weights = list(accumulate(1 / (10 + rank) for rank in range(len(names))))
    return lambda chance: chance.choices(names, cum_weights=weights)[0]


def _written(name: str) -> Writings:
    """All writings of a name of the list."""
    latin, own, sound = [*name.split("="), "", ""][:3]
    return (latin, own, sound) if own else (in_latin(name).title() if not name.isascii() else name, name, "")


def _together(first: str, last: str) -> Writings:
    latin, own, sound = (a + b for a, b in zip(_written(first), _written(last), strict=True))
    return (latin.capitalize(), own.capitalize(), sound)


def _somebody(chance: random.Random, number: int, culture: _Culture) -> Human:
    sex = chance.choice("FM")
    family = tuple(culture.family(chance) for _ in range(2 if culture.is_double else 1))
    if sex == "F":
        family = tuple(culture.of_woman(name) for name in family)
    several = 2 if chance.random() < _table()["people"]["second_given"] else 1
    given = tuple(culture.given[sex](chance) for _ in range(several))
    birth = _FIRST_BIRTH + timedelta(days=chance.randrange(_DAYS))
    address = f"{chance.randrange(1, 200)} {chance.choice(_STREETS)}, {chance.randrange(10_000, 99_999)}"
    phone = "0" + "".join(chance.choices(_DIGITS, k=9))
    return Human(number, culture.name, family, given, f"{birth:%Y%m%d}", sex, address, phone, culture.family(chance)[0])


def _records(chance: random.Random, human: Human, without: frozenset[str]) -> list[Record]:
    table = _table()["people"]
    number = chance.choices(range(1, len(table["records"]) + 1), table["records"])[0]
    places = chance.sample(range(table["organizations"]), min(number, table["organizations"]))
    made = []
    for place in places:
        draft = _Draft(human.family, human.given, human.birth_date, human.sex, human.address, human.phone, human.mother)
        errors = []
        for name, (spoil, whom) in _ERRORS.items():
            if whom(human) and chance.random() < _table()["errors"][name]:
                spoilt = spoil(chance, draft, human)
                errors += [name] if spoilt != draft else []
                draft = spoilt
        missing = [name for name, share in _table()["missing"].items() if chance.random() < share or name in without]
        empty: dict[str, Any] = dict.fromkeys(missing, "")
        draft = replace(draft, **empty)
        errors = [each for each in errors if _FIELD_OF.get(each) not in missing]
        errors += [f"no {name}" for name in missing if name not in without]
        patient = PatientId(f"organization {place}", f"{human.number}")
        made.append(Record(_identity(patient, draft), human.number, frozenset(errors), human.kin))
    return made


def _identity(patient: PatientId, draft: _Draft) -> Identity:
    parts = [draft.given, draft.family] if draft.is_swapped else [draft.family, draft.given]
    latin, own, sound = (
        "^".join(" ".join(filter(None, (name[script] for name in names))) for names in parts) for script in range(3)
    )
    has_own = not draft.latin_only and own.strip("^") and not _is_alphabetic(own)
    alphabetic = own if _is_alphabetic(own) and not draft.latin_only else latin
    name = PersonName(alphabetic, own if has_own else "", sound.strip("^ ") and sound if has_own else "")
    return Identity(patient, name, draft.birth_date, draft.sex, draft.address, draft.phone, draft.mother)


def _is_alphabetic(text: str) -> bool:
    return not any("\u2e80" <= letter <= "\u9fff" for letter in text)


def _typo(chance: random.Random, text: str, letters: str = _LETTERS) -> str:
    """One letter put in, left out, or another, or two that changed places (Damerau 1964)."""
    if len(text) < 3:
        return text
    at = chance.randrange(1, len(text) - 1)
    letter = chance.choice(letters)
    kinds = (
        text[:at] + letter + text[at:],
        text[:at] + text[at + 1 :],
        text[:at] + letter + text[at + 1 :],
        text[:at] + text[at + 1] + text[at] + text[at + 2 :],
    )
    return chance.choice(kinds)


def _typo_in(names: tuple[Writings, ...], chance: random.Random) -> tuple[Writings, ...]:
    latin, own, sound = names[0]
    spoilt = _typo(chance, latin)
    is_latin = _is_alphabetic(own)
    return ((spoilt, _typo(chance, own, own) if is_latin else own, sound), *names[1:])


def _initial(chance: random.Random, draft: _Draft, _: Human) -> _Draft:
    if len(draft.given) < 2:
        return draft
    first, second = draft.given[:2]
    short: Writings = (second[0][:1], second[1][:1], second[2][:1])
    return replace(draft, given=(first, short) if chance.random() < 0.4 else (first,))


def _another(chance: random.Random, human: Human) -> Writings:
    culture = next(each for each in _table()["culture"] if each["name"] == human.culture)
    return _written(chance.choice(culture["family"]))


def _nickname(_: random.Random, draft: _Draft, __: Human) -> _Draft:
    short = _table()["nicknames"].get(draft.given[0][1])
    return draft if short is None else replace(draft, given=((short, short, ""), *draft.given[1:]))


def _swapped_birth(_: random.Random, draft: _Draft, __: Human) -> _Draft:
    year, month, day = draft.birth_date[:4], draft.birth_date[4:6], draft.birth_date[6:]
    return replace(draft, birth_date=year + day + month) if day <= "12" else draft


def _digit(chance: random.Random, text: str, start: int = 0) -> str:
    at = chance.randrange(start, len(text))
    return text[:at] + chance.choice(_DIGITS) + text[at + 1 :]


def _other_birth(chance: random.Random, draft: _Draft, _: Human) -> _Draft:
    return replace(draft, birth_date=f"{_FIRST_BIRTH + timedelta(days=chance.randrange(_DAYS)):%Y%m%d}")


def _wed(chance: random.Random, draft: _Draft, human: Human) -> _Draft:
    return replace(draft, family=(_another(chance, human),))


def _hyphenated(chance: random.Random, draft: _Draft, human: Human) -> _Draft:
    own, other = draft.family[0], _another(chance, human)
    latin, script, sound = (f"{a}-{b}" if a and b else a for a, b in zip(own, other, strict=True))
    return replace(draft, family=((latin, script, sound),))


def _rewritten(_: random.Random, draft: _Draft, __: Human) -> _Draft:
    words = [_SHORT.get(word.strip(","), word) for word in draft.address.split(" ")]
    return replace(draft, address=" ".join(words).upper())


def _moved(chance: random.Random, draft: _Draft, _: Human) -> _Draft:
    address = f"{chance.randrange(1, 200)} {chance.choice(_STREETS)}, {chance.randrange(10_000, 99_999)}"
    return replace(draft, address=address)


def _anybody(_: Human) -> bool:
    return True


def _woman(human: Human) -> bool:
    return human.sex == "F"


def _has_script(human: Human) -> bool:
    return not human.family[0][1].isascii()


_ERRORS: Final[Mapping[str, tuple[Callable[[random.Random, _Draft, Human], _Draft], Callable[[Human], bool]]]] = {
    "moved": (_moved, _anybody),
    "address_written": (_rewritten, _anybody),
    "phone_changed": (lambda r, d, _: replace(d, phone="0" + "".join(r.choices(_DIGITS, k=9))), _anybody),
    "phone_digit": (lambda r, d, _: replace(d, phone=_digit(r, d.phone, 1)), _anybody),
    "new_family": (_wed, _woman),
    "hyphenated": (_hyphenated, _woman),
    "double_dropped": (lambda r, d, _: replace(d, family=(r.choice(d.family),)), lambda human: len(human.family) > 1),
    "second_given": (_initial, _anybody),
    "nickname": (_nickname, _anybody),
    "script": (lambda _, d, __: replace(d, latin_only=True), _has_script),
    "typo_family": (lambda r, d, _: replace(d, family=_typo_in(d.family, r)), _anybody),
    "typo_given": (lambda r, d, _: replace(d, given=_typo_in(d.given, r)), _anybody),
    "swapped_names": (lambda _, d, __: replace(d, is_swapped=True), _anybody),
    "birth_digit": (lambda r, d, _: replace(d, birth_date=_digit(r, d.birth_date, 2)), _anybody),
    "birth_swapped": (_swapped_birth, _anybody),
    "birth_first": (lambda _, d, __: replace(d, birth_date=d.birth_date[:4] + "0101"), _anybody),
    "birth_other": (_other_birth, _anybody),
    "sex": (lambda _, d, __: replace(d, sex={"F": "M", "M": "F"}[d.sex]), _anybody),
}

_FIELD_OF: Final = {
    "moved": "address",
    "address_written": "address",
    "phone_changed": "phone",
    "phone_digit": "phone",
    "birth_digit": "birth_date",
    "birth_swapped": "birth_date",
    "birth_first": "birth_date",
    "birth_other": "birth_date",
    "sex": "sex",
}
"""Errors that nobody sees where the field is missing."""
