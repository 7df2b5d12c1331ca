"""What a node has copied of an object store, to read it from its own disk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copied:
    """Bytes that the copies take, and may take; how often this process found there what it read, and how often not."""

    octets: int
    most: int
    hits: int
    misses: int
