"""Retrieve frames of an instance (PS3.18 10.4.1.1.6)."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import retrieve
from imagebank.dicom.layout import AS_KEPT, DECODABLE, HTJ2K, NATIVE
from imagebank.dicom.scan import EXPLICIT_LE
from imagebank.dicom.transcode import TARGETS
from imagebank.dicomweb.accept import Offer, Preferences
from imagebank.dicomweb.edge import CACHING, QUICK_BYTES, Call, produced
from imagebank.dicomweb.streaming import Piece, multipart, related, related_type
from imagebank.dicomweb.tables import FRAME_TYPES, OCTETS, TYPE_OF_SYNTAX
from imagebank.errors import Invalid, NotFound
from imagebank.http.multipart import new_boundary
from imagebank.http.ranges import entity_tag, has_it, not_modified
from imagebank.model.imaging import Instance
from imagebank.model.uid import Uid

_MAX_FRAMES: Final = 100_000


def numbers_of(text: str) -> list[int]:
    """The frame list of a path, from 1. Raises Invalid."""
    numbers = []
    for part in text.split(","):
        if not (part.isascii() and part.isdigit() and 1 <= len(part) <= 9) or int(part) < 1:
            raise Invalid("frames are named by numbers from 1, with commas between them")
        numbers.append(int(part))
    if len(numbers) > _MAX_FRAMES:
        raise Invalid("too many frames are asked for at once")
    # PS3.18 10.4.1.1.6: no number stands there twice, and the order is free.
    if len(set(numbers)) < len(numbers):
        raise Invalid("each frame may be asked for once in a request")
    return numbers


def frame_offers(stored: Uid, *, is_single: bool, is_kept_as_htj2k: bool = False) -> list[Offer]:
    """The forms of frames that have a transfer syntax, what is stored first."""
    offers = []
    if is_kept_as_htj2k:
        # Compressed at rest: for whoever takes it, this is what is stored.
        name = TYPE_OF_SYNTAX[HTJ2K]
        offers.append(Offer(name, HTJ2K, FRAME_TYPES[name][0] == HTJ2K, is_usual=False))
        offers.append(Offer(OCTETS, HTJ2K, is_default=False, is_usual=False))
    if stored in NATIVE:
        offers.append(Offer(OCTETS, EXPLICIT_LE))
    else:
        is_opaque = stored not in DECODABLE
        name = TYPE_OF_SYNTAX.get(stored, OCTETS)
        is_default = name != OCTETS and (is_opaque or FRAME_TYPES[name][0] == stored)
        offers.append(Offer(name, stored, is_default, is_usual=is_opaque))
        # `octet-stream; transfer-syntax=*` is how viewers say that they take what is stored, whatever it is; octets
        # without a syntax are uncompressed (PS3.18 8.7.3.3).
        offers.append(Offer(OCTETS, stored, is_default=False, is_usual=False))
    for syntax in TARGETS.get(stored, ()):
        if syntax not in NATIVE:
            name = TYPE_OF_SYNTAX[syntax]
            offers.append(Offer(name, syntax, FRAME_TYPES[name][0] == syntax, is_usual=False))
        elif syntax == EXPLICIT_LE and stored not in NATIVE:
            offers.append(Offer(OCTETS, EXPLICIT_LE))
    forms = [True, False] if is_single else [True]
    return [
        Offer(one.name, one.syntax, one.is_default, one.is_usual, is_related=form) for form in forms for one in offers
    ]


@lru_cache(256)
def _chosen(prefers: Preferences, stored: Uid, *, is_single: bool, is_kept_as_htj2k: bool) -> Offer:
    """What a caller likes best of them. Raises NotAcceptable."""
    return prefers.require(frame_offers(stored, is_single=is_single, is_kept_as_htj2k=is_kept_as_htj2k))


async def retrieve_frames(call: Call) -> Response:
    """The frames that the path lists, each as a part; one frame alone also without multipart."""
    numbers = numbers_of(call.request.path_params["frames"])
    instance = (await call.select())[0]
    pixels = instance.pixels
    if pixels is None or max(numbers) > pixels.frames:
        raise NotFound(f"the object has {pixels.frames if pixels else 0} frames")
    is_kept = retrieve.is_kept_as_htj2k(call.bank, instance)
    offer = _chosen(call.prefers, instance.transfer_syntax, is_single=len(numbers) == 1, is_kept_as_htj2k=is_kept)
    syntax = Uid(offer.syntax)
    kind = OCTETS if syntax in NATIVE else TYPE_OF_SYNTAX.get(syntax, OCTETS)
    etag = "W/" + entity_tag([(instance.digest.value, syntax), (b"frames", call.request.path_params["frames"])])
    headers = {"Cache-Control": CACHING, "Vary": "Accept", "ETag": etag}
    await call.reading([instance], "WADO-RS")
    if has_it(call.request, etag):
        return not_modified(etag, headers)
    content_type = f"{kind}; transfer-syntax={syntax}"
    is_stored = syntax == instance.transfer_syntax or (instance.transfer_syntax in NATIVE and syntax in NATIVE)
    # What has to be decoded takes a decoder's time, and nobody else is to wait for that.
    is_as_it_lies = syntax in AS_KEPT if call.bank.blobs.is_compressed(instance.location) else is_stored
    is_quick = call.bank.settings.is_embedded and pixels.direct and is_as_it_lies
    if is_quick and pixels.length // max(pixels.frames, 1) * len(numbers) <= QUICK_BYTES:
        contents = list(retrieve.frames_each(call.bank, instance, numbers, None if is_stored else syntax))
        return _at_once(contents, offer, kind, content_type, headers)
    if not offer.is_related:
        content = await run_in_threadpool(_frames, call, instance, numbers, syntax, is_stored=is_stored)
        return Response(next(content), 200, {**headers, "Content-Type": content_type})
    parts = _parts(call, instance, numbers, syntax, content_type, is_stored=is_stored)
    return await related(parts, kind, headers, parameters=f"; transfer-syntax={syntax}")


def _at_once(
    contents: Sequence[bytes], offer: Offer, kind: str, content_type: str, headers: dict[str, str]
) -> Response:
    if not offer.is_related:
        return Response(contents[0], 200, {**headers, "Content-Type": content_type})
    boundary = new_boundary()
    parts: Iterator[Piece] = (([("Content-Type", content_type)], iter([content])) for content in contents)
    body = b"".join(multipart(parts, boundary))
    return Response(body, 200, {**headers, "Content-Type": related_type(kind, boundary)})


def _parts(
    call: Call, instance: Instance, numbers: Sequence[int], syntax: Uid, content_type: str, *, is_stored: bool
) -> Iterator[Piece]:
    for content in _frames(call, instance, numbers, syntax, is_stored=is_stored):
        yield [("Content-Type", content_type)], iter([content])


def _frames(call: Call, instance: Instance, numbers: Sequence[int], syntax: Uid, *, is_stored: bool) -> Iterator[bytes]:
    frames = retrieve.frames_each(call.bank, instance, numbers, None if is_stored else syntax)
    while (content := produced(_next, frames)) is not None:
        yield content


def _next(frames: Iterator[bytes]) -> bytes | None:
    return next(frames, None)
