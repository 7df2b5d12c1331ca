"""What is asked of the index."""

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from imagebank.model.access import Device, Scope, Session, Token
from imagebank.model.event import Event
from imagebank.model.imaging import Digest, Found, Instance, Location, Quarantined, Selection
from imagebank.model.ledger import Checkpoint, Line, Sought
from imagebank.model.original import Original
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.query import Query
from imagebank.model.uid import Uid
from imagebank.ports.alerts import AlertReader
from imagebank.ports.cards import CardReader
from imagebank.ports.completeness import CompletenessReader
from imagebank.ports.compression import CompressionReader
from imagebank.ports.contributions import ContributionReader
from imagebank.ports.corrections import CorrectionsReader
from imagebank.ports.doses import DoseReader
from imagebank.ports.elsewhere import ElsewhereReader
from imagebank.ports.fetches import FetchReader
from imagebank.ports.histories import HistoryReader
from imagebank.ports.notices import NoticesReader
from imagebank.ports.orders import OrderReader
from imagebank.ports.people import PeopleReader
from imagebank.ports.persons import PersonsReader
from imagebank.ports.pictures import PictureReader
from imagebank.ports.prefetches import PrefetchReader
from imagebank.ports.proposals import ProposalReader
from imagebank.ports.recoveries import RecoveryReader
from imagebank.ports.requests import RequestReader
from imagebank.ports.rules import RulesReader
from imagebank.ports.searchable import SearchableReader
from imagebank.ports.tasks import TaskReader
from imagebank.ports.transaction import Transaction
from imagebank.ports.transfers import TransferReader
from imagebank.ports.words import WordsReader
from imagebank.ports.workitems import WorkitemReader


class Index(Protocol):
    """Rows about everything in the blob store. Every reader of imaging data takes the caller's scope."""

    @property
    def people(self) -> PeopleReader:
        """Who signs in, and by what."""
        ...

    @property
    def searchable(self) -> SearchableReader:
        """Which attributes can be matched."""
        ...

    @property
    def words(self) -> WordsReader:
        """What the search over everything looks in."""
        ...

    @property
    def notices(self) -> NoticesReader:
        """What people are told, and the mail that tells them."""
        ...

    @property
    def orders(self) -> OrderReader:
        """What is to be done, and what was reported."""
        ...

    @property
    def persons(self) -> PersonsReader:
        """Patient records, and the persons that they are linked to."""
        ...

    @property
    def histories(self) -> HistoryReader:
        """All of one person together."""
        ...

    @property
    def proposals(self) -> ProposalReader:
        """What may be so of files that say nothing of themselves."""
        ...

    @property
    def corrections(self) -> CorrectionsReader:
        """What was changed in objects, and their former versions."""
        ...

    @property
    def completeness(self) -> CompletenessReader:
        """Whether studies have come as they were announced."""
        ...

    @property
    def compression(self) -> CompressionReader:
        """Which objects are kept compressed."""
        ...

    @property
    def doses(self) -> DoseReader:
        """What studies say of radiation."""
        ...

    @property
    def tasks(self) -> TaskReader:
        """What waits for somebody to decide."""
        ...

    @property
    def transfers(self) -> TransferReader: ...

    @property
    def alerts(self) -> AlertReader:
        """Alerts about exams that may be repeats."""
        ...

    @property
    def requests(self) -> RequestReader: ...

    @property
    def contributions(self) -> ContributionReader: ...

    @property
    def fetches(self) -> FetchReader: ...

    @property
    def elsewhere(self) -> ElsewhereReader: ...

    @property
    def prefetches(self) -> PrefetchReader: ...

    @property
    def recoveries(self) -> RecoveryReader: ...

    @property
    def workitems(self) -> WorkitemReader:
        """Steps that other systems work on."""
        ...

    @property
    def rules(self) -> RulesReader:
        """The site's rules by version."""
        ...

    @property
    def pictures(self) -> PictureReader:
        """What pictures are known again by, and which are held twice."""
        ...

    @property
    def cards(self) -> CardReader:
        """What owners hand to somebody without an account."""
        ...

    def evenly(self) -> AbstractContextManager[None]:
        """A refusal from within ends on a beat that is longer than what refusals differ by takes."""
        ...

    def begin(self) -> AbstractContextManager[Transaction]:
        """One write transaction; commits when the block ends, durably. Raises OutOfSpace, Unavailable."""
        ...

    def find(self, query: Query, scope: Scope) -> Iterator[Found]:
        """Matches of a query in its stable order."""
        ...

    def count(self, query: Query, scope: Scope, most: int | None = None) -> int:
        """How many matches there are without limit and offset. With `most`, counting ends there."""
        ...

    def instances(self, selection: Selection, scope: Scope) -> list[Instance]:
        """The instances of a selection, by series and instance number; empty when there is none in scope."""
        ...

    def held(self, uid: Uid) -> tuple[Digest, Location] | None:
        """The content digest and the place of what is held under this SOP Instance UID.

        No scope: it is compared with a deposit. Who sends that learns what is held only where it sees the study.
        """
        ...

    def metadata(self, series: Uid, scope: Scope) -> tuple[int, bytes | None]:
        """The series's version and, when it is up to date, its ready-made metadata. Raises NotFound."""
        ...

    def series_of(self, selection: Selection, scope: Scope) -> list[tuple[Uid, Uid, int]]:
        """Study UID, series UID and version of each series in a selection."""
        ...

    def owner_of(self, study: Uid, scope: Scope) -> str | None:
        """The organization whose a study is; None where there is none in scope."""
        ...

    def original(self, uid: Uid, scope: Scope) -> Original | None:
        """The file that an instance was made of; None for one that came as it is, or is out of scope."""
        ...

    def made_of(self, digest: Digest, patient: PatientId, scope: Scope, named: Uid | None = None) -> Uid | None:
        """The instance that was made of a file of this digest for this patient, where there is one in scope.

        Of several the first; the one that is `named`, or none, where one is.
        """
        ...

    def quarantined(self, scope: Scope, number: int | None = None, digest: Digest | None = None) -> list[Quarantined]:
        """What lies in quarantine, oldest first; of one number, or with one digest, where that is asked for."""
        ...

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

    def chain(self, lane: str, first: int, last: int, scope: Scope) -> list[Line]:
        """The lines of a lane from one position up to another, inclusive, in their order."""
        ...

    def sealing(self, at: int, limit: int) -> list[Checkpoint]:
        """The first checkpoints that were made at a moment (microseconds since 1970) or later, by time."""
        ...

    def checkpoints(self, since: int = 1) -> list[Checkpoint]:
        """Every checkpoint from a number on, by number. They name lanes, and nobody's doings."""
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
