"""Taking objects in. Blob before row, row before reply."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Final

from imagebank.actions import notes, ruling
from imagebank.actions.arrival import Arrival, Stamp, digest, stamp_of, view
from imagebank.actions.remove import destroy_payload
from imagebank.actions.unnamed import gathered
from imagebank.bank import Bank
from imagebank.dicom.same import is_same
from imagebank.dicom.sop_class import refusal_of
from imagebank.dicom.successive import Successive
from imagebank.dicom.walk import Buffer
from imagebank.errors import BankError, Conflict, Invalid, Mismatch, NotAllowed, NotFound, Unavailable
from imagebank.model.access import Scope
from imagebank.model.contributed import LABEL, is_contributed, record_in
from imagebank.model.imaging import (
    NO_DEEDS,
    Deeds,
    Description,
    Digest,
    Kept,
    Location,
    Outcome,
    Receipt,
    Selection,
    Source,
)
from imagebank.model.key import owner_of
from imagebank.model.note import NOT_TAKEN, OTHER_CONTENT, OTHER_ORGANIZATION, Note
from imagebank.model.rules import Decision, Verdict
from imagebank.model.uid import Uid
from imagebank.ports import Entered

if TYPE_CHECKING:
    from imagebank.rules.steps import Ruleset

# What is compared value by value is held in memory; larger objects than this have to be equal byte by byte.
_MAX_COMPARED = 128 << 20
_ORIGINAL_ATTRIBUTES: Final = 0x04000561

__all__ = ["Arrival", "receive"]


def receive(
    bank: Bank,
    arrivals: Iterable[Arrival],
    source: Source,
    only_study: Uid | None = None,
    sees: Scope | None = None,
    *,
    by_hand: bool = False,
) -> list[Receipt]:
    """Take objects in, each as it comes, and say of each what became of it; what is said is durable.

    `sees` is what the depositor sees, and so may add to; only studies of its own organization without it. What would
    touch another study lies in quarantine, with one answer for every case, which tells nothing of what is held.
    The site's rules are asked about each; what is sent in `by_hand` they change, and neither hold nor refuse: somebody
    has looked at it.

    Objects that cannot be understood are refused one by one, with the reason on the receipt; where the sender named
    one study, those of others are refused as a Mismatch. Raises OutOfSpace or Unavailable when the bank cannot keep
    anything at all; then nothing of the call counts as kept.
    """
    sees = Scope.of(source.organization) if sees is None else sees
    receipts: list[Receipt] = []
    placed: list[Kept | Receipt] = []
    under_way: set[Uid] = set()
    rules = bank.rules.current()
    before = Successive()
    for arrival in arrivals:
        seen = _look_at(bank, arrival, source, before, only_study)
        if rules and isinstance(seen, _Seen):
            seen = _ruled(bank, rules, seen, source, by_hand=by_hand)
        if isinstance(seen, Receipt):
            placed.append(seen)
            continue
        uid = seen.description.uid
        if uid in under_way:
            # The first of that name has to be in before the second can be told from it.
            receipts += _commit(bank, placed)
            placed, under_way = [], set()
        placed.append(_place(bank, seen, source, sees))
        under_way.add(uid)
    return receipts + _commit(bank, placed)


def _commit(bank: Bank, placed: Sequence[Kept | Receipt]) -> list[Receipt]:
    kept = [one for one in placed if isinstance(one, Kept)]
    outcomes = bank.commits.commit(kept) if kept else []
    outcomes = [_agreed(bank, one, entry) for one, entry in zip(kept, outcomes, strict=True)]
    _clear_away(bank, [one for one, entry in zip(kept, outcomes, strict=True) if entry.outcome is Outcome.STORED])
    entered = iter(outcomes)
    return [_receipt(one, next(entered)) if isinstance(one, Kept) else one for one in placed]


def _agreed(bank: Bank, one: Kept, entered: Entered) -> Entered:
    """The same, but where the very object came by another way meanwhile, and rules changed that copy at another moment."""
    if one.arrived is None or one.aside or entered.reason != OTHER_CONTENT or entered.quarantine is None:
        return entered
    held = bank.index.held(one.description.uid)
    if held is None or notes.note_at(bank, held[1]).arrived != one.arrived:
        return entered
    with bank.index.begin() as tx:
        tx.release(entered.quarantine)
        tx.defer("destroy", destroy_payload([one.location]), bank.now())
    return Entered(Outcome.DUPLICATE)


def _clear_away(bank: Bank, stored: Sequence[Kept]) -> None:
    """Have what is left of records in whose place others came destroyed."""
    lost = [one.in_place_of for one in stored if one.in_place_of is not None]
    if lost:
        with bank.index.begin() as tx:
            tx.defer("destroy", destroy_payload(lost), bank.now())


@dataclass(frozen=True, slots=True)
class _Seen:
    """What an arrival turned out to be, or what the site's rules have made of it.

    `came` is then the digest of its data set as it came, and `changed` says what was changed. `held_by` is why rules
    hold it, as it came.
    """

    arrival: Arrival
    description: Description
    digest: Digest
    content_digest: Digest
    stamp: Stamp
    came: Digest | None = None
    changed: tuple[str, ...] = ()
    deeds: Deeds = NO_DEEDS
    rule: str = ""
    held_by: str = ""


def _look_at(
    bank: Bank, arrival: Arrival, source: Source, before: Successive, only_study: Uid | None = None
) -> _Seen | Receipt:
    """Describe one object, or refuse it."""
    try:
        if arrival.size > bank.settings.max_instance_bytes:
            raise Invalid("larger than the {most} bytes that this bank takes", most=bank.settings.max_instance_bytes)
        stamp = stamp_of(arrival.content)
        if stamp is not None and stamp[0] < arrival.size:
            raise _changed()
        with view(arrival) as data:
            description = _described(bank, arrival, data, source.authority, before)
        content_digest = digest(arrival, description.dataset_offset)
        whole = digest(arrival, 0) if arrival.has_own_header else content_digest
    except BankError as error:
        return Receipt(Outcome.REFUSED, arrival.name, error=error)
    refusal: BankError | None = refusal_of(description.sop_class, private=bank.settings.private_sop_classes)
    if only_study is not None and description.study != only_study:
        refusal = Mismatch("it belongs to another study than the one that it was sent to")
    if is_contributed(source.organization) and description.patient != record_in(source.organization):
        refusal = Mismatch("what an account's owner adds belongs to the account's own record")
    if refusal is not None:
        return replace(_about(description, Outcome.REFUSED, arrival.name), error=refusal)
    return _Seen(arrival, description, whole, content_digest, stamp, arrival.came)


def _described(bank: Bank, arrival: Arrival, data: Buffer, organization: str, before: Successive) -> Description:
    found = arrival.ahead.description(data, organization) if arrival.ahead is not None else None
    return found or before.describe(data, catalogue=bank.catalogue, organization=organization)


def _ruled(bank: Bank, rules: "Ruleset", seen: _Seen, source: Source, *, by_hand: bool) -> _Seen | Receipt:
    """What the site's rules make of an arrival: refused, held as it came, or taken in with what they change."""
    arrival, pieces = seen.arrival, list[Buffer]()
    with view(arrival) as data:
        verdict = ruling.verdict_on(bank, rules, data, seen.description.patient, source, arrival.name)
        if by_hand or verdict.decision is Decision.ACCEPT:
            try:
                pieces = ruling.changed(bank, verdict, data, source)
            except Invalid as error:
                verdict = ruling.unfit(verdict, error)
        content = gathered(bank.settings.data, pieces, "for what rules make of it") if pieces else None
        pieces.clear()
    if verdict.decision is Decision.REFUSE and not by_hand:
        bank.reads.refused(source.principal, source.organization, f"{source.way}: rule “{verdict.by}”", source.address)
        refused = _about(seen.description, Outcome.REFUSED, arrival.name)
        return replace(refused, error=NotAllowed(ruling.reason_of(verdict)), rule=verdict.by)
    if verdict.decision is Decision.QUARANTINE and not by_hand:
        return replace(seen, rule=verdict.by, held_by=ruling.reason_of(verdict))
    found = replace(seen, deeds=verdict.deeds, rule=verdict.by)
    return found if content is None else _remade(bank, found, content, verdict, source)


