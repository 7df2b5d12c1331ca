"""What the bank needs to keep of alerts about exams that may be repeats."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.alert import Alert, Answer
from imagebank.model.person import PatientId


class AlertReader(Protocol):
    """Reads alerts for somebody: one is there where the study is that it names."""

    def alert(self, identifier: str, scope: Scope) -> Alert | None:
        """One alert, also of a rule on trial."""
        ...

    def alerts(self, identifiers: Collection[str], organization: str, scope: Scope) -> list[Alert]:
        """Alerts by their identifiers, of one organization, or of all where none is named."""
        ...

    def of_patients(self, patients: Collection[PatientId], organization: str, scope: Scope, limit: int) -> list[Alert]:
        """Alerts about some records that somebody was told of, the newest first; of one organization, or of all."""
        ...

    def of_order(self, organization: str, numbers: Collection[str], scope: Scope) -> list[Alert]:
        """Alerts about one order by any of its numbers, the newest first, also of rules on trial."""
        ...

    def of_task(self, task: str, scope: Scope) -> Alert | None:
        """The alert of which a task of the queue tells."""
        ...

    def between(self, since: datetime, until: datetime, scope: Scope) -> Sequence[Alert]:
        """Alerts of a time, `until` not included, also of rules on trial, in their order."""
        ...

    def like(self, alert: Alert, since: datetime, scope: Scope) -> Alert | None:
        """The newest alert since then that says the same to the same user of the same order, and that nobody has answered."""
        ...

    def by_another_way(self, alert: Alert, since: datetime, scope: Scope) -> list[Alert]:
        """Alerts since then that tell of the same study, for an order of the same parts and side, asked in another way by anybody.

        The newest first, whatever was done about them.
        """
        ...


class AlertWriter(Protocol):
    """Changes within one transaction."""

    def put(self, alert: Alert) -> None:
        """A new alert; or a known one as it was kept among the objects."""
        ...

    def name_task(self, identifier: str, task: str) -> None:
        """Say which task of the queue tells of an alert."""
        ...

    def answer(self, identifier: str, answer: Answer) -> bool:
        """Note what somebody did, or with SHOWN that nobody has done anything yet; what is older than what is known changes nothing, nor does what is known. False then."""
        ...

    def forget(self, patients: Sequence[PatientId]) -> list[Alert]:
        """Forget whose alerts they are, when nothing may be known of somebody any more; what is left of them, to be counted."""
        ...
