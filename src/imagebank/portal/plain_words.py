"""People, days and places in words for the person whose images they are about."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

from babel.dates import format_skeleton

from imagebank.actions.actors import Actor, Sort
from imagebank.dicom.moments import read_day
from imagebank.model.person import PersonName
from imagebank.paper.catalogue import locale_of
from imagebank.portal import here, language
from imagebank.portal.language import gettext

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def called(name: PersonName) -> str:
    """A person's name as they say it: given names first, without titles; in the local writing where there is no other."""
    # PS3.5 6.2.1.1: family, given, middle, prefix, suffix.
    family, given, middle = (part.strip() for part in (*name.alphabetic.split("^"), "", "", "")[:3])
    said = " ".join(part for part in (given, middle, family) if part)
    return said or name.ideographic.replace("^", " ").strip() or gettext("No name")


def weekday(on: date) -> str:
    """`Tuesday, 24 November 2026`, in the way of the language."""
    return format_skeleton("yMMMMEEEEd", on, locale=locale_of(language.spoken()), fuzzy=True)


def exam_day(text: str) -> str:
    """The day of an exam, a DA value, with its weekday: `Tue, 24 Nov 2026`; says so where nobody knows it."""
    found = read_day(text)
    return (
        format_skeleton("yMMMEd", found, locale=locale_of(language.spoken()), fuzzy=True)
        if found
        else gettext("no date")
    )


def heading(on: date, today: date) -> str:
    """A day above what happened on it."""
    if on == today:
        return gettext("Today, %(day)s") % {"day": weekday(on)}
    return weekday(on)


def at(micros: int) -> datetime:
    """A moment of the ledger, by the clocks of the site."""
    return datetime.fromtimestamp(micros // 1_000_000, here.zone())


def named(one: Actor) -> str:
    """Somebody of the ledger, at the beginning of a sentence."""
    if one.sort is Sort.SELF:
        return gettext("You")
    if one.sort is Sort.BANK:
        return gettext("The bank")
    if one.sort is Sort.CARD:
        return one.name or gettext("Somebody with a card of yours")
    return one.name or gettext("Somebody")


def joined(parts: Iterable[str]) -> str:
    """What is known, with dots between."""
    return " · ".join(filter(None, parts))