def _remade(bank: Bank, seen: _Seen, content: IO[bytes], verdict: Verdict, source: Source) -> _Seen | Receipt:
    """What is to be kept in place of what came. It has a file header in any case."""
    size = content.seek(0, os.SEEK_END)
    made = _look_at(bank, Arrival(content, size, seen.arrival.name), source, Successive())
    if isinstance(made, Receipt):
        content.close()
        return made
    words = ruling.words_of(verdict)
    return replace(made, came=seen.came or seen.content_digest, changed=words, deeds=seen.deeds, rule=seen.rule)


def _changed() -> Invalid:
    return Invalid("the file changed while it was read; nothing of it was kept, bring it in again once it is complete")


def _place(bank: Bank, seen: _Seen, source: Source, sees: Scope) -> Kept | Receipt:
    """Write the bytes of one object, unless it is held already and whole."""
    try:
        standing = _standing(bank, seen, source, sees)
        return standing if isinstance(standing, Receipt) else _write(bank, seen, source, sees, *standing)
    finally:
        if seen.changed:
            seen.arrival.content.close()  # what rules have made is nobody else's


def _standing(bank: Bank, seen: _Seen, source: Source, sees: Scope) -> tuple[Location | None, str] | Receipt:
    """How an object stands to what is held: in whose place it comes, and why it is laid aside; or that it is there."""
    uid = seen.description.uid
    held = bank.index.held(uid)
    if held is None:
        return None, seen.held_by
    if not _is_open(bank, uid, source, sees):
        return None, OTHER_ORGANIZATION
    is_same = _is_same_as(bank, held, seen)
    if (is_same and _is_whole(bank, held[1])) or (not is_same and _was_corrected(bank, seen)):
        about = _about(seen.description, Outcome.DUPLICATE, seen.arrival.name)
        # Who sends an object twice hears the same twice.
        return replace(about, rule=seen.rule, changed=seen.changed)
    # Said beside the bytes, too: a rebuilt index must not take this copy in when the first one has been deleted.
    aside = "" if _may_replace(bank, uid, held[1], source, is_lost=is_same) else OTHER_CONTENT
    return held[1] if is_same else None, aside or seen.held_by


