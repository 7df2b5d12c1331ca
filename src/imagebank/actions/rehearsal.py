"""A first deposit that never was: its statements are written and asked, and nothing of it stays.

What takes long in the first deposit of a process is to write its SQL, a hundred times as long as to carry it out.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NoReturn, cast

from imagebank.actions.commit import GroupCommit
from imagebank.errors import Unavailable
from imagebank.model.access import Scope
from imagebank.model.imaging import Description, Digest, Kept, Location, Source
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports import Blobs, Clock, Index

_UID = Uid("2.25.0")
_SEGMENT = "0" * 32


class _NoDisk:
    """Never has the bytes, so that the rows are taken back."""

    def begin_sync(self, locations: Sequence[Location]) -> Callable[[], NoReturn]:  # noqa: ARG002 - a port's name
        def fail() -> NoReturn:
            raise Unavailable("a rehearsal is never kept")

        return fail


def deposit(index: Index, now: Clock) -> None:
    """Enter an instance and take it back. Where the database does not answer, nothing is rehearsed."""
    header = Description(_UID, _UID, _UID, _UID, _UID, PatientId("", ""), ({}, {}, {}, {}), {}, 0, None)
    source = Source("stow", "", "")
    digest = Digest("blake3", bytes(32))
    kept = Kept(header, Location(_SEGMENT, 0, 0, 0), digest, digest, source, now(), sees=Scope.of(""))
    with suppress(Unavailable):
        GroupCommit(cast("Blobs", _NoDisk()), index, now).commit([kept])
