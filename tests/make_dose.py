"""Builders: radiation dose reports as devices write them (PS3.16 TID 10001, 10011 and 10021), small and in memory."""

from typing import Any

from pydicom import Dataset
from pydicom.uid import generate_uid

from make import a_dataset

CT, XRAY, TRACER = "113701", "113701", "113500"
X_RAY_DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.67"
TRACER_DOSE_SR = "1.2.840.10008.5.1.4.1.1.88.68"


def a_code(value: str, meaning: str, scheme: str = "DCM") -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def an_item(kind: str, value: str, meaning: str, *below: Dataset) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = "CONTAINS", kind
    item.ConceptNameCodeSequence = [a_code(value, meaning)]
    if below:
        item.ContentSequence = list(below)
    return item


def a_number(value: str, meaning: str, number: object, unit: str, *below: Dataset) -> Dataset:
    item = an_item("NUM", value, meaning, *below)
    measured = Dataset()
    measured.NumericValue = number
    measured.MeasurementUnitsCodeSequence = [a_code(unit, unit, "UCUM")]
    item.MeasuredValueSequence = [measured]
    return item


def a_concept(value: str, name: str, code: str, meaning: str, scheme: str = "SCT") -> Dataset:
    item = an_item("CODE", value, name)
    item.ConceptCodeSequence = [a_code(code, meaning, scheme)]
    return item


def an_event(uid: str) -> Dataset:
    item = an_item("UIDREF", "113769", "Irradiation Event UID")
    item.UID = uid
    return item


def a_report(*content: Dataset, title: str = CT, **attributes: Any) -> Dataset:
    """A dose report with this content."""
    ds = a_dataset(**{"Modality": "SR", "StudyDescription": "CT chest", **attributes})
    for keyword in ("SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored"):
        delattr(ds, keyword)
    del ds.HighBit, ds.PixelRepresentation, ds.PixelData
    ds.SOPClassUID = TRACER_DOSE_SR if title == TRACER else X_RAY_DOSE_SR
    ds.ValueType = "CONTAINER"
    ds.ConceptNameCodeSequence = [a_code(title, "Radiation Dose Report")]
    ds.ContentSequence = list(content)
    return ds


def a_ct_report(dlp: object, *events: str, ctdi: object = 8, **attributes: Any) -> Dataset:
    """What a CT says: the dose length product in all (mGy·cm), and one acquisition an event."""
    total = an_item("CONTAINER", "113811", "CT Accumulated Dose Data", a_number("113813", "DLP Total", dlp, "mGy.cm"))
    acquisitions = [
        an_item(
            "CONTAINER",
            "113819",
            "CT Acquisition",
            an_event(event),
            an_item("CONTAINER", "113829", "CT Dose", a_number("113830", "Mean CTDIvol", ctdi, "mGy")),
        )
        for event in events
    ]
    return a_report(total, *acquisitions, **attributes)


def an_xray_report(*planes: tuple[object, object], **attributes: Any) -> Dataset:
    """What an X-ray device says: dose area product (Gy·m²) and reference point dose (Gy) of each plane."""
    content = [
        an_item(
            "CONTAINER",
            "113702",
            "Accumulated X-Ray Dose Data",
            a_number("113722", "Dose Area Product Total", area, "Gy.m2"),
            a_number("113725", "Dose (RP) Total", kerma, "Gy"),
        )
        for area, kerma in planes
    ]
    return a_report(*content, an_event(generate_uid()), **attributes)
