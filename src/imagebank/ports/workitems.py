"""What the bank needs to keep of steps that other systems work on."""

from collections.abc import Iterable
from typing import Protocol

from imagebank.model.uid import Uid
from imagebank.model.workitem import Claim


class WorkitemReader(Protocol):
    """Reads what is kept of steps. It shows nobody anything: their tasks do, by scope."""

    def claim(self, uid: Uid) -> Claim | None:
        """A step that was listed before; None for any other UID."""
        ...

    def claims(self, uids: Iterable[Uid]) -> dict[Uid, Claim]:
        """Those of several steps that are known."""
        ...


class WorkitemWriter(Protocol):
    """Changes to steps, within one transaction."""

    def know(self, claims: Iterable[Claim]) -> None:
        """Note which tasks steps are; those that are known stay as they are."""
        ...

    def put(self, claim: Claim) -> None:
        """Write who works on a step, and what was said of it."""
        ...
