"""Electrocardiograms of every kind to plain values. Runs in a sandbox child."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from imagebank.dicom import ecg_scp, ecg_xml
from imagebank.dicom.kind import Kind
from imagebank.errors import BankError

_READERS: Final = {Kind.SCP_ECG: ecg_scp.read, Kind.ECG_XML: ecg_xml.read}


def recording(header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: the values of a recording of `kind`, by time and lead, sixteen bits each; and what they mean."""
    found = _READERS[Kind(header["kind"])](bytes(payload))
    answer = {
        "leads": list(found.leads),
        "hertz": found.hertz,
        "microvolts": found.microvolts,
        "taken_at": found.taken_at,
        "said": dict(found.said),
    }
    return answer, [np.ascontiguousarray(found.samples).tobytes()]


def warm() -> None:
    """Load what a document loads late, such as the coding of its letters."""
    try:
        ecg_xml.read("<?xml version='1.0' encoding='utf-16'?><AnnotatedECG/>".encode("utf-16"))
    except BankError:
        return
