"""Headers of the corpus: as many elements as scanners write, most of them equal in all slices of a series."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.tag import Tag

ELEMENTS: Final = 198
"""Elements of a CT slice at the top level, its pixels among them."""

_SCANNER: Final[dict[str, Any]] = {
    "SpecificCharacterSet": "ISO_IR 100",
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
    "Manufacturer": "Imagebank",
    "InstitutionName": "Hospital of Nobody",
    "InstitutionAddress": "1 Nowhere Street",
    "StationName": "CT01",
    "InstitutionalDepartmentName": "Radiology",
    "ManufacturerModelName": "Corpus 64",
    "DeviceSerialNumber": "000123",
    "SoftwareVersions": ["07MW18.4", "H_P_H4"],
    "ReferringPhysicianName": "Referring^Robin",
    "PerformingPhysicianName": "Performing^Perry",
    "OperatorsName": "Operator^Olga",
    "AdmittingDiagnosesDescription": "",
    "PatientAge": "056Y",
    "PatientWeight": "71.5",
    "AdditionalPatientHistory": "",
    "ContrastBolusAgent": "IV",
    "ScanOptions": "HELICAL MODE",
    "SliceThickness": "0.625",
    "KVP": "120",
    "SpacingBetweenSlices": "0.625",
    "DataCollectionDiameter": "500",
    "ProtocolName": "5.1 CHEST ABDOMEN PELVIS",
    "ContrastBolusRoute": "IV",
    "ReconstructionDiameter": "360",
    "DistanceSourceToDetector": "949.075",
    "DistanceSourceToPatient": "541",
    "GantryDetectorTilt": "0",
    "TableHeight": "162.5",
    "RotationDirection": "CW",
    "ExposureTime": "692",
    "XRayTubeCurrent": "340",
    "Exposure": "11",
    "FilterType": "BODY FILTER",
    "GeneratorPower": "40800",
    "FocalSpots": "1.2",
    "ConvolutionKernel": "STANDARD",
    "PatientPosition": "FFS",
    "RevolutionTime": 0.7,
    "SingleCollimationWidth": 0.625,
    "TotalCollimationWidth": 40.0,
    "TableSpeed": 56.2,
    "TableFeedPerRotation": 39.37,
    "SpiralPitchFactor": 0.984375,
    "AcquisitionNumber": "1",
    "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
    "PositionReferenceIndicator": "XY",
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
    "RescaleType": "HU",
    "WindowCenter": "40",
    "WindowWidth": "400",
    "PerformedProcedureStepStartTime": "101000",
    "PerformedProcedureStepID": "PPS1",
    "PerformedProcedureStepDescription": "CT CHEST ABDOMEN PELVIS WITH CONTRAST",
    "RequestedProcedureID": "RP1",
    "RequestedProcedureDescription": "CT CHEST ABDOMEN PELVIS WITH CONTRAST",
}
_PRIVATE: Final = (0x0009, 0x0019, 0x0021, 0x0023, 0x0027, 0x0043, 0x0045)


def scanner(ds: Dataset, rng: np.random.Generator) -> None:
    """Give a CT slice everything that its scanner says of it, so that with its pixels it has ELEMENTS."""
    for keyword, value in _SCANNER.items():
        setattr(ds, keyword, value)
    ds.ProcedureCodeSequence = [_code("RPID145", "CT Chest Abd Pelvis w", "RADLEX")]
    ds.AnatomicRegionSequence = [_code("416949008", "Abdomen and pelvis", "SCT")]
    ds.RequestAttributesSequence = [_request()]
    for element in _private(ELEMENTS - len(ds) - 1, rng):
        ds.add(element)


def _code(value: str, meaning: str, scheme: str) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodeMeaning, ds.CodingSchemeDesignator = value, meaning, scheme
    return ds


def _request() -> Dataset:
    ds = Dataset()
    ds.RequestedProcedureID, ds.ScheduledProcedureStepID = "RP1", "SPS1"
    ds.ScheduledProcedureStepDescription = "CT CHEST ABDOMEN PELVIS WITH CONTRAST"
    return ds


def _private(count: int, rng: np.random.Generator) -> Iterator[DataElement]:
    """Private elements in blocks, as scanners write them: numbers, texts and a few hundred bytes."""
    of_each = -(-count // len(_PRIVATE))
    for group in _PRIVATE:
        here = min(of_each, count)
        count -= here
        if here:
            yield DataElement(Tag(group, 0x0010), "LO", f"CORPUS_{group:04X}_01")
        for number in range(1, here):
            yield _element(Tag(group, 0x1000 + number), number, rng)


def _element(tag: Any, number: int, rng: np.random.Generator) -> DataElement:
    match number % 6:
        case 0:
            return DataElement(tag, "DS", [f"{one:.4f}" for one in rng.uniform(-500, 500, 3)])
        case 1:
            return DataElement(tag, "SS", int(rng.integers(-1000, 1000)))
        case 2:
            return DataElement(tag, "LO", f"VALUE {int(rng.integers(1_000_000))}")
        case 3:
            return DataElement(tag, "FL", float(np.float32(rng.uniform(-100, 100))))
        case 4:
            return DataElement(tag, "SL", int(rng.integers(-1_000_000, 1_000_000)))
        case _:
            return DataElement(tag, "OB", rng.bytes(64))
