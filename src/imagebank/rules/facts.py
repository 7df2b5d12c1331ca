"""What rules know of a deposit: its header, where it came from, when, and the person as far as the bank knows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from imagebank.dicom.dicomjson import to_json
from imagebank.dicom.named import Seen, seen
from imagebank.dicom.read import Converted, open_header
from imagebank.dicom.walk import Buffer
from imagebank.model.imaging import DataSet, Source
from imagebank.rules.steps import Ruleset

_MOST_SHOWN: Final = 256
"""Bytes of a binary value that a plug-in is given; longer ones are left out."""


@dataclass(frozen=True, slots=True)
class Person:
    """What the bank knows of the patient that the object names. `birth_date` is YYYYMMDD, `records` how many are linked."""

    known: bool = False
    records: int = 0
    name: str = ""
    birth_date: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One deposit. `person` and `header` are asked for only where a rule needs them."""

    seen: Seen
    source: Source
    file_name: str
    at: datetime
    person: Callable[[], Person]
    header: Callable[[], DataSet]


def facts_of(
    rules: Ruleset,
    data: Buffer,
    source: Source,
    file_name: str,
    at: datetime,
    person: Callable[[], Person],
    size: int | None = None,
) -> Facts:
    """What these rules ask for of a file, or of its leading part. Raises Invalid for one that cannot be read, and More."""
    found = seen(data, rules.wanted.values(), size=size)
    return Facts(found, source, file_name, at, person, lambda: _header(data, size))


def _header(data: Buffer, size: int | None) -> DataSet:
    """The data set in the JSON model, without pixel data and without long bytes."""
    opened = open_header(data, size=size)
    image, header = (opened.data, opened.header) if isinstance(opened, Converted) else (data, opened)
    found = to_json(image, header, bulk=str, inline_limit=_MOST_SHOWN)
    return {key: element for key, element in found.items() if "BulkDataURI" not in element}


def around(rules: Ruleset, facts: Facts) -> dict[str, Any]:
    """The variables beside the header, of those that the rules ask for."""
    asked = rules.language.fixed
    found: dict[str, Any] = {}
    source = facts.source
    found["source.way"], found["source.principal"] = source.way, source.principal
    found["source.organization"], found["source.address"] = source.organization, source.address
    # A device is known by its AE title (`dimse.service`).
    found["source.aet"] = source.principal if source.way == "dimse" else ""
    # Names of files need not be text.
    found["file.name"] = facts.file_name.encode("utf-8", "replace").decode()
    if any(name.startswith("time.") for name in asked):
        found |= _times(facts.at, facts.at.astimezone(rules.zone))
    if rules.asks_for_person:
        person = facts.person()
        found |= {f"person.{name}": getattr(person, name) for name in Person.__slots__}
    return found


def _times(at: datetime, local: datetime) -> Mapping[str, Any]:
    return {
        "time.now": at.astimezone(UTC),
        "time.date": f"{local:%Y-%m-%d}",
        "time.hour": local.hour,
        "time.minute": local.minute,
        "time.weekday": local.isoweekday(),
    }
