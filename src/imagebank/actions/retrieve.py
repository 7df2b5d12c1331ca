"""Giving out: files as stored or in another transfer syntax, frames, metadata, bulk data, pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import zstandard

from imagebank.actions import open_file
from imagebank.bank import Bank
from imagebank.dicom import dicomjson, frames, layout, read, render, transcode
from imagebank.dicom.scan import EXPLICIT_LE, Buffer, Header
from imagebank.errors import Invalid, NotFound, Unsupported
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.imaging import DataSet, Instance, Pixels, Selection
from imagebank.model.uid import Uid

_INLINE_LIMIT = 1 << 10
_PIXEL_DATA = "7FE00010"
_DELIMITER = 8
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

    Raises NotAllowed when the caller lacks the right: to get objects, or to have them moved.
    """
    principal.require(right)
    bank.reads.count(principal, instances, way, address)


def stored(bank: Bank, instance: Instance, start: int = 0, end: int | None = None) -> Iterator[bytes]:
    """The file as it was kept, from byte `start` up to `end`, in pieces of at most 1 MiB."""
    return bank.blobs.stream(instance.location, start, end)


def file(bank: Bank, instance: Instance) -> bytes:
    """The whole file as it was kept."""
    return bank.blobs.read(instance.location)


def in_syntax(bank: Bank, instance: Instance, syntax: Uid) -> bytes:
    """The whole file in another transfer syntax. Raises Unsupported when it cannot be produced."""
    if syntax == instance.transfer_syntax:
        return file(bank, instance)
    if instance.location.size > _MAX_REWRITTEN:
        raise Unsupported("the object is too large to be written anew; take it as stored, or frame by frame")
    return transcode.transcode(bank.sandbox, file(bank, instance), syntax)


def frame(bank: Bank, instance: Instance, number: int) -> bytes:
    """Frame `number` (from 1) as it is stored: one codestream, or native little-endian pixels.

    Raises NotFound when the object has no such frame.
    """
    pixels = instance.pixels
    if pixels is None or not 1 <= number <= pixels.frames:
        raise NotFound(f"the object has no frame {number}")
    if not pixels.direct:
        return decoded_frames(bank, instance, [number])[0]
    spans = frames.spans(pixels, number - 1)
    pieces = [bank.blobs.read(instance.location, offset, offset + length) for offset, length in spans]
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def decoded_frames(bank: Bank, instance: Instance, numbers: Sequence[int]) -> list[bytes]:
    """Frames (from 1) as native little-endian pixels, as Explicit VR Little Endian would hold them."""
    return frames_in(bank, instance, numbers, EXPLICIT_LE)


def frames_in(bank: Bank, instance: Instance, numbers: Sequence[int], syntax: Uid) -> list[bytes]:
    """Frames (from 1) in another transfer syntax, reading no more of the file than its header and them.

    Raises NotFound for a frame that is not there, Unsupported when it cannot be produced, Invalid when it cannot be
    decoded.
    """
    pixels = instance.pixels
    if pixels is None or not all(1 <= number <= pixels.frames for number in numbers):
        raise NotFound("the object has no such frame")
    data, found = header(bank, instance)
    coded = layout.layout_of(data, found)
    if pixels.direct:
        stored_frames = [frame(bank, instance, number) for number in numbers]
    else:
        stored_frames = layout.frames_of(data, found, coded, numbers)
    return transcode.recode(bank.sandbox, coded, stored_frames, syntax)[0]


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

    Of encapsulated pixel data it is the value field as stored, items included; frames are the way to read it.
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
    version, body = bank.index.metadata(series, scope)
    if body is not None:
        return body
    instances = select(bank, Selection(series=series), scope)
    items = ((*header(bank, one), one.transfer_syntax, bulk_base(one)) for one in instances)
    plain = dicomjson.series_json(items, inline_limit=_INLINE_LIMIT)
    body = zstandard.compress(plain, 1)
    with bank.index.begin() as tx:
        tx.put_metadata(series, version, body)
    return body


def picture(bank: Bank, instance: Instance, rendering: render.Rendering) -> bytes:
    """One frame, or the whole loop as GIF, as a picture. Raises Unsupported for an object without pixels."""
    pixels = instance.pixels
    if pixels is None:
        raise Invalid("the object has no pixel data to show")
    if not pixels.direct:
        return render.render(bank.sandbox, file(bank, instance), rendering)
    # A cine of gigabytes is not read for the sake of one frame.
    numbers = render.frames_to_paint(rendering, pixels.frames, pixels.rows * pixels.columns * pixels.samples)
    shown = [frame(bank, instance, number) for number in numbers]
    before = bank.blobs.read(instance.location, 0, pixels.offset)
    return render.render(bank.sandbox, render.Parts(before, shown, numbers), rendering)
