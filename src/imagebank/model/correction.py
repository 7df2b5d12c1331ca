"""What is corrected in objects that are kept: by whom, when, why, and what stood there before."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from imagebank.model.imaging import Element

Changes = Mapping[str, Element | None]
"""New values by keyword or by eight hex digits of the tag, in the DICOM JSON model; None takes the attribute out."""

MOST_VALUES: Final = 5
"""Of so many different values of one attribute a history tells; the versions themselves have all."""


class Reason(StrEnum):
    """Why attributes were modified (PS3.3 C.12.1.1.9): to fit into an archive, or because they were wrong."""

    COERCE = "COERCE"
    CORRECT = "CORRECT"


@dataclass(frozen=True, slots=True)
class Modification:
    """What an item of Original Attributes Sequence says beside the former values (PS3.3 table C.12-1).

    `system` names who modified them, `source` who had given the former values; 64 characters each at the most.
    """

    at: datetime
    system: str
    reason: Reason = Reason.CORRECT
    source: str = ""
