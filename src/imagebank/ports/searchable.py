"""What has to be kept of attributes that a site makes searchable (`model.declared`)."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.attribute import Attribute, Catalogue
from imagebank.model.declared import Declared
from imagebank.model.imaging import DataSet, Instance


@dataclass(frozen=True, slots=True)
class Read:
    """What one object says of declared attributes, by level: elements, and the forms in which they are compared.

    `tells_of_patient` says that it is of the patient of its study.
    """

    instance: Instance
    levels: tuple[DataSet, DataSet, DataSet, DataSet]
    forms: tuple[dict[str, tuple[str, ...]], ...]
    tells_of_patient: bool


class SearchableReader(Protocol):
    """Which attributes are searchable. What is declared says nothing of any image."""

    def catalogue(self) -> Catalogue:
        """All attributes that can be matched, as any process left them a second ago at most."""
        ...

    def declared(self) -> list[Declared]:
        """The site's own, in the order in which they were declared."""
        ...

    def unread(self, after: int, upto: int, limit: int, scope: Scope) -> list[tuple[int, Instance]]:
        """Objects by the numbers of their rows: those above one, up to another unless that is 0."""
        ...


class SearchableWriter(Protocol):
    """Changes of what is searchable, within one transaction."""

    def put(self, attribute: Attribute, written: str, by: str, at: datetime) -> bool:
        """Make an attribute searchable; False when it is already, as it is given.

        Raises Conflict when it is in another way, or what a former one left is being forgotten still.
        """
        ...

    def leave(self, key: str) -> bool:
        """Let an attribute be searchable no more, so that `forget` takes out its values; False when it was not."""
        ...

    def fill(self, keys: Collection[str], read: Sequence[Read]) -> None:
        """Enter what objects say of these attributes; those that are gone meanwhile are passed over."""
        ...

    def advance(self, keys: Collection[str], last: int, number: int) -> None:
        """Say that `number` more objects have been read for these attributes, up to the row `last`."""
        ...

    def finish(self, keys: Collection[str]) -> None:
        """Say that everything has been read for these attributes."""
        ...

    def forget(self, key: str) -> bool:
        """Take out some of the values of an attribute that was left; False, and the last of it, when none is there."""
        ...

    def version(self) -> int:
        """The version of the catalogue that is in force."""
        ...
