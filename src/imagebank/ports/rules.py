"""What the bank needs to keep of its site's rules."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.imaging import Instance
from imagebank.model.rules import Version
from imagebank.model.uid import Uid


class RulesReader(Protocol):
    """Reads of versions, which name nobody, and of what is kept, which take the caller's scope."""

    def newest(self) -> int:
        """The number of the version in force; 0 where there never was one. Asked every second."""
        ...

    def version(self, number: int | None = None) -> Version | None:
        """The version of this number, or the one in force."""
        ...

    def versions(self, limit: int) -> list[Version]:
        """Versions with their texts, the newest first."""
        ...

    def deposited(self, scope: Scope, limit: int, before: int | None = None) -> list[tuple[int, Instance]]:
        """Instances with their places in the order of coming, the newest first, and before a place if one is given."""
        ...

    def routed(self, device: str, study: Uid) -> list[Uid]:
        """Which instances of a study wait to be sent to a device."""
        ...


class RulesWriter(Protocol):
    """Changes within one transaction."""

    def lock(self) -> None:
        """Let one transaction at a time switch rules on, until it ends."""
        ...

    def newest(self) -> Version | None:
        """The version in force, as of this transaction."""
        ...

    def put_version(self, version: Version) -> None:
        """Add a version. One whose number is there already is left as it is."""
        ...

    def route(self, device: str, study: Uid, instances: Iterable[Uid]) -> None:
        """Note that instances are to be sent to a device."""
        ...

    def routed(self, device: str, study: Uid, instances: Sequence[Uid]) -> None:
        """Note that they were."""
        ...
