"""Sending for somebody to another archive, as STOW-RS (PS3.18 10.5)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from imagebank.actions import retrieve
from imagebank.actions.audit import event
from imagebank.bank import Bank
from imagebank.errors import Unavailable
from imagebank.http.fetch import post
from imagebank.http.multipart import new_boundary
from imagebank.model.access import Principal
from imagebank.model.event import Act
from imagebank.model.imaging import Instance
from imagebank.model.transfer import Destination

_MOST: Final = 64
_MOST_BYTES: Final = 64 << 20
_FAILED, _STORED, _UID, _REASON = "00081198", "00081199", "00081155", "00081197"


def send(
    bank: Bank,
    principal: Principal,
    place: Destination,
    instances: Sequence[Instance],
    address: str,
    taken: Callable[[Instance], None],
) -> list[str]:
    """`actions.transfer.Send` for an archive."""
    noted = event(bank, Act.SENT, principal, address, f"STOW-RS to {place.name}")
    with bank.index.begin() as tx:
        tx.record([replace(noted, study=instances[0].study, patient=instances[0].patient, count=len(instances))])
    refused: list[str] = []
    for batch in _batches(instances):
        kept, failed = _post(bank, place, batch)
        for one in batch:
            if one.uid in kept:
                taken(one)
            else:
                refused.append(failed.get(one.uid, "it was refused without a reason"))
    return refused


def _batches(instances: Sequence[Instance]) -> Iterator[list[Instance]]:
    batch: list[Instance] = []
    size = 0
    for one in instances:
        if batch and (len(batch) >= _MOST or size + one.location.size > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(one)
        size += one.location.size
    if batch:
        yield batch


def _post(bank: Bank, place: Destination, batch: Sequence[Instance]) -> tuple[set[str], dict[str, str]]:
    """Store a batch: the UIDs of what was taken, and why others were not. Raises Unavailable where nobody can say."""
    boundary = new_boundary()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary.decode()}',
        "Accept": "application/dicom+json",
    }
    if place.secret:
        headers["Authorization"] = f"Bearer {bank.seal.unseal(place.secret).decode()}"
    status, body = post(f"{place.url}/studies", _body(bank, batch, boundary), headers)
    # 202 and 409 name what was stored, and what was not (PS3.18 10.5.3.2). What nobody names was not.
    if status not in (200, 202, 409):
        raise Unavailable("{name} answered with status {status}", name=place.name, status=status)
    told = _decoded(body)
    failed = {uid: f"failure reason {reason}" for uid, reason in _named(told, _FAILED)}
    if status == 200 and not failed:
        return {one.uid for one in batch}, {}
    return {uid for uid, _ in _named(told, _STORED)}, failed


def _body(bank: Bank, batch: Sequence[Instance], boundary: bytes) -> Iterator[bytes]:
    for one in retrieve.in_turn(bank, batch):
        yield b"--%b\r\nContent-Type: application/dicom\r\n\r\n" % boundary
        yield from retrieve.stored(bank, one)
        yield b"\r\n"
    yield b"--%b--\r\n" % boundary


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _named(told: dict[str, Any], sequence: str) -> Iterator[tuple[str, Any]]:
    """The UIDs of a sequence's items that have one, each with its failure reason."""
    for item in told.get(sequence, {}).get("Value", ()):
        for uid in item.get(_UID, {}).get("Value", ()):
            yield str(uid), next(iter(item.get(_REASON, {}).get("Value", ())), "unknown")
