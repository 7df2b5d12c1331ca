"""What goes out: metadata, frames, pictures, whole studies; WADO-RS, C-GET and C-MOVE."""

import hashlib
import io
import statistics
from collections.abc import Sequence
from typing import Final

from PIL import Image

from imagebank.bench import dcmtk
from imagebank.bench.asking import Asked, Request, Seen, Wrong, ask
from imagebank.bench.corpus import Item
from imagebank.bench.work import JSON_KIND, Reading, Work, check_pixels, matches, parts, same, some, value

_MOST: Final = 20_000
_FRAMES: Final = {"Accept": 'multipart/related; type="application/octet-stream"'}
_FILES: Final = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
_INSTANCE: Final = "00080018"
_PICTURES: Final = 30


def metadata(work: Work) -> Reading:
    items = work.corpus.of("series")
    target = f"/studies/{items[0].study}/series/{items[0].series}/metadata"
    request = Request(target, JSON_KIND, {"Accept": JSON_KIND})
    (first,) = ask(work.archive, [request], work.folder / "metadata").answers
    uids = {value(one, _INSTANCE) for one in matches(first.body)}
    same("instances in the metadata", {item.instance for item in items}, uids)
    asked = _again(work, [request], first, least=3)
    return Reading(asked.median_ms, len(asked.answers) + 1)


def frame(work: Work) -> Reading:
    asked = _frames(work, some(work.corpus.of("series"), 200), 1)
    return Reading(asked.median_ms, len(asked.answers) + 1)


def frames(work: Work) -> Reading:
    asked = _frames(work, work.corpus.of("series"), 16)
    return Reading(asked.per_second, len(asked.answers) + 1)


def frame_of_loop(work: Work) -> Reading:
    (item,) = work.corpus.of("us")
    asked = _frames(work, [item], 1, item.frames)
    return Reading(asked.median_ms, len(asked.answers) + 1)


def _frames(work: Work, items: Sequence[Item], connections: int, each: int = 1) -> Asked:
    """Single frames of items, `each` of every one. The first is looked at and not timed."""
    requests = [
        Request(f"{_target(item)}/frames/{number}", "multipart/related", _FRAMES)
        for item in items
        for number in range(1, each + 1)
    ]
    (first,) = ask(work.archive, requests[:1], work.folder / "frames").answers
    found = next(parts(first.body, first.kind), b"")
    same("the first frame", items[0].frame, hashlib.sha256(found).hexdigest())
    return _again(work, requests, first, least=max(3, connections), connections=connections)


def _again(work: Work, requests: Sequence[Request], first: Seen, *, least: int, connections: int = 1) -> Asked:
    """Ask for some seconds. Raises Wrong for an answer that is shorter than the first one."""
    folder = work.folder / "again"
    seconds, most = work.seconds, _MOST
    asked = ask(
        work.archive, requests, folder, connections=connections, seconds=seconds, least=least, most=most, keep="none"
    )
    if min(one.length for one in asked.answers) < first.length * 0.99:
        raise Wrong("an answer is shorter than the first one")
    return asked


def _target(item: Item) -> str:
    return f"/studies/{item.study}/series/{item.series}/instances/{item.instance}"


def study(work: Work) -> Reading:
    items = work.corpus.of("series")
    request = Request(f"/studies/{items[0].study}", "multipart/related", _FILES)
    (first,) = ask(work.archive, [request], work.folder / "study").answers
    found = sorted(_pixels(items[0], part) for part in parts(first.body, first.kind))
    same("pixels of a study", _digest(sorted(item.pixels for item in items)), _digest(found))
    if first.body is not None:
        first.body.unlink()
    asked = _again(work, [request], first, least=3)
    each = [one.length / one.seconds / 1e6 for one in asked.answers]
    return Reading(statistics.median(each), (len(each) + 1) * len(items))


def _pixels(like: Item, file: bytes) -> str:
    return hashlib.sha256(file[-like.pixel_bytes :]).hexdigest()


def _digest(digests: Sequence[str]) -> str:
    return f"{len(digests)} of {hashlib.sha256(''.join(digests).encode()).hexdigest()[:12]}"


def get(work: Work) -> Reading:
    items = work.corpus.of("series")
    _look_at_one(work, work.corpus.parts["series"][0][0])
    seconds, count = dcmtk.get(work.archive, items[0].study)
    same("instances by C-GET", len(items), count)
    return Reading(count / seconds, count)


def _look_at_one(work: Work, item: Item) -> None:
    """Get one instance into a file and look at its pixels."""
    folder = work.folder / "get"
    folder.mkdir(exist_ok=True)
    dcmtk.get(work.archive, item.study, item.series, item.instance, into=folder)
    files = [path for path in folder.iterdir() if path.is_file()]
    same("files by C-GET", 1, len(files))
    check_pixels(item, files[0].read_bytes())
    files[0].unlink()


def move(work: Work) -> Reading:
    items = work.corpus.of("series")
    seconds, count = dcmtk.move(work.archive, items[0].study, work.folder / "move")
    same("instances by C-MOVE", len(items), count)
    return Reading(count / seconds, count)


def rendered_ct(work: Work) -> Reading:
    return _rendered(work, "series")


def rendered_ct_again(work: Work) -> Reading:
    return _rendered_again(work, "series")


def rendered_dx(work: Work) -> Reading:
    return _rendered(work, "dx")


def rendered_dx_again(work: Work) -> Reading:
    return _rendered_again(work, "dx")


def _pictures(work: Work, part: str) -> list[Request]:
    """The last one is for waking up what renders, and never timed."""
    items = work.corpus.of(part)
    return [
        Request(f"{_target(item)}/rendered", "image/jpeg", {"Accept": "image/jpeg"})
        for item in [*some(items[:-1], _PICTURES), items[-1]]
    ]


def _rendered(work: Work, part: str) -> Reading:
    *requests, waking = _pictures(work, part)
    (first,) = ask(work.archive, [waking], work.folder / "rendered").answers
    _look_at_picture(work.corpus.of(part)[-1], first)
    asked = ask(work.archive, requests, work.folder / "rendered", keep="none")
    return Reading(asked.median_ms, len(requests) + 1)


def _rendered_again(work: Work, part: str) -> Reading:
    *requests, _ = _pictures(work, part)
    first = ask(work.archive, requests, work.folder / "rendered").answers[0]
    _look_at_picture(work.corpus.of(part)[0], first)
    asked = ask(work.archive, requests, work.folder / "rendered", seconds=work.seconds, most=_MOST, keep="none")
    return Reading(asked.median_ms, len(requests) + len(asked.answers))


def _look_at_picture(item: Item, seen: Seen) -> None:
    """It is a picture of the right size and not of one grey. Raises Wrong."""
    if seen.body is None:
        raise Wrong("a picture was not kept")
    with Image.open(io.BytesIO(seen.body.read_bytes())) as picture:
        same("pixels of a picture", item.pixel_bytes // 2, picture.width * picture.height)
        low, high = picture.convert("L").getextrema()
    if low == high:
        raise Wrong("a picture is of one grey")
