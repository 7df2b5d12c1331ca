"""What one node keeps of the objects beside the object store that has them."""

from typing import Protocol

from imagebank.model.copies import Copied


class Copies(Protocol):
    def told(self) -> Copied:
        """How much there is, by all processes of this node, and of what use it was to this one."""
        ...
