"""Changes to the index that become durable together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from imagebank.model.access import Device, Scope, Session, Token
from imagebank.model.event import Event
from imagebank.model.imaging import Digest, Instance, Kept, Location, Outcome, Quarantined, Selection, Source
from imagebank.model.ledger import Checkpoint, Head
from imagebank.model.original import Original
from imagebank.model.person import PatientId
from imagebank.model.provision import Provision
from imagebank.model.uid import Uid
from imagebank.ports.alerts import AlertWriter
from imagebank.ports.cards import CardWriter
from imagebank.ports.completeness import CompletenessWriter, ExpectationsWriter
from imagebank.ports.compression import CompressionWriter
from imagebank.ports.contributions import ContributionWriter
from imagebank.ports.corrections import CorrectionsWriter
from imagebank.ports.doses import DoseWriter
from imagebank.ports.elsewhere import ElsewhereWriter
from imagebank.ports.fetches import FetchWriter
from imagebank.ports.notices import NoticesWriter
from imagebank.ports.orders import OrderWriter
from imagebank.ports.people import PeopleWriter
from imagebank.ports.persons import PersonsWriter
from imagebank.ports.pictures import PictureWriter
from imagebank.ports.prefetches import PrefetchWriter
from imagebank.ports.proposals import ProposalWriter
from imagebank.ports.recoveries import RecoveryWriter
from imagebank.ports.requests import RequestWriter
from imagebank.ports.rules import RulesWriter
from imagebank.ports.searchable import SearchableWriter
from imagebank.ports.tasks import TaskWriter
from imagebank.ports.transfers import TransferWriter
from imagebank.ports.words import WordsWriter
from imagebank.ports.workitems import WorkitemWriter


@dataclass(frozen=True, slots=True)
class Entered:
    """What the index made of one kept instance.

    Where it contradicts what is held, the outcome is QUARANTINED, `quarantine` numbers the row and `reason` says why.
    `is_spare` says that the record just written is not referenced (an equal instance was there), so that its bytes
    can go. `has_joined` says that it came into a study of another organization, which its depositor sees.
    `tells_of_patient` says that the row of a study was written that names a patient: something new may be heard.
    """

    outcome: Outcome
    warnings: tuple[str, ...] = ()
    quarantine: int | None = None
    reason: str = ""
    is_spare: bool = False
    has_joined: bool = False
    tells_of_patient: bool = False


class Transaction(Protocol):
    """Changes that become durable together when the block ends without an error."""

    @property
    def people(self) -> PeopleWriter:
        """Changes about those who sign in."""
        ...

    @property
    def searchable(self) -> SearchableWriter:
        """Changes of what can be matched."""
        ...

    @property
    def words(self) -> WordsWriter:
        """Changes to what the search over everything looks in."""
        ...

    @property
    def notices(self) -> NoticesWriter:
        """Changes to what people are told, and to where mail goes."""
        ...

    @property
    def orders(self) -> OrderWriter:
        """Changes about orders, reports and the messages that bring them."""
        ...

    @property
    def persons(self) -> PersonsWriter:
        """Changes about patient records and the persons that they are linked to."""
        ...

    @property
    def proposals(self) -> ProposalWriter:
        """Changes to what may be so of files that say nothing of themselves."""
        ...

    @property
    def corrections(self) -> CorrectionsWriter:
        """Changes about what is changed in objects."""
        ...

    @property
    def completeness(self) -> CompletenessWriter:
        """Changes to what was found of whether studies have come."""
        ...

    @property
    def compression(self) -> CompressionWriter:
        """Which objects are kept compressed."""
        ...

    @property
    def doses(self) -> DoseWriter:
        """Changes to what studies say of radiation."""
        ...

    @property
    def expectations(self) -> ExpectationsWriter:
        """Changes to what was announced of studies."""
        ...

    @property
    def tasks(self) -> TaskWriter:
        """Changes to the reconciliation queue."""
        ...

    @property
    def transfers(self) -> TransferWriter: ...

    @property
    def alerts(self) -> AlertWriter: ...

    @property
    def requests(self) -> RequestWriter: ...

    @property
    def contributions(self) -> ContributionWriter: ...

    @property
    def fetches(self) -> FetchWriter: ...

    @property
    def elsewhere(self) -> ElsewhereWriter: ...

    @property
    def prefetches(self) -> PrefetchWriter: ...

    @property
    def recoveries(self) -> RecoveryWriter: ...

    @property
    def workitems(self) -> WorkitemWriter:
        """Changes to steps that other systems work on."""
        ...

    @property
    def rules(self) -> RulesWriter:
        """Changes to the site's rules, and what they want sent."""
        ...

    @property
    def pictures(self) -> PictureWriter:
        """Changes to what pictures are known again by, and to what was found of them."""
        ...

    @property
    def cards(self) -> CardWriter:
        """Changes about cards."""
        ...

    def enter(self, kept: Sequence[Kept]) -> list[Entered]:
        """Add the rows of instances, their series, studies and patients, and keep every counter true.

        What would touch a study of another organization that its depositor does not see is laid aside, and nothing
        is said of what is held.
        """
        ...

    def remove(self, selection: Selection, scope: Scope) -> list[Instance]:
        """Take instances out, with series and studies that become empty. Empty when nothing is in scope."""
        ...

    def close_account(self, owner: PatientId, names: Sequence[bytes]) -> None:
        """Forget these keys of an account, what was decided for it and ordered: nothing can be entered under them any more."""
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

    def keep_original(self, original: Original) -> bool:
        """Enter the file of an instance, which may itself come later; False when the same file is there already."""
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

    def put_label(self, study: Uid, label: str) -> bool:
        """Put a label on a study; whether it had not had it."""
        ...

    def remove_label(self, study: Uid, label: str) -> bool: ...

    def defer(self, kind: str, payload: dict[str, Any], due: datetime, key: str = "") -> None:
        """Enqueue a job. With a `key`, a job of that kind and key that waits already is moved to the later time.

        Times that are less than a second apart count as one.
        """
        ...

    def start(self, kind: str, payload: dict[str, Any], due: datetime, key: str) -> None:
        """Enqueue a job that goes on by itself, unless one of that kind and key waits already."""
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
