"""HTTP requests at an archive by the client program, and what was seen of the answers."""

import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from imagebank.bench import wire
from imagebank.bench.archives import Archive
from imagebank.bench.servers import HOST

_LONGEST_S: Final = 600.0
_SHOWN: Final = 300

Keep = Literal["first", "all", "none"]


class Wrong(Exception):
    """An archive did not do what it was asked for. The message says what came instead."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. `body` is a file; `kind` is how the content type of a right answer begins."""

    target: str
    kind: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: Path | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one answer was. `body` is the file that it was kept in, if it was."""

    number: int
    status: int
    kind: str
    length: int
    seconds: float
    body: Path | None


@dataclass(frozen=True, slots=True)
class Asked:
    """All answers in the order in which they came, and the seconds from the first request to the last answer."""

    wall: float
    answers: Sequence[Seen]

    @property
    def median_ms(self) -> float:
        return statistics.median(one.seconds for one in self.answers) * 1000

    @property
    def per_second(self) -> float:
        return len(self.answers) / self.wall


def ask(
    archive: Archive,
    requests: Sequence[Request],
    folder: Path,
    *,
    connections: int = 1,
    seconds: float = 0.0,
    least: int | None = None,
    most: int | None = None,
    keep: Keep = "first",
) -> Asked:
    """Send requests, each once, or from the first on again while `seconds` last.

    Raises Wrong for an answer with another status or content type than a right one has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    plan = {
        "host": HOST,
        "port": archive.port,
        "headers": {"Connection": "keep-alive", **archive.headers},
        "connections": connections,
        "requests": [_plain(archive, one) for one in requests],
        "seconds": seconds,
        "least": len(requests) if least is None else least,
        "most": len(requests) if most is None else most,
        "keep": keep,
        "folder": str(folder),
    }
    asked = _run(plan)
    for one in asked.answers:
        _check(requests[one.number], one)
    return asked


def _plain(archive: Archive, request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "target": archive.web + request.target,
        "headers": dict(request.headers),
        "body": str(request.body) if request.body else "",
    }


def _run(plan: Mapping[str, Any]) -> Asked:
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-I", wire.__file__],
        input=json.dumps(plan).encode(),
        capture_output=True,
        timeout=_LONGEST_S,
        check=False,
    )
    if done.returncode:
        raise Wrong(done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:_SHOWN])
    told = json.loads(done.stdout)
    return Asked(told["wall"], [_seen(*one) for one in told["answers"]])


def _seen(number: int, status: int, kind: str, length: int, seconds: float, body: str) -> Seen:
    return Seen(number, status, kind, length, seconds, Path(body) if body else None)


def _check(request: Request, seen: Seen) -> None:
    if seen.status != 200:
        raise Wrong(f"{request.method} is answered by {seen.status}")
    if not seen.kind.lower().startswith(request.kind):
        raise Wrong(f"{request.method} is answered with {seen.kind or 'no content type'} instead of {request.kind}")
    if not seen.length:
        raise Wrong(f"{request.method} is answered with nothing")
