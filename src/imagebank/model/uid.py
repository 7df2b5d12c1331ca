"""DICOM unique identifiers (PS3.5 chapter 9)."""

import re
import uuid
from typing import Self

from imagebank.errors import Invalid

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
_MAX_LENGTH = 64


class Uid(str):
    """A unique identifier whose form has been checked: digits and single dots, 64 characters at most.

    A component with a leading zero is against PS3.5 9.1 yet common in real archives, and is kept as it came.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check a UID from outside; padding (NUL or space) is dropped. Raises Invalid."""
        bare = text.rstrip("\0 ").lstrip(" ")
        if len(bare) > _MAX_LENGTH or not _UID.fullmatch(bare):
            # The text itself is not repeated: it may be anything, also a name.
            raise Invalid("a UID has digits and dots only, 64 characters at most")
        return cls(bare)

    @classmethod
    def new(cls) -> Self:
        """A UID of our own, from a random UUID (PS3.5 B.2)."""
        return cls(f"2.25.{uuid.uuid4().int}")
