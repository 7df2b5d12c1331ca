"""Electrocardiograms in XML: HL7's annotated ECG (aECG), and that of GE's MUSE.

No declaration of a document is followed: one that declares anything of its own is refused.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.etree import ElementTree as ET

import numpy as np

from imagebank.dicom.ecg import MAX_LEADS, MAX_SAMPLES, Lead, Recording, recording
from imagebank.errors import Invalid, Unsupported

_LEAD: Final = re.compile(r"(?:MDC_ECG_LEAD_|MDC_ECG_)?(\w+)")
_TO_MICROVOLTS: Final = {"uv": 1.0, "mv": 1000.0, "v": 1e6, "nv": 0.001, "microvolts": 1.0, "millivolts": 1000.0}
_TO_SECONDS: Final = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
# ISO 8601 basic, as HL7 has it; what is behind the seconds is left out.
_MOMENT: Final = re.compile(r"\d{8,14}")
_MUSE_DATE: Final = re.compile(r"(\d\d)-(\d\d)-(\d{4})")


def read(data: bytes) -> Recording:
    """The recording in a document. Raises Invalid for a broken one, Unsupported for a kind that is not read."""
    root = _root(data)
    reader = {"AnnotatedECG": _annotated, "RestingECG": _muse}.get(_name(root))
    if reader is None:
        raise Unsupported("electrocardiograms of this maker's own XML are not read; export them as aECG, SCP or PDF")
    try:
        return reader(root)
    except (ValueError, KeyError, ZeroDivisionError, TypeError, OverflowError) as error:
        raise Invalid("the electrocardiogram is damaged; send it anew from the device") from error


def _root(data: bytes) -> ET.Element:
    parser: ET.XMLPullParser[Any] = ET.XMLPullParser(("start",))
    try:
        if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
            raise Unsupported("the document declares words of its own, which are not followed")
        parser.feed(data)
        parser.close()
        event: Any = next(iter(parser.read_events()))
    except (ET.ParseError, ValueError, LookupError, StopIteration) as error:
        raise Invalid("the document ends too early or is damaged; send it anew from the device") from error
    root: ET.Element = event[1]
    return root


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _every(element: ET.Element, name: str) -> Iterator[ET.Element]:
    return (one for one in element.iter() if _name(one) == name)


def _first(element: ET.Element, name: str) -> ET.Element | None:
    return next(_every(element, name), None)


def _annotated(root: ET.Element) -> Recording:
    """HL7 v3 Annotated ECG: the first sequence set, whose first sequence is time and whose others are leads."""
    sequences = _first(root, "sequenceSet")
    if sequences is None:
        raise Unsupported("there is no rhythm in it, only what was found in one")
    hertz, leads = 0.0, []
    for sequence in _every(sequences, "sequence"):
        code, value = _first(sequence, "code"), _first(sequence, "value")
        if code is None or value is None:
            continue
        increment, digits = _first(value, "increment"), _first(value, "digits")
        if increment is not None:
            hertz = 1 / (float(increment.attrib["value"]) * _TO_SECONDS[increment.attrib["unit"]])
        elif digits is not None:
            leads.append((_lead(code.get("code", "")), *_scaled(value, digits.text or "")))
        if len(leads) > MAX_LEADS:
            raise Unsupported("it has more leads than a waveform of DICOM holds")
    low = _first(root, "low")
    moment = _MOMENT.match(low.get("value", "")) if low is not None else None
    return recording(leads, hertz, moment[0].ljust(14, "0") if moment else "", {})


def _lead(code: str) -> str:
    found = _LEAD.fullmatch(code)
    return found[1] if found else code


def _scaled(value: ET.Element, digits: str) -> tuple[Lead, float]:
    """Values in steps of the scale, moved by the origin, and what a step is in microvolts (HL7 v3 SLIST)."""
    origin, scale = _first(value, "origin"), _first(value, "scale")
    if scale is None:
        raise ValueError("no scale")
    values = np.array(_numbers(digits), np.int64)
    step = float(scale.attrib["value"])
    moved = 0 if origin is None else round(float(origin.get("value", "0")) / step)
    return values + moved, step * _TO_MICROVOLTS[scale.attrib["unit"].lower()]


def _numbers(digits: str) -> list[int]:
    words = digits.split(None, MAX_SAMPLES)
    if len(words) > MAX_SAMPLES:
        raise Unsupported("it is longer than is taken in one file")
    return [round(float(word)) for word in words]


def _muse(root: ET.Element) -> Recording:
    """GE MUSE: of its waveforms the rhythm, with the values of each lead as base64 of sixteen bits."""
    waveforms = list(_every(root, "Waveform"))
    rhythm = next((one for one in waveforms if _text(one, "WaveformType").lower() == "rhythm"), None)
    if rhythm is None:
        raise Unsupported("there is no rhythm in it, only what was found in one")
    hertz = float(_text(rhythm, "SampleBase")) * 10 ** float(_text(rhythm, "SampleExponent") or 0)
    leads = []
    for lead in _every(rhythm, "LeadData"):
        values = np.frombuffer(base64.b64decode(_text(lead, "WaveFormData")), "<i2").astype(np.int64)
        step = float(_text(lead, "LeadAmplitudeUnitsPerBit"))
        leads.append((_text(lead, "LeadID"), values, step * _TO_MICROVOLTS[_text(lead, "LeadAmplitudeUnits").lower()]))
        if len(leads) > MAX_LEADS or sum(len(one) for _, one, _ in leads) > MAX_SAMPLES:
            raise Unsupported("it is longer than is taken in one file")
    date = _MUSE_DATE.fullmatch(_text(root, "AcquisitionDate"))
    time = _text(root, "AcquisitionTime").replace(":", "").ljust(6, "0")[:6]
    said: Mapping[str, str] = {"make": "GE", "model": _text(root, "AcquisitionDevice")[:64]}
    return recording(leads, hertz, f"{date[3]}{date[1]}{date[2]}{time}" if date else "", said)


def _text(element: ET.Element, name: str) -> str:
    found = _first(element, name)
    return (found.text or "").strip() if found is not None else ""
