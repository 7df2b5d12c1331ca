"""The same picture under another identity: found by what its pixels look like, reported, and never merged by itself."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from imagebank.actions import audit, filing, notes, retrieve, together
from imagebank.actions.together import InSteps, Steps
from imagebank.bank import Bank
from imagebank.dicom import layout, likeness
from imagebank.dicom.digest import digest_of, digest_of_stream
from imagebank.errors import Conflict, Invalid, NotFound, Unsupported, noted
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Instance, Pixels, Selection
from imagebank.model.picture import (
    Answer,
    Finding,
    Fingerprint,
    Ground,
    Likely,
    Pair,
    Verdict,
    Whose,
    ordered,
)
from imagebank.model.task import Kind, Mark, Priority, Task, filed
from imagebank.model.uid import Uid
from imagebank.ports import Transaction
from imagebank.ports.pictures import Undone

JOB: Final = "pixels"
_HERE: Final = Scope(organizations=None)
"""Nobody reads here: what is found is shown to who sees both sides."""
_AT_ONCE: Final = 16
"""Instances of one job, so that others have their turn."""
_MOST_FRAMES: Final = 1024
"""More frames than these are sampled evenly."""
_CHUNK_BYTES: Final = 4 << 20
"""Frames that are decoded by one request, as far as they are not larger: it is held here and there meanwhile."""
_TASK: Final = "imagebank.dicom.fingerprint:fingerprint"
_PATTERN: Final = 20
"""A picture that more studies than these have is a pattern of a device, and no finding."""
_LOOKED_UP: Final = 64
_COMPARED: Final = 8
"""How many pictures that look alike are compared pixel by pixel."""
_LONGEST_REASON: Final = 1000
NOTES: Final = {
    (Whose.OTHER_PATIENT, Ground.EXACT): noted("pixel for pixel the same picture stands in studies of two patients"),
    (Whose.OTHER_PATIENT, Ground.ALIKE): noted("a picture that looks the same stands in studies of two patients"),
    (Whose.SAME_PERSON, Ground.EXACT): noted(
        "pixel for pixel the same picture stands in two studies, under two records of one person"
    ),
    (Whose.SAME_PERSON, Ground.ALIKE): noted(
        "a picture that looks the same stands in two studies, under two records of one person"
    ),
    (Whose.SAME_PATIENT, Ground.EXACT): noted("pixel for pixel the same picture stands in two studies of one patient"),
    (Whose.SAME_PATIENT, Ground.ALIKE): noted("a picture that looks the same stands in two studies of one patient"),
}
"""What somebody reads who is asked in the queue."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A fingerprint, and the picture small, to compare it with others."""

    fingerprint: Fingerprint
    small: bytes = b""


def see(bank: Bank, instance: Instance) -> Fingerprint:
    """What an instance's pixels are known again by. Raises Unavailable when no decoder is free."""
    return _see(bank, instance).fingerprint


def _see(bank: Bank, instance: Instance) -> _Seen:
    pixels = instance.pixels
    if pixels is None:
        return _Seen(Fingerprint())
    try:
        if instance.transfer_syntax not in layout.DECODABLE:
            return _Seen(Fingerprint(_digest_of_stream(bank, instance, pixels), None, is_telling=True))
        return _decoded(bank, instance, pixels)
    except (Invalid, NotFound, Unsupported):
        # Nothing that can be decoded, or gone: it is not tried again.
        return _Seen(Fingerprint())


def _digest_of_stream(bank: Bank, instance: Instance, pixels: Pixels) -> bytes:
    """Of a film, which is not decoded: the same stream is the same film."""
    stream = bank.blobs.stream(instance.location, pixels.offset, pixels.offset + pixels.length)
    return digest_of_stream([b"imagebank film 1", *stream]).value


@dataclass(frozen=True, slots=True)
class _Asked:
    """Frames to be decoded, all of one image, and the place among them of the one whose look is wanted, or -1."""

    coded: layout.Layout
    frames: Sequence[bytes]
    look: int


