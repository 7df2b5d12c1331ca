"""What the bank needs to keep of cards."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.card import Card, Withdrawal
from imagebank.model.person import PatientId
from imagebank.ports.health_links import HealthLinkReader, HealthLinkWriter


class CardReader(HealthLinkReader, Protocol):
    """Reads about cards. They are their owners': under a scope that has bounds there are none."""

    def card(self, identifier: str, scope: Scope) -> Card | None: ...

    def cards(self, scope: Scope, patients: Collection[PatientId] | None = None) -> list[Card]:
        """Cards that were made for these records, or all; the newest first."""
        ...

    def withdrawals(self, card: str, scope: Scope) -> list[Withdrawal]:
        """What a card was used for, the newest first."""
        ...


class CardWriter(HealthLinkWriter, Protocol):
    """Changes about cards, within one transaction."""

    def put(self, card: Card) -> None:
        """A new card."""
        ...

    def hold(self, identifier: str) -> Card | None:
        """A card as it is, which nobody else changes until the transaction ends."""
        ...

    def find(self, number: bytes) -> Card | None:
        """The card with this keyed hash, whatever has become of it."""
        ...

    def change(self, identifier: str, **changes: str | int | datetime | None) -> None:
        """Change what is named of a card, and nothing else."""
        ...

    def count_try(self, number: bytes, now: datetime) -> Card | None:
        """Take one of the tries of the card with this keyed hash; None where there is none that works with a try left.

        It is one conditional statement: of tries at once no more than are left get a card.
        """
        ...

    def give_back_try(self, identifier: str) -> None:
        """The PIN was right."""
        ...

    def spend(self, identifier: str, now: datetime) -> int:
        """Spend a use; which one it is, counted from 1, or 0 where the card works no more. One conditional statement."""
        ...

    def put_withdrawal(self, withdrawal: Withdrawal) -> None: ...

    def forget(self, patients: Sequence[PatientId]) -> None:
        """Forget the cards of records, with their withdrawals."""
        ...
