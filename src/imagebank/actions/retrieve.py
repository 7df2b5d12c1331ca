"""Giving out: files as stored or in another transfer syntax, frames, metadata, bulk data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import zstandard

from imagebank.actions import open_file, together
from imagebank.actions.audit import event
from imagebank.actions.together import Steps
from imagebank.bank import Bank
from imagebank.dicom import dicomjson, frames, layout, preamble, read, transcode
from imagebank.dicom.scan import Buffer, Header, is_undefined
from imagebank.errors import NotFound, Unsupported
from imagebank.model.access import Device, Principal, Right, Scope
from imagebank.model.audited import moved_to
from imagebank.model.compression import Coding
from imagebank.model.event import Act
from imagebank.model.imaging import DataSet, Instance, Location, Pixels, Selection
from imagebank.model.uid import Uid

_INLINE_LIMIT = 1 << 10
_PIXEL_DATA = "7FE00010"
_DELIMITER = 8
_AHEAD = 8
_BATCH = 32 << 20
# Another coding of a whole file is made in memory.
_MAX_REWRITTEN = 1 << 30


def select(bank: Bank, selection: Selection, scope: Scope) -> list[Instance]:
    """The instances that a caller points at, by series and instance number. Raises NotFound when there is none."""
    instances = bank.index.instances(selection, scope)
    if not instances:
        raise NotFound("there is no such study, series or instance here")
    return instances


def reading(
    bank: Bank,
    principal: Principal,
    instances: Sequence[Instance],
    way: str,
    address: str = "",
    right: Right = Right.GET,
) -> None:
    """Say in the ledger that a caller reads; to be called before the first byte leaves.

    Raises NotAllowed when the caller lacks the right: to get objects, to have them moved, or to find what is said of them.
    """
    principal.require(right)
    bank.reads.count(principal, instances, way, address)


def reading_again(bank: Bank, principal: Principal, instances: Sequence[Instance], way: str, address: str = "") -> bool:
    """The same where it writes nothing now, because the first read of each study stands in the ledger; else False."""
    principal.require(Right.GET)
    return bank.reads.count_again(principal, instances, way, address)


def sending(bank: Bank, principal: Principal, instances: Sequence[Instance], device: Device, address: str = "") -> None:
    """Say in the ledger that objects of a study go to a device because a caller wants it; durable before any does.

    They are counted as those that are to go: what the device refuses later was on its way to it.
    """
    noted = event(bank, Act.SENT, principal, address, moved_to(device))
    with bank.index.begin() as tx:
        tx.record([replace(noted, study=instances[0].study, patient=instances[0].patient, count=len(instances))])


def in_turn(bank: Bank, instances: Sequence[Instance]) -> Iterator[Instance]:
    """Instances that are read as a whole one after another; the store is told of a few before it is their turn."""
    for number, one in enumerate(instances):
        if number % _AHEAD == 0 and len(instances) > 1:
            bank.blobs.expect([each.location for each in instances[number : number + 2 * _AHEAD]])
        yield one


def stored(bank: Bank, instance: Instance, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The file from byte `start` up to `end` in pieces of at most 1 MiB: as it was kept, but for what hides before it.

    A preamble goes out as zeros unless it makes the file a TIFF (`dicom.preamble`); every other byte is as it came.
    """
    if instance.dataset_offset < preamble.HEAD:
        return bank.blobs.stream(instance.location, start, end)
    return harmless(bank, instance.location, start, end)


