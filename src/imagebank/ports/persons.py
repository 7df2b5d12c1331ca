"""What the bank needs to keep of patient records and the persons that they are linked to."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.identity import Decision, Identity, Likeness, Linked
from imagebank.model.identity_weights import Census
from imagebank.model.person import PatientId


class PersonsReader(Protocol):
    """Reads for somebody. A record is shown where one of its studies is; one without any, where the scope has no bounds."""

    def identity(self, patient: PatientId, scope: Scope) -> Linked | None: ...

    def record_named(self, own: str, scope: Scope) -> Linked | None:
        """The record that makes this person while it is linked to none."""
        ...

    def identities(self, scope: Scope, limit: int, after: PatientId | None = None) -> list[Linked]:
        """Records by issuer and identifier, behind the one that the page before ended with."""
        ...

    def person(self, person: str, scope: Scope) -> list[Linked]:
        """A person's records, as far as the scope shows them."""
        ...

    def queue(self, scope: Scope, limit: int) -> list[Likeness]:
        """Pairs that somebody has to look at, the likest first; only pairs of which the scope shows both."""
        ...

    def like(self, keys: Iterable[str], organization: str, limit: int, scope: Scope) -> list[Linked]:
        """Records that an organization gave which have one of these keys; a key that more than `limit` have tells nothing.

        Those are shown, too, of whom there is no study yet; not those all of whose studies the scope hides.
        """
        ...

    def called(self, text: str, organization: str, limit: int, scope: Scope) -> list[Linked]:
        """Records that an organization gave, as `like` shows them: with this identifier, or names that begin so."""
        ...

    def census(self, names: Iterable[str], scope: Scope) -> Census:
        """How common names are here. Whoever is counted, a scope does not narrow it: scores are the same for everybody."""
        ...

    def decisions(
        self, scope: Scope, limit: int, patient: PatientId | None = None, identifier: str = ""
    ) -> list[Decision]:
        """Decisions, the newest first; only those of which the scope shows every record that they name.

        Of what they moved, what the scope shows.
        """
        ...


class PersonsWriter(Protocol):
    """Changes within one transaction, and what has to be known for them. It shows nobody anything."""

    def lock(self) -> None:
        """Let one transaction at a time link records, until it ends."""
        ...

    def record(self, patient: PatientId) -> Linked | None: ...

    def put_identity(self, identity: Identity, keys: Iterable[str]) -> None:
        """Add a record, or what was heard of it last. To whom it is linked stays."""
        ...

    def candidates(self, keys: Iterable[str], limit: int) -> list[Linked]:
        """Records that have one of these keys; a key that more than `limit` records have tells nothing."""
        ...

    def census(self, names: Iterable[str]) -> Census: ...

    def of_person(self, person: str) -> list[Linked]: ...

    def groups(self, patients: Iterable[PatientId]) -> dict[PatientId, list[PatientId]]:
        """For each of these records that is known, those of the person that it belongs to, itself among them."""
        ...

    def decisions_about(self, patients: Iterable[PatientId]) -> list[Decision]:
        """Every decision that names or moved one of these."""
        ...

    def put_decision(self, decision: Decision) -> None:
        """Append a decision. One that is there already is left as it is."""
        ...

    def last_decided_at(self) -> datetime | None: ...

    def move(self, patient: PatientId, person: str) -> None: ...

    def ask(self, likenesses: Sequence[Likeness], at: datetime) -> None:
        """Put pairs into the queue, or change what it says of them there."""
        ...

    def question(self, first: PatientId, second: PatientId) -> Likeness | None:
        """What the queue says of a pair, whichever comes first."""
        ...

    def withdraw(self, patient: PatientId, other: PatientId | None = None) -> None:
        """Take a pair, or all of a record's, out of the queue."""
        ...

    def settle(self, person: str) -> None:
        """Take the pairs out of the queue that are one person's."""
        ...

    def forget(self, patient: PatientId) -> None:
        """Delete what was heard of a record. In decisions somebody stands in its place of whom nothing is known."""
        ...
