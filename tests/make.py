"""Builders: small DICOM files in memory, one line each."""

import io
from datetime import date
from itertools import count
from typing import Any

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmread, dcmwrite
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from imagebank.dicom import phantom
from imagebank.dicom.phantom import Phantom

_numbers = count(1)


def a_dataset(*, rows: int = 8, columns: int = 8, **attributes: Any) -> Dataset:
    """A small CT image; any attribute may be given by its keyword, None takes it out."""
    number = next(_numbers)
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID = generate_uid()
    ds.SeriesInstanceUID = generate_uid()
    ds.PatientName = "Doe^Jane"
    ds.PatientID = "P1"
    ds.PatientBirthDate = "19700101"
    ds.PatientSex = "F"
    ds.StudyDate = "20260102"
    ds.StudyTime = "101500"
    ds.StudyID = "S1"
    ds.AccessionNumber = "A1"
    ds.ReferringPhysicianName = ""
    ds.StudyDescription = "CT head"
    ds.Modality = "CT"
    ds.SeriesNumber = 1
    ds.InstanceNumber = number
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = rows, columns
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = ((np.arange(rows * columns, dtype=np.uint32) + number) % 4096).astype("<u2").tobytes()
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def as_file(ds: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """A data set as a DICOM file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ds.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    meta.TransferSyntaxUID = UID(transfer_syntax)
    ds.file_meta = meta
    with io.BytesIO() as stream:
        dcmwrite(stream, ds, enforce_file_format=True)
        return stream.getvalue()


def a_file(**attributes: Any) -> bytes:
    """A small CT image as a DICOM file."""
    return as_file(a_dataset(**attributes))


def a_series(count: int = 3, **attributes: Any) -> list[bytes]:
    """CT images of one series."""
    shared = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()} | attributes
    return [a_file(**({"InstanceNumber": number} | shared)) for number in range(1, count + 1)]


def a_phantom(modality: str = "CT", **changes: Any) -> Phantom:
    """A synthetic study; `imagebank.dicom.phantom.files` makes its files."""
    given: dict[str, Any] = {
        "patient_id": "PH1",
        "patient_name": "Phantom^Phil",
        "birth": date(1970, 1, 1),
        "sex": "O",
        "modality": modality,
        "description": f"{modality} head",
        "body_part": "HEAD",
        "on": date(2026, 1, 2),
        "accession": "A1",
        "slices": 4,
        "size": 64,
    }
    return Phantom(**(given | changes))


def phantom_files(modality: str = "CT", **changes: Any) -> list[bytes]:
    return list(phantom.files(a_phantom(modality, **changes)))


def read(file: bytes) -> Dataset:
    """A DICOM file as pydicom reads it."""
    return dcmread(io.BytesIO(file), force=True)
