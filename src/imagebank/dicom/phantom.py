"""Synthetic phantoms: images of nobody, for the demonstration, for tests and for measuring.

Everything follows from the arguments: the same call gives the same bytes, so a second deposit is a duplicate.
"""

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, UltrasoundMultiFrameImageStorage

from imagebank.model.uid import Uid

# Air, bone, brain, fluid and a ball in it: of CT 1,024 above their Hounsfield units, of MR as weighted by T1.
_TISSUES = {"CT": (24.0, 1900.0, 1064.0, 1030.0, 1120.0), "MR": (20.0, 1500.0, 900.0, 250.0, 1300.0)}
_STORAGE = {"CT": CTImageStorage, "MR": MRImageStorage, "US": UltrasoundMultiFrameImageStorage}


@dataclass(frozen=True, slots=True)
class Phantom:
    """One study of one invented person. `slices` counts instances, or frames of a US loop; `size` is in pixels."""

    patient_id: str
    patient_name: str
    birth: date
    sex: str
    modality: str
    description: str
    body_part: str
    on: date
    accession: str
    slices: int = 24
    size: int = 256


def study_uid(phantom: Phantom) -> Uid:
    return Uid.derived(phantom.patient_id, phantom.modality, phantom.on, phantom.accession)


def files(phantom: Phantom) -> Iterator[bytes]:
    """The study's instances as DICOM files in Explicit VR Little Endian."""
    if phantom.modality == "US":
        yield _file(_loop(phantom))
        return
    for number in range(1, phantom.slices + 1):
        yield _file(_slice(phantom, number))


def _file(dataset: Dataset) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    with io.BytesIO() as stream:
        dcmwrite(stream, dataset, enforce_file_format=True)
        return stream.getvalue()


def _common(phantom: Phantom, number: int) -> Dataset:
    study = study_uid(phantom)
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = _STORAGE[phantom.modality]
    ds.SOPInstanceUID = Uid.derived(study, "series 1", number)
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = phantom.on
    ds.StudyTime = ds.SeriesTime = "101500"
    ds.ContentTime = f"1015{number % 60:02d}"
    ds.AccessionNumber = phantom.accession
    ds.Modality = phantom.modality
    ds.Manufacturer = "Imagebank"
    ds.ManufacturerModelName = "Phantom"
    ds.ReferringPhysicianName = "Referring^Robin"
    ds.StudyDescription = phantom.description
    ds.SeriesDescription = "Synthetic phantom"
    ds.PatientName = phantom.patient_name
    ds.PatientID = phantom.patient_id
    ds.PatientBirthDate = phantom.birth
    ds.PatientSex = phantom.sex
    ds.BodyPartExamined = phantom.body_part
    ds.StudyInstanceUID = study
    ds.SeriesInstanceUID = Uid.derived(study, "series 1")
    ds.StudyID = phantom.accession
    ds.SeriesNumber = 1
    ds.InstanceNumber = number
    return ds


def _slice(phantom: Phantom, number: int) -> Dataset:
    ds = _common(phantom, number)
    place = (number - 1) / max(phantom.slices - 1, 1)
    ds.PatientPosition = "HFS"
    ds.FrameOfReferenceUID = Uid.derived(ds.StudyInstanceUID, "frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.ImagePositionPatient = [-128.0, -128.0, round(number * 3.0, 1)]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.SliceThickness = "3"
    ds.PixelSpacing = [round(256 / phantom.size, 4)] * 2
    if phantom.modality == "CT":
        ds.KVP, ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "120", "-1024", "1", "HU"
        ds.AcquisitionNumber = 1
        ds.WindowCenter, ds.WindowWidth = "40", "400"
    else:
        ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions, ds.MRAcquisitionType = "SE", "NONE", "", "2D"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = "500", "15", 1
        ds.WindowCenter, ds.WindowWidth = "1000", "2000"
    _grey(ds, _head(phantom, place, number), bits=12)
    return ds


def _loop(phantom: Phantom) -> Dataset:
    ds = _common(phantom, 1)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientOrientation = ""
    frames = np.stack([_heart(phantom.size, i / phantom.slices) for i in range(phantom.slices)])
    ds.NumberOfFrames = phantom.slices
    ds.FrameTime = "40"
    ds.FrameIncrementPointer = 0x00181063
    ds.LossyImageCompression = "00"
    _grey(ds, frames, bits=8)
    return ds


def _grey(ds: Dataset, pixels: np.ndarray, bits: int) -> None:
    kind = np.uint8 if bits == 8 else np.uint16
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.BitsAllocated = 8 if bits == 8 else 16
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation = bits, bits - 1, 0
    ds.PixelData = pixels.astype(kind).tobytes()
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-1, 1, size)
    y, x = np.meshgrid(axis, axis, indexing="ij")
    return x, y


def _chance(text: str, number: int = 0) -> np.random.Generator:
    """The same numbers for the same person, study or slice each time."""
    return np.random.default_rng([zlib.crc32(text.encode()), number])


def _head(phantom: Phantom, place: float, number: int) -> np.ndarray:
    """An ellipsoid skull with ventricles and one ball, cut at `place` (0 to 1) of its height.

    Everybody has a skull and a ball of their own, and lies a little differently each time: no two exams hold the same
    picture.
    """
    study = study_uid(phantom)
    wide, long, aside = _chance(phantom.patient_id).uniform(0.84, 1.0, 3)
    tilt, dx, dy, dz = _chance(study).uniform(-0.08, 0.08, 4)
    gx, gy = _grid(phantom.size)
    x = (gx * np.cos(tilt) - gy * np.sin(tilt) + dx) / wide
    y = (gx * np.sin(tilt) + gy * np.cos(tilt) + dy) / long
    z = 1.6 * place - 0.8 + dz / 2
    air, bone, brain, fluid, ball = _TISSUES[phantom.modality]
    image = np.full(x.shape, air)
    image[x**2 / 0.62 + y**2 / 0.85 + z**2 < 1] = bone
    image[x**2 / 0.53 + y**2 / 0.74 + z**2 / 0.94 < 1] = brain
    for side in (-1, 1):
        image[((x - side * 0.18) ** 2) / 0.015 + (y - 0.05) ** 2 / 0.09 + z**2 / 0.2 < 1] = fluid
    image[(x - 0.35 * aside) ** 2 + (y + 0.3) ** 2 + (z - 0.2) ** 2 < 0.02] = ball
    noise = _chance(study, number).normal(0, 9, image.shape)
    return np.clip(image + noise, 0, 4095)


def _heart(size: int, phase: float) -> np.ndarray:
    """A sector with a chamber that opens and closes once a loop."""
    x, y = _grid(size)
    depth, angle = np.hypot(x, y + 1), np.arctan2(x, y + 1)
    chamber = 0.3 + 0.12 * np.sin(2 * np.pi * phase)
    speckle = np.random.default_rng(7).uniform(40, 150, x.shape)
    image = np.where((x / chamber) ** 2 + ((y - 0.1) / (1.4 * chamber)) ** 2 < 1, 12, speckle)
    return np.where((np.abs(angle) < 0.7) & (depth < 1.9), image, 0)
