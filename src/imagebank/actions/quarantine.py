"""Objects that are safely kept but not in the archive: listed, looked at, sent in again, or let go."""

from collections.abc import Iterator

from imagebank.actions import audit, ingest, media, notes, open_file, remove, retrieve
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.event import Act
from imagebank.model.imaging import Quarantined, Receipt

_LAST = 2**63 - 1
"""No database counts further."""


def listed(bank: Bank, principal: Principal, address: str = "") -> list[Quarantined]:
    """What lies in quarantine, oldest first. Names of files may be names of people, so the look is in the ledger first."""
    principal.require(Right.ADMINISTER)
    found = bank.index.quarantined(principal.scope)
    if found:
        with bank.index.begin() as tx:
            tx.record([audit.event(bank, Act.VIEWED, principal, address, "quarantine: list")])
    return found


def one(bank: Bank, number: int, principal: Principal) -> Quarantined:
    """The object of that number. Raises NotFound."""
    principal.require(Right.ADMINISTER)
    found = bank.index.quarantined(principal.scope, number) if number <= _LAST else []
    if not found:
        raise NotFound("nothing lies in quarantine as number {number}", number=number)
    return found[0]


def content(
    bank: Bank, number: int, principal: Principal, address: str = "", *, is_original: bool = False
) -> Iterator[bytes]:
    """The object in pieces, as everything leaves; as it came where the original is what is to be looked into.

    That it was read stands in the ledger first.
    """
    found = one(bank, number, principal)
    with bank.index.begin() as tx:
        tx.record([audit.event(bank, Act.VIEWED, principal, address, f"quarantine {number}")])
    return bank.blobs.stream(found.location) if is_original else retrieve.harmless(bank, found.location)


def submit_again(bank: Bank, number: int, principal: Principal, address: str = "") -> Receipt:
    """Send an object in once more, as from its first source; it leaves quarantine when it is kept.

    The site's rules change it as they would any, and do not hold it again: who administers the bank has decided.
    It joins a study of another organization that this caller sees: that is to decide for who administers the bank.
    """
    found = one(bank, number, principal)
    note = notes.note_at(bank, found.location)
    # What was laid aside as a file that nobody could read came as one.
    has_own_header = bool(note.media_type) or note.digest != note.content_digest
    with open_file.spooled(bank, found.location) as copy:
        arrival = ingest.Arrival(copy, found.location.size, found.name, has_own_header)
        (receipt,) = media.receive(bank, [arrival], found.source, sees=principal.scope, by_hand=True)
    if receipt.is_kept:
        let_go(bank, number, principal, address)
    return receipt


def let_go(bank: Bank, number: int, principal: Principal, address: str = "") -> None:
    """Delete an object from quarantine for good."""
    found = one(bank, number, principal)
    with bank.index.begin() as tx:
        tx.release(number)
        tx.record([audit.event(bank, Act.REMOVED, principal, address, f"quarantine {number}")])
        tx.defer("destroy", remove.destroy_payload([found.location]), bank.now())
    remove.destroy(bank, [found.location])
