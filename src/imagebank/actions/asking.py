"""Asking other archives what they hold of a person: by jobs, so that nobody waits, and within bounds.

An archive that fails three times in a row rests for a while, and longer each time. What it answers is kept apart from
what the bank holds; answers about others than who was asked for are refused, and counted.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from imagebank.actions.exams import day_of
from imagebank.actions.other_archives import Archive, Ways, listed
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, Unavailable
from imagebank.model.access import Scope
from imagebank.model.elsewhere import Elsewhere, Line
from imagebank.model.event import Act, Event
from imagebank.model.imaging import DataSet
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

JOB: Final = "ask-archive"
AFTER_FAILURES: Final = 3
_REST: Final = timedelta(seconds=30)
_LONGEST_REST: Final = timedelta(minutes=15)
_KEPT: Final = timedelta(days=30)
_HERE: Final = Scope(organizations=None)
_LONGEST: Final = 256
_LONGEST_CODE: Final = 16


def identifiers(bank: Bank, patients: Collection[PatientId]) -> set[PatientId]:
    """All by which the persons of some records are known anywhere: of their linked records, and what these name beside."""
    found = set(patients)
    for patient in patients:
        known = bank.index.persons.identity(patient, _HERE)
        for one in bank.index.persons.person(known.person, _HERE) if known is not None else ():
            found |= {one.identity.patient, *one.identity.others}
    return {one for one in found if one.identifier}


def have_asked(
    bank: Bank,
    patients: Collection[PatientId],
    by: str,
    organization: str,
    then: tuple[str, Mapping[str, Any]] | None = None,
    *,
    are_all: bool = False,
) -> bool:
    """Have every archive asked that has not answered of these persons lately; whether one is asked.

    `then` is a job that is enqueued once one has answered. `patients` are records of theirs, or `are_all` by which they
    are known (`identifiers`).
    """
    archives = listed(bank)
    due = [
        (archive, patient)
        for patient in sorted(patients if are_all else identifiers(bank, patients), key=str)
        for archive in archives.values()
        if archive.issuer == patient.issuer and not _is_fresh(bank, archive, patient)
    ]
    if due:
        with bank.index.begin() as tx:
            for archive, patient in due:
                about = {"archive": archive.name, "issuer": patient.issuer, "patient": patient.identifier}
                payload = about | {"by": by, "organization": organization, "then": then}
                tx.defer(JOB, payload, bank.now(), key="\n".join((*about.values(), repr(then))))
    return bool(due)


def _is_fresh(bank: Bank, archive: Archive, patient: PatientId) -> bool:
    at = bank.index.elsewhere.asked_at(archive.name, patient)
    return at is not None and bank.now() - at < timedelta(minutes=archive.fresh_minutes)


def work(ways: Ways, bank: Bank, payload: Mapping[str, Any]) -> None:
    """What the job does. Raises Unavailable to be tried again."""
    archive = listed(bank).get(payload["archive"])
    if archive is None:
        return
    patient = PatientId(payload["issuer"], payload["patient"])
    if not _is_fresh(bank, archive, patient):
        _ask(ways, bank, archive, patient, Event(bank.now(), Act.SEARCHED, payload["by"], payload["organization"]))
    if payload["then"] is not None:
        kind, following = payload["then"]
        with bank.index.begin() as tx:
            tx.defer(kind, following, bank.now(), key=f"asked\n{following}")


def _ask(ways: Ways, bank: Bank, archive: Archive, patient: PatientId, asked: Event) -> None:
    line = awake(bank, archive)
    asked = replace(asked, patient=patient)
    words = f"archive {archive.name}: asked what it holds"
    try:
        answers = ways[archive.way].studies(bank, archive, patient)
    except BankError as error:
        failed(bank, line, error, [replace(asked, detail=f"{words}: no answer", count=0)])
        raise Unavailable("{archive}: {reason}", archive=archive.name, reason=error) from error
    held = {one.study: one for one in _believed(archive, patient, answers, asked)}
    strange = len(answers) - len(held)
    refused = f"{strange} answers were not about who was asked for, or named no study" if strange else ""
    with bank.index.begin() as tx:
        tx.elsewhere.answered(archive.name, patient, held.values(), asked.at)
        tx.elsewhere.put_line(Line(archive.name, reason=refused, answered_at=asked.at))
        tx.record([replace(asked, detail="; ".join(filter(None, (words, refused))), count=len(held))])


def awake(bank: Bank, archive: Archive) -> Line:
    """How an archive answers. Raises Unavailable while it rests."""
    line = next((one for one in bank.index.elsewhere.lines() if one.archive == archive.name), Line(archive.name))
    if line.rests_until is not None and bank.now() < line.rests_until:
        until = line.rests_until.strftime("%H:%M:%S UTC")
        raise Unavailable(
            "{archive} did not answer {failures} times in a row, and is not asked before {until}",
            archive=archive.name,
            failures=line.failures,
            until=until,
        )
    return line


def failed(bank: Bank, line: Line, error: BankError, events: Collection[Event]) -> None:
    """Note that an archive did not answer; from the third time on it rests."""
    now, failures = bank.now(), line.failures + 1
    rest = min(_REST * 2 ** min(failures - AFTER_FAILURES, 16), _LONGEST_REST) if failures >= AFTER_FAILURES else None
    with bank.index.begin() as tx:
        tx.elsewhere.put_line(
            replace(
                line,
                failures=failures,
                since=line.since or now,
                rests_until=None if rest is None else now + rest,
                reason=str(error)[:_LONGEST],
            )
        )
        tx.record(events)


def _believed(archive: Archive, patient: PatientId, answers: Collection[DataSet], asked: Event) -> Iterator[Elsewhere]:
    """Answers that name a study of the very patient that was asked for, each study once."""
    for one in answers:
        is_theirs = _text(one, "00100020") == patient.identifier and archive.is_issuer(_text(one, "00100021"))
        try:
            study = Uid.parse(_text(one, "0020000D"))
        except Invalid:
            continue
        if is_theirs:
            yield _elsewhere(archive, patient, study, one, asked)


def _elsewhere(archive: Archive, patient: PatientId, study: Uid, said: DataSet, asked: Event) -> Elsewhere:
    date, objects = _text(said, "00080020"), _text(said, "00201208")
    return Elsewhere(
        archive.name,
        patient,
        study,
        archive.organization,
        asked.at,
        date if day_of(date) is not None else "",
        _text(said, "00080030")[:_LONGEST_CODE],
        _text(said, "00081030")[:_LONGEST],
        _text(said, "00080050")[:_LONGEST_CODE],
        tuple(one for one in _texts(said, "00080061") if one.isalnum() and len(one) <= _LONGEST_CODE),
        int(objects) if objects.isascii() and objects.isdigit() and len(objects) < 10 else 0,
    )


def _text(said: DataSet, key: str) -> str:
    return next(iter(_texts(said, key)), "")


def _texts(said: Mapping[str, Any], key: str) -> list[str]:
    match said.get(key):
        case {"Value": [*values]}:
            return [str(one).strip() for one in values if isinstance(one, str | int)]
    return []


def sweep(bank: Bank) -> None:
    """Forget what was answered long ago."""
    with bank.index.begin() as tx:
        tx.elsewhere.forget(bank.now() - _KEPT)
