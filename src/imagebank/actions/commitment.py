"""Storage commitment: saying, after a look at the bytes, that objects are safely kept (PS3.4 annex J)."""

from collections.abc import Sequence
from dataclasses import dataclass

from imagebank.bank import Bank
from imagebank.dicom.digest import digest_of_stream
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid

# Failure reasons of PS3.3 C.14.1.1.
PROCESSING_FAILURE = 0x0110
NO_SUCH_OBJECT = 0x0112
CLASS_INSTANCE_CONFLICT = 0x0119


@dataclass(frozen=True, slots=True)
class Committed:
    """The result for one request: pairs of SOP class and instance that are held, and those that are not, with why."""

    held: tuple[tuple[Uid, Uid], ...]
    failed: tuple[tuple[Uid, Uid, int], ...]


def commit(bank: Bank, references: Sequence[tuple[Uid, Uid]], scope: Scope) -> Committed:
    """Check that each (SOP class, SOP instance) is kept, by reading its bytes and comparing their digest.

    Raises Unavailable when the bytes cannot be looked at now: that is no answer.
    """
    held: list[tuple[Uid, Uid]] = []
    failed: list[tuple[Uid, Uid, int]] = []
    for sop_class, uid in references:
        reason = _fault(bank, sop_class, uid, scope)
        if reason:
            failed.append((sop_class, uid, reason))
        else:
            held.append((sop_class, uid))
    return Committed(tuple(held), tuple(failed))


def _fault(bank: Bank, sop_class: Uid, uid: Uid, scope: Scope) -> int:
    """The failure reason for one reference; 0 when it is kept whole."""
    found = bank.index.instances(Selection(instance=uid), scope)
    if not found:
        return NO_SUCH_OBJECT
    (instance,) = found
    if instance.sop_class != sop_class:
        return CLASS_INSTANCE_CONFLICT
    try:
        digest = digest_of_stream(bank.blobs.from_store(instance.location, instance.dataset_offset))
    except (Invalid, NotFound):
        return PROCESSING_FAILURE
    return 0 if digest == instance.content_digest else PROCESSING_FAILURE
