"""DICOM unique identifiers (PS3.5 chapter 9)."""

import re
import uuid
from typing import Self

from imagebank.errors import Invalid

_UID = re.compile(r"[0-9]+(\.[0-9]+)*", re.ASCII)
MAX_LENGTH = 64
"""What PS3.5 9.1 allows."""
BORNE_LENGTH = 128
"""What is taken."""
_NAMESPACE = uuid.UUID("0d6f6f0e-6a3b-4c0a-9d38-4f6f0a7b9c11")


class Uid(str):
    """A unique identifier whose form has been checked: digits and single dots.

    Components with a leading zero, and more than 64 characters, are against PS3.5 9.1 yet found in real archives;
    they identify as well as any, and are kept as they came.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Check a UID from outside; padding (NUL or space) is dropped. Raises Invalid."""
        bare = text.rstrip("\0 ").lstrip(" ")
        if len(bare) > BORNE_LENGTH or not _UID.fullmatch(bare):
            # The text itself is not repeated: it may be anything, also a name.
            raise Invalid("a UID has digits with single dots between, and at most 64 characters; up to 128 are taken")
        return cls(bare)

    @classmethod
    def new(cls) -> Self:
        """A UID of our own, from a random UUID (PS3.5 B.2)."""
        return cls(f"2.25.{uuid.uuid4().int}")

    @classmethod
    def derived(cls, *parts: object) -> Self:
        """A UID of our own that follows from its parts, so that the same thing gets the same one again (PS3.5 B.2)."""
        return cls(f"2.25.{uuid.uuid5(_NAMESPACE, '/'.join(map(str, parts))).int}")
