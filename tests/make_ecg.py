"""Electrocardiograms in the files of electrocardiographs, as small as they can be."""

import base64
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

LEADS: Mapping[str, int] = {
    "I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64,
}  # fmt: skip
Samples = NDArray[np.int64]


def a_rhythm(seconds: float = 2, hertz: int = 500, leads: int = 12) -> Samples:
    """Beats with steep and flat parts; a row for each time, a column for each lead."""
    at = np.arange(int(seconds * hertz)) / hertz
    beat = 900 * np.exp(-(((at % 0.8) - 0.3) ** 2) / 0.0004) + 120 * np.sin(2 * np.pi * at)
    return np.rint(np.outer(beat, 1 + np.arange(leads) / 7)).astype(np.int64)


def an_scp(
    samples: Samples,
    *,
    coding: str = "default",
    differences: int = 2,
    hertz: int = 500,
    nanovolts: int = 1000,
    is_bimodal: bool = False,
    beat: Samples | None = None,
    first: int = 1,
) -> bytes:
    """SCP-ECG (EN 1064). `coding` is default, own (a code table in the file) or none; `beat` is taken out at the start."""
    names = list(LEADS.values())[: samples.shape[1]]
    rhythm = samples.copy()
    if beat is not None:
        rhythm[: len(beat)] -= beat
    said = [
        _tag(25, struct.pack("<HBB", 2024, 3, 2)),
        _tag(26, bytes((10, 11, 12))),
        _tag(2, b"4711\0"),
        _tag(255, b""),
    ]
    flags = (beat is not None) | 4 | len(names) << 3
    sections = {1: b"".join(said), 3: bytes((len(names), flags & 0xFF))}
    for name in names:
        sections[3] += struct.pack("<IIB", first, first + len(samples) - 1, name)
    if coding != "none":
        sections[2] = struct.pack("<H", 19999) if coding == "default" else _own_table()
    if beat is not None:
        sections[4] = struct.pack("<HHH", len(beat) * 1000 // hertz, 1, 1) + struct.pack("<HIII", 0, 1, 1, len(beat))
        sections[5] = _values(beat, coding, differences, hertz, nanovolts, 0)
    sections[6] = _values(rhythm, coding, differences, hertz, nanovolts, is_bimodal)
    return _scp(sections)


def _tag(tag: int, value: bytes) -> bytes:
    return struct.pack("<BH", tag, len(value)) + value


def _values(samples: Samples, coding: str, differences: int, hertz: int, nanovolts: int, flag: int) -> bytes:
    columns = [_coded(_differences(column, differences), coding) for column in samples.T]
    head = struct.pack("<HHBB", nanovolts, 1_000_000 // hertz, differences, flag)
    return head + struct.pack(f"<{len(columns)}H", *map(len, columns)) + b"".join(columns)


def _differences(column: Samples, order: int) -> Samples:
    return np.concatenate((column[:order], np.diff(column, order))) if order else column


def _coded(values: Samples, coding: str) -> bytes:
    if coding == "none":
        return values.astype("<i2").tobytes()
    bits = "".join(_own_code(int(one)) if coding == "own" else _default_code(int(one)) for one in values)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def _default_code(value: int) -> str:
    if value == 0:
        return "0"
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + str(int(value < 0))
    size, end = (8, "0") if -128 <= value < 128 else (16, "1")
    return "1" * 9 + end + f"{value & ((1 << size) - 1):0{size}b}"


def _own_table() -> bytes:
    """Two tables: the first knows zero, values of sixteen bits, and the way to the second, which knows one and back."""
    first = [(1, 1, 1, 0, "0"), (2, 18, 1, 0, "10"), (2, 2, 0, 2, "11")]
    second = [(1, 1, 1, 1, "1"), (1, 1, 0, 1, "0")]
    made = struct.pack("<H", 2)
    for table in (first, second):
        made += struct.pack("<H", len(table))
        for prefix, size, is_value, value, code in table:
            made += struct.pack("<BBBhI", prefix, size, is_value, value, int(code[::-1], 2))
    return made


def _own_code(value: int) -> str:
    # The second table says one, and goes back.
    return {0: "0", 1: "1110"}.get(value, "10" + f"{value & 0xFFFF:016b}")


def _scp(sections: Mapping[int, bytes]) -> bytes:
    bodies = {number: bytes(16) + body + bytes(len(body) % 2) for number, body in sections.items()}
    size = 16 + 10 * 12
    at, pointers, rest = 7 + size, b"", b""
    for number in range(12):
        body = bodies.get(number, b"")
        if number == 0:
            pointers += struct.pack("<HII", 0, size, 7)
            continue
        pointers += struct.pack("<HII", number, len(body), at if body else 0)
        at += len(body)
        rest += body
    zero = struct.pack("<HHIBB6s", 0, 0, size, 13, 13, b"SCPECG") + pointers
    return struct.pack("<HI", 0, 6 + len(zero) + len(rest)) + zero + rest


def an_aecg(samples: Samples, *, hertz: int = 500, unit: str = "uV", scale: float = 1.0, origin: float = 0) -> bytes:
    """HL7's annotated ECG, with nothing but the rhythm."""
    sequences = "".join(
        f"<component><sequence><code code='MDC_ECG_LEAD_{name.upper()}' codeSystem='2.16.840.1.113883.6.24'/>"
        f"<value xsi:type='SLIST_PQ'><origin value='{origin}' unit='{unit}'/><scale value='{scale}' unit='{unit}'/>"
        f"<digits>{' '.join(map(str, column))}</digits></value></sequence></component>"
        for name, column in zip(LEADS, samples.T, strict=False)
    )
    return (
        "<?xml version='1.0' encoding='UTF-8'?><AnnotatedECG xmlns='urn:hl7-org:v3' "
        "xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><id root='1.2.3'/>"
        "<effectiveTime><low value='20240302101112.000'/></effectiveTime>"
        "<component><series><component><sequenceSet><component><sequence><code code='TIME_ABSOLUTE'/>"
        f"<value xsi:type='GLIST_TS'><head value='20240302101112'/><increment value='{1 / hertz}' unit='s'/></value>"
        f"</sequence></component>{sequences}</sequenceSet></component></series></component></AnnotatedECG>"
    ).encode()


def a_muse(samples: Samples, *, hertz: int = 500) -> bytes:
    """The XML of GE's MUSE, with a mean beat and the rhythm."""
    leads = "".join(
        f"<LeadData><LeadID>{name}</LeadID><LeadAmplitudeUnitsPerBit>4.88</LeadAmplitudeUnitsPerBit>"
        "<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>"
        f"<WaveFormData>{base64.b64encode(column.astype('<i2').tobytes()).decode()}</WaveFormData></LeadData>"
        for name, column in zip(LEADS, samples.T, strict=False)
    )
    return (
        "<?xml version='1.0' encoding='ISO-8859-1'?><RestingECG><TestDemographics>"
        "<AcquisitionDevice>MAC55</AcquisitionDevice><AcquisitionTime>10:11:12</AcquisitionTime>"
        "<AcquisitionDate>03-02-2024</AcquisitionDate></TestDemographics>"
        "<Waveform><WaveformType>Median</WaveformType></Waveform>"
        f"<Waveform><WaveformType>Rhythm</WaveformType><SampleBase>{hertz}</SampleBase><SampleExponent>0</SampleExponent>"
        f"{leads}</Waveform></RestingECG>"
    ).encode()
