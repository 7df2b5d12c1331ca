"""What headers say of an exam, gathered from the series of a study."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from imagebank.model.exam import Said
from imagebank.model.imaging import DataSet
from imagebank.model.region import Code

# What is made beside the images and says nothing of what was done (PS3.3 C.7.3.1.1.1).
PICTURELESS: Final = frozenset(("SR", "DOC", "KO", "PR", "SEG", "REG", "RWV", "AU", "PLAN", "FID", "RTSTRUCT"))
_BESIDE: Final = PICTURELESS | {"OT", "SC"}
# Study, requested procedure and performed step in words; series and protocol in words.
_DESCRIPTIONS: Final = ("00081030", "00321060", "00400254")
_SERIES: Final = ("0008103E", "00181030")
_PROCEDURES: Final = ("00081032", "00321064")
_REGIONS: Final = ("00082218",)
_SIDES: Final = ("00200062", "00200060")
KEYS: Final = frozenset(
    ("00080060", *_DESCRIPTIONS, *_SERIES, "00180015", *_PROCEDURES, *_REGIONS, *_SIDES, "00185101", "00180010")
)
"""The attributes that are looked at."""
_LEADING: Final = 8
"""So many different descriptions of series are looked at: a study of a hundred says no more."""


def said_of(series: Sequence[DataSet]) -> Said:
    """What the series of one study say, each thing once. Series that only go with images count where there are no others."""
    images = [one for one in series if not _BESIDE.intersection(_texts(one, "00080060"))] or series
    return Said(
        modalities=_each(images, ["00080060"]),
        descriptions=_each(images, _DESCRIPTIONS),
        series=_each(images, _SERIES)[:_LEADING],
        body_parts=_each(images, ["00180015"]),
        codes=_codes(images, _PROCEDURES),
        regions=_codes(images, _REGIONS),
        laterality=_side(_each(images, _SIDES)),
        views=_each(images, ["00185101"]),
        agent=next(iter(_each(images, ["00180010"])), ""),
    )


def _side(said: Sequence[str]) -> str:
    """One side where all say the same, B where they say both."""
    sides = {one.upper()[:1] for one in said}
    if {"L", "R"} <= sides:
        return "B"
    return next(iter(sides)) if len(sides) == 1 else ""


def _each(datasets: Iterable[DataSet], keys: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for key in keys for one in datasets if key in one for text in _texts(one, key)))


def _codes(datasets: Iterable[DataSet], keys: Sequence[str]) -> tuple[Code, ...]:
    return tuple(dict.fromkeys(code for key in keys for one in datasets if key in one for code in _coded(one[key])))


def _coded(sequence: Mapping[str, Any]) -> Iterator[Code]:
    """The items of a code sequence (PS3.3 8.8) that have a value or a meaning."""
    for item in sequence.get("Value", ()):
        value, scheme, meaning = (next(iter(_texts(item, key)), "") for key in ("00080100", "00080102", "00080104"))
        if value or meaning:
            yield Code(value, scheme, meaning)


def _texts(dataset: Mapping[str, Any], key: str) -> list[str]:
    values = dataset.get(key, {}).get("Value", ())
    return [text for value in values if isinstance(value, str | int) and (text := str(value).strip())]
