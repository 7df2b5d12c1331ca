"""Retrieve pictures, documents and videos for people's eyes: rendered resources and thumbnails (PS3.18 10.4.1.1.3, .4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import renditions, retrieve
from imagebank.actions.lasting import Lasting
from imagebank.actions.renditions import representative
from imagebank.bank import Bank
from imagebank.dicom import document, render
from imagebank.dicomweb.accept import NotAcceptable, Offer, Preferences
from imagebank.dicomweb.edge import CACHING, Call, instance_url, produced
from imagebank.dicomweb.frames import numbers_of
from imagebank.dicomweb.media import TEXT_TYPES, is_text, kept_apart, media, media_type_of
from imagebank.dicomweb.streaming import Piece, related
from imagebank.dicomweb.tables import VIDEO
from imagebank.errors import Invalid, NotFound
from imagebank.http.ranges import entity_tag, has_it, not_modified, ranged
from imagebank.model.imaging import Instance

PARAMETERS: Final = ("accept", "annotation", "charset", "quality", "viewport", "window", "iccprofile")
_NEGOTIATED: Final = {"Cache-Control": CACHING, "Vary": "Accept"}


@dataclass(frozen=True, slots=True)
class Wish:
    """How the caller wants pictures, and what of it could not be heeded."""

    rendering: render.Rendering
    warnings: tuple[str, ...]


def read_wish(call: Call, *, for_thumbnail: bool = False) -> Wish:
    """The parameters of PS3.18 8.3.5. Raises Invalid, naming the parameter."""
    viewport = call.parameter("viewport")
    asked = render.parse_viewport(viewport, for_thumbnail=for_thumbnail) if viewport else None
    if for_thumbnail:
        return Wish(render.thumbnail(asked), ())
    window, quality = call.parameter("window"), call.parameter("quality")
    rendering = render.Rendering(viewport=asked, window=render.parse_window(window) if window else None)
    if quality is not None:
        rendering = replace(rendering, quality=render.parse_quality(quality))
    return Wish(rendering, unheeded(call, annotation="", iccprofile="no"))


def unheeded(call: Call, **harmless: str) -> tuple[str, ...]:
    """A warning for each parameter that asks for more than its harmless value (PS3.18 8.3.5.1)."""
    return tuple(
        f"The {name} parameter is not supported and was not used"
        for name, unused in harmless.items()
        if (call.parameter(name) or unused) != unused
    )


def is_picture(instance: Instance) -> bool:
    """Whether a picture of it can be painted."""
    return instance.pixels is not None and instance.transfer_syntax not in VIDEO


def picture_offers(*, forms: Sequence[bool]) -> list[Offer]:
    """The picture types, JPEG first, in the given forms (multipart or not)."""
    return [
        Offer(name, is_usual=name == render.MEDIA_TYPES[0], is_related=form)
        for form in forms
        for name in render.MEDIA_TYPES
    ]


@lru_cache(256)
def _chosen(prefers: Preferences, *, forms: tuple[bool, ...], may_move: bool = False) -> Offer:
    """What a caller likes best of them, and of a moving picture where there can be one. Raises NotAcceptable."""
    moving = [Offer("image/gif", is_usual=False)] if may_move else []
    return prefers.require([*picture_offers(forms=forms), *moving])


async def retrieve_rendered(call: Call) -> Response:
    """An instance, or some of its frames, to be looked at; of a study or series every picture, or one that stands for it."""
    named = call.request.path_params
    frames = named.get("frames")
    wish = read_wish(call)
    instances = await call.select()
    if "instance" not in named:
        return await _many(call, [one for one in instances if is_picture(one)], wish)
    instance = instances[0]
    if frames is not None:
        return await _frames(call, instance, numbers_of(frames), wish)
    return await show(call, instance, wish)


async def show(call: Call, instance: Instance, wish: Wish) -> Response:
    """One instance as a picture, a video or a document, whichever it is and the caller takes."""
    kind = media_type_of(instance)
    if kind:
        call.prefers.require([Offer(kind)])
        return await _media(call, instance, kind)
    if is_text(instance):
        return await _text(call, instance)
    if not is_picture(instance):
        raise NotFound("there is nothing to see in this object; retrieve it as DICOM")
    offer = _chosen(call.prefers, forms=(False, True))
    rendering = replace(wish.rendering, media_type=offer.name)
    if offer.is_related:
        return await _each(call, [(instance, rendering)], wish)
    return await painted(call, instance, rendering, wish.warnings)


async def _frames(call: Call, instance: Instance, numbers: list[int], wish: Wish) -> Response:
    """Each frame as a part; one alone, or several as one moving picture, without multipart."""
    if not is_picture(instance):
        raise NotFound("the object has no frames that can be shown")
    is_one = len(numbers) == 1
    offer = _chosen(call.prefers, forms=(False, True) if is_one else (True,), may_move=not is_one)
    rendering = replace(wish.rendering, media_type=offer.name)
    if not offer.is_related:
        return await painted(call, instance, replace(rendering, frames=tuple(numbers)), wish.warnings)
    return await _each(call, [(instance, replace(rendering, frames=(number,))) for number in numbers], wish)


async def _many(call: Call, instances: Sequence[Instance], wish: Wish) -> Response:
    if not instances:
        raise NotFound("there is no picture in it")
    offer = _chosen(call.prefers, forms=(True, False))
    rendering = replace(wish.rendering, media_type=offer.name)
    if not offer.is_related:
        return await painted(call, representative(instances), rendering, wish.warnings)
    return await _each(call, [(one, rendering) for one in instances], wish)


async def _each(call: Call, wanted: Sequence[tuple[Instance, render.Rendering]], wish: Wish) -> Response:
    await call.reading([instance for instance, _ in wanted], "rendered")
    headers = {**_NEGOTIATED, **_warned(call, wish.warnings)}
    return await related(_parts(call, wanted), wanted[0][1].media_type, headers)


def _parts(call: Call, wanted: Sequence[tuple[Instance, render.Rendering]]) -> Iterator[Piece]:
    """A part for each picture that can be painted. Raises NotAcceptable when none can: no multipart has no part."""
    refusal: NotAcceptable | None = None
    is_empty = True
    lasting = Lasting(call.bank, call.principal)
    for instance, rendering in wanted:
        lasting.require(instance)
        try:
            picture = produced(renditions.picture, call.bank, instance, rendering)
        except NotAcceptable as error:
            # One picture that cannot be painted must not take the others with it.
            refusal = error
            continue
        is_empty = False
        frames = "/frames/" + ",".join(map(str, rendering.frames)) if rendering.frames else ""
        location = f"{instance_url(call.base, instance)}{frames}/rendered"
        yield [("Content-Type", rendering.media_type), ("Content-Location", location)], iter([picture])
    if is_empty and refusal is not None:
        raise refusal


async def painted(
    call: Call, instance: Instance, rendering: render.Rendering, warnings: Sequence[str] = ()
) -> Response:
    """One picture."""
    etag = entity_tag([(instance.digest.value, repr(rendering))])
    headers = {**_NEGOTIATED, **kept_apart(rendering.media_type), "ETag": etag, **_warned(call, warnings)}
    await call.reading([instance], "rendered")
    if has_it(call.request, etag):
        return not_modified(etag, headers)
    picture = await _picture(call.bank, instance, rendering)
    return Response(picture, 200, {**headers, "Content-Type": rendering.media_type})


async def _picture(bank: Bank, instance: Instance, rendering: render.Rendering) -> bytes:
    if not bank.settings.is_embedded:
        return await run_in_threadpool(produced, renditions.picture, bank, instance, rendering)
    if kept := produced(renditions.kept, bank, instance, rendering):
        return kept  # in less time than the hop to a thread takes (`http.quick`)
    return await run_in_threadpool(produced, renditions.made, bank, instance, rendering)


async def _media(call: Call, instance: Instance, kind: str) -> Response:
    content = await run_in_threadpool(produced, media, call.bank, instance)
    await call.reading([instance], "rendered")
    etag = entity_tag([(instance.digest.value, "shown")])
    return ranged(call.request, content.size, etag, kind, content.read, {**_NEGOTIATED, **kept_apart(kind)})


async def _text(call: Call, instance: Instance) -> Response:
    """A report, a selection of images or a presentation state in words."""
    offer = call.prefers.require([Offer(name, is_usual=name == TEXT_TYPES[0]) for name in TEXT_TYPES])
    await call.reading([instance], "rendered")
    attributes = await run_in_threadpool(retrieve.attributes, call.bank, instance)
    if offer.name == "text/plain":
        words = document.plain(attributes)
    else:
        body = document.html(attributes)
        words = (
            f"<!doctype html>\n<html><head><meta charset=utf-8><title>Report</title></head><body>{body}</body></html>\n"
        )
    # The page is ours, of words that are not: it is shown, in the sandbox of every answer.
    headers = {**_NEGOTIATED, "Content-Disposition": "inline", "X-Frame-Options": "SAMEORIGIN"}
    return Response(words, 200, {**headers, "Content-Type": f"{offer.name}; charset=utf-8"})


async def retrieve_thumbnail(call: Call) -> Response:
    """A small picture without any text in it, of a study, series, instance or frame."""
    frames = call.request.path_params.get("frames")
    wish = read_wish(call, for_thumbnail=True)
    pictures = [one for one in await call.select() if is_picture(one)]
    if not pictures:
        raise NotFound("there is no picture in it")
    offer = call.prefers.require(picture_offers(forms=[False]))
    rendering = replace(wish.rendering, media_type=offer.name)
    if frames is not None:
        numbers = numbers_of(frames)
        if len(numbers) > 1:
            raise Invalid("a thumbnail is of one frame")
        rendering = replace(rendering, frames=tuple(numbers))
    elif offer.name == "image/gif":
        rendering = replace(rendering, frames=((_shown_frames(pictures) + 1) // 2,))
    return await painted(call, representative(pictures), rendering)


def _shown_frames(pictures: Sequence[Instance]) -> int:
    pixels = representative(pictures).pixels
    return pixels.frames if pixels else 1


def _warned(call: Call, warnings: Sequence[str]) -> dict[str, str]:
    return {"Warning": ", ".join(call.warning(text) for text in warnings)} if warnings else {}
