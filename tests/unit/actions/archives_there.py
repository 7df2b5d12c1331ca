"""Another archive as tests have it: what it says and gives is set, and how it fails."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bank import keep
from imagebank.actions import asking, prefetch_away, recalling
from imagebank.actions.arrival import Arrival
from imagebank.actions.other_archives import Archive, Way
from imagebank.actions.other_bank import Named
from imagebank.bank import Bank
from imagebank.errors import BankError
from imagebank.model.identity import Identity
from imagebank.model.imaging import DataSet, Source
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.worker import WORK, Work, step
from make import a_file

ADA, THERE = PatientId("local", "ADA"), PatientId("harbour", "H7")
ARCHIVE = "[[archive]]\nname = 'Harbour'\norganization = 'harbour'\nissuer = 'harbour'\nurl = 'https://h.example/web'\n"
ABOUT = {"StudyDescription": "CT HEAD", "BodyPartExamined": "", "Modality": "CT"}


def listed(folder: Path, text: str = ARCHIVE) -> Path:
    file = folder / "archives.toml"
    file.write_text(text, "utf-8")
    return file


def said(study: str, patient: str = "H7", **further: Any) -> DataSet:
    """What an archive says of a study."""
    texts = {"0020000D": study, "00100020": patient, "00080020": "20260101", "00081030": "CT HEAD", "00080061": "CT"}
    return {key: {"vr": "LO", "Value": [value]} for key, value in {**texts, **further}.items()}


def objects(study: str, patient: str = "H7", count: int = 3) -> dict[str, bytes]:
    uids = [f"{study}.1.{number}" for number in range(count)]
    about = {"PatientID": patient, "StudyInstanceUID": study, "SeriesInstanceUID": f"{study}.1", **ABOUT}
    return {uid: a_file(SOPInstanceUID=uid, StudyDate="20260101", **about) for uid in uids}


@dataclass
class There:
    """What it holds, and a bank that asks it, with a clock that is set."""

    bank: Bank
    answers: list[DataSet] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    named: Named | None = None
    error: BankError | None = None
    breaks_after: int = 1000
    asked: list[str] = field(default_factory=list)
    after: timedelta = timedelta()

    def __post_init__(self) -> None:
        now = self.bank.now
        self.bank = replace(self.bank, now=lambda: now() + self.after)

    def way(self) -> Way:
        return Way(self._studies, self._named, self._bring, batch=2)

    def work(self, **further: Work) -> None:
        """Do all that is due, once."""
        ways = {"url": self.way()}
        ours = {asking.JOB: lambda bank, payload: asking.work(ways, bank, payload)}
        fetch = {
            recalling.JOB: lambda bank, payload: recalling.work(ways, bank, payload),
            prefetch_away.JOB: lambda bank, payload: prefetch_away.fetch_job(ways, bank, payload),
        }
        while step(self.bank, {**WORK, **ours, **fetch, **further}):
            pass

    def _studies(self, _: Bank, archive: Archive, patient: PatientId) -> list[DataSet]:
        self.asked.append(f"{archive.name} {patient.identifier}")
        if self.error is not None:
            raise self.error
        return self.answers

    def _named(self, _: Bank, __: Archive, study: Uid) -> Named:
        if self.error is not None:
            raise self.error
        return {f"{study}.1": list(self.files)} if self.named is None else self.named

    def _bring(self, _: Bank, __: Archive, ___: Uid, named: Named, here: set[str]) -> Iterator[Arrival]:
        left = self.breaks_after
        for uid in (uid for of_it in named.values() for uid in of_it if uid not in here):
            if not left:
                assert self.error is not None
                raise self.error
            left -= 1
            file = self.files.get(uid)
            if file is not None:
                self.asked.append(uid)
                yield Arrival(io.BytesIO(file), len(file))


def known_as(bank: Bank, *records: PatientId, **about: Any) -> None:
    """These are one person's records."""
    with bank.index.begin() as tx:
        for one in records:
            tx.persons.put_identity(Identity(one, own=one.identifier, **about), [])
            tx.persons.move(one, "ada")


def ada_is_here(bank: Bank) -> None:
    """A CT of the head of today's, of a person whom the other archive knows, too."""
    about = {"PatientID": "ADA", "StudyInstanceUID": "1.1", "StudyDate": "20260115", **ABOUT}
    keep(bank, a_file(**about), source=Source("import", "tester", "local", "127.0.0.1"))
    known_as(bank, ADA, THERE)
