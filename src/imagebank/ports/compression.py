"""Which objects are kept compressed."""

from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.compression import Saved
from imagebank.model.imaging import Instance, Location


class CompressionReader(Protocol):
    def after(self, number: int, limit: int, scope: Scope) -> list[tuple[int, Instance]]:
        """Instances by the numbers of their rows, those above one: the order in which they came."""
        ...

    def saved(self) -> Saved:
        """What is kept compressed, in all."""
        ...


class CompressionWriter(Protocol):
    def move(self, instance: Instance, location: Location, sealed_by: bytes | None) -> bool:
        """Let an instance's row lead to another record of the same bytes; whether it still led where it had led."""
        ...
