"""What the text of a document may tell of itself: labels such as `MRN:` or `Geb.:`, and what stands behind them."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from imagebank.model.file_names import Label, Reading, fold, of_date, taken
from imagebank.model.proposal import Proposal, ProposalSource
from imagebank.model.spoken_dates import dates_in

LONGEST_TEXT: Final = 20_000
"""How much of a text is looked at: whose it is stands at its beginning."""
_MOST_LINES: Final = 400
_LONGEST_LINE: Final = 300
_MOST_LABELS: Final = 12
"""How many words of a line are looked at that could be labels."""
_NUMBER: Final = re.compile(r"[^\W_][\w./-]*\d[\w./-]*|\d[\w./-]*")
_WORD: Final = r"[^\W\d_](?:[^\W\d_]|['\u2019.-]){0,40}"
_NAME: Final = re.compile(rf"{_WORD}(?:,? {_WORD}){{0,5}}")
# fmt: off
_TITLES: Final = frozenset({
    "mr", "mrs", "ms", "miss", "dr", "prof", "herr", "frau", "hr", "fr", "sr", "sra", "srta", "d", "dña", "don", "doña",
    "m", "mme", "mlle", "monsieur", "madame",
})
# fmt: on
_NUMBERS: Final = frozenset({"patient_id", "accession_number", "order", "encounter"})
_DATES: Final = frozenset({"birth_date", "taken_at"})
_NAMES: Final = frozenset({"patient_name", "operator"})


def proposals_of_text(
    reading: Reading, text: str, source: ProposalSource, called: str, share: float = 1.0
) -> Iterator[Proposal]:
    """What stands behind the site's labels. `called` says in evidence where the text is; `share` how much it is believed."""
    labels = {word: label for label in reading.labels for word in label.words}
    if not labels:
        return
    found = _labelled(labels)
    lines = [line[:_LONGEST_LINE] for line in text[:LONGEST_TEXT].splitlines()[:_MOST_LINES]]
    for number, line in enumerate(lines):
        hits = [hit for hit in islice(found.finditer(line), _MOST_LABELS) if _is_label(hit, labels)]
        for hit, following in zip(hits, [*hits[1:], None], strict=False):
            value = line[hit.end() : following.start() if following else None].strip(" |;,\t")
            if not value and following is None and number + 1 < len(lines) and not found.match(lines[number + 1]):
                value = lines[number + 1].strip()
            label = labels[fold(hit["label"])]
            evidence = f"{called}: {hit['label']}: {value[:80]}"
            yield from _behind(reading, label, value, source, evidence, label.confidence * share)


def _labelled(labels: Mapping[str, Label]) -> re.Pattern[str]:
    """A label, and the sign behind it where there is one. Longer ones first: `patient id` is no patient."""
    words = "|".join(re.escape(word) for word in sorted(labels, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?P<label>{words})(?!\w)\.? ?(?P<sign>[:=#]{{1,3}})? ?", re.IGNORECASE)


def _is_label(hit: re.Match[str], labels: Mapping[str, Label]) -> bool:
    """Whether a word labels something: by its sign, because it stands alone in its line, or because a date follows."""
    if hit["sign"] or hit[0].strip() == hit.string.strip():
        return True
    first = next(dates_in(hit.string[hit.end() :]), None)
    is_date = labels[fold(hit["label"])].field in _DATES
    return is_date and first is not None and hit.string.startswith(first.text, hit.end())


def _behind(
    reading: Reading, label: Label, value: str, source: ProposalSource, evidence: str, confidence: float
) -> Iterator[Proposal]:
    """What a value is in the form of its field: the first part of it that has that form."""
    name = label.field
    if name in _DATES:
        spoken = next(dates_in(value), None)
        if spoken is not None:
            yield from of_date(name, spoken, source, evidence, confidence)
    elif name in _NUMBERS:
        number = _NUMBER.match(value)
        if number:
            yield from taken(name, number[0].rstrip("./-"), source, evidence, confidence)
    elif name in _NAMES:
        yield from of_person(name, value, source, evidence, confidence)
    elif name in reading.means:
        word = re.match(r"\w+", value)
        meaning = reading.means[name].get(fold(word[0])) if word else None
        yield from taken(name, meaning or "", source, evidence, confidence)
    else:
        yield from taken(name, value[:64], source, evidence, confidence)


def of_person(name: str, text: str, source: ProposalSource, evidence: str, confidence: float) -> Iterator[Proposal]:
    """A person's name as DICOM writes it. Without a comma nobody can tell which part is the family's: less sure."""
    found = _NAME.match(text.strip())
    if not found:
        return
    family, comma, given = found[0].partition(",")
    if comma:
        yield from taken(name, f"{_bare(family)}^{_bare(given)}".rstrip("^"), source, evidence, confidence)
        return
    *first, last = _bare(found[0]).split() or [""]
    if first:
        yield from taken(name, f"{last}^{' '.join(first)}", source, evidence, confidence * 0.75)
    else:
        yield from taken(name, last, source, evidence, confidence * 0.5)


def _bare(text: str) -> str:
    """Without titles."""
    return " ".join(word for word in text.split() if fold(word) not in _TITLES)


_CLINICAL: Final = {
    "patient_id": ("patient_id", 0.9),
    "patient_name": ("patient_name", 0.9),
    "sex": ("sex", 0.9),
    "encounter": ("encounter", 0.9),
    "order": ("order", 0.9),
    "author_name": ("operator", 0.6),
    "title": ("description", 0.95),
    "kind": ("description", 0.9),
}
"""What the header of a clinical document says (CDA R2 4.2): its name there, the field, and how sure that is."""


def proposals_of_header(info: Mapping[str, str], called: str) -> Iterator[Proposal]:
    """What a clinical document says of itself in its header."""
    for name, (field, confidence) in _CLINICAL.items():
        value = info.get(name, "")
        yield from taken(field, value, ProposalSource.DOCUMENT, f"{called}: {name} {value}", confidence)
    dates = {
        "birth_date": ("birth_date", 0.9),
        "performed": ("taken_at", 0.95),
        "performed_from": ("taken_at", 0.95),
        "creationdate": ("taken_at", 0.7),
    }
    for name, (field, confidence) in dates.items():
        value = hl7_moment(info.get(name, ""), is_day=field == "birth_date")
        yield from taken(field, value, ProposalSource.DOCUMENT, f"{called}: {name} {value}", confidence)


def hl7_moment(text: str, *, is_day: bool = False) -> str:
    """YYYYMMDDHHMMSS±ZZZZ, as HL7 writes moments and, behind `D:`, PDF (ISO 32000 7.9.4); empty where no day is said."""
    found = _HL7.match(text.removeprefix("D:"))
    if not found:
        return ""
    day = f"{found['y']}-{found['m']}-{found['d']}"
    if is_day or not found["h"]:
        return day
    zone = f"{found['z']}{found['zh']}:{found['zm'] or '00'}" if found["zh"] else "+00:00" if found["z"] else ""
    return f"{day}T{found['h']}:{found['min']}:{found['s'] or '00'}{zone}"


_HL7: Final = re.compile(
    r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)(?:(?P<h>\d\d)(?P<min>\d\d)(?P<s>\d\d)?(?:\.\d+)?"
    r"(?P<z>[Z+-])?(?:(?P<zh>\d\d)'?(?P<zm>\d\d)?)?)?"
)
