"""Objects that are safely kept but not in the archive: listed, looked at, sent in again, or let go."""

from collections.abc import Iterator

from imagebank.actions import ingest, open_file
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.imaging import Quarantined, Receipt


def listed(bank: Bank, principal: Principal) -> list[Quarantined]:
    """What lies in quarantine, oldest first."""
    principal.require(Right.ADMINISTER)
    return bank.index.quarantined(principal.scope)


def one(bank: Bank, number: int, principal: Principal) -> Quarantined:
    """The object of that number. Raises NotFound."""
    principal.require(Right.ADMINISTER)
    found = bank.index.quarantined(principal.scope, number)
    if not found:
        raise NotFound(f"nothing lies in quarantine as number {number}")
    return found[0]


def content(bank: Bank, number: int, principal: Principal) -> Iterator[bytes]:
    """The object as it came, in pieces."""
    return bank.blobs.stream(one(bank, number, principal).location)


def submit_again(bank: Bank, number: int, principal: Principal) -> Receipt:
    """Send an object in once more, as from its first source; it leaves quarantine when it is kept."""
    found = one(bank, number, principal)
    with open_file.spooled(bank, found.location) as copy:
        (receipt,) = ingest.receive(bank, [ingest.Arrival(copy, found.location.size, found.name)], found.source)
    if receipt.is_kept:
        let_go(bank, number, principal)
    return receipt


def let_go(bank: Bank, number: int, principal: Principal) -> None:
    """Delete an object from quarantine for good."""
    found = one(bank, number, principal)
    with bank.index.begin() as tx:
        tx.release(number)
    bank.blobs.destroy([found.location])
