"""Retrieve bulk data: one value, whole or by byte ranges, or all values of instances (PS3.18 10.4.1.1.5).

Of pixel data, octets are the uncompressed value; who takes its coding gets a part for each frame (8.7.3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import retrieve
from imagebank.actions.lasting import Lasting
from imagebank.actions.retrieve import Bulk, Frames
from imagebank.dicom.scan import EXPLICIT_LE
from imagebank.dicom.sop_class import DOCUMENT_TYPES
from imagebank.dicomweb.accept import NotAcceptable, Offer
from imagebank.dicomweb.edge import CACHING, Call, produced
from imagebank.dicomweb.frames import frame_offers
from imagebank.dicomweb.media import DOCUMENT, first_frame, kept_apart, media_type_of
from imagebank.dicomweb.streaming import Piece, related, streamed
from imagebank.dicomweb.tables import OCTETS, TYPE_OF_SYNTAX, VIDEO
from imagebank.errors import NotFound
from imagebank.http.ranges import entity_tag, has_it, not_modified, ranged
from imagebank.model.imaging import Instance
from imagebank.model.uid import Uid

_PIXEL_DATA: Final = "7FE00010"
_NEGOTIATED: Final = {"Cache-Control": CACHING, "Vary": "Accept"}
_OCTETS: Final = Offer(OCTETS, EXPLICIT_LE, is_related=True)


async def retrieve_bulkdata(call: Call) -> Response:
    """The value that a BulkDataURI names: as bytes, a document also as what it is, pixel data also by frames."""
    path = call.request.path_params["path"]
    instance = (await call.select())[0]
    frames = await _frames(call, instance, path)
    if frames is not None:
        # All pixel data at once is the object; who looks asks for frames.
        call.principal.require_taking()
        offer = call.prefers.require(_pixel_offers(instance, is_single=frames.count == 1))
        if frames.is_encapsulated or offer.syntax != EXPLICIT_LE:
            return await _coded_pixels(call, instance, path, frames, offer)
    else:
        is_document = path == DOCUMENT and instance.sop_class in DOCUMENT_TYPES
        kinds = [OCTETS, *([DOCUMENT_TYPES[instance.sop_class]] if is_document else [])]
        forms = (False, True)
        offers = [
            Offer(kind, EXPLICIT_LE, is_usual=kind == OCTETS, is_related=form) for form in forms for kind in kinds
        ]
        offer = call.prefers.require(offers)
    value = await run_in_threadpool(retrieve.bulk, call.bank, instance, path)
    await call.reading([instance], "WADO-RS")
    content_type = f"{OCTETS}; transfer-syntax={EXPLICIT_LE}" if frames is not None else offer.name
    if offer.is_related:
        part = _value_part(call, instance, path, value, content_type)
        return await related(iter([part]), offer.name, _NEGOTIATED)
    return _in_ranges(call, instance, path, value, content_type)


async def _frames(call: Call, instance: Instance, path: str) -> Frames | None:
    if not path.endswith(_PIXEL_DATA):
        return None
    return await run_in_threadpool(retrieve.pixel_frames, call.bank, instance, path)


def _in_ranges(call: Call, instance: Instance, path: str, value: Bulk, content_type: str) -> Response:
    etag = entity_tag([(instance.digest.value, path), (b"", content_type)])
    headers = {**_NEGOTIATED, **kept_apart(content_type)}
    return ranged(call.request, value.size, etag, content_type, value.read, headers)


def _value_part(call: Call, instance: Instance, path: str, value: Bulk, content_type: str) -> Piece:
    head = [("Content-Type", content_type), ("Content-Location", _location(call, instance, path))]
    return head, value.read(0, value.size)


def _location(call: Call, instance: Instance, path: str) -> str:
    return f"{call.origin}{retrieve.bulk_base(instance)}{path}"


def _pixel_offers(instance: Instance, *, is_single: bool) -> list[Offer]:
    """The forms of pixel data. Octets are the usual one where it can be decoded; alone come they, or a single frame."""
    in_parts = frame_offers(instance.transfer_syntax, is_single=False)
    if instance.transfer_syntax in VIDEO:
        # Browsers know HEVC by its container.
        in_parts.append(Offer(media_type_of(instance), instance.transfer_syntax, is_usual=False, is_related=True))
    alone = [one for one in in_parts if is_single or (one.name == OCTETS and one.syntax == EXPLICIT_LE)]
    return [*(replace(one, is_related=False) for one in alone), *in_parts]


def _kind(offer: Offer) -> str:
    """The media type in which an offer leaves: octets as stored go by their true name."""
    return TYPE_OF_SYNTAX.get(Uid(offer.syntax), OCTETS) if offer.name == OCTETS else offer.name


async def _coded_pixels(call: Call, instance: Instance, path: str, frames: Frames, offer: Offer) -> Response:
    """Pixel data that is decoded, coded anew, or given as its codestreams."""
    kind, syntax = _kind(offer), Uid(offer.syntax)
    content_type = f"{kind}; transfer-syntax={syntax}"
    await call.reading([instance], "WADO-RS")
    pixels = instance.pixels
    is_stored = syntax == instance.transfer_syntax and path == _PIXEL_DATA
    if not offer.is_related and is_stored and pixels is not None and pixels.direct:
        value = await run_in_threadpool(first_frame, call.bank, instance, pixels)
        return _in_ranges(call, instance, path, value, content_type)
    etag = "W/" + entity_tag([(instance.digest.value, path), (b"", content_type)])
    headers = {**_NEGOTIATED, "ETag": etag}
    if has_it(call.request, etag):
        return not_modified(etag, headers)
    if offer.is_related:
        parts = _frame_parts(frames, offer, _location(call, instance, path))
        return await related(parts, kind, headers, parameters=f"; transfer-syntax={syntax}")
    return await streamed(_contents(frames, syntax), content_type, {**headers, **kept_apart(kind)})


def _contents(frames: Frames, syntax: Uid) -> Iterator[bytes]:
    """Every frame in a transfer syntax. Raises NotAcceptable where they cannot be decoded."""
    contents = frames.read(syntax)
    while (content := produced(next, contents, None)) is not None:
        yield content


def _frame_parts(frames: Frames, offer: Offer, location: str) -> Iterator[Piece]:
    """Uncompressed frames as one part, others as a part each; a refusal comes before the first."""
    head = [("Content-Type", f"{_kind(offer)}; transfer-syntax={offer.syntax}"), ("Content-Location", location)]
    contents = _contents(frames, Uid(offer.syntax))
    first = next(contents, None)
    if first is None:
        raise NotFound("the pixel data holds no frame")
    every = chain([first], contents)
    if offer.syntax == EXPLICIT_LE:
        yield head, every
        return
    for content in every:
        yield head, iter([content])


def bulk_offers(instances: Sequence[Instance]) -> list[Offer]:
    """The forms in which all bulk data of instances may go; none of them is meant by who names no media type."""
    kinds = {(one.transfer_syntax, one.pixels is None): one for one in instances}
    return list(dict.fromkeys(offer for one in kinds.values() for offer in _offers_of(one)))


def _offers_of(instance: Instance) -> list[Offer]:
    offers = [_OCTETS] if instance.pixels is None else _pixel_offers(instance, is_single=False)
    return [replace(one, is_usual=False) for one in offers if one.is_related]


async def retrieve_all_bulk_data(call: Call, instances: Sequence[Instance], best: Offer) -> Response:
    """The bulk data of instances: a part for each value that their metadata names, or for each frame of pixel data.

    `best` is the form that the caller likes best. An instance whose pixel data cannot go in any form that the caller
    takes is left out.
    """
    chosen = [(one, offer) for one in instances if (offer := call.prefers.best(_offers_of(one))) is not None]
    missing = len(instances) - len(chosen)
    headers = dict(_NEGOTIATED)
    if missing:
        headers["Warning"] = call.warning(f"{missing} instances cannot be given in an accepted media type")
    await call.reading([one for one, _ in chosen], "WADO-RS")
    return await related(_every_part(call, chosen), _kind(best), headers, 206 if missing else 200)


def _every_part(call: Call, chosen: Sequence[tuple[Instance, Offer]]) -> Iterator[Piece]:
    """Raises NotFound when there is none, NotAcceptable when none can be decoded: no multipart body has no part."""
    takes_octets = call.prefers.best([_OCTETS]) is not None
    refusal: NotAcceptable | None = None
    is_empty = True
    lasting = Lasting(call.bank, call.principal)
    for instance, offer in chosen:
        lasting.require(instance)
        base = retrieve.bulk_base(instance)
        for uri in bulk_uris(retrieve.attributes(call.bank, instance)):
            path = uri.removeprefix(base)
            parts = _parts(call, instance, path, offer, takes_octets=takes_octets)
            try:
                first = next(parts, None)
            except NotAcceptable as error:
                # One image that cannot be decoded must not take the others with it.
                refusal = error
                continue
            if first is not None:
                is_empty = False
                yield first
                yield from parts
    if is_empty:
        raise refusal or NotFound("there is no bulk data in it")


def _parts(call: Call, instance: Instance, path: str, offer: Offer, *, takes_octets: bool) -> Iterator[Piece]:
    """One value: pixel data in the form of the offer, anything else as octets if the caller takes them."""
    frames = retrieve.pixel_frames(call.bank, instance, path) if path.endswith(_PIXEL_DATA) else None
    if frames is not None and (frames.is_encapsulated or offer.syntax != EXPLICIT_LE):
        yield from _frame_parts(frames, offer, _location(call, instance, path))
    elif frames is not None or takes_octets:
        content_type = OCTETS if frames is None else f"{OCTETS}; transfer-syntax={EXPLICIT_LE}"
        value = retrieve.bulk(call.bank, instance, path)
        yield _value_part(call, instance, path, value, content_type)


def bulk_uris(data_set: Any) -> Iterator[str]:
    """Every BulkDataURI in a data set of the DICOM JSON model."""
    for element in data_set.values():
        if "BulkDataURI" in element:
            yield element["BulkDataURI"]
        elif element.get("vr") == "SQ":
            for item in element.get("Value", ()):
                yield from bulk_uris(item)
