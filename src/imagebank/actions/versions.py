"""Former versions of an instance: what they are, and how they are had back."""

from collections.abc import Iterator

from imagebank.actions import retrieve
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import Principal, Right
from imagebank.model.correction import Version
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid


def listed(bank: Bank, uid: Uid, principal: Principal) -> list[Version]:
    """Every version of an instance, the oldest first; the last is the one that is given out.

    Raises NotAllowed without the right to correct, NotFound.
    """
    return _versions(bank, _instance(bank, uid, principal), principal)


def content(
    bank: Bank, uid: Uid, number: int, principal: Principal, address: str = ""
) -> tuple[Version, Iterator[bytes]]:
    """A version, by its number from 1, in pieces, as everything leaves; that it was read stands in the ledger first.

    Raises NotAllowed without the right to correct, NotFound.
    """
    instance = _instance(bank, uid, principal)
    found = _versions(bank, instance, principal)
    if not 1 <= number <= len(found):
        raise NotFound("the instance has no such version")
    retrieve.reading(bank, principal, [instance], f"version {number}", address, Right.CORRECT)
    return found[number - 1], retrieve.harmless(bank, found[number - 1].location)


def _instance(bank: Bank, uid: Uid, principal: Principal) -> Instance:
    principal.require(Right.CORRECT)
    return retrieve.select(bank, Selection(instance=uid), principal.scope)[0]


def _versions(bank: Bank, instance: Instance, principal: Principal) -> list[Version]:
    now = Version(instance.uid, instance.location, instance.digest, instance.content_digest, instance.received_at)
    return [*bank.index.corrections.versions(instance.uid, principal.scope), now]
