"""What the bank needs to tell of one person as a whole."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.delay import Delay
from imagebank.model.exam import Held, Said
from imagebank.model.imaging import DataSet, Found
from imagebank.model.person import PatientId
from imagebank.model.report import Report, Waiting
from imagebank.model.timeline import Place
from imagebank.model.uid import Uid
from imagebank.ports.outlines import OutlineReader


class HistoryReader(OutlineReader, Protocol):
    """Reads all of some patient records together, as far as the scope shows each study."""

    def patient_of(self, study: Uid, scope: Scope) -> PatientId | None:
        """Whose a study is, with an empty identifier where nobody knows; None when the scope shows no such study."""
        ...

    def place_of(self, study: Uid, scope: Scope) -> Place | None:
        """Where a study stands in the order of `series`; None when the scope shows no such study."""
        ...

    def series(
        self, patients: Collection[PatientId], scope: Scope, after: Place | None = None, most: int | None = None
    ) -> list[Found]:
        """Every series of these records with what is said of its study: the newest study first, then by number.

        Of `most` studies where that is said, and only of those behind `after`, whether that study is still there or not.
        """
        ...

    def exams(self, patients: Collection[PatientId], scope: Scope) -> list[Held]:
        """Every study of these records with what its headers say of the exam, the newest first."""
        ...

    def rows(self, studies: Collection[Uid], keys: frozenset[str], scope: Scope) -> list[tuple[Uid, DataSet]]:
        """Every series of these studies with those of its attributes, and of its study's, that are among `keys`.

        Those of one study stand together, in the order of their numbers.
        """
        ...

    def said(self, scope: Scope, before: int | None, most: int) -> list[tuple[int, PatientId, str, Said]]:
        """What headers say of so many studies, the last that came first, and before a place where one is given.

        With their places, whose they are, and the patient's name as the study has it.
        """
        ...

    def accessions(self, patients: Collection[PatientId], scope: Scope) -> list[tuple[Uid, str]]:
        """Every study of these records, with its accession number."""
        ...

    def reports(self, patients: Collection[PatientId], scope: Scope) -> list[tuple[Uid, Report]]:
        """Every version of every report of these records, newest first, with each study that it is about."""
        ...

    def waiting(
        self, patients: Collection[PatientId], delays: Sequence[Delay], at: datetime, scope: Scope
    ) -> list[Waiting]:
        """Reports and series of documents of these records that wait under these delays at a moment; the first ones first.

        Each once for each study in scope that it is about, also for whom the delays do not bind; none without reports.
        """
        ...
