"""A file that a DICOM object was made of, kept beside it as it came."""

from dataclasses import dataclass
from datetime import datetime

from imagebank.model.imaging import Digest, Location
from imagebank.model.uid import Uid


@dataclass(frozen=True, slots=True)
class Original:
    """The file that the instance `uid` was made of: its bytes, digest, media type, and what its sender called it."""

    uid: Uid
    location: Location
    digest: Digest
    media_type: str
    name: str
    received_at: datetime
    sealed_by: bytes | None = None
