"""Documents for people's eyes: what acts in them by itself does not act where they are shown."""

from typing import Final

from imagebank.actions.retrieve import Bulk
from imagebank.bank import Bank
from imagebank.errors import Unsupported

_MOST_BYTES: Final = 256 << 20
_NEUTRAL: Final = "imagebank.dicom.neutral_pdf:neutral"


def harmless(bank: Bank, document: Bulk) -> Bulk:
    """A PDF as it is where nothing in it acts; else a copy without scripts, programs and forms that are sent.

    Raises Unsupported for one that is too large to be looked into, Invalid, Unavailable.
    """
    if document.size > _MOST_BYTES:
        raise Unsupported(
            "documents of more than {most_mib} MiB are not shown; retrieve the original", most_mib=_MOST_BYTES >> 20
        )
    answer, copy = bank.sandbox.call(_NEUTRAL, {}, b"".join(document.read(0, document.size)))
    if not answer["is_changed"]:
        return document
    return Bulk(len(copy), lambda start, end: iter((bytes(copy[start:end]),)))
