"""Store Instances from metadata and bulk data: a JSON array, then one part for each BulkDataURI (PS3.18 10.5.1.1)."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import orjson
from starlette.concurrency import run_in_threadpool

from imagebank.actions.ingest import Arrival
from imagebank.dicomweb.compose import BulkData, compose
from imagebank.dicomweb.loose import loose
from imagebank.dicomweb.tables import JSON
from imagebank.errors import BankError, Invalid, Mismatch
from imagebank.http.multipart import MediaType
from imagebank.http.parts import Part
from imagebank.http.spool import Section, Shelf, TooLarge
from imagebank.model.imaging import DataSet, Outcome, Receipt
from imagebank.model.uid import Uid

# As Python values it takes some ten times as much memory.
_MAX_METADATA: Final = 32 << 20
_MAX_DEPTH: Final = 32


@dataclass(frozen=True, slots=True)
class _Kept:
    """One part of bulk data."""

    media_type: MediaType
    section: Section


async def instances_from_metadata(
    parts: AsyncIterator[Part], url: str, folder: Path, study: Uid | None = None
) -> AsyncIterator[Arrival | Receipt]:
    """The instances that a body describes, made whole. Raises Invalid when the first part is no JSON array of data sets.

    A bulk value is found only among the parts of the same request: an address is never followed. Relative addresses
    are taken from the request's own `url`. What goes to one `study` may leave that out.
    """
    data_sets: list[DataSet] = []
    bulk: dict[str, list[_Kept]] = {}
    shelf = Shelf(folder)
    try:
        async for part in parts:
            if part.number == 1:
                data_sets = await run_in_threadpool(_metadata, part)
            elif not part.location:
                part.spool.close()
                raise Invalid(f"part {part.number} has no Content-Location, so no BulkDataURI can mean it")
            else:
                kept = _Kept(part.media_type, await run_in_threadpool(shelf.put, part.spool))
                bulk.setdefault(_absolute(url, part.location, "Content-Location"), []).append(kept)
        for number, data_set in enumerate(data_sets, 1):
            yield await run_in_threadpool(_instance, number, data_set, bulk, url, folder, study)
    finally:
        shelf.close()


def _metadata(part: Part) -> list[DataSet]:
    try:
        if part.media_type.name not in (JSON, "application/json"):
            raise Invalid(f"the first part has to be {JSON}")
        if part.spool.size > _MAX_METADATA:
            raise TooLarge(f"metadata of more than {_MAX_METADATA >> 20} MiB")
        found = orjson.loads(part.spool.content.read())
    except orjson.JSONDecodeError as error:
        raise Invalid(f"the metadata is not JSON: {error.msg}") from None
    finally:
        part.spool.close()
    if isinstance(found, dict):
        # A common slip: one data set without the array around it.
        found = [found]
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Invalid("the metadata has to be a JSON array of data sets")
    return found


def _instance(
    number: int, data_set: DataSet, bulk: Mapping[str, Sequence[_Kept]], url: str, folder: Path, study: Uid | None
) -> Arrival | Receipt:
    name = f"data set {number}"
    try:
        found = _found(data_set, bulk, url)
        file = loose(data_set, found, folder, name, study)
        return file or Arrival(*compose(data_set, found, folder), name)
    except BankError as error:
        return _refused(data_set, name, error)


def _found(data_set: DataSet, bulk: Mapping[str, Sequence[_Kept]], url: str) -> dict[str, BulkData]:
    """The bulk data that a data set names, by the address as it stands there. Raises Mismatch when a part is missing."""
    found = {}
    for uri in _uris(data_set, 0):
        kept = bulk.get(_absolute(url, uri, "BulkDataURI"))
        if not kept:
            raise Mismatch("a BulkDataURI has no part with that Content-Location in the request; it is never fetched")
        kind = kept[0].media_type
        sections = tuple(one.section for one in kept)
        found[uri] = BulkData(kind.name, kind.parameters.get("transfer-syntax", ""), sections)
    return found


def _absolute(url: str, given: str, name: str) -> str:
    try:
        return urljoin(url, given)
    except ValueError:
        raise Invalid(f"a {name} is no address") from None


def _uris(data_set: Mapping[str, Any], depth: int) -> list[str]:
    if depth > _MAX_DEPTH:
        raise Invalid(f"sequences are nested more than {_MAX_DEPTH} deep")
    uris: list[str] = []
    for element in data_set.values():
        if not isinstance(element, dict):
            raise Invalid("an attribute of the metadata is not a JSON object")
        uri = element.get("BulkDataURI")
        if isinstance(uri, str):
            uris.append(uri)
        elif element.get("vr") == "SQ":
            items = element.get("Value")
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict):
                    uris += _uris(item, depth + 1)
    return uris


def _refused(data_set: DataSet, name: str, error: BankError) -> Receipt:
    """A receipt with the UIDs as far as they can be read."""
    study, series, uid, sop_class = (_uid(data_set, tag) for tag in ("0020000D", "0020000E", "00080018", "00080016"))
    return Receipt(Outcome.REFUSED, name, study, series, uid, sop_class, error=error)


def _uid(data_set: DataSet, tag: str) -> Uid | None:
    try:
        return Uid.parse(data_set[tag]["Value"][0])
    except (Invalid, KeyError, IndexError, TypeError, AttributeError):
        return None
