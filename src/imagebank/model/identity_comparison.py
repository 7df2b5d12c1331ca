"""How names, dates and the like of two patient records agree, in words that a person can check.

A field that one of the two does not have says nothing. Nor does a name that the two have in different scripts only.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from imagebank.model.identity import Identity
from imagebank.model.person import fold

FIELDS: Final = ("family", "given", "birth_date", "sex", "address", "phone", "mother")
FINDINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "family": ("same", "part", "near", "sound", "swapped", "other"),
    "given": ("same", "nickname", "part", "near", "sound", "initial", "second", "swapped", "other"),
    "birth_date": ("same", "swapped", "near", "year", "other"),
    "sex": ("same", "other"),
    "address": ("same", "near", "other"),
    "phone": ("same", "near", "other"),
    "mother": ("same", "near", "other"),
}
"""How each field may agree, best first. `swapped` names stand in each other's place; `near` is a slip of a key or two; `second`
is a first given name that is a further one of the other's, as of people who go by their second, and of twins."""

_SMALLEST_PART: Final = 3
_NEAR: Final = 0.92
_CYRILLIC: Final = (
    "а=a б=b в=v г=g д=d е=e ж=zh з=z и=i к=k л=l м=m н=n о=o п=p р=r с=s т=t у=u ф=f х=kh ц=ts ч=ch ш=sh щ=shch "  # noqa: RUF001 - these are the letters
    "ъ= ы=y ь= э=e ю=yu я=ya і=i є=e ґ=g"  # noqa: RUF001 - the same
)
_GREEK: Final = "α=a β=v γ=g δ=d ε=e ζ=z η=i θ=th ι=i κ=k λ=l μ=m ν=n ξ=x ο=o π=p ρ=r σ=s τ=t υ=y φ=f χ=ch ψ=ps ω=o"  # noqa: RUF001 - the same
_LETTERS: Final = "ø=o ł=l đ=d ð=d þ=th æ=ae œ=oe ı=i"  # noqa: RUF001 - the same
_ROMAN: Final = str.maketrans(dict(pair.split("=") for pair in f"{_CYRILLIC} {_GREEK} {_LETTERS}".split(" ")))
_SCRIPTS: Final = {
    "LATIN": "latin",
    "CYRILLIC": "latin",
    "GREEK": "latin",
    "CJK": "han",
    "HIRAGANA": "kana",
    "KATAKANA": "kana",
}
_WORD: Final = re.compile(r"[^\W_]+")
_UMLAUT: Final = re.compile(r"(?<=[aou])e")
_KANA: Final = {code: code + 0x60 for code in range(0x3041, 0x3097)}
_SOUNDS: Final = {
    letter: digit for digit, letters in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), 1) for letter in letters
}


