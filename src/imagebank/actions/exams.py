"""What a person's exams are: what headers say of each study, understood by the site's tables."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from imagebank.actions import search
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.exams.describing import describe
from imagebank.exams.said import KEYS, said_of
from imagebank.exams.tables import tables
from imagebank.model.access import Scope
from imagebank.model.attribute import Level
from imagebank.model.exam import NOTHING_SAID, Exam, Held, Past, Said
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

_AHEAD: Final = timedelta(days=1)
"""How far the clock or the time zone of whoever made an exam may be ahead of ours."""


def history(bank: Bank, patients: Collection[PatientId], scope: Scope) -> list[Past]:
    """Every exam of some records that the scope shows, the newest first."""
    return _past(bank, bank.index.histories.exams(patients, scope), scope)


def of_study(bank: Bank, study: Uid, scope: Scope) -> Past:
    """The exam that one study is. Raises NotFound for a study that the scope does not show."""
    found = search.of_studies(bank, [study], scope, Level.SERIES)
    if not found:
        raise NotFound("there is no such study here")
    series = [one.attributes for one in found]
    date = series[0].get("00080020", {}).get("Value", [""])[0]
    return Past(study, understood(bank, said_of(series)), day_of(date))


def understood(bank: Bank, said: Said) -> Exam:
    """What somebody says of an exam, understood by the site's tables."""
    return describe(said, tables(bank.settings.exams_file))


def timely(past: Past, day: date) -> Past:
    """An exam that is ahead of an order's day by no more than clocks and time zones differ, as one that was made that day."""
    return replace(past, day=day) if past.day is not None and day < past.day <= day + _AHEAD else past


def is_made(past: Past, today: date) -> bool:
    """Whether an exam is not dated later than clocks and time zones differ; one without a date is made."""
    return past.day is None or past.day <= today + _AHEAD


def _past(bank: Bank, held: Collection[Held], scope: Scope) -> list[Past]:
    # Headers are looked at once a study has been quiet for a while; before that its rows say the most of it.
    fresh = _rows(bank, [one.study for one in held if one.said is None], scope)
    return [
        Past(
            str(one.study),
            understood(bank, one.said if one.said is not None else fresh.get(one.study, NOTHING_SAID)),
            day_of(one.date),
            one.organization,
        )
        for one in held
    ]


def _rows(bank: Bank, studies: Collection[Uid], scope: Scope) -> dict[Uid, Said]:
    by_study: dict[Uid, list[DataSet]] = {}
    for study, series in bank.index.histories.rows(studies, KEYS, scope):
        by_study.setdefault(study, []).append(series)
    return {study: said_of(several) for study, several in by_study.items()}


def day_of(text: str) -> date | None:
    """A date as DICOM has it (PS3.5 6.2, DA); None for another one."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])) if len(text) == 8 else None
    except ValueError:
        return None
