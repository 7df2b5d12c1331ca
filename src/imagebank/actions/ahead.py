"""What is found out of an object while the rest of it is still on its way.

A sender waits for the answer before it sends the next object, so what is done before the last byte comes costs it
nothing: the digest grows with every piece, and the header is described once it is here. Nothing is decided by that; it
is taken only if the whole object turns out to be what its header said.
"""

import io
from typing import Final

from imagebank.bank import Bank
from imagebank.dicom.digest import Hasher
from imagebank.dicom.preamble import ends_as
from imagebank.dicom.successive import Successive
from imagebank.dicom.walk import Buffer
from imagebank.model.attribute import Catalogue
from imagebank.model.imaging import Description, Digest

_FIRST: Final = 16 << 10
_FARTHEST: Final = 1 << 20
"""How much has to be here before a header is looked for, and where nobody looks any more: each try costs the walk."""


class Ahead:
    """Looks at one object of `organization` while it comes, of which `start` bytes are a header that we wrote.

    `before` knows the object that came before it from the same sender.
    """

    def __init__(self, bank: Bank, organization: str, start: int, before: Successive) -> None:
        self._bank = bank
        self._before = before
        self._organization = organization
        self._start = start
        self._hasher = Hasher()
        self._next = _FIRST
        self._found: tuple[Description, int, Catalogue] | None = None

    def take(self, piece: bytes | memoryview, content: object, size: int) -> None:
        """The next piece, which `content` has already, as the last of `size` bytes."""
        self._hasher.add(piece)
        if self._found is None and self._next <= size <= _FARTHEST and isinstance(content, io.BytesIO):
            self._next = 4 * size
            with content.getbuffer() as held:
                self._look(held)

    def _look(self, held: memoryview) -> None:
        try:
            known = self._bank.catalogue
            self._found = *self._before.describe_ahead(held, catalogue=known, organization=self._organization), known
        except Exception:  # noqa: BLE001 - it is only half there: what is wrong with it is said once it is whole
            self._found = None

    def description(self, data: Buffer, organization: str) -> Description | None:
        """The description of the object, which is whole now; None where it has to be looked at again."""
        if self._found is None or organization != self._organization:
            return None
        description, size, known = self._found
        is_so = size == len(data) and known is self._bank.catalogue and not ends_as(data)
        return description if is_so else None

    def digest(self, start: int) -> Digest | None:
        """The digest of everything from byte `start` on; None where that is not what was counted."""
        return self._hasher.digest() if start == self._start else None
