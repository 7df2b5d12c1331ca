"""What the bank needs to keep of the radiation that exams took (`model.dose`)."""

from collections.abc import Collection, Sequence
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.dose import Kept, Reading
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid


class DoseReader(Protocol):
    """Reads what studies say, as far as the scope shows each.

    What a dose report says is told to who may see reports, and under delays while nothing of its study waits.
    """

    def of_studies(self, studies: Collection[Uid], scope: Scope) -> list[Kept]:
        """What these studies say; nothing of those whose headers nobody has looked at yet."""
        ...

    def of_patients(self, patients: Collection[PatientId], scope: Scope) -> list[Kept]:
        """The same of every study of some records."""
        ...

    def unread(self, limit: int, scope: Scope, after: str = "") -> list[Uid]:
        """Studies whose headers nobody has looked at, or an older edition, by UID; those after one."""
        ...


class DoseWriter(Protocol):
    """Changes to it, within one transaction. What is taken out of the archive goes by itself."""

    def put(self, study: Uid, readings: Sequence[Reading]) -> None:
        """Write what a study says in the place of what was; nothing when the study is gone."""
        ...
