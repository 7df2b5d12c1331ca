"""A question to the index, and DICOM's matching rules (PS3.4 C.2.2.2), parsed once for every protocol."""

from dataclasses import dataclass
from typing import Final

from imagebank.errors import Invalid
from imagebank.model.attribute import Attribute, Level
from imagebank.model.moment import moment_span
from imagebank.model.person import fold
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class OneOf:
    """Single value matching, or a list of which any may match. Values are in comparison form."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Like:
    """Wildcard matching: `*` is any run of characters, `?` exactly one. The pattern is in comparison form."""

    pattern: str


@dataclass(frozen=True, slots=True)
class Between:
    """Range matching on dates, times or both; an open end is the empty string. Both ends are included."""

    low: str
    high: str


@dataclass(frozen=True, slots=True)
class Words:
    """Fuzzy name matching: every word begins some component of the name, in any order."""

    words: tuple[str, ...]


Match = OneOf | Like | Between | Words


@dataclass(frozen=True, slots=True)
class Condition:
    """What one attribute must be."""

    attribute: Attribute
    match: Match


@dataclass(frozen=True, slots=True)
class Query:
    """A question at one level. All conditions must hold; they may name attributes of this level or above.

    `combined` asks that StudyDate and StudyTime ranges be taken as one span (PS3.4 C.2.2.2.5).
    `limit` None means all. Matches come in one stable order: newest study first, then series and
    instance by number, then by UID.
    """

    level: Level
    conditions: tuple[Condition, ...] = ()
    limit: int | None = None
    offset: int = 0
    combined: bool = False


_RANGES: Final = frozenset(["DA", "TM", "DT"])
_WITH_WILDCARDS: Final = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])


def condition(attribute: Attribute, text: str, *, fuzzy: bool = False) -> Condition | None:
    """Read one key as DICOM matching has it; None for universal matching: empty, only `*`, or a range without ends.

    The standard has no `*` for UIDs, dates and numbers; some senders write it all the same, and mean everything.
    Raises Invalid for a date, time, number or UID that is none.
    """
    text = text.strip(" \0")
    if not text.strip("*") or (attribute.vr in _RANGES and text == "-"):
        return None
    match = _match(attribute, text, fuzzy=fuzzy)
    # A list of nothing but separators says nothing either.
    return Condition(attribute, match) if match != OneOf(()) else None


def _match(attribute: Attribute, text: str, *, fuzzy: bool) -> Match:
    match attribute.vr:
        case "UI":
            return OneOf(tuple(Uid.parse(part) for part in _parts(text, ",\\")))
        case "DA" | "TM" | "DT":
            return _range(attribute, text)
        case "IS" | "US" | "SS" | "UL" | "SL" | "UV" | "SV":
            return OneOf(tuple(_integer(attribute, part) for part in _parts(text, "\\")))
        case "DS" | "FL" | "FD":
            return OneOf(tuple(_decimal(attribute, part) for part in _parts(text, "\\")))
        case "PN":
            return _name(text, fuzzy=fuzzy)
        case _:
            return _text(attribute, text)


def _moments(texts: list[str]) -> Match:
    """A range for one key, which may say less than a second; of several, each is the moment that it begins with."""
    spans = [moment_span(text) for text in texts]
    return Between(*spans[0]) if len(spans) == 1 else OneOf(tuple(low for low, _ in spans))


def _parts(text: str, separators: str) -> list[str]:
    for separator in separators[1:]:
        text = text.replace(separator, separators[0])
    return [part.strip() for part in text.split(separators[0]) if part.strip()]


def _text(attribute: Attribute, text: str) -> Match:
    form = fold(text) if attribute.folded else text
    if attribute.vr in _WITH_WILDCARDS and ("*" in form or "?" in form):
        return Like(form)
    # A comma cannot stand in a code string, and some clients put it between modalities.
    return OneOf(tuple(_parts(form, ",\\" if attribute.vr == "CS" else "\\")))


def _name(text: str, *, fuzzy: bool) -> Match:
    form = fold(text)
    if fuzzy:
        return Words(tuple(name_words(form.replace("*", " ").replace("?", " "))))
    # Trailing empty components carry no meaning (PS3.5 6.2.1.1).
    form = form.rstrip("^=")
    return Like(form) if "*" in form or "?" in form else OneOf((form,))


def name_words(folded: str) -> list[str]:
    """The words of a folded name, for fuzzy matching."""
    for delimiter in "^=,.-":
        folded = folded.replace(delimiter, " ")
    return folded.split()


def _integer(attribute: Attribute, text: str) -> str:
    try:
        return str(int(text))
    except ValueError:
        raise Invalid("{attribute} takes a whole number", attribute=attribute.keyword) from None


def _decimal(attribute: Attribute, text: str) -> str:
    try:
        return comparable_decimal(text)
    except ValueError:
        raise Invalid("{attribute} takes a number", attribute=attribute.keyword) from None


def comparable_decimal(value: str | float) -> str:
    """A number as it is compared: `70.50` and `70.5` are one. Raises ValueError."""
    return f"{float(value):.15g}"


def _range(attribute: Attribute, text: str) -> Match:
    if attribute.vr == "DT":
        return _moments(_parts(text, "\\"))
    read = comparable_date if attribute.vr == "DA" else comparable_time
    low, dash, high = text.partition("-")
    if not dash:
        values = tuple(read(part) for part in _parts(text, "\\"))
        if attribute.vr == "TM" and len(values) == 1:
            # A time that stops at the minute stands for the whole minute.
            return Between(values[0], read(text, up=True))
        return OneOf(values)
    return Between(read(low) if low.strip() else "", read(high, up=True) if high.strip() else "")


def comparable_date(text: str, *, up: bool = False) -> str:
    """A DA value as eight digits; the old form with dots (PS3.5 6.2, note) is read too. Raises Invalid."""
    del up  # a date has one precision
    digits = text.strip().replace(".", "").replace("-", "")
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        raise Invalid("a date has the form YYYYMMDD")
    if not ("01" <= digits[4:6] <= "12" and "01" <= digits[6:8] <= "31"):
        raise Invalid("there is no such date")
    return digits


_LAST_MOMENT: Final = "235959.999999"
_MIDNIGHT: Final = "000000.000000"


def comparable_time(text: str, *, up: bool = False) -> str:
    """A TM value as `HHMMSS.FFFFFF`; what is left out becomes its first moment, or its last (`up`). Raises Invalid."""
    bare = text.strip().replace(":", "")
    whole, _, fraction = bare.partition(".")
    if len(whole) not in (2, 4, 6) or not (whole + fraction).isdigit() or not bare.isascii() or len(fraction) > 6:
        raise Invalid("a time has the form HHMMSS.FFFFFF; parts may be left out from the right")
    if whole[:2] > "23" or whole[2:4] > "59" or whole[4:6] > "60":
        raise Invalid("there is no such time")
    given = f"{whole}.{fraction}" if fraction else whole
    rest = (_LAST_MOMENT if up else _MIDNIGHT)[len(given) :]
    return given + rest