def harmless(bank: Bank, location: Location, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The same of any record that holds a DICOM file."""
    last = location.size if end is None else end
    if start >= preamble.LENGTH or start >= last:
        return bank.blobs.stream(location, start, end)
    if start == 0 and last >= preamble.HEAD:
        return _with_head(bank.blobs.stream(location, 0, end), location.size)
    head = preamble.neutral(bank.blobs.read(location, 0, min(preamble.HEAD, location.size)), location.size)
    if last <= len(head):
        return iter([head[start:last]])
    return chain([head[start:]], bank.blobs.stream(location, len(head), end))


def _with_head(pieces: Iterator[bytes], size: int) -> Iterator[bytes]:
    # No store cuts its pieces as short as a head.
    yield preamble.neutral(next(pieces), size)
    yield from pieces


def file(bank: Bank, instance: Instance) -> bytes:
    """The whole file as it was kept, to be read in here; `stored` is what leaves."""
    return bank.blobs.read(instance.location)


def in_syntax(bank: Bank, instance: Instance, syntax: Uid) -> bytes:
    """The whole file in another transfer syntax. Raises Unsupported when it cannot be produced."""
    if syntax == instance.transfer_syntax:
        return b"".join(stored(bank, instance))
    if instance.location.size > _MAX_REWRITTEN:
        raise Unsupported("the object is too large to be written anew; take it as stored, or frame by frame")
    return transcode.transcode(bank.sandbox, file(bank, instance), syntax)


def frame(bank: Bank, instance: Instance, number: int) -> bytes:
    """Frame `number` (from 1) as it is stored: one codestream, or native little-endian pixels.

    Raises NotFound when the object has no such frame.
    """
    pixels = instance.pixels
    if pixels is None or not 1 <= number <= pixels.frames:
        raise NotFound("the object has no frame {number}", number=number)
    if not pixels.direct:
        return _read_frames(bank, instance, [number])[0][0]
    spans = frames.spans(pixels, number - 1)
    pieces = [bank.blobs.read(instance.location, offset, offset + length) for offset, length in spans]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def is_kept_as_htj2k(bank: Bank, instance: Instance, number: int = 1) -> bool:
    """Whether a frame (from 1) is kept as HTJ2K, so that this form of it costs nothing."""
    location = instance.location
    return bank.blobs.is_compressed(location) and bank.blobs.coding(location, *_span(instance, number)) is Coding.HTJ2K


def _span(instance: Instance, number: int) -> tuple[int, int]:
    """Where a frame of a compressed object begins and ends in its bytes."""
    assert instance.pixels is not None, "what is compressed has native pixels"
    ((offset, length),) = frames.spans(instance.pixels, number - 1)
    return offset, offset + length


def frames_in(bank: Bank, instance: Instance, numbers: Sequence[int], syntax: Uid) -> list[bytes]:
    """Frames (from 1) in another transfer syntax, reading no more of the file than its header and them.

    Raises NotFound for a frame that is not there, Unsupported when it cannot be produced, Invalid when it cannot be
    decoded.
    """
    pixels = instance.pixels
    if pixels is None or not all(1 <= number <= pixels.frames for number in numbers):
        raise NotFound("the object has no such frame")
    if syntax in layout.AS_KEPT and all(is_kept_as_htj2k(bank, instance, number) for number in numbers):
        return [bank.blobs.coded(instance.location, *_span(instance, number)) for number in numbers]
    stored_frames, coded = _read_frames(bank, instance, numbers)
    return transcode.recode(bank.sandbox, coded, stored_frames, syntax)[0]


def _read_frames(bank: Bank, instance: Instance, numbers: Sequence[int]) -> tuple[list[bytes], layout.Layout]:
    """Frames as they are stored, and how they are laid out."""
    data, found = header(bank, instance)
    coded = layout.layout_of(data, found)
    if instance.pixels is not None and instance.pixels.direct:
        return [frame(bank, instance, number) for number in numbers], coded
    return layout.frames_of(data, found, coded, numbers), coded


def header(bank: Bank, instance: Instance) -> tuple[Buffer, Header]:
    """The file's bytes up to its pixel data (all of it where there is none), and what the scan found."""
    data, found = _opened(bank, instance)
    return (found.data, found.header) if isinstance(found, read.Converted) else (data, found)


def _opened(bank: Bank, instance: Instance) -> tuple[Buffer, Header | read.Converted]:
    pixels, location = instance.pixels, instance.location
    if pixels is None or not pixels.direct or not _is_last(pixels, location.size):
        data = open_file.opened(bank, location)
        return data, read.open_header(data)
    leading = bank.blobs.read(location, 0, pixels.offset)
    return leading, read.open_header(leading, size=location.size)


def _is_last(pixels: Pixels, size: int) -> bool:
    """Whether nothing follows the pixel data in a file of `size` bytes: no attribute, and no padding."""
    rest = size - pixels.offset - pixels.length
    # Only encapsulated pixel data ends with a delimiter (PS3.5 A.4); an element can be as short.
    return rest == 0 or (pixels.encapsulated and rest == _DELIMITER)


def attributes(bank: Bank, instance: Instance) -> DataSet:
    """Every attribute of one instance in the DICOM JSON model; large values as BulkDataURI."""
    data, found = header(bank, instance)
    base = bulk_base(instance)
    return dicomjson.to_json(
        data,
        found,
        bulk=lambda path: base + path,
        inline_limit=_INLINE_LIMIT,
        available_transfer_syntax=instance.transfer_syntax,
    )


def bulk_base(instance: Instance) -> str:
    """Where the bulk data of an instance is served, relative to the server."""
    return f"/dicom-web/studies/{instance.study}/series/{instance.series}/instances/{instance.uid}/bulkdata/"


@dataclass(frozen=True, slots=True)
class Bulk:
    """One large value: its length in bytes, and a way to read it from `start` up to `end`."""

    size: int
    read: Callable[[int, int], Iterator[bytes]]


def bulk(bank: Bank, instance: Instance, path: str) -> Bulk:
    """The value that a BulkDataURI names. Raises NotFound.

    Of encapsulated pixel data it is the value field as stored, items included: `pixel_frames` is the way to read it.
    """
    pixels = instance.pixels
    if path == _PIXEL_DATA and pixels is not None and pixels.direct:
        return _stored_bulk(bank, instance, pixels.offset, pixels.length)
    data, found = _opened(bank, instance)
    if not isinstance(found, read.Converted):
        raw = dicomjson.locate(data, found, path)
        return _stored_bulk(bank, instance, raw.offset, raw.length)
    image, raw = found.data, dicomjson.locate(found.data, found.header, path)
    return Bulk(raw.length, lambda start, end: iter((image[raw.offset + start : raw.offset + end],)))


def _stored_bulk(bank: Bank, instance: Instance, offset: int, length: int) -> Bulk:
    return Bulk(length, lambda start, end: stored(bank, instance, offset + start, offset + end))


@dataclass(frozen=True, slots=True)
class Frames:
    """Pixel data that a BulkDataURI names: how many frames, and all of them in order in a transfer syntax.

    `read` raises as `frames_in` does, before it gives the first frame or later.
    """

    count: int
    is_encapsulated: bool
    read: Callable[[Uid], Iterator[bytes]]


def pixel_frames(bank: Bank, instance: Instance, path: str) -> Frames | None:
    """The pixel data that a BulkDataURI names, of the image or of an icon within; None when it names something else.

    Raises NotFound when it names nothing.
    """
    pixels = instance.pixels
    if path.rpartition("/")[2] != _PIXEL_DATA or (path == _PIXEL_DATA and pixels is None):
        return None
    if path == _PIXEL_DATA and pixels is not None:
        return Frames(pixels.frames, pixels.encapsulated, lambda syntax: _every_frame(bank, instance, syntax))
    data, found = header(bank, instance)
    inner = replace(found, elements=dicomjson.locate_place(data, found, path).elements)
    return _frames_within(bank, data, inner)


def frames_each(bank: Bank, instance: Instance, numbers: Sequence[int], syntax: Uid | None = None) -> Iterator[bytes]:
    """Frames (from 1) one after another, as they are stored or in a transfer syntax; some 32 MiB are held at a time.

    A file that cannot be read in part is held as a whole, and so bounded. Raises as `frames_in` does, before the first
    frame or later.
    """
    pixels = instance.pixels
    if pixels is None or not all(1 <= number <= pixels.frames for number in numbers):
        raise NotFound("the object has no such frame")
    if pixels.direct and syntax is None:
        yield from (frame(bank, instance, number) for number in numbers)
        return
    native = pixels.rows * pixels.columns * pixels.samples * max(pixels.bits_allocated, 8) // 8
    step = max(1, _BATCH // max(native, 1))
    if not pixels.direct:
        # The file is read as a whole, so once.
        step = max(1, len(numbers))
        if native * len(numbers) > _MAX_REWRITTEN:
            raise Unsupported("the object is too large to be read as a whole, as its frames would need")
    for first in range(0, len(numbers), step):
        some = numbers[first : first + step]
        yield from _read_frames(bank, instance, some)[0] if syntax is None else frames_in(bank, instance, some, syntax)


def _every_frame(bank: Bank, instance: Instance, syntax: Uid) -> Iterator[bytes]:
    assert instance.pixels is not None
    is_stored = syntax == instance.transfer_syntax
    return frames_each(bank, instance, range(1, instance.pixels.frames + 1), None if is_stored else syntax)


def _frames_within(bank: Bank, data: Buffer, found: Header) -> Frames | None:
    """Pixel data in a sequence, which is read as a whole: icons are small."""
    raw = found.elements.get(int(_PIXEL_DATA, 16))
    if raw is None or not is_undefined(data, raw):
        return None

    def read(syntax: Uid) -> Iterator[bytes]:
        coded = layout.layout_of(data, found)
        stored_frames = layout.frames_of(data, found, coded)
        is_stored = syntax == coded.transfer_syntax
        yield from stored_frames if is_stored else transcode.recode(bank.sandbox, coded, stored_frames, syntax)[0]

    return Frames(layout.frame_count(data, found), is_encapsulated=True, read=read)


def versions(bank: Bank, selection: Selection, scope: Scope) -> list[tuple[Uid, Uid, int]]:
    """Study, series and version of each series that a caller points at: what changes when its metadata does.

    Raises NotFound when there is none.
    """
    found = bank.index.series_of(selection, scope)
    if not found:
        raise NotFound("there is no such study, series or instance here")
    return found


def series_metadata(bank: Bank, series: Uid, scope: Scope) -> bytes:
    """The metadata of a whole series: a JSON array, compressed by zstd, ready-made or made now."""
    return together.alone(bank, making_metadata(bank, series, scope))


def making_metadata(bank: Bank, series: Uid, scope: Scope) -> Steps[bytes]:
    """The same in steps."""
    version, body = bank.index.metadata(series, scope)
    if body is not None:
        return body
    instances = select(bank, Selection(series=series), scope)
    items = ((*header(bank, one), one.transfer_syntax, bulk_base(one)) for one in instances)
    plain = dicomjson.series_json(items, inline_limit=_INLINE_LIMIT)
    body = zstandard.compress(plain, 1)
    made = body
    yield lambda tx: tx.put_metadata(series, version, made)
    return made
