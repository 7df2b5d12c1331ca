"""What is sealed beside an object's bytes, so that the index can be rebuilt from the objects alone."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from imagebank.model.imaging import Digest, Source

OTHER_CONTENT: Final = "another object with this SOP Instance UID is held already"
"""Why a copy lies in quarantine on a bank that refuses other content under a known UID."""


@dataclass(frozen=True, slots=True)
class Note:
    """How an object came. `quarantine` gives the reason where it was laid aside rather than archived."""

    source: Source
    received_at: datetime
    digest: Digest
    content_digest: Digest
    name: str = ""
    quarantine: str = ""
