"""Electrocardiograms in the files of electrocardiographs become waveforms, with every value and its scale."""

import io
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from checked import errors_of
from imagebank.dicom.kind import HEAD, kind_of
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.wrap import wrap
from imagebank.errors import Invalid
from imagebank.model.person import PatientId
from imagebank.model.upload import About, Department
from make_ecg import LEADS, a_muse, a_rhythm, an_aecg, an_scp

NOW = datetime(2026, 11, 5, 8, 30, tzinfo=UTC)
ANA = About(PatientId("", "4711"), "Diaz^Ana", date(1980, 2, 3), "F", Department.CARDIOLOGY, description="Rest")
RHYTHM = a_rhythm()
BEAT = a_rhythm(0.5) // 3


def made(sandbox: Sandbox, data: bytes) -> tuple[pydicom.Dataset, bytes]:
    file = wrap(sandbox, data, kind_of(data[:HEAD]), ANA, NOW).file
    return pydicom.dcmread(io.BytesIO(file)), file


def names(instance: pydicom.Dataset) -> list[str]:
    channels = instance.WaveformSequence[0].ChannelDefinitionSequence
    return [one.ChannelSourceSequence[0].CodeMeaning.removeprefix("Lead ") for one in channels]


def microvolts(instance: pydicom.Dataset) -> Any:
    """What was recorded, in the order of the leads of `make_ecg`."""
    group = instance.WaveformSequence[0]
    values = np.frombuffer(group.WaveformData, "<i2").reshape(-1, group.NumberOfWaveformChannels)
    columns = [names(instance).index(name) for name in LEADS if name in names(instance)]
    return values[:, columns] * float(group.ChannelDefinitionSequence[0].ChannelSensitivity)


FILES: dict[str, Callable[[], bytes]] = {
    "coded as most are": lambda: an_scp(RHYTHM),
    "by first differences": lambda: an_scp(RHYTHM, differences=1),
    "by values": lambda: an_scp(RHYTHM, differences=0),
    "with a table of its own": lambda: an_scp(RHYTHM, coding="own"),
    "not coded": lambda: an_scp(RHYTHM, coding="none", differences=0),
    "without its mean beat": lambda: an_scp(RHYTHM, beat=BEAT),
    "aECG": lambda: an_aecg(RHYTHM),
    "aECG in millivolts": lambda: an_aecg(RHYTHM - 5, unit="mV", scale=0.001, origin=0.005),
}


@pytest.mark.parametrize("name", FILES)
def test_every_value_of_every_lead_is_in_the_waveform(sandbox: Sandbox, name: str, tmp_path: Path) -> None:
    instance, file = made(sandbox, FILES[name]())
    (tmp_path / "one.dcm").write_bytes(file)

    assert np.allclose(microvolts(instance), RHYTHM)
    assert names(instance) == ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
    assert (instance.StudyDate, instance.StudyTime, instance.PatientID) == ("20240302", "101112", "4711")
    assert instance.SOPClassUID == "1.2.840.10008.5.1.4.1.1.9.1.1"
    assert errors_of(tmp_path / "one.dcm") == []


def test_that_of_muse_says_what_recorded_it(sandbox: Sandbox, tmp_path: Path) -> None:
    instance, file = made(sandbox, a_muse(RHYTHM[:, :8]))
    (tmp_path / "one.dcm").write_bytes(file)

    assert np.allclose(microvolts(instance), RHYTHM[:, :8] * 4.88)
    assert (instance.Manufacturer, instance.ManufacturerModelName) == ("GE", "MAC55")
    assert errors_of(tmp_path / "one.dcm") == []


@pytest.mark.parametrize(("seconds", "hertz", "ending"), [(40, 500, "9.1.2"), (20, 125, "9.1.3")])
def test_a_long_or_a_slow_one_is_another_object(
    sandbox: Sandbox, seconds: int, hertz: int, ending: str, tmp_path: Path
) -> None:
    instance, file = made(sandbox, an_aecg(a_rhythm(seconds, hertz), hertz=hertz))
    (tmp_path / "one.dcm").write_bytes(file)

    assert instance.SOPClassUID.endswith(ending)
    assert errors_of(tmp_path / "one.dcm") == []


PHILIPS = b"<?xml version='1.0'?><restingecgdata xmlns='http://www3.medical.philips.com'><x/></restingecgdata>"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (PHILIPS, "maker's own XML"),
        (an_scp(RHYTHM, is_bimodal=True), "with loss"),
        (an_scp(RHYTHM, coding="none", differences=0, hertz=2000), "2000 times a second"),
        (b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + an_aecg(RHYTHM).partition(b"?>")[2], "declares words"),
        (b"<AnnotatedECG xmlns='urn:hl7-org:v3'/>", "no rhythm"),
        (b"<RestingECG><Waveform/></RestingECG>", "no rhythm"),
    ],
)
def test_one_that_is_not_read_is_a_page_that_says_so(sandbox: Sandbox, data: bytes, why: str, tmp_path: Path) -> None:
    instance, file = made(sandbox, data)
    (tmp_path / "one.dcm").write_bytes(file)
    page = instance.EncapsulatedDocument[: instance.EncapsulatedDocumentLength]

    assert why in page.decode().replace(") Tj T*\n(", "")
    assert instance.DerivationDescription.startswith("stands for a file of the kind application/x-")
    assert errors_of(tmp_path / "one.dcm") == []


@pytest.mark.parametrize(
    "data",
    [
        an_scp(RHYTHM)[:-400],
        an_scp(RHYTHM)[:60],
        an_aecg(RHYTHM)[:-400],
        an_aecg(RHYTHM).replace(b"unit='uV'", b"unit='furlong'"),
        an_aecg(RHYTHM).replace(b"LEAD_II'", b"LEAD_I'"),
        a_muse(RHYTHM).replace(b"4.88", b"many"),
    ],
)
def test_a_broken_one_is_refused(sandbox: Sandbox, data: bytes) -> None:
    with pytest.raises(Invalid):
        made(sandbox, data)
