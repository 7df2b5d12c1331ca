"""What the bank needs to tell of studies as wholes."""

from typing import Protocol

from imagebank.model.access import Scope
from imagebank.model.imaging import Digest
from imagebank.model.outline import Held, Wanted
from imagebank.model.report import Report
from imagebank.model.uid import Uid


class OutlineReader(Protocol):
    """Reads studies and reports as far as the scope shows them."""

    def held(self, wanted: Wanted, scope: Scope) -> list[Held]:
        """The studies that are asked for, newest first."""
        ...

    def report(self, digest: Digest, scope: Scope) -> list[tuple[Uid, Report]]:
        """The version of a report that has this digest, with each study that it is about; empty where there is none."""
        ...
