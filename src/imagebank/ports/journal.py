"""What one node keeps of the objects until an object store has it."""

from typing import Protocol

from imagebank.model.journal import Unuploaded


class Journal(Protocol):
    def upload(self) -> int:
        """Upload what nobody writes to any more, prove that it is there, and let old copies go; how many segments.

        Killed at any point, it is done again. Raises Unavailable.
        """
        ...

    def unuploaded(self) -> Unuploaded:
        """What waits, by all processes of this node. Raises Unavailable."""
        ...
