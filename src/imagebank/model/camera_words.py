"""What cameras, films and programs say of a file, as proposals."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from imagebank.model.document_words import of_person, proposals_of_text
from imagebank.model.file_names import Reading, proposals_of_words, taken
from imagebank.model.proposal import Proposal, ProposalSource

_FIRST_YEAR: Final = 1995
_AHEAD: Final = timedelta(days=1)
_UNSET: Final = 0.2
"""How far a moment is believed that no picture can have been taken at, or that clocks show which nobody has set."""
# What cameras and programs put where nobody wrote anything.
_NOTHING: Final = (
    "digital camera",
    "sony dsc",
    "dcim",
    "screenshot",
    "created with",
    "untitled",
    "unspecified",
    "microsoft word",
)
_MOMENTS: Final = {"taken_at": 0.85, "made_at": 0.6, "changed_at": 0.6}
_TEXTS: Final = {"description": 0.6, "title": 0.6, "subject": 0.5, "comment": 0.5}
_PEOPLE: Final = {"artist": 0.6, "owner": 0.4}


def of_camera(
    reading: Reading, said: Mapping[str, str], source: ProposalSource, called: str, now: datetime
) -> Iterator[Proposal]:
    """Proposals from what a file says of itself, by name. `called` says in evidence what it was read from."""
    for name, confidence in _MOMENTS.items():
        if name in said:
            evidence = f"{called}: {name.replace('_', ' ')} {said[name]}"
            yield from _moment(said, name, source, evidence, confidence, now)
    for name, confidence in _PEOPLE.items():
        yield from of_person(
            "operator", said.get(name, ""), source, f"{called}: {name} {said.get(name, '')}", confidence
        )
    for name, confidence in _TEXTS.items():
        text = said.get(name, "")
        if text and not any(word in text.lower() for word in _NOTHING):
            yield from _text(reading, text, source, f"{called}: {name}", confidence)
    keywords = said.get("keywords", "")
    yield from proposals_of_words(reading, keywords, source, f"{called}: keywords {keywords}", 1.0)


def _moment(
    said: Mapping[str, str], name: str, source: ProposalSource, evidence: str, confidence: float, now: datetime
) -> Iterator[Proposal]:
    try:
        at, is_exact = _read(said[name], said.get("offset", ""))
    except ValueError:
        return
    if is_exact and name == "taken_at":
        confidence = 0.97 if at.tzinfo else 0.95
    is_set = (at.month, at.day, at.hour) != (1, 1, 0)
    if at.year < _FIRST_YEAR or at.date() > (now + _AHEAD).date() or not is_set:
        confidence, evidence = _UNSET, f"{evidence}; a clock that nobody has set"
    yield from taken("taken_at", at.isoformat(), source, evidence, confidence)


def _read(text: str, offset: str) -> tuple[datetime, bool]:
    """The moment, and whether it is written as Exif does (Exif 2.32, 4.6.5: colons in the date, too)."""
    if text[4:5] == ":":
        plain = datetime.strptime(text[:19], "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - cameras know no zone
        return datetime.fromisoformat(f"{plain.isoformat()}{offset}") if offset else plain, True
    return datetime.fromisoformat(text), False


def _text(reading: Reading, text: str, source: ProposalSource, called: str, confidence: float) -> Iterator[Proposal]:
    labelled = list(proposals_of_text(reading, text, source, called, 0.9))
    yield from labelled
    if not labelled:
        yield from taken("description", text[:64], source, f"{called} {text}", confidence)
    yield from proposals_of_words(reading, text, source, f"{called} {text}", 0.9)
