"""What comes in: C-STORE and STOW-RS, with what is in afterwards looked at."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from imagebank.bench import dcmtk
from imagebank.bench.asking import Request, ask
from imagebank.bench.corpus import Item
from imagebank.bench.work import JSON_KIND, Reading, Work, check_pixels, matches, parts, read_json, same, value

_BOUNDARY: Final = "a-part-of-the-corpus"
_TEN: Final = 10
_MOST_BYTES: Final = 16 << 20
_REFERENCED, _FAILED, _INSTANCES = "00081199", "00081198", "00201208"


def store_series(work: Work) -> Reading:
    return _store(work, "series")


def store_devices(work: Work) -> Reading:
    return _store(work, "devices")


def stow_request(work: Work) -> Reading:
    return _stow(work, "request")


def stow_clients(work: Work) -> Reading:
    return _stow(work, "clients")


def _store(work: Work, part: str) -> Reading:
    senders = work.corpus.parts[part]
    seconds = dcmtk.store(work.archive, [work.corpus.folder / part / str(one) for one in range(len(senders))])
    return _held(work, part, seconds)


def _stow(work: Work, part: str) -> Reading:
    """Every sender's requests at once, each with ten instances."""
    senders = [list(_tens(one)) for one in work.corpus.parts[part]]
    return _held(work, part, _sent(work, part, senders))


def bring(work: Work, part: str) -> None:
    """Have a part of the corpus in, however fast it comes. Raises Wrong when it is not in afterwards."""
    if part not in work.present:
        _held(work, part, _sent(work, part, [list(_batches(work.corpus.of(part)))]))


def _tens(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for start in range(0, len(items), _TEN):
        yield items[start : start + _TEN]


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Fifty at once, or as many as are not too large together."""
    batch: list[Item] = []
    for item in items:
        if batch and (len(batch) == 50 or sum(one.size for one in batch) + item.size > _MOST_BYTES):
            yield batch
            batch = []
        batch.append(item)
    yield batch


def _sent(work: Work, part: str, senders: Sequence[Sequence[Sequence[Item]]]) -> float:
    """Send each sender's batches over a connection of its own; seconds. Raises Wrong unless all is taken."""
    turns = [one for turn in itertools.zip_longest(*senders) for one in turn if one]
    folder = work.corpus.folder / f"{part}-bodies"
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={_BOUNDARY}',
        "Accept": JSON_KIND,
    }
    requests = [
        Request("/studies", JSON_KIND, headers, "POST", _body(folder / str(number), one))
        for number, one in enumerate(turns)
    ]
    asked = ask(work.archive, requests, work.folder / part, connections=len(senders), keep="all")
    for seen in asked.answers:
        answer = read_json(seen.body)
        same("instances that STOW refused", 0, len(answer.get(_FAILED, {}).get("Value", [])))
        same("instances that STOW took", len(turns[seen.number]), len(answer.get(_REFERENCED, {}).get("Value", [])))
    return asked.wall


def _body(path: Path, items: Sequence[Item]) -> Path:
    """A multipart body with these files, written once for all archives and rounds."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        head = f"--{_BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        whole = b"".join(head + item.path.read_bytes() + b"\r\n" for item in items)
        path.write_bytes(whole + f"--{_BOUNDARY}--\r\n".encode())
    return path


def _held(work: Work, part: str, seconds: float) -> Reading:
    """What came in is there: as many instances as were sent, and one with its pixels. Raises Wrong."""
    senders = work.corpus.parts[part]
    for items in senders if part != "small" else ():
        _counted(work, items)
    item = senders[-1][-1]
    target = f"/studies/{item.study}/series/{item.series}/instances/{item.instance}"
    accept = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    (seen,) = ask(work.archive, [Request(target, "multipart/related", accept)], work.folder / "held").answers
    check_pixels(item, next(parts(seen.body, seen.kind), b""))
    work.present.add(part)
    work.busy = True
    count = sum(map(len, senders))
    return Reading(count / seconds, count)


def _counted(work: Work, items: Sequence[Item]) -> None:
    target = f"/studies?StudyInstanceUID={items[0].study}&includefield={_INSTANCES}"
    (seen,) = ask(work.archive, [Request(target, JSON_KIND, {"Accept": JSON_KIND})], work.folder / "held").answers
    found = matches(seen.body)
    same("studies of a StudyInstanceUID", 1, len(found))
    same("instances of a study that was sent", len(items), value(found[0], _INSTANCES))
