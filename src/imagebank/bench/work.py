"""One archive in one round: what was brought in, and what rows ask of it."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Final

from imagebank.bench import footprint
from imagebank.bench.archives import Archive
from imagebank.bench.asking import Wrong
from imagebank.bench.corpus import Corpus, Item

_QUIET_SHARE: Final = 0.03
_QUIET_S: Final = 2.0
_LONGEST_WAIT_S: Final = 180.0
JSON_KIND: Final = "application/dicom+json"


@dataclass(frozen=True, slots=True)
class Reading:
    """A value in the row's unit, and how many instances or answers the archive had to deal with for it."""

    value: float
    count: int


@dataclass(slots=True)
class Work:
    """`seconds` is how long a row asks for at least, `folder` is for what is written meanwhile.

    It is `busy` when something was brought in that the archive may still be working on.
    """

    archive: Archive
    corpus: Corpus
    folder: Path
    seconds: float
    peak: footprint.Peak
    present: set[str] = field(default_factory=set)
    noted: dict[str, float] = field(default_factory=dict)
    busy: bool = False

    def settle(self) -> None:
        """Wait until the archive has begun with what follows, and then been nearly idle for two seconds; not for ever."""
        self.busy = False
        time.sleep(self.archive.pause_s)
        until = time.monotonic() + _LONGEST_WAIT_S
        while time.monotonic() < until:
            before = footprint.cpu_seconds(self.archive.processes)
            time.sleep(_QUIET_S)
            if footprint.cpu_seconds(self.archive.processes) - before < _QUIET_SHARE * _QUIET_S:
                return

    def cpu(self) -> float:
        return footprint.cpu_seconds(self.archive.processes)


def same(what: str, wanted: object, found: object) -> None:
    """Raises Wrong where something else was found."""
    if wanted != found:
        raise Wrong(f"{what}: {found} instead of {wanted}")


def read_json(body: Path | None) -> Any:
    """Raises Wrong for what is no JSON."""
    if body is None:
        raise Wrong("an answer was not kept")
    try:
        return json.loads(body.read_bytes())
    except ValueError:
        raise Wrong("an answer is no JSON") from None


def matches(body: Path | None) -> list[dict[str, Any]]:
    """What an answer in DICOM JSON lists. Raises Wrong."""
    found = read_json(body)
    if not isinstance(found, list):
        raise Wrong("an answer in JSON is no list")
    return found


def value(match: dict[str, Any], tag: str) -> Any:
    """The first value of an attribute; None without one."""
    return (match.get(tag, {}).get("Value") or [None])[0]


def parts(body: Path | None, kind: str) -> Iterator[bytes]:
    """The parts of a multipart answer whose content type is `kind` (RFC 2046 5.1). Raises Wrong."""
    if body is None:
        raise Wrong("an answer was not kept")
    whole, boundary = body.read_bytes(), b"--" + _boundary(kind)
    start = whole.find(boundary)
    while start >= 0:
        end = whole.find(b"\r\n" + boundary, start)
        if end < 0:
            return
        head = whole.find(b"\r\n\r\n", start)
        yield whole[head + 4 : end]
        start = end + 2


def _boundary(kind: str) -> bytes:
    found = BytesHeaderParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode()).get_boundary()
    if not found:
        raise Wrong(f"an answer has no boundary: {kind}")
    return found.encode()


def check_pixels(item: Item, file: bytes) -> None:
    """The file of an item ends with its pixels, which are native. Raises Wrong when they are others."""
    same("pixels of an instance", item.pixels, hashlib.sha256(file[-item.pixel_bytes :]).hexdigest())


def some(items: Sequence[Item], count: int) -> list[Item]:
    """So many of the items, from everywhere among them."""
    step = max(1, len(items) // count)
    return list(items[::step][:count])
