"""Objects: bytes that never change, each sealed under a data key of its own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Protocol

from imagebank.model.compression import Coding, Compressed
from imagebank.model.imaging import Location
from imagebank.model.key import AccountKey


@dataclass(frozen=True, slots=True)
class Record:
    """One record as a walk over the objects meets it.

    `note` is None when the record's key was destroyed or the record is torn; `fault` says so in words. `is_gone`
    tells what nobody misses, destroyed or never finished, from what may have been acknowledged. `wrapped_by` names the
    key that wraps the data key of a record with a note.
    """

    location: Location
    note: bytes | None
    fault: str = ""
    is_gone: bool = False
    wrapped_by: bytes = field(default=b"", compare=False)


class Blobs(Protocol):
    """Bytes that never change, each sealed under a data key of its own. A reader sees all of a record or none of it."""

    def write(self, content: IO[bytes], size: int, note: bytes, key: AccountKey | None = None) -> Location:
        """Place `size` bytes from `content`, with a sealed note beside them. Not durable before `sync` returns.

        The data key is wrapped by `key`, or without one by the root key.

        Raises OutOfSpace when there is no room, Unavailable when the store does not answer.
        """
        ...

    def sync(self, locations: Sequence[Location]) -> None:
        """Make written records durable, all of them or none acknowledged. Raises OutOfSpace, Unavailable."""
        ...

    def begin_sync(self, locations: Sequence[Location]) -> Callable[[], None]:
        """Begin to make written records durable. What is given back waits until they are, and raises as `sync` does.

        A store that is slow to answer does all of it before this returns.
        """
        ...

    def read(self, location: Location, start: int = 0, end: int | None = None) -> bytes:
        """Content bytes from `start` up to `end`, authenticated. Raises NotFound when destroyed, Invalid when damaged.

        Raises Unreadable, as every reader does, when the store answers and cannot give what lies there.
        """
        ...

    def stream(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The same in pieces of at most 1 MiB, with little memory."""
        ...

    def from_store(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The same as what is to be proven is asked for: of the store itself, where a node has copies beside it."""
        ...

    def expect(self, locations: Sequence[Location]) -> None:
        """Be told what is read soon, in this order: a store that is slow to answer begins with it. Raises nothing."""
        ...

    def note(self, location: Location) -> bytes:
        """The note that was sealed beside the content."""
        ...

    def destroy(self, locations: Sequence[Location]) -> None:
        """Destroy the data keys, durably: the contents are noise from now on and no walk revives them.

        What is gone already, or too damaged to be known, is passed over: one record never keeps the others.
        """
        ...

    def records(self) -> Iterator[Record]:
        """Every record of every segment in the order of writing, torn and destroyed ones included."""
        ...

    def wrapped_by(self, location: Location) -> bytes:
        """The name of the key that wraps this record's data key. Raises NotFound when destroyed, Invalid when damaged."""
        ...

    def secret(self, location: Location, use: bytes) -> bytes:
        """32 bytes that nobody can tell without this record's data key, others for each use; the same at each asking.

        Raises as `read` does: with the record's key they are gone.
        """
        ...

    def keep_key(self, note: bytes) -> Location:
        """Keep what tells an account's key, apart from the objects; it is durable when this returns."""
        ...

    def kept_keys(self) -> Iterator[Record]:
        """Every record that `keep_key` made, in the order of writing, destroyed ones included."""
        ...

    def keep_checkpoint(self, note: bytes, key: AccountKey) -> None:
        """Keep a checkpoint of the ledger, apart from the objects; it is durable when this returns."""
        ...

    def kept_checkpoints(self) -> Iterator[Record]:
        """What `keep_checkpoint` made, in the order of writing: the newest 64 at least. Nothing destroys them.

        One that cannot be read has no note.
        """
        ...

    def destroy_keys(self, names: Sequence[bytes], locations: Sequence[Location]) -> None:
        """Destroy account keys, durably: their own records, and by name every record whose data key they wrapped.

        Those count as destroyed in every walk from now on, also when an older copy of the key's record comes back.
        """
        ...

    def renew_tombstones(self) -> None:
        """Write what was destroyed anew under the current root key, and let go of how it was written before."""
        ...

    def destroyed_keys(self) -> set[bytes]:
        """Names of what was destroyed, those of account keys among them."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


class Objects(Blobs, Protocol):
    """Blobs of which some are kept compressed. Who reads them need not know: the bytes are the same."""

    def is_compressed(self, location: Location) -> bool:
        """Whether what lies there is kept compressed; nothing is read for that."""
        ...

    def write_compressed(self, content: Compressed, note: bytes, key: AccountKey | None = None) -> Location:
        """The same of an object in parts that take less room. The location's size is the object's, and so is every
        range that is read of it. Raises as `write` does.
        """
        ...

    def coding(self, location: Location, start: int, end: int) -> Coding | None:
        """How a range of a compressed object is kept, where it is exactly one part of it; None for any other.

        Raises as `read` does.
        """
        ...

    def coded(self, location: Location, start: int, end: int) -> bytes:
        """A part of a compressed object, for which there is a `coding`, as it is kept. Raises as `read` does."""
        ...