def _see_each(bank: Bank, instances: Sequence[Instance]) -> list[_Seen]:
    """What several instances are known again by; small ones are decoded by one request."""
    seen: dict[int, _Seen] = {}
    some, room = dict[int, _Laid](), _CHUNK_BYTES
    for place, one in enumerate(instances):
        laid = _laid(bank, one)
        if laid is None or laid.octets > _CHUNK_BYTES:
            seen[place] = _see(bank, one)
            continue
        if laid.octets > room:
            seen |= _seen_at_once(bank, some)
            some, room = {}, _CHUNK_BYTES
        some[place] = laid
        room -= laid.octets
    seen |= _seen_at_once(bank, some)
    return [seen[place] for place in range(len(instances))]


@dataclass(frozen=True, slots=True)
class _Laid:
    """An image that can be decoded, how it is laid out, and which of its frames are looked at."""

    instance: Instance
    pixels: Pixels
    coded: layout.Layout
    numbers: Sequence[int]

    @property
    def octets(self) -> int:
        """Of all of these frames, decoded."""
        return len(self.numbers) * max(self.coded.frame_bytes, 1)

    @property
    def middle(self) -> int:
        """The frame that tells how it looks."""
        return min(self.numbers, key=lambda number: abs(number - _middle(self.pixels)))

    def fingerprint(self, digests: Sequence[str]) -> Fingerprint:
        coded = self.coded
        shape = (coded.rows, coded.columns, coded.samples, coded.bits_stored, coded.is_signed, coded.value)
        whole = f"imagebank pixels 1 {(*shape, self.pixels.frames)}".encode()
        return Fingerprint(digest_of(whole, *map(bytes.fromhex, digests)).value)


def _laid(bank: Bank, instance: Instance) -> _Laid | None:
    """None where it is not decoded: no pixels, a film, or nothing that can be."""
    pixels = instance.pixels
    if pixels is None or instance.transfer_syntax not in layout.DECODABLE:
        return None
    try:
        return _Laid(instance, pixels, layout.layout_of(*retrieve.header(bank, instance)), _sampled(pixels.frames))
    except (Invalid, NotFound, Unsupported):
        return None


def _seen_at_once(bank: Bank, some: Mapping[int, _Laid]) -> dict[int, _Seen]:
    try:
        asked = [
            _Asked(
                one.coded, list(retrieve.frames_each(bank, one.instance, one.numbers)), one.numbers.index(one.middle)
            )
            for one in some.values()
        ]
        answers = _ask(bank, asked) if asked else []
    except (Invalid, NotFound, Unsupported):
        # One of them can be gone, or cannot be decoded: each by itself, so that it costs only itself.
        return {place: _see(bank, one.instance) for place, one in some.items()}
    return {
        place: _Seen(_told(one.fingerprint(answer["digests"]), answer), piece)
        for (place, one), (answer, piece) in zip(some.items(), answers, strict=True)
    }


def _told(fingerprint: Fingerprint, answer: Mapping[str, Any]) -> Fingerprint:
    return replace(fingerprint, look=answer["look"], is_telling=answer["is_telling"])


