"""What the bank needs to keep of proposals (`model.proposal`)."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.proposal import Proposal
from imagebank.model.uid import Uid


class ProposalReader(Protocol):
    """Reads proposals by the SOP Instance UID of the object that a file became."""

    def of(self, uids: Collection[Uid], scope: Scope) -> Mapping[Uid, tuple[Proposal, ...]]:
        """The proposals of these instances in the order in which they were put; an instance without any is left out."""
        ...


class ProposalWriter(Protocol):
    """Changes to proposals, within one transaction. They go with the instance."""

    def put(self, uid: Uid, proposals: Sequence[Proposal]) -> None:
        """Keep these in the place of those that were there. The instance may itself come later."""
        ...
