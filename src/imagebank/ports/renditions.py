"""Pictures that were made of objects, kept for the next look."""

from typing import Protocol


class Renditions(Protocol):
    """Pictures that are kept as long as there is room, sealed. Any may be gone at any moment.

    Each is found and opened by a secret that only its object's own record tells (`Blobs.secret`): once that record is
    destroyed nobody can do either, in this process or in another.
    """

    def get(self, secret: bytes) -> bytes | None:
        """The picture that was kept under this secret; None when there is none, or not any more."""
        ...

    def put(self, secret: bytes, picture: bytes) -> None:
        """Keep a picture. When there is no room, or no way to write, it is not kept."""
        ...

    def close(self) -> None:
        """Keep nothing more."""
        ...
