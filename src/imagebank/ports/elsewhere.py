"""What the bank needs to keep of other archives: what they have said, how they answer, what is fetched."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.elsewhere import Elsewhere, Line, Recall
from imagebank.model.person import PatientId
from imagebank.model.transfer import State
from imagebank.model.uid import Uid


class ElsewhereReader(Protocol):
    """Reads of what other archives hold. Who may know of a study there is judged as if it were here."""

    def held(self, patients: Collection[PatientId], scope: Scope) -> list[Elsewhere]:
        """What archives have said they hold of these, as far as the scope would show it, the newest first.

        Of a part of the body an archive says nothing: what permits one permits none of it, what denies one denies all.
        """
        ...

    def one(self, archive: str, study: Uid, scope: Scope) -> Elsewhere | None:
        """One of them, by the archive and the study."""
        ...

    def asked_at(self, archive: str, patient: PatientId) -> datetime | None:
        """When an archive has answered of a patient; for the bank's own jobs."""
        ...

    def lines(self) -> Sequence[Line]:
        """How each archive that was ever asked answers; nothing of a patient."""
        ...

    def recall(self, archive: str, study: Uid) -> Recall | None: ...

    def recalls(self, by: str, limit: int) -> list[Recall]:
        """What was fetched, the newest first; by one name, or by all where it is empty."""
        ...


class ElsewhereWriter(Protocol):
    """Changes within one transaction."""

    def answered(self, archive: str, patient: PatientId, studies: Collection[Elsewhere], at: datetime) -> None:
        """Keep what an archive has said of a patient in place of what it said before."""
        ...

    def put_line(self, line: Line) -> None: ...

    def put(self, recall: Recall) -> None:
        """A study is to be fetched, in place of what was known of fetching it before."""
        ...

    def progress(self, archive: str, study: Uid, total: int, kept: int, reason: str) -> None:
        """How far it is, unless it has ended."""
        ...

    def settle(self, archive: str, study: Uid, state: State, reason: str, at: datetime) -> bool:
        """The end; False when it has ended before."""
        ...

    def forget(self, before: datetime) -> None:
        """Forget answers that are older than that, and what was fetched before."""
        ...

    def forget_patient(self, patient: PatientId) -> None: ...
