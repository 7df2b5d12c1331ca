"""Pictures of stored images: made once, and kept for the next look as long as there is room and the object is there.

Whoever asks has been shown the instance by its scope, and stands in the ledger, before this is called.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from imagebank.actions import retrieve
from imagebank.bank import Bank
from imagebank.dicom import frames, render
from imagebank.dicom.render import Rendering, Viewport
from imagebank.errors import Invalid
from imagebank.model.imaging import Instance, Pixels

LOOK_SIDE: Final = 1024
"""A look needs no more rows or columns; nothing is made larger for it."""
LOOK_QUALITY: Final = 90
_MANNER: Final = 1
"""Grows with each release that paints differently, so that nobody is shown a picture of the former one."""


def picture(bank: Bank, instance: Instance, rendering: Rendering) -> bytes:
    """One frame, or the whole loop as GIF, as a picture; as it was kept, or made now. Raises as `painted` does."""
    found = kept(bank, instance, rendering)
    return made(bank, instance, rendering) if found is None else found


def made(bank: Bank, instance: Instance, rendering: Rendering) -> bytes:
    """The same, made now, and kept for the next look."""
    new = painted(bank, instance, rendering)
    if bank.renditions is not None:
        bank.renditions.put(_secret(bank, instance, rendering), new)
    return new


def kept(bank: Bank, instance: Instance, rendering: Rendering) -> bytes | None:
    """The same if it was kept, at the price of two short reads. Raises NotFound once the object is destroyed."""
    if bank.renditions is None or instance.pixels is None:
        return None
    return bank.renditions.get(_secret(bank, instance, rendering))


def _secret(bank: Bank, instance: Instance, rendering: Rendering) -> bytes:
    pixels = instance.pixels
    assert pixels is not None
    return bank.blobs.secret(instance.location, _use(rendering, pixels.frames, _cells(pixels)))


@lru_cache(256)
def _use(rendering: Rendering, frames: int, cells: int) -> bytes:
    """What a picture is, for its secret: pictures of one kind are asked for again and again."""
    return f"rendition {_MANNER} {_plain(rendering, frames, cells)!r}".encode()


def painted(bank: Bank, instance: Instance, rendering: Rendering) -> bytes:
    """The same, made now and not kept. Raises Invalid for an object without pixels, and as `render` does."""
    pixels = instance.pixels
    if pixels is None:
        raise Invalid("the object has no pixel data to show")
    if not pixels.direct:
        return render.render(bank.sandbox, retrieve.file(bank, instance), rendering)
    return render.render(bank.sandbox, _parts(bank, instance, pixels, _numbers(instance, rendering)), rendering)


def _parts(bank: Bank, instance: Instance, pixels: Pixels, numbers: tuple[int, ...]) -> render.Parts:
    """The header and some frames: a cine of gigabytes is not read for the sake of one frame."""
    if numbers == (1,) and not pixels.encapsulated:
        # They lie side by side, and are read at once.
        ((start, length),) = frames.spans(pixels, 0)
        read = memoryview(bank.blobs.read(instance.location, 0, start + length))
        return render.Parts(bytes(read[: pixels.offset]), [read[start:]])
    shown = [retrieve.frame(bank, instance, number) for number in numbers]
    return render.Parts(bank.blobs.read(instance.location, 0, pixels.offset), shown, numbers)


def look_at(instance: Instance, number: int) -> Rendering:
    """How a quick look shows frame `number` (from 1)."""
    pixels = instance.pixels
    is_large = pixels is not None and max(pixels.rows, pixels.columns) > LOOK_SIDE
    viewport = Viewport(LOOK_SIDE, LOOK_SIDE) if is_large else None
    return Rendering(frames=(number,), viewport=viewport, quality=LOOK_QUALITY)


def representative(pictures: Sequence[Instance]) -> Instance:
    """The picture that stands for many: the middle one of the first series."""
    first = [one for one in pictures if one.series == pictures[0].series]
    return first[len(first) // 2]


def _plain(rendering: Rendering, frames: int, cells: int) -> Rendering:
    """The same picture, said in one way: by its frames' numbers where they can be told, and without what it does not use."""
    if rendering.media_type != "image/jpeg":
        rendering = replace(rendering, quality=0)
    # A GIF of named frames is played otherwise than one of all of them.
    is_gif = rendering.media_type == "image/gif"
    return rendering if is_gif else replace(rendering, frames=render.frames_to_paint(rendering, frames, cells))


def _numbers(instance: Instance, rendering: Rendering) -> tuple[int, ...]:
    assert instance.pixels is not None
    return render.frames_to_paint(rendering, instance.pixels.frames, _cells(instance.pixels))


def _cells(pixels: Pixels) -> int:
    """The numbers that one frame is made of."""
    return pixels.rows * pixels.columns * pixels.samples
