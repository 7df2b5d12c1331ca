"""Retrieve one bulk value, whole or by byte ranges (PS3.18 10.4.1.1.5)."""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from imagebank.actions import retrieve
from imagebank.dicomweb.accept import Offer
from imagebank.dicomweb.edge import CACHING, Call
from imagebank.dicomweb.media import DOCUMENT, DOCUMENT_TYPES, kept_apart
from imagebank.dicomweb.streaming import related
from imagebank.dicomweb.tables import OCTETS
from imagebank.dicomweb.wado import entity_tag
from imagebank.http.ranges import ranged


async def retrieve_bulkdata(call: Call) -> Response:
    """The value that a BulkDataURI names, as bytes; a document also as what it is."""
    path = call.request.path_params["path"]
    instance = (await call.select())[0]
    kinds = [OCTETS]
    if path == DOCUMENT and instance.sop_class in DOCUMENT_TYPES:
        kinds.append(DOCUMENT_TYPES[instance.sop_class])
    offers = [Offer(kind, is_usual=kind == OCTETS, is_related=form) for form in (False, True) for kind in kinds]
    offer = call.prefers.require(offers)
    value = await run_in_threadpool(retrieve.bulk, call.bank, instance, path)
    await call.reading([instance], "WADO-RS")
    headers = {"Cache-Control": CACHING, "Vary": "Accept"}
    if offer.is_related:
        location = f"{call.origin}{retrieve.bulk_base(instance)}{path}"
        part = ([("Content-Type", offer.name), ("Content-Location", location)], value.read(0, value.size))
        return await related(iter([part]), offer.name, headers)
    etag = entity_tag([(instance.digest.value, path)])
    return ranged(call.request, value.size, etag, offer.name, value.read, {**headers, **kept_apart(offer.name)})
