"""Builders: kept instances as the index gets them, without any bytes behind them."""

import hashlib
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from imagebank.model.attribute import Catalogue, Level, catalogue
from imagebank.model.comparison import comparison
from imagebank.model.imaging import DataSet, Description, Digest, Element, Kept, Location, Pixels, Source
from imagebank.model.person import PatientId
from imagebank.model.query import Condition, Query, condition
from imagebank.model.uid import Uid

CT = Uid("1.2.840.10008.5.1.4.1.1.2")
MR = Uid("1.2.840.10008.5.1.4.1.1.4")
PLAIN = Uid("1.2.840.10008.1.2.1")
BEGIN = datetime(2026, 1, 1, 8, tzinfo=UTC)
EVERYTHING = catalogue()

_numbers = count(1)


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def digest_of(content: str) -> Digest:
    return Digest("blake3", hashlib.sha256(content.encode()).digest())


def element(vr: str, value: Any) -> Element:
    """A value, or a list of them, in the DICOM JSON model; None is empty."""
    values = value if isinstance(value, list) else [value]
    if value is None:
        return {"vr": vr}
    if vr == "PN":
        names = ("Alphabetic", "Ideographic", "Phonetic")
        values = [{n: g for n, g in zip(names, v.split("="), strict=False) if g} for v in values]
    return {"vr": vr, "Value": values}


def a_kept(
    *,
    study: str = "1.1",
    series: str | None = None,
    uid: str | None = None,
    patient: str = "P1",
    issuer: str | None = None,
    organization: str = "local",
    received: float | None = None,
    content: str | None = None,
    record: int | None = None,
    sop_class: Uid = CT,
    searchable: Catalogue = EVERYTHING,
    **attributes: Any,
) -> Kept:
    """One CT image. `content` stands for its data set, `record` for where it lies; others by DICOM keyword."""
    number = next(_numbers)
    series = series or f"{study}.1"
    uid = uid or f"{study}.9.{number}"
    given: dict[str, Any] = {
        "PatientName": "Doe^Jane",
        "PatientID": patient or None,
        "StudyDate": "20260102",
        "StudyTime": "101500",
        "AccessionNumber": "A1",
        "StudyInstanceUID": study,
        "Modality": "CT",
        "SeriesNumber": 1,
        "SeriesInstanceUID": series,
        "SOPClassUID": sop_class,
        "SOPInstanceUID": uid,
        "InstanceNumber": number,
        "Rows": 512,
        "Columns": 512,
        "ContentTime": "101500.12",
        **attributes,
    }
    levels: tuple[DataSet, ...] = ({}, {}, {}, {})
    declared = {}
    for keyword, value in given.items():
        attribute = searchable.by_keyword[keyword]
        made = element(attribute.vr, value)
        if len(attribute.path) == 1:
            levels[attribute.level][attribute.key] = made
        if attribute in searchable.declared:
            declared[attribute.path] = comparison(attribute, made)
    description = Description(
        Uid(study),
        Uid(series),
        Uid(uid),
        sop_class,
        PLAIN,
        PatientId(issuer or organization, patient),
        (levels[0], levels[1], levels[2], levels[3]),
        declared,
        400,
        Pixels(5_500, 524_288, encapsulated=False, frames=1, rows=512, columns=512, bits_allocated=16),
    )
    content_digest = digest_of(content or uid)
    return Kept(
        description,
        Location("segment-1", 4_096 * (record or number), 528_384, 526_000),
        Digest("blake3", content_digest.value[::-1]),
        content_digest,
        Source("dimse", "SCANNER", organization, "192.0.2.7"),
        at(number if received is None else received),
        f"file-{number}",
    )


def asked(keyword: str, text: str, *, fuzzy: bool = False, searchable: Catalogue = EVERYTHING) -> Condition:
    """One key of a query, read as an edge would read it."""
    read = condition(searchable.by_keyword[keyword], text, fuzzy=fuzzy)
    assert read is not None, "universal matching asks nothing"
    return read


def studies(*conditions: Condition, **given: Any) -> Query:
    return Query(Level.STUDY, conditions, **given)
