"""What the bank needs to keep of corrections, and of the versions that they took the place of."""

from collections.abc import Sequence
from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.correction import Correction, Step, Version
from imagebank.model.imaging import Digest, Location
from imagebank.model.uid import Uid


class CorrectionsReader(Protocol):
    """Reads for somebody, but for what the bank's own work asks."""

    def of_study(self, study: Uid, scope: Scope) -> list[Correction]:
        """Corrections of a study in scope, the newest first; those that failed and that are under way, too."""
        ...

    def versions(self, uid: Uid, scope: Scope) -> list[Version]:
        """The former versions of an instance in scope, the oldest first."""
        ...

    def superseded(self, uid: Uid) -> list[tuple[Digest, Location]]:
        """Content digests and places of what corrections took the place of.

        No scope: it is compared with a deposit, as what is held is.
        """
        ...

    def under_way(self, identifier: str) -> Correction | None:
        """The correction of that identifier while it is under way. No scope: a job goes on with it."""
        ...

    def steps(self, identifier: str) -> list[Step]:
        """New versions that are written for a correction under way. No scope: the same."""
        ...


class CorrectionsWriter(Protocol):
    """Changes within one transaction."""

    def put(self, correction: Correction) -> None:
        """Write a correction, or how far it is."""
        ...

    def finish(self, correction: Correction) -> bool:
        """Write the end of a correction, done or failed, and forget its steps; False when it had ended before.

        Of a study that went nothing is left.
        """
        ...

    def put_steps(self, identifier: str, steps: Sequence[Step]) -> None:
        """Keep new versions of instances, one each, until the correction is done."""
        ...

    def supersede(self, identifier: str, study: Uid, instances: Sequence[Uid]) -> None:
        """Lock a study, and keep what is held of these instances among the former versions.

        Their rows have to be taken out and entered anew in the same transaction.
        """
        ...

    def forget_sealed(self, names: Sequence[bytes]) -> list[Location]:
        """Forget every other version of what keys of these names seal: former ones, files they were made of, new ones.

        Where those lie that other keys seal, so that they can be destroyed, too.
        """
        ...

    def restore(self, corrections: Sequence[Correction]) -> list[Uid]:
        """After a rebuild, write corrections of studies that are there; these studies."""
        ...
