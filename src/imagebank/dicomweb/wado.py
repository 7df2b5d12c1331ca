"""Retrieve studies, series and instances as DICOM files, or their bulk data (PS3.18 10.4.1.1.1, .5)."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import retrieve
from imagebank.actions.lasting import Lasting
from imagebank.dicom import part10
from imagebank.dicom.scan import EXPLICIT_LE
from imagebank.dicom.transcode import TARGETS
from imagebank.dicomweb.accept import NotAcceptable, Offer
from imagebank.dicomweb.bulkdata import bulk_offers, retrieve_all_bulk_data
from imagebank.dicomweb.edge import CACHING, Call, instance_url, produced
from imagebank.dicomweb.streaming import Piece, related, streamed
from imagebank.dicomweb.tables import DICOM, NEVER_SENT
from imagebank.http.ranges import entity_tag, has_it, not_modified, ranged
from imagebank.model.imaging import Instance, Pixels
from imagebank.model.uid import Uid

_MAX_NATIVE: Final = (1 << 32) - 2
_NEGOTIATED: Final = {"Cache-Control": CACHING, "Vary": "Accept"}


def is_sendable(instance: Instance) -> bool:
    """Whether the stored file may go out as it is (PS3.18 8.7.3): not implicit, not big endian, and a file at all."""
    return instance.transfer_syntax not in NEVER_SENT and instance.dataset_offset > 0


def file_offers(instance: Instance, *, is_single: bool) -> list[Offer]:
    """The forms of one instance as a DICOM file: as stored first, then what it can be turned into."""
    stored = instance.transfer_syntax
    targets = [syntax for syntax in TARGETS.get(stored, ()) if syntax not in NEVER_SENT and syntax != stored]
    if not is_sendable(instance) and stored not in targets and stored not in NEVER_SENT:
        targets.insert(0, stored)
    if instance.pixels is None or _native_bytes(instance.pixels) > _MAX_NATIVE:
        targets = [syntax for syntax in targets if (syntax == EXPLICIT_LE) == (instance.pixels is None)]
    syntaxes = ([stored] if is_sendable(instance) else []) + targets
    # PS3.18 8.7.3.4: the default is Explicit VR Little Endian; where there is no such form, what is stored.
    default = EXPLICIT_LE if EXPLICIT_LE in syntaxes else stored
    forms = [True, False] if is_single else [True]
    return [
        Offer(DICOM, syntax, is_default=syntax == default, is_usual=syntax == default, is_related=form)
        for form in forms
        for syntax in syntaxes
    ]


def _native_bytes(pixels: Pixels) -> int:
    return pixels.rows * pixels.columns * pixels.samples * max(pixels.bits_allocated, 1) * pixels.frames // 8


async def retrieve_instances(call: Call) -> Response:
    """Every instance that the path names, as stored or in another transfer syntax."""
    instances = await call.select()
    call.principal.require_taking()
    is_single = call.selection.instance is not None
    best = call.prefers.best([*file_offers(instances[0], is_single=is_single), *bulk_offers(instances)])
    if best is not None and best.name != DICOM:
        return await retrieve_all_bulk_data(call, instances, best)
    chosen = _chosen(call, instances, is_single=is_single)
    missing = len(instances) - len(chosen)
    etag = entity_tag([(one.digest.value, offer.syntax) for one, offer in chosen])
    headers = dict(_NEGOTIATED)
    if missing:
        headers["Warning"] = call.warning(f"{missing} instances cannot be given in an accepted transfer syntax")
    instance, offer = chosen[0]
    if not offer.is_related:
        await call.reading([instance], "WADO-RS")
        return await one_file(call, instance, Uid(offer.syntax), headers)
    await call.reading([one for one, _ in chosen], "WADO-RS")
    if has_it(call.request, f"W/{etag}"):
        return not_modified(f"W/{etag}", headers)
    parts = _parts(call, chosen)
    return await related(parts, DICOM, {**headers, "ETag": f"W/{etag}"}, 206 if missing else 200)


def _chosen(call: Call, instances: Sequence[Instance], *, is_single: bool) -> list[tuple[Instance, Offer]]:
    """Each instance with the form in which it goes. Raises NotAcceptable when none can go."""
    known: dict[tuple[Any, ...], Offer | None] = {}
    chosen = []
    for instance in instances:
        pixels = instance.pixels
        key = (instance.transfer_syntax, is_sendable(instance), pixels and _native_bytes(pixels) > _MAX_NATIVE)
        if key not in known:
            known[key] = call.prefers.best(file_offers(instance, is_single=is_single))
        offer = known[key]
        if offer is not None:
            chosen.append((instance, offer))
    if not chosen:
        call.prefers.require(file_offers(instances[0], is_single=is_single))
        raise NotAcceptable("none of the instances can be given in an accepted transfer syntax")
    return chosen


async def one_file(call: Call, instance: Instance, syntax: Uid, headers: dict[str, str]) -> Response:
    """One instance alone, without multipart; as stored also by byte ranges."""
    named = {**headers, "Content-Disposition": f'attachment; filename="{instance.uid}.dcm"'}
    if not is_stored_form(instance, syntax):
        if has_it(call.request, entity_tag([(instance.digest.value, syntax)])):
            return not_modified(entity_tag([(instance.digest.value, syntax)]), named)
        syntax, content = await run_in_threadpool(_given, call, instance, syntax)
        etag = entity_tag([(instance.digest.value, syntax)])
        return await streamed(content, f"{DICOM}; transfer-syntax={syntax}", {**named, "ETag": etag})

    def read(start: int, end: int) -> Iterator[bytes]:
        return retrieve.stored(call.bank, instance, start, end)

    etag = entity_tag([(instance.digest.value, syntax)])
    content_type = f"{DICOM}; transfer-syntax={syntax}"
    return ranged(call.request, instance.location.size, etag, content_type, read, named)


def is_stored_form(instance: Instance, syntax: str) -> bool:
    return syntax == instance.transfer_syntax and is_sendable(instance)


def _parts(call: Call, chosen: Sequence[tuple[Instance, Offer]]) -> Iterator[Piece]:
    lasting = Lasting(call.bank, call.principal)
    offers = {instance.uid: offer for instance, offer in chosen}
    for instance in retrieve.in_turn(call.bank, [instance for instance, _ in chosen]):
        lasting.require(instance)
        syntax, content = _given(call, instance, Uid(offers[instance.uid].syntax), is_one_of_many=len(chosen) > 1)
        location = instance_url(call.base, instance)
        yield [("Content-Type", f"{DICOM}; transfer-syntax={syntax}"), ("Content-Location", location)], content


def _given(call: Call, instance: Instance, syntax: Uid, *, is_one_of_many: bool = False) -> tuple[Uid, Iterator[bytes]]:
    """A file in the wanted transfer syntax, or, when it turns out that it cannot be written so, as it is stored.

    The latter where the caller named no syntax (PS3.18 8.7.3.4), and in the middle of a longer answer, whose status
    has gone by then: a whole object under its true name helps more than a hole, even in a syntax that should not
    leave by the web. Raises NotAcceptable otherwise.
    """
    if syntax == instance.transfer_syntax and syntax not in NEVER_SENT:
        return syntax, _as_stored(call, instance)
    try:
        return syntax, iter([produced(retrieve.in_syntax, call.bank, instance, syntax)])
    except NotAcceptable:
        unnamed = [Offer(DICOM, is_related=form) for form in (True, False)]
        if not (is_one_of_many or call.prefers.best(unnamed)):
            raise
        return instance.transfer_syntax, _as_stored(call, instance)


def _as_stored(call: Call, instance: Instance) -> Iterator[bytes]:
    """The file as it came; a data set that came without one gets its head."""
    pieces = retrieve.stored(call.bank, instance)
    if instance.dataset_offset:
        return pieces
    syntax = instance.transfer_syntax
    return chain([part10.wrap(b"", sop_class=instance.sop_class, sop_uid=instance.uid, transfer_syntax=syntax)], pieces)
