"""An object's bytes in parts that take less room, from which every byte comes back.

Native frames become HTJ2K, as `transcode` codes them for whoever asks, so that a viewer can have them as they lie.
What is around them, and frames that HTJ2K does not give back bit by bit, become Zstandard.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Final

import msgspec
import zstandard

from imagebank.dicom import frames, transcode
from imagebank.dicom.layout import EXPLICIT, HTJ2K_RPCL, IMPLICIT, Layout, layout_of
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.scan import Buffer, Header
from imagebank.errors import Invalid, Mismatch, Unsupported
from imagebank.model.compression import Coding, Compressed, Part
from imagebank.model.imaging import Pixels
from imagebank.model.uid import Uid

SOURCES: Final = frozenset((EXPLICIT, IMPLICIT))
"""Transfer syntaxes whose pixels are kept as other bytes: native, and frame by frame in the file."""

_LEVEL: Final = 3
_BATCH_BYTES: Final = 32 << 20
_BLOCK: Final = 4 << 20

Read = Callable[[int, int], bytes]
"""Bytes of the object from an offset up to another."""


def is_compressible(transfer_syntax: Uid, pixels: Pixels | None) -> bool:
    """Whether there are native pixels whose frames can be found by arithmetic."""
    return pixels is not None and transfer_syntax in SOURCES and pixels.direct and not pixels.encapsulated


def compressed(sandbox: Sandbox, read: Read, size: int, pixels: Pixels, data: Buffer, header: Header) -> Compressed:
    """The object of `size` bytes in parts; `header` is what a scan of `data`, its bytes before the pixels, found.

    Raises Invalid and Unsupported for a layout that cannot be, Unavailable when no decoder is free.
    """
    layout = layout_of(data, header)
    spans = [span for number in range(pixels.frames) for span in frames.spans(pixels, number)]
    end = spans[-1][0] + spans[-1][1]
    coded, photometric = _frames(sandbox, read, layout, spans)
    parts = [*_plain(read, 0, spans[0][0]), *coded, *_plain(read, end, size)]
    decoded_as = replace(layout, transfer_syntax=HTJ2K_RPCL, photometric=photometric, is_planar=False)
    return Compressed(size, msgspec.msgpack.encode(asdict(decoded_as), enc_hook=str), tuple(parts))


def restored(sandbox: Sandbox, how: bytes, coding: Coding, coded: bytes, size: int) -> bytes:
    """The `size` bytes that a part was made of. Raises Invalid when these are not what it holds."""
    if coding is Coding.ZSTD:
        try:
            plain = zstandard.ZstdDecompressor().decompress(coded, max_output_size=size)
        except zstandard.ZstdError as error:
            raise Invalid("a compressed part of the object cannot be read") from error
    else:
        layout = msgspec.msgpack.decode(how, type=Layout)
        plain = transcode.recode(sandbox, layout, [coded], EXPLICIT)[0][0]
    if len(plain) != size:
        raise Invalid("a compressed part of the object has another size than it had")
    return plain


def _plain(read: Read, start: int, end: int) -> Iterator[Part]:
    for at in range(start, end, _BLOCK):
        yield Part(at, Coding.ZSTD, zstandard.compress(read(at, min(at + _BLOCK, end)), _LEVEL))


def _frames(sandbox: Sandbox, read: Read, layout: Layout, spans: Sequence[frames.Span]) -> tuple[list[Part], str]:
    """The frames as parts, and their photometric interpretation in the codestream."""
    photometric = _photometric(sandbox, read, layout, spans[0])
    done: list[Part] = []
    for batch in _batches(spans):
        native = [read(offset, offset + length) for offset, length in batch]
        if photometric:
            coded, _ = transcode.recode(sandbox, layout, native, HTJ2K_RPCL)
            done += [Part(at, Coding.HTJ2K, frame) for (at, _), frame in zip(batch, coded, strict=True)]
        else:
            done += [
                Part(at, Coding.ZSTD, zstandard.compress(frame, _LEVEL))
                for (at, _), frame in zip(batch, native, strict=True)
            ]
    return done, photometric


def _photometric(sandbox: Sandbox, read: Read, layout: Layout, span: frames.Span) -> str:
    """How the first frame's colours are coded as HTJ2K; empty where it does not come back bit by bit.

    Bits beyond those stored, planes of colours, and cells that are no integers do not.
    """
    first = read(span[0], span[0] + span[1])
    try:
        coded, photometric = transcode.recode(sandbox, layout, [first], HTJ2K_RPCL)
        there = replace(layout, transfer_syntax=HTJ2K_RPCL, photometric=photometric, is_planar=False)
        back, _ = transcode.recode(sandbox, there, coded, EXPLICIT)
    except (Invalid, Mismatch, Unsupported):
        return ""
    return photometric if back == [first] else ""


def _batches(spans: Sequence[frames.Span]) -> Iterator[Sequence[frames.Span]]:
    step = max(1, _BATCH_BYTES // max(spans[0][1], 1))
    for first in range(0, len(spans), step):
        yield spans[first : first + step]