@dataclass(frozen=True, slots=True)
class Part:
    """A family name, or all given names: the words together, and each by itself."""

    joined: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A record as it is compared. `names` are family and given names by script, in Latin letters where that can be."""

    names: Mapping[str, tuple[Part, Part]]
    birth_date: str
    sex: str
    address: frozenset[str]
    phone: str
    mother: str


def profile(identity: Identity) -> Profile:
    """A record as it is compared."""
    names: dict[str, tuple[Part, Part]] = {}
    for group in identity.name.groups():
        components = [*group.split("^"), "", "", ""]
        family, given = _part(components[0]), _part(f"{components[1]} {components[2]}")
        if family.joined or given.joined:
            names.setdefault(_script(family.joined + given.joined), (family, given))
    sex = identity.sex.upper()
    digits = "".join(filter(str.isdecimal, identity.phone))
    return Profile(
        names,
        identity.birth_date if re.fullmatch(r"\d{8}", identity.birth_date) else "",
        sex if sex in ("F", "M") else "",
        frozenset(_WORD.findall(in_latin(identity.address))),
        digits[-8:] if len(digits) >= 6 else "",
        _part(identity.mother.split("^")[0]).joined,
    )


@lru_cache(maxsize=65_536)
def _part(text: str) -> Part:
    words = tuple(_WORD.findall(in_latin(text).replace("'", "").replace("\u2019", "")))
    return Part("".join(words), words)


def in_latin(text: str) -> str:
    """Folded, in Latin letters where that can be; `ä` and `ae` are the same, and so are the two kinds of kana."""
    return _UMLAUT.sub("", fold(text).translate(_ROMAN).translate(_KANA))


def _script(text: str) -> str:
    name = unicodedata.name(text[0], "").split(" ", 1)[0]
    return _SCRIPTS.get(name, name)


def keys(one: Profile) -> frozenset[str]:
    """What two records have to share one of to be compared at all. Each bears one field's being wrong."""
    found = set()
    for family, given in one.names.values():
        # In one order, so that names in each other's place meet.
        sounds = " ".join(sorted((_sound(family.words[-1:]), _sound(given.words[:1]))))
        found.add(f"name {sounds}")
        if one.birth_date:
            found |= {f"year {sounds} {one.birth_date[:4]}", f"day {sounds} {''.join(sorted(one.birth_date[4:]))}"}
    if one.birth_date:
        # Sorted digits, so that day and month may be swapped, or two digits.
        found.add(f"birth {one.birth_date[:4]} {''.join(sorted(one.birth_date[4:]))}")
    if one.phone:
        found.add(f"phone {one.phone}")
    return frozenset(found)


def names_of(one: Profile) -> frozenset[str]:
    """Under which keys it is counted how common a name is."""
    pairs = one.names.values()
    return frozenset(
        f"{field} {part.joined}" for pair in pairs for field, part in zip(FIELDS, pair, strict=False) if part.joined
    )


def _sound(words: tuple[str, ...]) -> str:
    return soundex(words[0]) if words else ""


@lru_cache(maxsize=65_536)
def soundex(word: str) -> str:
    """The phonetic code of a word in Latin letters, by the US National Archives' rules; of another word its start."""
    if not word or not "a" <= word[0] <= "z":
        return word[:2]
    code, before = word[0], _SOUNDS.get(word[0], 0)
    for letter in word[1:]:
        digit = _SOUNDS.get(letter, 0)
        if digit and digit != before:
            code += str(digit)
        if letter not in "hw":
            before = digit
    return f"{code:0<4}"[:4]


@lru_cache(maxsize=1 << 18)
def similarity(one: str, other: str) -> float:
    """Jaro and Winkler's similarity of two words: 1 for the same, 0 for nothing in common."""
    if one == other:
        return 1.0
    reach = max(len(one), len(other)) // 2 - 1
    taken = [False] * len(other)
    common = []
    for place, letter in enumerate(one):
        for near in range(max(0, place - reach), min(len(other), place + reach + 1)):
            if not taken[near] and other[near] == letter:
                taken[near] = True
                common.append(letter)
                break
    if not common:
        return 0.0
    theirs = [letter for letter, is_taken in zip(other, taken, strict=True) if is_taken]
    crossed = sum(a != b for a, b in zip(common, theirs, strict=True)) / 2
    number = len(common)
    jaro = (number / len(one) + number / len(other) + (number - crossed) / number) / 3
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return jaro + min(start, 4) * 0.1 * (1 - jaro)


Nicknames = Mapping[str, frozenset[str]]
"""Which groups of names a name belongs to that stand for each other."""


def compare(one: Profile, other: Profile, nicknames: Nicknames) -> dict[str, str]:
    """How the fields agree that both have."""
    found: dict[str, str] = {}
    shared = [script for script in one.names if script in other.names]
    if shared:
        tried = [_names(one.names[script], other.names[script], nicknames) for script in shared]
        best = min(tried, key=_rank)
        found |= best
    if one.birth_date and other.birth_date:
        found["birth_date"] = _dates(one.birth_date, other.birth_date)
    if one.sex and other.sex:
        found["sex"] = "same" if one.sex == other.sex else "other"
    if one.address and other.address:
        found["address"] = _addresses(one.address, other.address)
    if one.phone and other.phone:
        found["phone"] = _slips(one.phone, other.phone)
    if one.mother and other.mother:
        found["mother"] = (
            "same" if one.mother == other.mother else "near" if _is_near(one.mother, other.mother) else "other"
        )
    return found