def _decoded(bank: Bank, instance: Instance, pixels: Pixels) -> _Seen:
    one = _Laid(instance, pixels, layout.layout_of(*retrieve.header(bank, instance)), _sampled(pixels.frames))
    step = max(1, _CHUNK_BYTES // max(one.coded.frame_bytes, 1))
    digests, told, small = list[str](), Fingerprint(), b""
    for first in range(0, len(one.numbers), step):
        numbers = one.numbers[first : first + step]
        look = numbers.index(one.middle) if one.middle in numbers else -1
        frames = list(retrieve.frames_each(bank, instance, numbers))
        ((answer, piece),) = _ask(bank, [_Asked(one.coded, frames, look)])
        digests += answer["digests"]
        if piece:
            told, small = _told(told, answer), piece
    return _Seen(replace(told, digest=one.fingerprint(digests).digest), small)


def _ask(bank: Bank, asked: Sequence[_Asked]) -> list[tuple[dict[str, Any], bytes]]:
    """Have frames decoded: of each image the digests of its frames, how the one at the place `look` looks, and it small."""
    images = [{"layout": asdict(one.coded), "sizes": [*map(len, one.frames)], "look": one.look} for one in asked]
    answer, pieces = bank.sandbox.call(_TASK, {"images": images}, *(frame for one in asked for frame in one.frames))
    found, at = list[tuple[dict[str, Any], bytes]](), 0
    for each in answer["images"]:
        found.append((each, bytes(pieces[at : at + each["small"]])))
        at += each["small"]
    return found


def _middle(pixels: Pixels) -> int:
    return (pixels.frames + 1) // 2


def _small(bank: Bank, instance: Instance) -> bytes:
    """The middle frame small; empty where it cannot be decoded any more."""
    try:
        coded = layout.layout_of(*retrieve.header(bank, instance))
        frames = list(retrieve.frames_each(bank, instance, [_middle(instance.pixels)])) if instance.pixels else []
        return _ask(bank, [_Asked(coded, frames, 0)])[0][1] if frames else b""
    except (Invalid, NotFound, Unsupported):
        return b""


def _sampled(frames: int) -> list[int]:
    if frames <= _MOST_FRAMES:
        return list(range(1, frames + 1))
    return sorted({1 + (frames - 1) * place // (_MOST_FRAMES - 1) for place in range(_MOST_FRAMES)})


@InSteps
def pixels_job(bank: Bank, payload: dict[str, Any]) -> Steps[None]:
    """What the job `pixels` does: some instances of a series, or of the bank; it defers itself for the rest."""
    series = Uid(payload["series"]) if payload.get("series") else None
    began = bank.now()
    some = bank.index.pictures.undone(_AT_ONCE, _HERE, series)
    yield from taking(bank, some)
    if len(some) == _AT_ONCE:
        # As long a pause as it took: other work goes on at half the speed at worst.
        due = bank.now() + (bank.now() - began)
        yield lambda tx: tx.defer(JOB, payload, due, key=series or "all")


def look_soon(bank: Bank, tx: Transaction, series: Uid | None = None) -> None:
    """Have the pictures of a series looked at, or of all of which nothing is known yet."""
    tx.defer(JOB, {"series": series} if series else {}, bank.now(), key=series or "all")


def catch_up(bank: Bank) -> bool:
    """Have the pictures looked at that were there before, slowly; whether there are any."""
    is_behind = bool(bank.index.pictures.undone(1, _HERE))
    if is_behind:
        with bank.index.begin() as tx:
            look_soon(bank, tx)
    return is_behind


def fill(bank: Bank, progress: Callable[[int, int], None]) -> int:
    """Look at all pictures of which nothing is known yet, with every decoder there is; how many findings that made."""
    done, total = bank.index.pictures.count(_HERE)
    after, found = -1, 0
    with ThreadPoolExecutor(max(bank.settings.decoders, 1)) as pool:
        while some := bank.index.pictures.undone(_AT_ONCE, _HERE, after=after):
            after = some[-1].place
            found += take(bank, some, lambda instances: list(pool.map(lambda one: _see(bank, one), instances)))
            done += len(some)
            progress(done, max(done, total))
    return found


def take(bank: Bank, some: Sequence[Undone], look: Callable[[Sequence[Instance]], list[_Seen]] | None = None) -> int:
    """Look at pictures, write down what they are known by, and report those that are there already; how many are new."""
    return together.alone(bank, taking(bank, some, look))


def taking(
    bank: Bank, some: Sequence[Undone], look: Callable[[Sequence[Instance]], list[_Seen]] | None = None
) -> Steps[int]:
    """The same in steps."""
    listed = [bank.index.instances(Selection(instance=one.uid), _HERE) for one in some]
    instances = [one for each in listed for one in each]
    seen = look(instances) if look is not None else _see_each(bank, instances)
    found = [(one.uid, each.fingerprint) for one, each in zip(instances, seen, strict=True)]
    yield lambda tx: tx.pictures.put(found)
    pairs = [pair for one, each in zip(instances, seen, strict=True) for pair in _pairs(bank, one, each)]
    return _report(bank, pairs) if pairs else 0


def _pairs(bank: Bank, instance: Instance, seen: _Seen) -> list[Pair]:
    """What is held of other studies that is this very picture."""
    if not seen.fingerprint.is_telling:
        return []
    likely = bank.index.pictures.alike(seen.fingerprint, instance.study, _HERE, _LOOKED_UP)
    exact = [one for one in likely if one.ground is Ground.EXACT]
    if len({one.study for one in exact}) > _PATTERN:
        return []
    near = [one for one in likely if one.ground is Ground.ALIKE][:_COMPARED] if not exact else []
    return [_pair(instance, one) for one in (*exact, *(one for one in near if _is_same(bank, seen, one)))]


def _is_same(bank: Bank, seen: _Seen, other: Likely) -> bool:
    """Whether a picture that looks alike is the same: neighbouring slices look alike, too."""
    found = bank.index.instances(Selection(instance=other.uid), _HERE)
    small = _small(bank, found[0]) if found else b""
    return bool(small) and likeness.correlation(seen.small, small) >= likeness.SAME


def _pair(instance: Instance, other: Likely) -> Pair:
    first, second = sorted([(instance.study, instance.uid), (other.study, other.uid)])
    return Pair(first[1], second[1], first[0], second[0], other.ground, other.distance)


def _report(bank: Bank, pairs: Sequence[Pair]) -> int:
    """Note what was found, and put each pair of studies into the reconciliation queue that is new there."""
    now = bank.now()
    with bank.index.begin() as tx:
        new = tx.pictures.file(pairs, now)
    for first, second in new:
        found = bank.index.pictures.finding(first, second, _HERE)
        if found is None:
            continue
        told = _with_whose(bank, found, _HERE)
        is_loud = told.whose is Whose.OTHER_PATIENT
        priority = Priority.HIGH if is_loud else Priority.LOW
        task = Task(_task(first, second), Kind.SAME_PIXELS, found.first.organization, (first, second), now)
        with bank.index.begin() as tx:
            filing.file(bank, tx, replace(task, priority=priority, note=NOTES[told.whose, told.ground]))
    return len(new)


def _task(first: Uid, second: Uid) -> str:
    return filed(Kind.SAME_PIXELS, f"{first} {second}")


def _with_whose(bank: Bank, found: Finding, scope: Scope) -> Finding:
    first, second = found.first.patient, found.second.patient
    if first == second and first.identifier:
        return replace(found, whose=Whose.SAME_PATIENT)
    records = [bank.index.persons.identity(one, scope) for one in (first, second)]
    persons = {one.person for one in records if one is not None}
    is_one = None not in records and len(persons) == 1
    return replace(found, whose=Whose.SAME_PERSON if is_one else Whose.OTHER_PATIENT)


def findings(
    bank: Bank, principal: Principal, limit: int = 100, *, is_open: bool = True, offset: int = 0, address: str = ""
) -> list[Finding]:
    """Studies that have pictures in common, as far as the caller sees both; other patients' first.

    Raises NotAllowed without the right to reconcile.
    """
    principal.require(Right.RECONCILE)
    bank.reads.search(principal, "pictures that are held twice", address)
    scope = principal.scope
    found = bank.index.pictures.findings(scope, limit, is_open=is_open, offset=offset)
    told = [_with_whose(bank, one, scope) for one in found]
    return sorted(told, key=lambda one: one.whose is not Whose.OTHER_PATIENT)


def settle(
    bank: Bank, principal: Principal, one: Uid, other: Uid, answer: Answer, reason: str = "", address: str = ""
) -> Finding:
    """Say of two studies that the same picture is rightly in both, or that they are not the same, or take that back.

    Nothing is merged. The task in the reconciliation queue goes with it, and comes back with it.

    Raises NotAllowed, NotFound where the caller does not see such a finding, Conflict where the same was said already.
    """
    principal.require(Right.RECONCILE)
    words = " ".join(reason.split())
    if len(words) > _LONGEST_REASON:
        raise Invalid("the reason is longer than {longest} characters", longest=_LONGEST_REASON)
    first, second = ordered(one, other)
    found = bank.index.pictures.finding(first, second, principal.scope)
    if found is None:
        raise NotFound("there is no such finding here")
    said = Answer.OPEN if found.verdict is None else found.verdict.answer
    if said is answer:
        raise Conflict("that was said already, or nothing was")
    now = bank.now()
    verdict = Verdict(first, second, answer, principal.name, now, words)
    how = "" if answer is Answer.OPEN else answer.value
    mark = Mark(_task(first, second), how=how, by=principal.name, at=now, reason=words)
    about = audit.event(bank, Act.DECIDED, principal, address, f"pictures: {answer}")
    with bank.index.begin() as tx:
        tx.pictures.settle(verdict)
        tx.tasks.mark(mark)
        notes.defer(bank, tx, pictures=(verdict,), marks=(mark,))
        tx.record([replace(about, study=side.study, patient=side.patient) for side in (found.first, found.second)])
    return replace(_with_whose(bank, found, principal.scope), verdict=verdict if how else None)
