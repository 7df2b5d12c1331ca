"""New versions of instances, written beside the former ones and not yet seen."""

import io
import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import IO, Final

from imagebank.actions import notes, open_file
from imagebank.actions.unnamed import spooled
from imagebank.bank import Bank
from imagebank.dicom import coerce
from imagebank.dicom.changes import is_line
from imagebank.dicom.describe import describe
from imagebank.dicom.digest import digest_of_stream
from imagebank.dicom.walk import Buffer
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Scope
from imagebank.model.correction import Changes, Correction, Modification, Step
from imagebank.model.imaging import Digest, Element, Instance, Kept, Location, Selection
from imagebank.model.key import owner_of
from imagebank.model.note import Note
from imagebank.model.uid import Uid

_HERE: Final = Scope(organizations=None)
_IN_MEMORY: Final = 16 << 20
_BLOCK: Final = 1 << 20
_TOGETHER: Final = 50
"""New versions that one sync and one transaction make durable."""
_SYSTEM: Final = "Imagebank"
_LONGEST_NAME: Final = 64
_TICK: Final = timedelta(microseconds=1)

Told = tuple[dict[str, Element | None], dict[str, Element | None]]
"""Values of one instance before and after, by tag."""


@dataclass(slots=True)
class Work:
    """What a correction puts in the place of what is there.

    `made_of` is what every instance of the study was then, `kept` what every instance is to be, `spare` what was written
    and is not needed. While it is not `is_complete`, so many versions as `written` are there, and the rest is not.
    """

    made_of: dict[Uid, Location]
    steps: list[Step] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    spare: list[Location] = field(default_factory=list)
    written: int = 0
    is_complete: bool = True


def prepare(bank: Bank, one: Correction, most: tuple[int, int] | None) -> Work:
    """Write what is not written of a correction, up to so many instances and bytes. Raises Invalid, NotFound."""
    there = bank.index.instances(Selection(study=one.study), _HERE)
    if not there:
        raise NotFound("the study is not here any more")
    wanted = {each.uid for each in bank.index.instances(one.selection, _HERE)}
    work = Work({each.uid: each.location for each in there})
    known = _known(bank, one, work)
    begun = max(one.at, max(each.received_at for each in there) + _TICK)
    order = sorted((each for each in there if each.uid in wanted), key=lambda each: (each.received_at, each.uid))
    fresh: list[tuple[Step, Kept]] = []
    size = 0
    for number, instance in enumerate(order):
        if instance.uid in known:
            continue
        if most is not None and (work.written >= most[0] or size >= most[1]):
            work.is_complete = False
            break
        made = _made(bank, one, instance, begun + number * _TICK)
        if made is not None:
            fresh.append(made)
            work.written += 1
            size += instance.location.size
        if len(fresh) >= _TOGETHER:
            _stage(bank, one, work, fresh)
    _stage(bank, one, work, fresh)
    work.written = len(work.steps)
    if work.is_complete:
        _complete(bank, one, there, work)
    return work


def _known(bank: Bank, one: Correction, work: Work) -> set[Uid]:
    """Instances whose new versions are written already, of what is there now; others are spare."""
    known = set()
    for step in bank.index.corrections.steps(one.id):
        if work.made_of.get(step.uid) == step.former and _is_there(bank, step.location):
            work.steps.append(step)
            known.add(step.uid)
        else:
            work.spare.append(step.location)
    return known


def _is_there(bank: Bank, location: Location) -> bool:
    try:
        bank.blobs.note(location)
    except (NotFound, Invalid):
        return False  # its account's key was destroyed, or it is damaged
    return True


def _stage(bank: Bank, one: Correction, work: Work, fresh: list[tuple[Step, Kept]]) -> None:
    """Make new versions durable, and then known."""
    if not fresh:
        return
    bank.blobs.sync([step.location for step, _ in fresh])
    with bank.index.begin() as tx:
        tx.corrections.put_steps(one.id, [step for step, _ in fresh])
    work.steps += [step for step, _ in fresh]
    work.kept += [kept for _, kept in fresh]
    fresh.clear()


def _complete(bank: Bank, one: Correction, there: list[Instance], work: Work) -> None:
    """Describe every instance of the study as it is to be: those that are not corrected, too."""
    if not work.steps:
        raise Invalid("nothing would change: the objects say so already")
    owner = bank.index.owner_of(one.study, _HERE)
    places = {step.uid: step.location for step in work.steps}
    described = {kept.location for kept in work.kept}
    for instance in there:
        location = places.get(instance.uid, instance.location)
        if location not in described:
            work.kept.append(notes.kept_again(bank, notes.note_at(bank, location), location))
    work.kept = [replace(kept, is_guest=kept.source.organization != owner) for kept in work.kept]


