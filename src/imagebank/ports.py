"""What the bank needs from outside, as small protocols. The docstring is the promise; a contract suite tests it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Protocol

from imagebank.model.access import Device, Scope, Session, Token
from imagebank.model.event import Event
from imagebank.model.imaging import Digest, Found, Instance, Kept, Location, Outcome, Quarantined, Selection, Source
from imagebank.model.key import AccountKey
from imagebank.model.ledger import Checkpoint, Head, Line, Sought
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.query import Query
from imagebank.model.uid import Uid
from imagebank.ports_of_people import PeopleReader, PeopleWriter


class Keys(Protocol):
    """Wraps data keys. A wrapped key names the key that wrapped it, so that keys can change."""

    def wrap(self, data_key: bytes, key: AccountKey | None = None) -> bytes:
        """The data key (32 bytes) sealed under an account's key, or without one under the current root key.

        56 bytes, of which the first 16 name the key.
        """
        ...

    def unwrap(self, sealed: bytes) -> bytes:
        """The data key again. Raises Unavailable when the wrapping key is not here, NotFound when destroyed."""
        ...


class KeyService(Protocol):
    """A key management service, given by a package with an entry point in the group `imagebank.keys`.

    The entry point is called without arguments and gives one. It is asked when a process starts, not for each object:
    the root key file then holds what it wrapped. Whatever it raises ends the start.
    """

    def wrap(self, key: bytes) -> bytes:
        """A root key of 32 bytes, sealed so that only the service can open it."""
        ...

    def unwrap(self, sealed: bytes) -> bytes:
        """The root key again."""
        ...


class AccountKeys(Protocol):
    """The keys of accounts. Each is kept, wrapped by the root key, in the database and among the objects."""

    def of(self, owner: PatientId) -> AccountKey:
        """The account's key, made durable when there was none. Raises OutOfSpace, Unavailable."""
        ...

    def names_of(self, owner: PatientId) -> list[bytes]:
        """The names of an account's keys; none of those that are destroyed."""
        ...

    def destroy(self, names: Sequence[bytes]) -> None:
        """Destroy keys durably, among the objects and everywhere; a repeat changes nothing."""
        ...

    def renew(self, limit: int) -> int:
        """Wrap up to `limit` keys anew that another than the current root key wraps; how many there were.

        At 0 nothing is left to do. It may run beside everything else, and be cut short at any moment.
        """
        ...

    def tidy(self) -> None:
        """Destroy records of keys among the objects to which no row refers any more, as a renewal leaves them."""
        ...

    def usage(self) -> tuple[str, dict[str, int]]:
        """The name of the current root key, and how many keys each root key wraps; names in hexadecimal."""
        ...

    def is_root(self, name: bytes) -> bool:
        """Whether a key of this name is a root key that is at hand."""
        ...

    def restore(self) -> None:
        """Let the database know every key that is kept among the objects, and which of them are destroyed."""
        ...


