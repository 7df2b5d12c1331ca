"""Names of segments, each kept once and referred to by number."""

from sqlalchemy import Connection, select

from imagebank.model.imaging import Location
from imagebank.storage import tables
from imagebank.storage.database import insert_new


class Segments:
    """The numbers that one write transaction needs. New ones are shared only after its commit (`publish`)."""

    def __init__(self, connection: Connection, known: dict[str, int]) -> None:
        self._connection = connection
        self._known = known
        self._new: dict[str, int] = {}

    def number(self, name: str) -> int:
        number = self._known.get(name) or self._new.get(name)
        if number is None:
            number = self._new[name] = self._ask(name)
        return number

    def columns(self, location: Location) -> dict[str, int]:
        """A location as it stands in a row."""
        return {
            "segment_id": self.number(location.segment),
            "segment_offset": location.offset,
            "length": location.length,
            "size": location.size,
        }

    def _ask(self, name: str) -> int:
        wanted = select(tables.segment.c.id).where(tables.segment.c.name == name)
        number: int | None = self._connection.scalar(wanted)
        if number is None:
            insert_new(self._connection, tables.segment, {"name": name})
            number = self._connection.scalars(wanted).one()
        return number

    def forget(self) -> None:
        """After a partial rollback: what was new may be gone."""
        self._new.clear()

    def publish(self) -> None:
        self._known.update(self._new)
