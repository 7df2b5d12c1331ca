"""Rebuilding the index from the objects alone."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from imagebank.actions import (
    attributes,
    completeness,
    enclosed,
    expecting,
    filing,
    finding,
    notes,
    persons,
    pixels,
    remove,
    shred,
)
from imagebank.actions.audit import unbounded
from imagebank.actions.notes import original_of
from imagebank.actions.scrub import Place, Progress, in_silence, place_of, where
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Scope
from imagebank.model.alert import Alert
from imagebank.model.correction import Correction
from imagebank.model.expectation import Expectation
from imagebank.model.identity import Decision, Identity
from imagebank.model.imaging import Location
from imagebank.model.message import Told as Fate
from imagebank.model.note import REMOVED, Amendment, Enclosure, MessageKey, Note, Wanted
from imagebank.model.person import PatientId
from imagebank.model.picture import Verdict
from imagebank.model.provision import Provision
from imagebank.model.report import Which
from imagebank.model.rules import Version
from imagebank.model.task import Mark, Task
from imagebank.model.uid import Uid
from imagebank.ports import Job, Transaction

_BATCH = 200
_FIRST: Mapping[str, Callable[[Bank, dict[str, Any]], None]] = {
    "destroy": remove.destroy_job,
    "amend": notes.amend_job,
    "shred": shred.shred_job,
}
"""Jobs without which the objects do not tell yet what was decided about them."""
_LEASE_S = 600.0
_PUT_OFF = timedelta(hours=1)
"""The longest that the worker puts a job off."""


@dataclass(slots=True)
class Rebuilt:
    """What came of a reindex: how many objects were entered, and which cannot be read: they lie in quarantine, where
    it could be read how they came, and are never swept. `messages` are the numbers of those that came back and are to
    be done anew, in the order in which they came.
    """

    objects: int = 0
    unreadable: list[str] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Told:
    """What the records say: how each object came, what was deleted when, and what was laid aside and why."""

    objects: list[tuple[Note, Location]] = field(default_factory=list)
    originals: list[tuple[Note, Location]] = field(default_factory=list)
    removed: dict[str, datetime] = field(default_factory=dict)
    enclosures: list[tuple[Enclosure, Location]] = field(default_factory=list)
    fates: dict[MessageKey, tuple[datetime, Fate]] = field(default_factory=dict)
    aside: dict[Place, str] = field(default_factory=dict)
    joined: set[Place] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)
    provisions: dict[str, tuple[datetime, Provision]] = field(default_factory=dict)
    labels: dict[tuple[str, str], tuple[datetime, bool]] = field(default_factory=dict)
    identities: dict[PatientId, tuple[datetime, Identity]] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    expectations: dict[tuple[str, str, str, str], Expectation] = field(default_factory=dict)
    pictures: dict[tuple[str, str], Verdict] = field(default_factory=dict)
    rules: dict[int, Version] = field(default_factory=dict)
    corrections: dict[str, Correction] = field(default_factory=dict)
    versions: set[Place] = field(default_factory=set)
    attributes: dict[str, tuple[datetime, Wanted, bool]] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    marks: dict[str, tuple[datetime, Mark]] = field(default_factory=dict)
    released: set[Which] = field(default_factory=set)
    alerts: dict[str, tuple[datetime, Alert]] = field(default_factory=dict)

    def hear(self, amendment: Amendment) -> None:
        at = amendment.at
        for one in amendment.provisions:
            # An equal moment is that of the same word again, or of what followed at once.
            if one.id not in self.provisions or self.provisions[one.id][0] <= at:
                self.provisions[one.id] = at, one
        for study, label, is_on in amendment.labels:
            if (study, label) not in self.labels or self.labels[study, label][0] <= at:
                self.labels[study, label] = at, is_on
        for record in amendment.identities:
            if record.patient not in self.identities or self.identities[record.patient][0] <= at:
                self.identities[record.patient] = at, record
        self.decisions |= {one.id: one for one in amendment.decisions}
        self.rules |= {one.number: one for one in amendment.rules}
        for key, fate in amendment.told:
            if key not in self.fates or self.fates[key][0] <= at:
                self.fates[key] = at, fate
        self._expect(amendment.expectations)
        self._settle(amendment.pictures)
        self.corrections |= {one.id: one for one in amendment.corrections}
        self.versions |= {place_of(location) for location in amendment.versions}
        self._declare(amendment)
        self.tasks |= {one.id: one for one in amendment.tasks}
        self._mark(at, amendment.marks)
        self.released |= {*amendment.released}
        self._warn(at, amendment.alerts)
        for uid in amendment.removed:
            self.removed[uid] = max(amendment.at, self.removed.get(uid, amendment.at))
        self.aside |= {place_of(location): reason for location, reason in amendment.aside}
        self.joined |= {place_of(location) for location in amendment.joined}

    def _declare(self, amendment: Amendment) -> None:
        for wanted, is_on in amendment.attributes:
            held = self.attributes.get(wanted.written)
            if held is None or held[0] <= amendment.at:
                self.attributes[wanted.written] = amendment.at, wanted, is_on

    def _mark(self, at: datetime, marks: Sequence[Mark]) -> None:
        for mark in marks:
            if mark.task not in self.marks or self.marks[mark.task][0] <= at:
                self.marks[mark.task] = at, mark

    def _warn(self, at: datetime, alerts: Sequence[Alert]) -> None:
        for one in alerts:
            if one.id not in self.alerts or self.alerts[one.id][0] <= at:
                self.alerts[one.id] = at, one

    def _expect(self, words: Sequence[Expectation]) -> None:
        for word in words:
            key = (str(word.study), word.organization, str(word.origin), word.key)
            if key not in self.expectations or self.expectations[key].said_at <= word.said_at:
                self.expectations[key] = word

    def is_wanted(self, note: Note, location: Location) -> bool:
        """Whether a record is an object of the bank: not a new version that no correction ever put in its place."""
        return not note.correction or _decided_at(note, location) in self.versions

    def _settle(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in sorted((*self.pictures.values(), *verdicts), key=lambda one: one.at):
            self.pictures[verdict.first_study, verdict.second_study] = verdict

    def why_aside(self, note: Note, location: Location, uid: Uid) -> str:
        """Why an object belongs into quarantine; empty for one that belongs into the archive."""
        removed_at = self.removed.get(uid)
        is_left_over = removed_at is not None and note.received_at < removed_at
        return note.quarantine or self.aside.get(_decided_at(note, location)) or (REMOVED if is_left_over else "")


def _decided_at(note: Note, location: Location) -> Place:
    """The place by which decisions name a record: where its bytes lay before they were compressed."""
    return place_of(note.stands_for or location)


def reindex(bank: Bank, progress: Progress = in_silence) -> Rebuilt:
    """Empty the index of images and fill it again from the objects.

    Objects are entered in the order in which they were received, so that the rows come out as they were. Nothing is
    emptied before all records have been met once. What lies in quarantine keeps its number, where the old rows are there
    still to tell it.
    """
    bank.keys.restore()
    _settle(bank)
    aside_before = bank.index.quarantined(unbounded(bank, Scope.everything("reindex")))
    told = _listen(bank)
    rebuilt = Rebuilt(unreadable=told.unreadable)
    with bank.index.begin() as tx:
        tx.clear()
        # Before anything can be seen.
        _decide_again(tx, told)
        attributes.restore(tx, bank, [(wanted, is_on) for _, wanted, is_on in told.attributes.values()])
    _enter_all(bank, told, told.objects, rebuilt, progress)
    # What a server that was not stopped took in while the records were read has lost its rows, too.
    known = {place_of(location) for note, location in told.objects if told.is_wanted(note, location)}
    again = _listen(bank)
    _enter_all(bank, again, [pair for pair in again.objects if place_of(pair[1]) not in known], rebuilt, progress)
    _correct_again(bank, again)
    with bank.index.begin() as tx:
        _keep_originals(bank, tx, told.originals + again.originals)
        rebuilt.messages = enclosed.restore(
            bank, tx, again.enclosures, {key: one for key, (_, one) in again.fates.items()}
        )
        for one in again.released:
            tx.orders.release(one)
        tx.renumber(aside_before)
        tx.renew_versions(bank.now())
        tx.complete()
    # The worker goes on with that: it takes as long again, and nothing but the search waits for it.
    finding.catch_up(bank)
    completeness.catch_up(bank)
    pixels.catch_up(bank)
    with bank.index.begin() as tx:
        for study in {str(word.study) for word in told.expectations.values()}:
            expecting.judge_soon(bank, tx, study)
    return rebuilt


def _correct_again(bank: Bank, told: _Told) -> None:
    """Let corrected objects alone say what their studies are: the former versions were entered before them."""
    with bank.index.begin() as tx:
        studies = tx.corrections.restore(list(told.corrections.values()))
    for study in studies:
        remove.describe_again(bank, study)


def _keep_originals(bank: Bank, tx: Transaction, originals: Sequence[tuple[Note, Location]]) -> None:
    for note, location in sorted(originals, key=lambda pair: pair[0].received_at):
        with suppress(NotFound):  # deleted since its note was read
            tx.keep_original(original_of(note, location, bank.blobs.wrapped_by(location)))
            tx.proposals.put(Uid(note.made_into), note.proposals)


def _decide_again(tx: Transaction, told: _Told) -> None:
    for _, one in told.provisions.values():
        tx.put_provision(one)
    for (study, label), (_, is_on) in told.labels.items():
        if is_on:
            tx.put_label(Uid(study), label)
        else:
            tx.remove_label(Uid(study), label)
    for word in told.expectations.values():
        tx.expectations.put(word)
    for verdict in told.pictures.values():
        tx.pictures.settle(verdict)
    for version in told.rules.values():
        tx.rules.put_version(version)
    for _, alert in told.alerts.values():
        tx.alerts.put(alert)
    filing.restore(tx, told.tasks.values(), [mark for _, mark in told.marks.values()])
    persons.restore(tx, [record for _, record in told.identities.values()], list(told.decisions.values()))


def _settle(bank: Bank) -> None:
    """Do what deletions have left to be done, also what was put off: else a rebuild revives what is to be destroyed."""
    while job := _claimed(bank):
        _FIRST[job.kind](bank, job.payload)
        bank.jobs.finish(job)


def _claimed(bank: Bank) -> Job | None:
    return bank.jobs.claim(tuple(_FIRST), bank.now() + _PUT_OFF, _LEASE_S)


def _listen(bank: Bank) -> _Told:
    told = _Told()
    for record in bank.blobs.records():
        if record.note is None:
            if not record.is_gone:
                told.unreadable.append(f"{record.fault} ({where(place_of(record.location))})")
            continue
        note = notes.unpack(record.note)
        if isinstance(note, Amendment):
            told.hear(note)
        elif isinstance(note, Enclosure):
            told.enclosures.append((note, record.location))
        elif note.made_into:
            told.originals.append((note, record.location))
        else:
            told.objects.append((note, record.location))
    there = {place_of(location) for _, location in told.objects}
    # Of what is being compressed the original counts as long as it is there.
    told.objects = [
        (note, at)
        for note, at in told.objects
        if place_of(at) == _decided_at(note, at) or _decided_at(note, at) not in there
    ]
    return told


def _enter_all(
    bank: Bank, told: _Told, objects: Sequence[tuple[Note, Location]], rebuilt: Rebuilt, progress: Progress
) -> None:
    def place(pair: tuple[Note, Location]) -> tuple[bool, datetime, str, int]:
        note, location = pair
        # What joined a study of another organization comes when that is there.
        return _decided_at(note, location) in told.joined, note.received_at, location.segment, location.offset

    todo = iter(sorted((pair for pair in objects if told.is_wanted(*pair)), key=place))
    while batch := list(islice(todo, _BATCH)):
        _enter(bank, told, batch, rebuilt)
        progress(rebuilt.objects, len(objects))


def _enter(bank: Bank, told: _Told, batch: Sequence[tuple[Note, Location]], rebuilt: Rebuilt) -> None:
    kept = []
    with bank.index.begin() as tx:
        for note, location in batch:
            try:
                one = notes.kept_again(bank, note, location)
            except NotFound:
                continue  # deleted since its note was read
            except Invalid as error:
                if note.media_type:  # a file without DICOM, which was laid aside for that
                    sealed_by = bank.blobs.wrapped_by(location)
                    reason = note.quarantine
                    tx.quarantine(
                        reason, note.name, note.source, note.received_at, location, note.digest, "", sealed_by
                    )
                    continue
                rebuilt.unreadable.append(f"{note.name}: {error} ({where(place_of(location))})")
                # A row keeps it from the next sweep: somebody may know how to mend it.
                tx.quarantine(f"unreadable: {error}", note.name, note.source, note.received_at, location, note.digest)
                continue
            rebuilt.objects += 1
            uid = one.description.uid
            if reason := told.why_aside(note, location, uid):
                tx.quarantine(reason, one.name, one.source, one.received_at, location, one.digest, uid, one.sealed_by)
            else:
                # What somebody saw when it came cannot be told any more; that it was let in was written down.
                is_guest = _decided_at(note, location) in told.joined
                kept.append(
                    replace(one, is_guest=is_guest, sees=None if is_guest else Scope.of(note.source.organization))
                )
        tx.enter(kept)