class Signer(Protocol):
    """Signs checkpoints of the ledger with Ed25519."""

    def public(self) -> bytes:
        """The public key, 32 bytes."""
        ...

    def sign(self, statement: bytes) -> bytes:
        """The signature, 64 bytes."""
        ...


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

    def read(self, location: Location, start: int = 0, end: int | None = None) -> bytes:
        """Content bytes from `start` up to `end`, authenticated. Raises NotFound when destroyed, Invalid when damaged."""
        ...

    def stream(self, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """The same in pieces of at most 1 MiB, with little memory."""
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

    def keep_key(self, note: bytes) -> Location:
        """Keep what tells an account's key, apart from the objects; it is durable when this returns."""
        ...

    def kept_keys(self) -> Iterator[Record]:
        """Every record that `keep_key` made, in the order of writing, destroyed ones included."""
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


class Jobs(Protocol):
    """Durable work to be done after a transaction. At least once: whoever does it must bear a repeat."""

    def claim(self, kinds: Sequence[str], now: datetime, lease_s: float) -> "Job | None":
        """Take the job that is due first, hidden from others until the lease ends."""
        ...

    def finish(self, job: "Job") -> None:
        """It is done; forget it."""
        ...

    def fail(self, job: "Job", reason: str, retry_at: datetime | None) -> None:
        """It did not work. Try again at `retry_at`, or lay it aside for good (None), kept with its reason."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of durable work. `payload` is JSON; `attempt` counts from 1."""

    id: int
    kind: str
    payload: dict[str, Any]
    attempt: int


@dataclass(frozen=True, slots=True)
class Entered:
    """What the index made of one kept instance.

    Where it contradicts what is held, the outcome is QUARANTINED, `quarantine` numbers the row and `reason` says why.
    `is_spare` says that the record just written is not referenced (an equal instance was there), so that its bytes
    can go.
    """

    outcome: Outcome
    warnings: tuple[str, ...] = ()
    quarantine: int | None = None
    reason: str = ""
    is_spare: bool = False


class Transaction(Protocol):
    """Changes that become durable together when the block ends without an error."""

    @property
    def people(self) -> PeopleWriter:
        """Changes about those who sign in."""
        ...

    def enter(self, kept: Sequence[Kept]) -> list[Entered]:
        """Add the rows of instances, their series, studies and patients, and keep every counter true."""
        ...

    def remove(self, selection: Selection, scope: Scope) -> list[Instance]:
        """Take instances out, with series and studies that become empty. Empty when nothing is in scope."""
        ...

    def close_account(self, owner: PatientId, names: Sequence[bytes]) -> None:
        """Forget these keys of an account, and what was decided for it: nothing can be entered under them any more."""
        ...

    def shred(self, names: Sequence[bytes]) -> list[Uid]:
        """Take out everything that keys of these names sealed, in quarantine too, and what was made from it.

        The studies that are still there and have attributes from what went (see `described_by`).
        """
        ...

    def described_by(self, removed: Sequence[Instance]) -> list[Uid]:
        """Studies that are still there and have attributes of their own or of a series from one of these instances."""
        ...

    def unfold(self, study: Uid) -> list[Instance]:
        """Forget the attributes of a study and its series, and take its instances out until they are entered again.

        They have to be entered in the same transaction; former versions stay.
        """
        ...

    def quarantine(
        self,
        reason: str,
        name: str,
        source: Source,
        at: datetime,
        location: Location,
        digest: Digest,
        uid: str = "",
        sealed_by: bytes | None = None,
    ) -> int:
        """Note an object that is kept but not in the archive; its number."""
        ...

    def release(self, number: int) -> None:
        """Forget a quarantine row; its record must be referenced elsewhere or be destroyed by the caller."""
        ...

    def renumber(self, before: Iterable[Quarantined]) -> None:
        """Give records that lie in quarantine the numbers that they had before a rebuild; others keep their own."""
        ...

    def record(self, events: Iterable[Event]) -> None:
        """Append to the ledger, linked to the lines before (`model.ledger`)."""
        ...

    def ends_of_lanes(self) -> Sequence[Head]:
        """Where the lanes of the ledger end that have grown since the last checkpoint."""
        ...

    def last_checkpoint(self) -> Checkpoint | None: ...

    def put_checkpoint(self, checkpoint: Checkpoint, *, waits_for_telling: bool = False) -> None:
        """Append a checkpoint. One with a number that is taken fails, and the transaction with it.

        Ends of lanes that have been quiet for a day are forgotten; when it `waits_for_telling`, only those that were
        told to their end.
        """
        ...

    def begin_telling(self, errand: str) -> None:
        """Make an errand that can be taken. When there was none, what is in the ledger counts as told."""
        ...

    def take_errand(self, name: str, holder: str, now: datetime, until: datetime) -> bool:
        """Take an errand, or keep it longer; False while somebody else has it."""
        ...

    def mark_told(self, ends: Mapping[str, int]) -> None:
        """Note up to which position each lane of the ledger was told outside. It never goes back."""
        ...

    def put_provision(self, provision: Provision) -> None:
        """Write a consent, grant, care relationship or emergency, or change it; in force with the next read."""
        ...

    def revoke_provision(self, identifier: str, at: datetime) -> bool:
        """End one; whether it had held until then."""
        ...

    def review_emergency(self, identifier: str, by: str, words: str) -> bool:
        """Note what somebody made of an emergency; whether nobody had before."""
        ...

    def put_label(self, study: Uid, label: str) -> None: ...

    def remove_label(self, study: Uid, label: str) -> bool: ...

    def defer(self, kind: str, payload: dict[str, Any], due: datetime, key: str = "") -> None:
        """Enqueue a job. With a `key`, a job of that kind and key that waits already is moved to the later time."""
        ...

    def forget(self, kind: str, key: str) -> None:
        """Take back the job of that kind and key if it waits; one that somebody does already goes on."""
        ...

    def put_token(self, token: Token) -> None: ...

    def revoke_token(self, name: str) -> int:
        """End every token of that name; how many there were."""
        ...

    def put_session(self, session: Session) -> None: ...

    def end_session(self, digest: bytes) -> None: ...

    def put_link(self, digest: bytes, session: Session) -> None:
        """A sign-in link, good once until `expires_at`; using it gives that session's rights."""
        ...

    def use_link(self, digest: bytes, now: datetime) -> Session | None:
        """Spend a sign-in link: one conditional statement, so that a second use finds nothing."""
        ...

    def sweep_expired(self, at: datetime, tokens: datetime) -> int:
        """Forget sessions and links that ended by `at`, and tokens that ended by `tokens`; how many there were."""
        ...

    def put_device(self, device: Device) -> None: ...

    def remove_device(self, aet: str) -> int: ...

    def put_metadata(self, series: Uid, version: int, body: bytes) -> None:
        """Keep a series's ready-made metadata, unless the series has changed since `version`."""
        ...

    def clear(self) -> None:
        """Empty what can be rebuilt from the objects: patients, studies, series, instances, attributes, quarantine.

        The index is not complete from then on.
        """
        ...

    def renew_versions(self, at: datetime) -> None:
        """Give every series a version that none had before `at`: a rebuild does not know what was told of the others."""
        ...

    def complete(self) -> None:
        """Say that every object has its row: of a bank without objects, or after a rebuild."""
        ...


class Index(Protocol):
    """Rows about everything in the blob store. Every reader of imaging data takes the caller's scope."""

    @property
    def people(self) -> PeopleReader:
        """Who signs in, and by what."""
        ...

    def begin(self) -> AbstractContextManager[Transaction]:
        """One write transaction; commits when the block ends, durably. Raises OutOfSpace, Unavailable."""
        ...

    def find(self, query: Query, scope: Scope) -> Iterator[Found]:
        """Matches of a query in its stable order."""
        ...

    def count(self, query: Query, scope: Scope) -> int:
        """How many matches there are without limit and offset."""
        ...

    def instances(self, selection: Selection, scope: Scope) -> list[Instance]:
        """The instances of a selection, by series and instance number; empty when there is none in scope."""
        ...

    def held(self, uid: Uid) -> tuple[Digest, Location] | None:
        """The content digest and the place of what is held under this SOP Instance UID.

        No scope: it is compared with a deposit, and only who has the same content learns that it is here.
        """
        ...

    def metadata(self, series: Uid, scope: Scope) -> tuple[int, bytes | None]:
        """The series's version and, when it is up to date, its ready-made metadata. Raises NotFound."""
        ...

    def series_of(self, selection: Selection, scope: Scope) -> list[tuple[Uid, Uid, int]]:
        """Study UID, series UID and version of each series in a selection."""
        ...

    def quarantined(self, scope: Scope, number: int | None = None) -> list[Quarantined]: ...

    def locations(self, scope: Scope) -> Iterator[tuple[str, Location]]:
        """Every record that a row refers to: the SOP Instance UID, or `quarantine N`, and where it lies."""
        ...

    def events(self, scope: Scope, limit: int = 100, patient: PatientId | None = None) -> list[Event]:
        """The newest events, of one patient where that is asked for."""
        ...

    def ledger(self, scope: Scope) -> Iterator[Line]:
        """Every line of the ledger by lane and position."""
        ...

    def untold(self, scope: Scope, limit: int) -> list[Line]:
        """The next lines that were not told outside yet, by lane and position."""
        ...

    def patients_of(self, studies: Collection[Uid], scope: Scope) -> dict[str, PatientId]:
        """Whose studies these are, by the pseudonyms under which the ledger knows them."""
        ...

    def lines(self, wanted: Sought, scope: Scope) -> list[Line]:
        """Lines of the ledger that are asked for, newest first; those of one moment by lane and position."""
        ...

    def checkpoints(self) -> list[Checkpoint]:
        """Every checkpoint by number. They name lanes, and nobody's doings."""
        ...

    def provisions(
        self,
        scope: Scope,
        patient: PatientId | None = None,
        kind: Kind | None = None,
        identifier: str = "",
        principal: str = "",
    ) -> list[Provision]:
        """What was decided, oldest first, revoked and past ones included; nothing under a scope that has bounds.

        About one patient, of one kind, with one identifier, for one principal by name, where that is asked for.
        """
        ...

    def token(self, digest: bytes, now: datetime) -> Token | None: ...

    def tokens(self) -> list[Token]: ...

    def session(self, digest: bytes, now: datetime, seen_after: datetime) -> Session | None:
        """An open session that was used after `seen_after`, of nobody who is locked out; with the account's own role."""
        ...

    def device(self, aet: str) -> Device | None: ...

    def devices(self) -> list[Device]: ...

    def wipe(self) -> None:
        """Overwrite what was deleted in the files of an embedded database. Raises Unavailable while they are in use.

        A database server keeps deleted rows, and logs of them, for as long as it is set up to.
        """
        ...

    def is_complete(self) -> bool:
        """Whether every object that was acknowledged has its row: not so while it is rebuilt, or after it was lost."""
        ...

    def is_ready(self) -> bool:
        """Whether the database answers and has the schema that this program needs."""
        ...

    def close(self) -> None: ...


Clock = Callable[[], datetime]
"""Tells the time, in UTC. Only `Bank.now` is asked."""