def _write(bank: Bank, seen: _Seen, source: Source, sees: Scope, lost: Location | None, aside: str) -> Kept | Receipt:
    arrival, description, received_at = seen.arrival, seen.description, bank.now()
    note = Note(source, received_at, seen.digest, seen.content_digest, arrival.name, aside, arrived=seen.came)
    arrival.content.seek(0)
    try:
        key = bank.keys.of(owner_of(description.patient, source.organization))
        location = bank.blobs.write(arrival.content, arrival.size, notes.pack(note), key)
        if stamp_of(arrival.content) != seen.stamp:
            raise _changed()  # its digest was taken of other bytes; what was written stays unreferenced
    except Invalid as error:
        return replace(_about(description, Outcome.REFUSED, arrival.name), error=error)
    return Kept(
        description,
        location,
        seen.digest,
        seen.content_digest,
        source,
        received_at,
        arrival.name,
        lost,
        aside=aside,
        sealed_by=key.name,
        sees=sees,
        deeds=_marked(seen.deeds, source),
        rule=seen.rule,
        changed=seen.changed,
        arrived=seen.came,
    )


def _marked(deeds: Deeds, source: Source) -> Deeds:
    """With the label of what a patient added, in whatever way it came in."""
    return replace(deeds, labels=(*deeds.labels, LABEL)) if is_contributed(source.organization) else deeds


def _was_corrected(bank: Bank, seen: _Seen) -> bool:
    """Whether the bank holds this content as a former version, whole, and a correction took its place."""
    return any(
        _is_same_as(bank, former, seen) and _is_whole(bank, former[1])
        for former in bank.index.corrections.superseded(seen.description.uid)
    )


def _is_whole(bank: Bank, location: Location) -> bool:
    """Whether what is held can be read to its end: whoever hears of a duplicate may let go of the own copy."""
    try:
        bank.blobs.note(location)
        for _ in bank.blobs.from_store(location):
            pass
    except (NotFound, Invalid, Unavailable):
        # A bad sector is reported as Unavailable, too; to write the same content anew harms nothing.
        return False
    return True


def _is_open(bank: Bank, uid: Uid, source: Source, sees: Scope) -> bool:
    """Whether an instance that is held is of the depositor's own organization, or one that the depositor sees."""
    scopes = (Scope.of(source.organization), sees)
    return any(bank.index.instances(Selection(instance=uid), scope) for scope in scopes)


def _may_replace(bank: Bank, uid: Uid, held: Location, source: Source, *, is_lost: bool) -> bool:
    """Whether what comes takes the place of what is held: only from the study's owner, and a revision by policy.

    What another organization has put into the owner's study is that one's: the owner revises nothing of it.
    """
    if not bank.index.instances(Selection(instance=uid), Scope.of(source.organization)):
        return False
    if is_lost:
        return True
    is_own = notes.note_at(bank, held).source.organization == source.organization
    return bank.settings.duplicates == "revise" and is_own


def _is_same_as(bank: Bank, held: tuple[Digest, Location], seen: _Seen) -> bool:
    """Whether the very data set is held already, be it as rules or other software on its way wrote it anew."""
    held_digest, location = held
    came = seen.came or seen.content_digest
    if held_digest in (came, seen.content_digest):
        return True
    try:
        arrived = notes.note_at(bank, location).arrived
        if arrived == came:
            return True
        if max(location.size, seen.arrival.size) > _MAX_COMPARED:
            return False
        stored = bank.blobs.read(location)
    except (NotFound, Invalid):
        return False
    # When rules changed both, they differ in the time of that at least.
    but = frozenset() if arrived is None or seen.came is None else frozenset([_ORIGINAL_ATTRIBUTES])
    with view(seen.arrival) as data:
        return is_same(stored, data, but=but)


def _receipt(kept: Kept, entered: Entered) -> Receipt:
    receipt = _about(kept.description, entered.outcome, kept.name, entered.warnings)
    if entered.outcome is not Outcome.QUARANTINED:
        return replace(receipt, rule=kept.rule, changed=kept.changed)
    is_secret = entered.reason == OTHER_ORGANIZATION
    aside = Conflict("{reason}; this copy is safe in quarantine", reason=Conflict(entered.reason))
    error = Conflict(NOT_TAKEN) if is_secret else aside
    return replace(receipt, error=error, quarantine=entered.quarantine, rule="" if is_secret else kept.rule)


def _about(description: Description, outcome: Outcome, name: str, warnings: tuple[str, ...] = ()) -> Receipt:
    return Receipt(
        outcome,
        name,
        description.study,
        description.series,
        description.uid,
        description.sop_class,
        description.warnings + warnings,
    )
