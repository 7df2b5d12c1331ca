"""Store Instances: POST to /studies and /studies/{study} (PS3.18 10.5)."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from itertools import groupby
from typing import Any, Final

import orjson
from starlette.responses import Response

from imagebank.actions import ingest, media
from imagebank.actions.ingest import Arrival
from imagebank.dicomweb.accept import Offer
from imagebank.dicomweb.bulk_types import BulkNotTaken
from imagebank.dicomweb.edge import Call
from imagebank.dicomweb.loose import Loose
from imagebank.dicomweb.stow_metadata import instances_from_metadata
from imagebank.dicomweb.tables import (
    COERCED,
    DICOM,
    FAILURE_REASONS,
    JSON,
    ODD_BUT_KEPT,
    OTHER_STUDY,
    PRIVATE_CREATOR,
    PROCESSING_FAILURE,
    RELATED,
    SYNTAX_NOT_TAKEN,
)
from imagebank.errors import BankError, Invalid, Mismatch, Unavailable, status_for
from imagebank.http.deposit import Deposit
from imagebank.http.errors import refusal, say
from imagebank.http.multipart import MediaType, media_type
from imagebank.http.parts import Part, related, single
from imagebank.http.spool import TooLarge, expanded
from imagebank.model.access import Right
from imagebank.model.imaging import Outcome, Receipt, Source
from imagebank.model.uid import Uid

_ENCODINGS: Final = frozenset({"", "identity", "gzip", "x-gzip"})
_MAX_WORDS: Final = 1000


async def store(call: Call) -> Response:
    """Keep every instance of the body, and say of each what became of it."""
    call.principal.require(Right.STORE)
    call.prefers.require([Offer(JSON)])
    study = call.selection.study
    content_type = media_type(call.request.headers.get("content-type", ""))
    encoding = call.request.headers.get("content-encoding", "").strip().lower()
    refused = _refused(content_type, encoding)
    if refused is not None:
        return refused
    source = Source("stow", call.principal.name, call.principal.organization, call.address)

    def receive(batch: Iterable[Arrival]) -> list[Receipt]:
        receipts: list[Receipt] = []
        for is_file, some in groupby(batch, lambda one: isinstance(one, Loose)):
            if is_file:
                receipts += _made(call, (one for one in some if isinstance(one, Loose)), source)
            else:
                receipts += ingest.receive(call.bank, _let_go(some), source, study, call.principal.joins)
        return receipts

    async with Deposit(receive) as deposit:
        try:
            fault = await deposit.take(_arrivals(call, content_type, encoding))
        except TooLarge as error:
            return say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "TooLarge", str(error))
        return _answer(call, study, deposit.receipts, fault, deposit.stopped)


def _let_go(arrivals: Iterable[Arrival]) -> Iterator[Arrival]:
    """The same, and the room of each is free for the next one once it is written."""
    for arrival in arrivals:
        yield arrival
        arrival.content.close()


def _made(call: Call, files: Iterable[Loose], source: Source) -> Iterator[Receipt]:
    """Make objects of files, each with what is said of it."""
    for file in files:
        (receipt,) = media.receive(call.bank, [file], source, file.about, call.principal.joins)
        if receipt.uid is None:
            study, series, uid = file.uids
            receipt = replace(receipt, study=study, series=series, uid=uid)
        yield receipt


def _refused(content_type: MediaType, encoding: str) -> Response | None:
    """Why the body is not even read; None when it will be. Raises Invalid."""
    if encoding not in _ENCODINGS:
        return say(
            415, "UnsupportedMediaType", "the only Content-Encoding that is taken is gzip", {"Accept-Encoding": "gzip"}
        )
    if content_type.name == RELATED and not content_type.kind:
        raise Invalid('the Content-Type has no type parameter; write multipart/related; type="application/dicom"')
    if (content_type.name, content_type.kind) in {(RELATED, DICOM), (RELATED, JSON)} or content_type.name == DICOM:
        return None
    taken = f'{RELATED}; type="{DICOM}", {RELATED}; type="{JSON}", {DICOM}'
    return say(415, "UnsupportedMediaType", f"the Content-Type has to be one of {taken}", {"Accept": taken})


async def _arrivals(call: Call, content_type: MediaType, encoding: str) -> AsyncIterator[Arrival | Receipt]:
    settings = call.bank.settings
    folder, limit = settings.data / "spool", settings.max_instance_bytes
    chunks = expanded(call.request.stream(), encoding)
    if content_type.name == DICOM:
        parts = single(chunks, DICOM, folder, limit)
    else:
        parts = related(chunks, content_type, folder, limit, settings.max_parts)
    if content_type.kind == JSON:
        async for instance in instances_from_metadata(parts, str(call.request.url), folder, call.selection.study):
            yield instance
        return
    async for part in parts:
        yield _arrival(part)


def _arrival(part: Part) -> Arrival | Receipt:
    name = f"part {part.number}"
    kind = part.media_type.name
    if kind not in ("", DICOM, "application/octet-stream"):
        part.spool.close()
        return Receipt(Outcome.REFUSED, name, error=Mismatch(f"{name} is not application/dicom"))
    return Arrival(part.spool.content, part.spool.size, name)


def _answer(
    call: Call, study: Uid | None, receipts: Sequence[Receipt], fault: Invalid | None, stopped: BankError | None
) -> Response:
    kept = [one for one in receipts if one.is_kept]
    if not kept and fault is not None:
        return refusal(fault)
    if not kept and stopped is not None:
        return refusal(stopped)
    if not receipts:
        return refusal(Invalid("the body has no part; there was nothing to store"))
    headers = {}
    if fault is not None:
        headers["Warning"] = call.warning(f"{fault}; what came before that is kept")
    is_clean = len(kept) == len(receipts) and fault is None and not any(one.warnings or one.changed for one in kept)
    status = HTTPStatus.OK if is_clean else HTTPStatus.ACCEPTED if kept else HTTPStatus.CONFLICT
    body = response_module(call.base, receipts, study, fault)
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store", **headers}, JSON)


def response_module(
    base: str, receipts: Sequence[Receipt], study: Uid | None = None, fault: BankError | None = None
) -> dict[str, Any]:
    """The Store Instances Response Module (PS3.18 annex I), as one object in the DICOM JSON model."""
    kept = [one for one in receipts if one.is_kept]
    failed = [one for one in receipts if not one.is_kept and one.uid is not None]
    others = [_other(one, study) for one in receipts if not one.is_kept and one.uid is None]
    if fault is not None:
        others.append({"00081197": _us(FAILURE_REASONS[Invalid]), **_words([str(fault)])})
    studies = {one.study for one in kept}
    module: dict[str, Any] = {
        "00081190": _of("UR", f"{base}/studies/{studies.pop()}") if len(studies) == 1 else {"vr": "UR"}
    }
    if failed:
        module["00081198"] = {"vr": "SQ", "Value": [_reference(one) | _other(one, study) for one in failed]}
    if kept:
        module["00081199"] = {"vr": "SQ", "Value": [_referenced(base, one) for one in kept]}
    if others:
        module["0008119A"] = {"vr": "SQ", "Value": others}
    return module


def _reference(receipt: Receipt) -> dict[str, Any]:
    return {"00081150": _of("UI", receipt.sop_class), "00081155": _of("UI", receipt.uid)}


def _referenced(base: str, receipt: Receipt) -> dict[str, Any]:
    url = f"{base}/studies/{receipt.study}/series/{receipt.series}/instances/{receipt.uid}"
    item = _reference(receipt) | {"00081190": _of("UR", url)}
    if receipt.changed or receipt.warnings:
        reason = COERCED if receipt.changed else ODD_BUT_KEPT
        item |= {"00081196": _us(reason), **_words(receipt.changed + receipt.warnings)}
    return item


def _other(receipt: Receipt, study: Uid | None) -> dict[str, Any]:
    error = receipt.error or Unavailable("processing failure")
    return {"00081197": _us(failure_reason(receipt, study)), **_words([f"{receipt.name}: {error}"])}


def failure_reason(receipt: Receipt, study: Uid | None) -> int:
    """Failure Reason (0008,1197) of a refused instance."""
    if receipt.error is None:
        return PROCESSING_FAILURE
    if isinstance(receipt.error, Mismatch) and study is not None and receipt.study not in (None, study):
        return OTHER_STUDY
    if isinstance(receipt.error, BulkNotTaken):
        return SYNTAX_NOT_TAKEN
    return status_for(receipt.error, FAILURE_REASONS, PROCESSING_FAILURE)


def _words(texts: Sequence[str]) -> dict[str, Any]:
    """The reason for a person, in a private element."""
    return {"00090010": _of("LO", PRIVATE_CREATOR), "00091001": _of("UT", "; ".join(texts)[:_MAX_WORDS])}


def _us(value: int) -> dict[str, Any]:
    return _of("US", value)


def _of(vr: str, value: object) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value is not None else {"vr": vr}