def _rank(names: dict[str, str]) -> int:
    return sum(FINDINGS[field].index(finding) for field, finding in names.items())


def _names(one: tuple[Part, Part], other: tuple[Part, Part], nicknames: Nicknames) -> dict[str, str]:
    found = {}
    if one[0].joined and other[0].joined:
        found["family"] = _family(one[0], other[0])
    if one[1].joined and other[1].joined:
        found["given"] = _given(one[1], other[1], nicknames)
    if found.get("family") == "other" and "given" in found and _are_swapped(one, other):
        return {"family": "swapped", "given": "swapped"}
    return found


def _are_swapped(one: tuple[Part, Part], other: tuple[Part, Part]) -> bool:
    pairs = ((one[0], other[1]), (one[1], other[0]))
    return all(a.joined == b.joined or set(a.words) & set(b.words) or _is_near(a.joined, b.joined) for a, b in pairs)


def _family(one: Part, other: Part) -> str:
    if one.joined == other.joined:
        return "same"
    if _shares_part(one, other):
        return "part"
    return _alike(one.joined, other.joined)


def _given(one: Part, other: Part, nicknames: Nicknames) -> str:
    if one.joined == other.joined:
        return "same"
    first, second = one.words[0], other.words[0]
    if nicknames.get(first, frozenset()) & nicknames.get(second, frozenset()):
        return "nickname"
    if _abbreviates(one, other):
        return "part"
    if {*one.words} < {*other.words} or {*other.words} < {*one.words}:
        return "second"
    if min(len(first), len(second)) == 1 and first[0] == second[0] and first.isascii():
        return "initial"
    # A second given name that only one of them has is no difference.
    return _alike(first, second) if len(one.words) != len(other.words) else _alike(one.joined, other.joined)


def _abbreviates(one: Part, other: Part) -> bool:
    """Whether the first names are the same, and further ones or their first letters."""
    rest = list(zip(one.words[1:], other.words[1:], strict=False))
    return one.words[0] == other.words[0] and all(
        a == b or (min(len(a), len(b)) == 1 and a[0] == b[0]) for a, b in rest
    )


def _shares_part(one: Part, other: Part) -> bool:
    return any(len(word) >= _SMALLEST_PART or not word.isascii() for word in {*one.words} & {*other.words})


def _alike(one: str, other: str) -> str:
    if _is_near(one, other):
        return "near"
    return "sound" if one.isascii() and other.isascii() and soundex(one) == soundex(other) else "other"


def _is_near(one: str, other: str) -> bool:
    return similarity(one, other) >= _NEAR or _slips(one, other) != "other"


def _slips(one: str, other: str) -> str:
    """The same, or but for one letter put in, left out, or another, or two that changed places."""
    if one == other:
        return "same"
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1 or len(long) < _SMALLEST_PART:
        return "other"
    at = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(long) > len(short):
        return "near" if short[at:] == long[at + 1 :] else "other"
    is_crossed = short[at : at + 2] == long[at : at + 2][::-1] and short[at + 2 :] == long[at + 2 :]
    return "near" if is_crossed or short[at + 1 :] == long[at + 1 :] else "other"


def _dates(one: str, other: str) -> str:
    if one == other:
        return "same"
    if one[:4] == other[:4] and one[4:] == other[6:] + other[4:6]:
        return "swapped"
    if _slips(one, other) == "near":
        return "near"
    # Where only the year is known, many write its first day.
    is_start = one[:4] == other[:4] and "0101" in (one[4:], other[4:])
    return "year" if is_start else "other"


def _addresses(one: frozenset[str], other: frozenset[str]) -> str:
    if one == other:
        return "same"
    shared = len(one & other) / min(len(one), len(other))
    return "near" if shared >= 0.6 else "other"