def modification(bank: Bank, at: datetime, instance: Instance) -> Modification:
    """What a new version says of its making: the former values came from who gave them, or deposited the instance."""
    came = notes.note_at(bank, instance.location).source
    source = (came.issuer or came.principal)[:_LONGEST_NAME].strip()
    return Modification(at, _SYSTEM, source=source if is_line(source) else "")


def wanted(bank: Bank, one: Correction, instance: Instance) -> Changes | None:
    """The new values for an instance: those asked for, or what it had before the correction that is undone.

    None where that correction left the instance as it was.
    """
    if not one.undoes:
        return one.changes
    found = [each for each in bank.index.corrections.versions(instance.uid, _HERE) if each.superseded_by == one.undoes]
    if not found:
        return None
    (undone,) = (each for each in bank.index.corrections.of_study(one.study, _HERE) if each.id == one.undoes)
    return coerce.values_of(open_file.opened(bank, found[-1].location), undone.before)


def values_now(bank: Bank, instance: Instance, names: Iterable[str]) -> dict[str, Element | None]:
    """What an instance says of attributes, by tag."""
    return coerce.values_of(open_file.opened(bank, instance.location), names)


def differences(bank: Bank, one: Correction, instance: Instance, *, is_written: bool = False) -> Told:
    """What an instance says now, and what it would say, of the attributes that would change. Raises Invalid.

    With `is_written`, it is seen that the new version can be written.
    """
    changes = wanted(bank, one, instance)
    if changes is None:
        return {}, {}
    data = open_file.opened(bank, instance.location)
    told = coerce.differences(data, changes)
    if is_written and told[0]:
        coerce.coerced(data, changes, modification(bank, one.at, instance))
    return told


def _made(bank: Bank, one: Correction, instance: Instance, at: datetime) -> tuple[Step, Kept] | None:
    """Write the new version of one instance; None where nothing of it differs. It is not durable yet."""
    changes = wanted(bank, one, instance)
    if changes is None:
        return None
    data = open_file.opened(bank, instance.location)
    told = coerce.differences(data, changes)
    if not told[0]:
        return None
    with _file(bank, coerce.coerced(data, changes, modification(bank, one.at, instance))) as (content, view):
        return _written(bank, one, instance, at, told, content, view)


def _written(
    bank: Bank,
    one: Correction,
    instance: Instance,
    at: datetime,
    told: Told,
    content: IO[bytes],
    view: memoryview,
) -> tuple[Step, Kept]:
    former = notes.note_at(bank, instance.location)
    source = former.source
    description = describe(view, size=len(view), catalogue=bank.catalogue, organization=source.authority)
    digest, inner = (_digest(content, start) for start in (0, description.dataset_offset))
    content.seek(0)
    note = Note(source, at, digest, inner, former.name, correction=one.id)
    key = bank.keys.of(owner_of(description.patient, source.organization))
    location = bank.blobs.write(content, len(view), notes.pack(note), key)
    kept = Kept(
        description,
        location,
        digest,
        inner,
        source,
        at,
        former.name,
        sealed_by=key.name,
        correction=one.id,
    )
    return Step(instance.uid, instance.location, location, *told, sealed_by=key.name), kept


def _digest(content: IO[bytes], start: int) -> Digest:
    """The digest of a file from byte `start` on. Read and not mapped: what is touched of a map counts as memory."""
    content.seek(start)
    return digest_of_stream(iter(lambda: content.read(_BLOCK), b""))


def _parts(pieces: list[Buffer]) -> Iterator[memoryview]:
    """The pieces in blocks; what has been read of a mapped file is let go of."""
    for piece in pieces:
        with memoryview(piece) as whole:
            for start in range(0, len(whole), _BLOCK):
                yield whole[start : start + _BLOCK]
                if isinstance(whole.obj, mmap.mmap):
                    whole.obj.madvise(mmap.MADV_DONTNEED)


@contextmanager
def _file(bank: Bank, pieces: list[Buffer]) -> Iterator[tuple[IO[bytes], memoryview]]:
    """The pieces as one file, and its bytes: in memory when they are few."""
    if sum(map(len, pieces)) <= _IN_MEMORY:
        whole = b"".join(pieces)
        with io.BytesIO(whole) as content, memoryview(whole) as view:
            yield content, view
        return
    purpose = "to write a new version of this large object"
    with (
        spooled(bank.settings.data, _parts(pieces), purpose) as copy,
        mmap.mmap(copy.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        yield copy, view
